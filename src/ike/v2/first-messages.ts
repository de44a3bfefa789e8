/**
 * First messages of IKE SAs: what they cost is told by the half-open limits, and what they answer strangers is bounded.
 *
 *   HDR, SA, KE, Ni  -->  <--  HDR, N(COOKIE)  or  HDR, SA, KE, Nr
 */
import { addressToString } from "#core/address";
import { ProtocolError, WireError } from "#core/errors";
import type { Counter } from "#ike/counters";
import type { HalfOpen } from "#ike/half-open";
import type { Way } from "#ike/host";
import { connectionsFor } from "#ike/pad";
import { decodeChain } from "#wire/ike/chain";
import { IKE_HEADER_LENGTH, type IkeHeader } from "#wire/ike/header";
import { IkeFlag, NotifyType } from "#wire/ike/numbers";
import { notify } from "#wire/ike/v2/notify";
import { Channel } from "./channel.ts";
import { type CookieRequest, Cookies } from "./cookies.ts";
import type { EngineHost } from "./engine-host.ts";
import { IkeSa } from "./ike-sa.ts";
import * as ikeSaInit from "./ike-sa-init.ts";
import type { Registry } from "./registry.ts";
import { Session } from "./session.ts";
import type { Strangers } from "./strangers.ts";

/** A first message, and what a cookie for it is over. */
type Question = Omit<CookieRequest, "initiatorSpi"> & { readonly header: IkeHeader };

export class FirstMessages {
  readonly #host: EngineHost;
  readonly #registry: Registry;
  readonly #halfOpen: HalfOpen;
  readonly #strangers: Strangers;
  readonly #cookies: Cookies;

  constructor(host: EngineHost, registry: Registry, halfOpen: HalfOpen, strangers: Strangers) {
    this.#host = host;
    this.#registry = registry;
    this.#halfOpen = halfOpen;
    this.#strangers = strangers;
    this.#cookies = new Cookies(host.world.random);
  }

  /** An IKE_SA_INIT request or response. */
  onInit(octets: Uint8Array, header: IkeHeader, way: Way): void {
    const host = this.#host;
    const fromInitiator = (header.flags & IkeFlag.INITIATOR) !== 0;
    const isResponse = (header.flags & IkeFlag.RESPONSE) !== 0;
    if (header.messageId !== 0 || fromInitiator === isResponse) {
      host.count("drop_wrong_direction");
      return;
    }
    try {
      if (isResponse) this.#onInitResponse(octets, header, way);
      else this.#onInitRequest(octets, header, way);
    } catch (error) {
      if (!(error instanceof WireError || error instanceof ProtocolError)) throw error;
      host.count("drop_malformed");
      if (!(error instanceof ProtocolError)) return;
      this.answerStranger(
        this.#strangers.unsupportedPayload(header, error, host.now),
        "answer_unsupported_payload",
        way,
      );
    }
  }

  #onInitResponse(octets: Uint8Array, header: IkeHeader, way: Way): void {
    const sa = this.#registry.bySpi(header.initiatorSpi);
    if (sa === undefined || !sa.originalInitiator) {
      this.#host.count("drop_unknown_spi");
      return;
    }
    if (sa.state.kind !== "AwaitIkeSaInitResponse") {
      this.#host.count("drop_state");
      return;
    }
    this.#host.touch(sa.session);
    const payloads = decodeChain(header.nextPayload, octets, IKE_HEADER_LENGTH);
    ikeSaInit.onResponse(this.#host, sa, sa.state, { octets, header, payloads }, way);
  }

  #onInitRequest(octets: Uint8Array, header: IkeHeader, way: Way): void {
    const host = this.#host;
    if (header.responderSpi !== 0n) {
      host.count("drop_wrong_direction");
      return;
    }
    const known = this.#registry.byInit(header.initiatorSpi, way.remote);
    if (known !== undefined) {
      ikeSaInit.onRepeat(host, known, octets, way);
      return;
    }
    const { address } = way.remote;
    const candidates = connectionsFor(host.connections, 2, way.local.address, address);
    if (candidates.length === 0) {
      host.count("drop_not_configured");
      return;
    }
    const load = this.#halfOpen.judge(address, host.now);
    if (load === "refuse") {
      host.count("drop_half_open_limit");
      return;
    }
    const payloads = decodeChain(header.nextPayload, octets, IKE_HEADER_LENGTH);
    const question = { header, nonce: ikeSaInit.nonceOf(payloads), address };
    const cookie = payloads[0]?.kind === "N" && payloads[0].type === NotifyType.COOKIE ? payloads[0].data : undefined;
    const proven =
      cookie !== undefined && this.#cookies.check(cookie, { ...question, initiatorSpi: header.initiatorSpi }, host.now);
    const asked = load === "demand-cookie" || this.#cookies.hasAsked(header.initiatorSpi);
    if (!proven && (asked || !this.#halfOpen.look(host.now))) {
      this.#demandCookie(question, way);
      return;
    }
    const verdict = ikeSaInit.onRequest(candidates, header, payloads, host);
    switch (verdict.kind) {
      case "answer":
        host.send(verdict.octets, way);
        return;
      case "refused":
        host.send(verdict.octets, way);
        this.#reportRefusal(verdict, way);
        return;
      case "accepted":
        this.#accept(verdict, octets, question, proven, way);
        return;
      default:
        verdict satisfies never;
        return;
    }
  }

  #demandCookie({ header, nonce, address }: Question, way: Way): void {
    const cookie = this.#cookies.make({ nonce, address, initiatorSpi: header.initiatorSpi }, this.#host.now);
    this.#host.count("cookies_sent");
    this.#host.send(ikeSaInit.answerTo(header, notify(NotifyType.COOKIE, cookie)), way);
  }

  #accept(
    verdict: Extract<ikeSaInit.InitVerdict, { readonly kind: "accepted" }>,
    octets: Uint8Array,
    question: Question,
    proven: boolean,
    way: Way,
  ): void {
    const host = this.#host;
    const { connection, terms } = verdict;
    const path = { ...way, natLocal: false, natRemote: false, remoteForces: false };
    const birth = {
      id: host.nextId(),
      connection,
      path,
      trigger: "peer",
      now: host.now,
      reauthenticates: undefined,
    } as const;
    const session = new Session(birth);
    const responderSpi = host.drawIkeSpi();
    const { initiatorSpi } = question.header;
    const sa = new IkeSa({
      id: host.nextId(),
      session,
      originalInitiator: false,
      initiatorSpi,
      responderSpi,
      channel: new Channel(host.world.random, false),
    });
    // An answer longer than the question goes to proven sources only.
    ikeSaInit.hear(sa, verdict);
    if (!proven && ikeSaInit.responseOctets(host, sa, terms) > octets.length) {
      this.#demandCookie(question, way);
      return;
    }
    if (!this.#halfOpen.spend(question.address, host.now)) {
      host.count("drop_budget");
      return;
    }
    session.current = sa;
    host.add(sa);
    this.#registry.rememberInit(sa, way.remote);
    this.#halfOpen.open(sa.id, question.address, host.now);
    ikeSaInit.accept(host, sa, verdict, octets);
  }

  #reportRefusal(verdict: Extract<ikeSaInit.InitVerdict, { readonly kind: "refused" }>, way: Way): void {
    const { connection, reason, theirOffer } = verdict;
    this.#host.count("ike_failed");
    this.#host.refusedStranger(connection, {
      child: undefined,
      stage: "IKE_SA_INIT",
      notify: "NO_PROPOSAL_CHOSEN",
      from: "us",
      reason: `${reason} (peer ${addressToString(way.remote.address)})`,
      remedy: "make the IKE proposals equal on both sides",
      known: { theirOffer },
    });
  }

  answerStranger(answer: Uint8Array | undefined, counter: Counter, way: Way): void {
    if (answer === undefined) return;
    this.#host.count(counter);
    this.#host.send(answer, way);
  }
}
