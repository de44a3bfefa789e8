/**
 * What a hostile prober of IKEv1 says: first messages of main mode that ask for groups 1 and 2, third messages with good
 * public values so that each costs a key exchange, all of them again, also from elsewhere, and messages in a wrong order.
 * Sans-IO; flooder.ts has the sockets.
 */
import type { RandomSource } from "#core/ports";
import { KeMethod } from "#crypto/key-exchange";
import { decodeHeader, IKE_HEADER_LENGTH, type IkeHeader } from "#wire/ike/header";
import { attribute } from "#wire/ike/v1/attributes";
import { encodeMessage, type Payload } from "#wire/ike/v1/chain";
import {
  Exchange,
  IsakmpAttribute,
  IsakmpEncryption,
  IsakmpFlag,
  IsakmpHash,
  IsakmpMethod,
  KEY_IKE,
  PayloadType,
  Protocol,
} from "#wire/ike/v1/numbers";
import type { SaPayload } from "#wire/ike/v1/sa";

/** Key exchange methods that are asked for. */
export type Group = typeof KeMethod.MODP_768 | typeof KeMethod.MODP_1024;

const NOTHING = new Uint8Array(0);
const COOKIE_LENGTH = 8;
const NONCE_LENGTH = 32;
/** Octets of a vendor ID, so that no answer is refused for its length. */
const FILLING = 96;
/** Conversations that are remembered, and datagrams that may be said again. */
const MEMORY = 256;

type Cookies = Pick<IkeHeader, "initiatorSpi" | "responderSpi">;

interface Conversation extends Cookies {
  readonly source: number;
  readonly group: Group;
}

/** `source`: an index. */
export interface Shot {
  readonly octets: Uint8Array;
  readonly source: number;
}

/** `elsewhere`: again from another address. `crossed`: with a cookie of another's. `early`, `late`: a fifth message. */
export type Kind = "first" | "third" | "repeat" | "elsewhere" | "crossed" | "early" | "late";

export interface OpeningsWorld {
  readonly random: RandomSource;
  /** Good public values, by group. */
  readonly values: Readonly<Record<Group, readonly Uint8Array[]>>;
  readonly sources: number;
}

export class Openings {
  readonly #world: OpeningsWorld;
  /** First messages by the initiator's cookie, the oldest first. */
  readonly #asked = new Map<bigint, Conversation>();
  /** Their answers came: a third message is to follow. */
  readonly #answered: Conversation[] = [];
  /** Public values were exchanged. */
  readonly #exchanged: Conversation[] = [];
  readonly #said: Shot[] = [];
  readonly shots: Record<Kind, number> = { first: 0, third: 0, repeat: 0, elsewhere: 0, crossed: 0, early: 0, late: 0 };
  /** Answers with a public value: key exchanges that were done for us. */
  exchanges = 0;

  constructor(world: OpeningsWorld) {
    this.#world = world;
  }

  next(): Shot {
    const [kind, shot] = this.#draw();
    this.shots[kind]++;
    keep(this.#said, shot);
    return shot;
  }

  heard(octets: Uint8Array): void {
    if (octets.length < IKE_HEADER_LENGTH) return;
    const { initiatorSpi, responderSpi, exchangeType, nextPayload } = decodeHeader(octets);
    const conversation = this.#asked.get(initiatorSpi);
    if (conversation === undefined || exchangeType !== Exchange.MAIN_MODE) return;
    if (nextPayload === PayloadType.SA && conversation.responderSpi === 0n) {
      const answered = { ...conversation, responderSpi };
      this.#asked.set(initiatorSpi, answered);
      keep(this.#answered, answered);
    }
    if (nextPayload !== PayloadType.KE) return;
    this.exchanges++;
    keep(this.#exchanged, conversation);
  }

  #draw(): readonly [Kind, Shot] {
    switch (this.#below(10)) {
      case 0:
        return this.#again();
      case 1:
        return this.#outOfOrder();
      default:
        break;
    }
    const conversation = this.#answered.shift();
    return conversation === undefined ? ["first", this.#first()] : ["third", this.#third(conversation)];
  }

  #first(): Shot {
    const initiatorSpi = this.#cookie();
    const group = this.#below(2) === 0 ? KeMethod.MODP_768 : KeMethod.MODP_1024;
    const conversation = { initiatorSpi, responderSpi: 0n, source: this.#below(this.#world.sources), group };
    this.#asked.set(initiatorSpi, conversation);
    for (const oldest of this.#asked.keys()) {
      if (this.#asked.size <= MEMORY) break;
      this.#asked.delete(oldest);
    }
    return shot(conversation, 0, [offer(group), { kind: "VID", data: this.#noise(FILLING) }]);
  }

  #third(conversation: Conversation): Shot {
    const values = this.#world.values[conversation.group];
    const data = values[this.#below(values.length)] ?? NOTHING;
    return shot(conversation, 0, [
      { kind: "KE", data },
      { kind: "NONCE", data: this.#noise(NONCE_LENGTH) },
    ]);
  }

  /** The same octets once more, now and then from another address. */
  #again(): readonly [Kind, Shot] {
    const said = this.#said[this.#below(this.#said.length)];
    if (said === undefined) return ["first", this.#first()];
    const { sources } = this.#world;
    return this.#below(2) === 0 || sources === 1
      ? ["repeat", said]
      : ["elsewhere", { ...said, source: (said.source + 1) % sources }];
  }

  #outOfOrder(): readonly [Kind, Shot] {
    const [one, other] = [this.#any([...this.#asked.values()]), this.#any(this.#exchanged)];
    if (one === undefined) return ["first", this.#first()];
    const cookie = this.#below(2) === 0 || other === undefined ? this.#cookie() : other.responderSpi;
    switch (this.#below(3)) {
      // A third message with the cookie of another conversation, or of none.
      case 0:
        return ["crossed", this.#third({ ...one, responderSpi: cookie })];
      // A fifth before the third; its cookie may be one that nobody gave.
      case 1:
        return ["early", this.#fifth(one.responderSpi === 0n ? { ...one, responderSpi: cookie } : one)];
      default:
        return other === undefined ? ["first", this.#first()] : ["late", this.#fifth(other)];
    }
  }

  /** Enciphered with keys that nobody has. */
  #fifth(conversation: Conversation): Shot {
    const blocks = 16 * (1 + this.#below(6));
    return shot(conversation, IsakmpFlag.ENCRYPTION, [
      { kind: "Unknown", type: PayloadType.ID, data: this.#noise(blocks - 4) },
    ]);
  }

  #any<T>(list: readonly T[]): T | undefined {
    return list[this.#below(list.length)];
  }

  #cookie(): bigint {
    return new DataView(this.#noise(COOKIE_LENGTH).buffer).getBigUint64(0) | 1n;
  }

  #noise(length: number): Uint8Array {
    const octets = new Uint8Array(length);
    this.#world.random.fill(octets);
    return octets;
  }

  #below(limit: number): number {
    return new DataView(this.#noise(4).buffer).getUint32(0) % Math.max(1, limit);
  }
}

function shot({ source, initiatorSpi, responderSpi }: Conversation, flags: number, payloads: readonly Payload[]): Shot {
  const fixed = { majorVersion: 1, minorVersion: 0, messageId: 0, exchangeType: Exchange.MAIN_MODE };
  return { octets: encodeMessage({ initiatorSpi, responderSpi, ...fixed, flags }, payloads), source };
}

/** aes128-sha1 with a pre-shared key and one group. */
function offer(group: Group): SaPayload {
  const rows: readonly (readonly [number, number])[] = [
    [IsakmpAttribute.ENCRYPTION_ALGORITHM, IsakmpEncryption.AES_CBC],
    [IsakmpAttribute.KEY_LENGTH, 128],
    [IsakmpAttribute.HASH_ALGORITHM, IsakmpHash.SHA],
    [IsakmpAttribute.AUTHENTICATION_METHOD, IsakmpMethod.PRE_SHARED_KEY],
    [IsakmpAttribute.GROUP_DESCRIPTION, group],
  ];
  const transform = { number: 1, id: KEY_IKE, attributes: rows.map(([type, value]) => attribute(type, value)) };
  return { kind: "SA", proposals: [{ number: 1, protocol: Protocol.ISAKMP, spi: NOTHING, transforms: [transform] }] };
}

function keep<T>(list: T[], item: T): void {
  list.push(item);
  if (list.length > MEMORY) list.shift();
}
