/**
 * First messages of strangers: what they may cost, and what is kept of them. Answers are not longer than the question; a
 * flood pushes out what is oldest and has shown nothing, so that honest peers get through.
 */
import { addressToString, type IpAddress } from "#core/address";
import type { Connection } from "#core/connection";
import { type Millis, millis } from "#core/units";
import type { HalfOpen, HalfOpenLimits } from "#ike/half-open";
import { report, type Way } from "#ike/host";
import { connectionsFor, isListed } from "#ike/pad";
import { IKE_HEADER_LENGTH, type IkeHeader } from "#wire/ike/header";
import { type DecodedPayload, decodeChain, encodeChain } from "#wire/ike/v1/chain";
import { Exchange, IsakmpFlag, NotifyType, notifyName } from "#wire/ike/v1/numbers";
import { shape } from "#wire/ike/v1/shape";
import * as aggressiveMode from "./aggressive-mode.ts";
import { encodeAlternatives } from "./alternatives.ts";
import type { EngineHost } from "./engine-host.ts";
import { IsakmpSa, type Terms } from "./isakmp-sa.ts";
import * as mainMode from "./main-mode.ts";
import { PeerLine } from "./peer-line.ts";
import { choosePhase1, type OfferRefused, phase1Offer } from "./phase1-offers.ts";
import { sendDatagrams, suiteOf, takeAbilities } from "./phase1-send.ts";
import { Strangers } from "./strangers.ts";
import { commonVendorIds } from "./vendor-ids.ts";

const FIRST = { SA: "one", VID: "many" } as const;
/** Between two reports about what one peer tries in vain. */
const REPORT_INTERVAL = 300_000;
const REPORTED_LIMIT = 256;
/** Notification header and cookies in front of alternatives. */
const NOTIFICATION_LENGTH = IKE_HEADER_LENGTH + 28;

export class FirstMessages {
  readonly #host: EngineHost;
  readonly #halfOpen: HalfOpen;
  readonly #limits: HalfOpenLimits;
  readonly #strangers: Strangers = new Strangers();
  /** Those without a third message, the oldest first. */
  readonly #unproven = new Set<IsakmpSa>();
  readonly #reported = new Map<string, Millis>();

  constructor(host: EngineHost, halfOpen: HalfOpen, limits: HalfOpenLimits) {
    this.#host = host;
    this.#halfOpen = halfOpen;
    this.#limits = limits;
  }

  get strangers(): Strangers {
    return this.#strangers;
  }

  /** Its third message came, or it is gone. */
  forget(sa: IsakmpSa): void {
    this.#unproven.delete(sa);
  }

  onMessage(octets: Uint8Array, header: IkeHeader, way: Way): void {
    const host = this.#host;
    if (header.messageId !== 0 || (header.flags & IsakmpFlag.ENCRYPTION) !== 0) {
      host.count("drop_wrong_direction");
      return;
    }
    const known = host.registry.byFirst(header.initiatorSpi, way.remote);
    if (known !== undefined) {
      this.#repeat(known, octets, header, way);
      return;
    }
    // Our own, sent back to us.
    if (host.registry.hasCookie(header.initiatorSpi)) {
      host.count("drop_wrong_direction");
      return;
    }
    const { address } = way.remote;
    const candidates = connectionsFor(host.connections, 1, way.local.address, address);
    if (candidates.length === 0) {
      host.count("drop_not_configured");
      return;
    }
    this.#makeRoom(address);
    if (this.#halfOpen.judge(address, host.now) === "refuse") {
      host.count("drop_half_open_limit");
      return;
    }
    const payloads = decodeChain(header.nextPayload, octets, IKE_HEADER_LENGTH);
    if (header.exchangeType === Exchange.MAIN_MODE) this.#onOffer(octets, header, payloads, candidates, way);
    else this.#onAggressive(octets, header, payloads, candidates, way);
  }

  #repeat(sa: IsakmpSa, octets: Uint8Array, header: IkeHeader, way: Way): void {
    const received = sa.channel.receive(octets, header);
    if (received.kind !== "repeat") {
      this.#host.count(received.kind === "dropped" ? received.counter : "drop_state");
      return;
    }
    this.#host.count("requests_repeated");
    sendDatagrams(this.#host, received.datagrams, way);
  }

  /**
   * Anybody may write an address into a first message: those without a third one give way to others of the same address,
   * not as often as somebody likes. In all, the source that has most gives way.
   */
  #makeRoom(address: IpAddress): void {
    const { total, blockPerSource } = this.#limits;
    const own = this.#halfOpen.ofSource(address);
    if (own.length >= blockPerSource) {
      const forgeable = this.#firstUnproven(own);
      if (forgeable !== undefined && this.#halfOpen.look(this.#host.now)) this.#pushOut(forgeable);
    } else if (this.#halfOpen.count >= total) {
      const crowd = this.#halfOpen.crowd();
      this.#pushOut(crowd === undefined ? this.#loner(total) : (this.#firstUnproven(crowd) ?? firstOf(crowd)));
    }
  }

  /** No source has two. Half of the room is for those with a third message, and a peer that is listed stays. */
  #loner(total: number): number | undefined {
    const isProven = (sa: IsakmpSa) => !this.#unproven.has(sa);
    const spared = 2 * this.#unproven.size >= total ? isProven : () => false;
    for (const id of this.#halfOpen.all()) {
      const sa = this.#host.registry.byId(id);
      if (sa !== undefined && !spared(sa) && !isListed(sa.line.connection)) return id;
    }
    return firstOf(this.#halfOpen.all());
  }

  #firstUnproven(ids: Iterable<number>): number | undefined {
    for (const id of ids) {
      const sa = this.#host.registry.byId(id);
      if (sa !== undefined && this.#unproven.has(sa)) return id;
    }
    return undefined;
  }

  #pushOut(id: number | undefined): void {
    const sa = id === undefined ? undefined : this.#host.registry.byId(id);
    if (sa === undefined) return;
    this.#unproven.delete(sa);
    this.#host.count("half_open_displaced");
    this.#host.destroy(sa, "others came");
  }

  #onAggressive(
    octets: Uint8Array,
    header: IkeHeader,
    payloads: readonly DecodedPayload[],
    candidates: readonly Connection[],
    way: Way,
  ): void {
    const host = this.#host;
    const allowed = candidates.filter(aggressiveMode.isAllowed);
    if (allowed.length > 0) {
      this.#onOffer(octets, header, payloads, allowed, way);
      return;
    }
    host.count("drop_aggressive");
    // Before anything of who the peer says it is was looked at.
    this.#refuse(header, NotifyType.UNSUPPORTED_EXCHANGE_TYPE, way);
    this.#tellOnce(`aggressive ${addressToString(way.remote.address)}`, () =>
      report(host, {
        kind: "warning",
        text: `${addressToString(way.remote.address)} tries aggressive mode, which is refused: anybody may guess a pre-shared key from it. Have it use main mode, or set aggressive = yes for its connection`,
      }),
    );
  }

  #onOffer(
    octets: Uint8Array,
    header: IkeHeader,
    payloads: readonly DecodedPayload[],
    candidates: readonly Connection[],
    way: Way,
  ): void {
    const host = this.#host;
    const { SA, VID } = shape(FIRST, payloads);
    const policies = candidates.map((connection) => mainMode.policyOf(host, connection));
    const choice = choosePhase1(SA, policies);
    if (choice.kind === "refused") {
      this.#refuseOffer(header, choice, policies, way);
      return;
    }
    const { connection } = choice.policy;
    const others = policies.filter(
      (policy) => policy !== choice.policy && choosePhase1(choice.answer, [policy]).kind === "chosen",
    );
    const terms: Terms = {
      mode: header.exchangeType === Exchange.MAIN_MODE ? "main" : "aggressive",
      suite: suiteOf(choice),
      saBody: SA.body,
      candidates: [connection, ...others.map((policy) => policy.connection)],
      startedAt: host.now,
    };
    const theirs = VID.map(({ data }) => data);
    const vendors = commonVendorIds(connection, theirs);
    const received = this.#open(octets, header, connection, terms, way);
    if (received === undefined) return;
    const { sa, opened } = received;
    takeAbilities(sa, connection, theirs);
    if (terms.mode === "aggressive") {
      aggressiveMode.accept(host, sa, { terms, answer: choice.answer, vendors }, { opened, way });
      return;
    }
    const fits = (all: typeof vendors) =>
      IKE_HEADER_LENGTH + encodeChain([choice.answer, ...all]).octets.length <= octets.length;
    mainMode.accept(host, sa, terms, choice.answer, fits(vendors) ? vendors : [], opened);
  }

  /** From now on datagrams find it. */
  #open(octets: Uint8Array, header: IkeHeader, connection: Connection, { mode }: Terms, way: Way) {
    const host = this.#host;
    const path = { ...way, natLocal: false, natRemote: false };
    const line = new PeerLine({ id: host.nextId(), connection, path, trigger: "peer", now: host.now });
    const sa = new IsakmpSa({
      id: host.nextId(),
      line,
      initiator: false,
      mode,
      trigger: "peer",
      initiatorCookie: header.initiatorSpi,
      responderCookie: host.drawCookie(),
    });
    // Aggressive mode has its key exchange in the first message.
    if (mode === "aggressive" && !host.mayCompute(sa, way)) {
      host.count("drop_budget");
      return undefined;
    }
    const received = sa.channel.receive(octets, header);
    if (received.kind !== "message") return undefined;
    host.registry.add(sa);
    host.registry.rememberFirst(sa, way.remote);
    this.#halfOpen.open(sa.id, way.remote.address, host.now);
    this.#unproven.add(sa);
    host.touch(line);
    return { sa, opened: received.opened };
  }

  #refuseOffer(
    header: IkeHeader,
    { notify, why }: OfferRefused,
    policies: readonly mainMode.ConnectionPolicy[],
    way: Way,
  ): void {
    const host = this.#host;
    const [first] = policies;
    const answers = policies.filter(({ connection }) => connection.alternatives && isListed(connection));
    const offer = phase1Offer(answers);
    const data = offer && encodeAlternatives(offer, header.length - NOTIFICATION_LENGTH);
    host.count("ike_failed");
    host.count("answer_no_proposal");
    this.#refuse(header, notify, way, data?.length === 0 ? undefined : data);
    if (first === undefined) return;
    this.#tellOnce(`proposal ${addressToString(way.remote.address)} ${why}`, () =>
      report(host, {
        kind: "failed",
        connection: first.connection.name,
        child: undefined,
        asked: "peer",
        stage: header.exchangeType === Exchange.MAIN_MODE ? "main mode" : "aggressive mode",
        notify: notifyName(notify),
        from: "us",
        reason: `${why} (peer ${addressToString(way.remote.address)})`,
        remedy: "make the IKE proposals and the authentication equal on both sides",
        retryAt: undefined,
      }),
    );
  }

  #refuse(header: IkeHeader, type: number, way: Way, data?: Uint8Array): void {
    const messageId = this.#drawMessageId();
    const answer = this.#strangers.refuse(header, type, messageId, this.#host.now, data);
    if (answer !== undefined) sendDatagrams(this.#host, [answer], way);
  }

  /** RFC 2408 §5.1, S68: a message of phase 2 for an ISAKMP SA that is not there. */
  refuseCookies(header: IkeHeader, way: Way): void {
    const messageId = this.#drawMessageId();
    const answer = this.#strangers.refuse(header, NotifyType.INVALID_COOKIE, messageId, this.#host.now);
    if (answer === undefined) return;
    this.#host.count("answer_invalid_cookie");
    sendDatagrams(this.#host, [answer], way);
  }

  #drawMessageId(): number {
    const octets = new Uint8Array(4);
    this.#host.world.random.fill(octets);
    return (new DataView(octets.buffer).getUint32(0) | 1) >>> 0;
  }

  /** Loud, and not as often as somebody tries. */
  #tellOnce(key: string, tell: () => void): void {
    const { now } = this.#host;
    const last = this.#reported.get(key);
    if (last !== undefined && now < last + REPORT_INTERVAL) return;
    this.#reported.delete(key);
    this.#reported.set(key, millis(now));
    if (this.#reported.size > REPORTED_LIMIT)
      for (const oldest of this.#reported.keys()) {
        this.#reported.delete(oldest);
        break;
      }
    tell();
  }
}

function firstOf<T>(items: Iterable<T>): T | undefined {
  for (const item of items) return item;
  return undefined;
}
