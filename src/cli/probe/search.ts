/** Which transforms a peer takes, by offering them all, and all but those it took, until it takes none. */
import type { Endpoint } from "#core/address";
import { ProtocolId, type Transform, TransformType } from "#core/proposal";
import { millis, octets } from "#core/units";
import type { Unreachable } from "#core/unreachable";
import { generateKey, portableKeyExchange } from "#crypto/key-agreement";
import type { NatFindings } from "#ike/nat-detection";
import {
  buildInitProbe,
  buildMainModeProbe,
  type InitProbe,
  type ReadAnswer,
  readInitAnswer,
  readMainModeAnswer,
} from "#ike/probe";
import { suiteToString } from "#ike/transform-names";
import { phase1Offer } from "#ike/v1/phase1-offers";
import { systemRandom } from "#io/system-random";
import { IsakmpMethod } from "#wire/ike/v1/numbers";
import type { SaPayload } from "#wire/ike/v1/sa";
import type { Ask, Reply } from "./talk.ts";

/** Messages to one peer, both versions together. */
export const PROBES = 24;
/** Of them, those of IKEv1. */
const PROBES_1 = 8;
const COOKIES = 3;

const of = (type: number, ...list: readonly (readonly [id: number, keyBits?: number])[]): Transform[] =>
  list.map(([id, keyBits = 0]) => ({ type, id, keyBits }));

const AEAD = of(TransformType.ENCR, [20, 256], [20, 128], [28]);
const CIPHERS = of(TransformType.ENCR, [12, 256], [12, 128], [3]);
const INTEGRITIES = of(TransformType.INTEG, [12], [13], [14], [2]);
const PRFS = of(TransformType.PRF, [5], [6], [7], [2]);
const METHODS = of(TransformType.KE, [31], [19], [20], [21], [14], [15], [16], [2]);

export interface Found {
  readonly version: 1 | 2;
  /** undefined: nothing answered. */
  readonly reached: "answered" | Unreachable | "silent";
  readonly probes: number;
  /** Whole suites that it took, its first choice first. */
  readonly suites: readonly string[];
  /** Kind → names. */
  readonly transforms: Readonly<Record<string, readonly string[]>>;
  /** It refused with this. */
  readonly refusal: string | undefined;
  readonly nat: NatFindings | undefined;
  readonly vendors: readonly string[];
  /** The bound ended the search: there may be more. */
  readonly bounded: boolean;
}

interface Ends {
  readonly local: Endpoint;
  readonly remote: Endpoint;
}

function drawSpi(): bigint {
  const drawn = new Uint8Array(8);
  systemRandom.fill(drawn);
  return new DataView(drawn.buffer).getBigUint64(0) | 1n;
}

function nonce(): Uint8Array {
  const drawn = new Uint8Array(32);
  systemRandom.fill(drawn);
  return drawn;
}

/** `length`: of the first message (path MTU), 0 = as it comes. */
export function initProbe(
  ends: Ends,
  proposals: InitProbe["proposals"],
  keMethod: number,
  length = 0,
  cookie?: Uint8Array,
): InitProbe {
  const { publicKey } = generateKey(keMethod, systemRandom, portableKeyExchange);
  return { ...ends, initiatorSpi: drawSpi(), proposals, keMethod, publicKey, nonce: nonce(), cookie, length };
}

/** An offer that nobody takes: an answer to it keeps no state. Encryption of IANA's private range. */
export const UNTAKEN: InitProbe["proposals"] = [
  [{ type: TransformType.ENCR, id: 65_535, keyBits: 0 }, ...PRFS.slice(0, 1), ...METHODS.slice(0, 1)],
];

class Search2 {
  readonly #ask: Ask;
  readonly #ends: Ends;
  readonly #limit: number;
  probes = 0;
  reached: Found["reached"] = "silent";
  refusal: string | undefined;
  nat: NatFindings | undefined;
  readonly suites: string[] = [];
  readonly taken = new Map<number, Transform[]>();
  readonly vendors = new Set<string>();
  bounded = false;

  constructor(ask: Ask, ends: Ends, limit: number) {
    this.#ask = ask;
    this.#ends = ends;
    this.#limit = limit;
  }

  /** Undefined: nothing answers, or there are no probes left. */
  async offer(proposals: InitProbe["proposals"], keMethod: number): Promise<ReadAnswer | undefined> {
    let cookie: Uint8Array | undefined;
    for (let i = 0; i < COOKIES; i++) {
      if (this.probes >= this.#limit) {
        this.bounded = true;
        return undefined;
      }
      this.probes++;
      const probe = { ...initProbe(this.#ends, proposals, keMethod), ...(cookie === undefined ? {} : { cookie }) };
      const reply: Reply<ReadAnswer> = await this.#ask(buildInitProbe(probe), (octets) =>
        readInitAnswer(octets, probe),
      );
      if (reply.kind !== "answer") {
        if (this.reached !== "answered") this.reached = reply.kind;
        return undefined;
      }
      this.reached = "answered";
      for (const vendor of reply.answer.vendors) this.vendors.add(vendor);
      if (reply.answer.kind !== "cookie") return this.#note(reply.answer);
      cookie = reply.answer.data;
    }
    return undefined;
  }

  #note(answer: ReadAnswer): ReadAnswer {
    if (answer.kind === "refused") this.refusal ??= answer.notify;
    if (answer.kind === "other-key-exchange") this.#take({ type: TransformType.KE, id: answer.method, keyBits: 0 });
    if (answer.kind === "taken") {
      this.nat = answer.nat;
      this.suites.push(suiteToString(answer.transforms));
      for (const transform of answer.transforms) this.#take(transform);
    }
    return answer;
  }

  #take(transform: Transform): void {
    const known = this.taken.get(transform.type) ?? [];
    if (known.some(({ id, keyBits }) => id === transform.id && keyBits === transform.keyBits)) return;
    this.taken.set(transform.type, [...known, transform]);
  }

  /** What of `all` it has not taken yet. */
  left(all: readonly Transform[], type: number): Transform[] {
    const known = this.taken.get(type) ?? [];
    return all.filter((one) => !known.some(({ id, keyBits }) => id === one.id && keyBits === one.keyBits));
  }
}

interface Kinds {
  readonly aead: readonly Transform[];
  readonly ciphers: readonly Transform[];
  readonly integrities: readonly Transform[];
  readonly prfs: readonly Transform[];
  readonly methods: readonly Transform[];
}

function proposalsOf({ aead, ciphers, integrities, prfs, methods }: Kinds): InitProbe["proposals"] {
  if (prfs.length === 0 || methods.length === 0) return [];
  return [
    ...(aead.length === 0 ? [] : [[...aead, ...prfs, ...methods]]),
    ...(ciphers.length === 0 || integrities.length === 0 ? [] : [[...ciphers, ...integrities, ...prfs, ...methods]]),
  ];
}

export async function searchVersion2(ask: Ask, ends: Ends, limit: number): Promise<Found> {
  const search = new Search2(ask, ends, limit);
  const all: Kinds = { aead: AEAD, ciphers: CIPHERS, integrities: INTEGRITIES, prfs: PRFS, methods: METHODS };
  // Key exchanges first: each answer names one, taken or wanted.
  for (let left = METHODS; left.length > 0; left = search.left(METHODS, TransformType.KE)) {
    const before = left.length;
    const answer = await search.offer(proposalsOf({ ...all, methods: left }), left[0]?.id ?? 0);
    if (answer === undefined || answer.kind === "refused") break;
    if (search.left(METHODS, TransformType.KE).length === before) break;
  }
  const [method] = search.taken.get(TransformType.KE) ?? [];
  if (method !== undefined) {
    const one = { ...all, methods: [method] };
    const kinds: readonly (readonly [type: number, left: () => Kinds])[] = [
      [
        TransformType.ENCR,
        () => ({
          ...one,
          aead: search.left(AEAD, TransformType.ENCR),
          ciphers: search.left(CIPHERS, TransformType.ENCR),
        }),
      ],
      [TransformType.PRF, () => ({ ...one, prfs: search.left(PRFS, TransformType.PRF) })],
      [TransformType.INTEG, () => ({ ...one, aead: [], integrities: search.left(INTEGRITIES, TransformType.INTEG) })],
    ];
    for (const [, left] of kinds)
      for (;;) {
        const proposals = proposalsOf(left());
        if (proposals.length === 0) break;
        const answer = await search.offer(proposals, method.id);
        if (answer?.kind !== "taken") break;
      }
  }
  const names = (type: number) =>
    (search.taken.get(type) ?? []).filter(({ id }) => id !== 0).map((t) => suiteToString([t]));
  return {
    version: 2,
    reached: search.reached,
    probes: search.probes,
    suites: [...new Set(search.suites)],
    transforms: {
      encryption: names(TransformType.ENCR),
      integrity: names(TransformType.INTEG),
      PRF: names(TransformType.PRF),
      "key exchange": names(TransformType.KE),
    },
    refusal: search.suites.length > 0 || search.taken.size > 0 ? undefined : search.refusal,
    nat: search.nat,
    vendors: [...search.vendors],
    bounded: search.bounded,
  };
}

/** What is usual, with a pre-shared key and with signatures: IKEv1's offers are whole suites. */
const SUITES_1: readonly Transform[][] = [14, 19, 20, 2].flatMap((group) =>
  CIPHERS.flatMap((cipher) =>
    [12, 2].map((hash) => [
      cipher,
      { type: TransformType.INTEG, id: hash, keyBits: 0 },
      { type: TransformType.KE, id: group, keyBits: 0 },
    ]),
  ),
);

export async function searchVersion1(ask: Ask, limit: number): Promise<Found> {
  const suites: string[] = [];
  const vendors = new Set<string>();
  let left = SUITES_1;
  let probes = 0;
  let reached: Found["reached"] = "silent";
  let refusal: string | undefined;
  while (left.length > 0 && probes < Math.min(limit, PROBES_1)) {
    const offer = offerOf(left);
    if (offer === undefined) break;
    probes++;
    const spi = drawSpi();
    const reply = await ask(buildMainModeProbe(spi, offer), (came) => readMainModeAnswer(came, spi));
    if (reply.kind !== "answer") {
      if (reached !== "answered") reached = reply.kind;
      break;
    }
    reached = "answered";
    for (const vendor of reply.answer.vendors) vendors.add(vendor);
    if (reply.answer.kind === "refused") {
      refusal ??= reply.answer.notify;
      break;
    }
    // It answers with one of our transforms as it was (RFC 2408 §4.2).
    const [chosen] = reply.answer.sa.proposals[0]?.transforms ?? [];
    const index = left.findIndex((one) => sameTransform(offerOf([one]), chosen));
    const found = left[index];
    if (found === undefined) break;
    suites.push(suiteToString(found));
    left = left.filter((_, i) => i !== index);
  }
  const none = { nat: undefined, transforms: {}, bounded: probes >= Math.min(limit, PROBES_1) };
  return {
    ...none,
    version: 1,
    reached,
    probes,
    suites,
    refusal: suites.length > 0 ? undefined : refusal,
    vendors: [...vendors],
  };
}

function offerOf(suites: readonly Transform[][]): SaPayload | undefined {
  const proposals = suites.map((transforms) => ({ protocol: ProtocolId.IKE, transforms }));
  const methods = [IsakmpMethod.PRE_SHARED_KEY];
  const lifetime = { time: millis(8 * 3_600_000), octets: octets(Number.POSITIVE_INFINITY) };
  return phase1Offer([{ proposals, methods, lifetime }]);
}

type Transform1 = SaPayload["proposals"][number]["transforms"][number];

/** By their attributes: numbers differ from offer to offer. */
function sameTransform(offer: SaPayload | undefined, chosen: Transform1 | undefined): boolean {
  const own = offer?.proposals[0]?.transforms[0];
  if (own === undefined || chosen === undefined) return false;
  const text = ({ attributes }: Transform1) => attributes.map((one) => JSON.stringify(Object.values(one))).sort();
  return text(own).join() === text(chosen).join();
}
