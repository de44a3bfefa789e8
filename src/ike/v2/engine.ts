/**
 * IKEv2's machine (RFC 7296), sans-IO, for all IKE SAs of a gateway. Datagrams, jobs' results, time and operators' wishes
 * come in by `handle`; what is to be done leaves as effects in the order in which it has to be carried out.
 *
 *   datagram → header → IKE SA by SPI (or a stranger: strangers.ts, half-open limits, cookies) → window and seal
 *   (channel.ts) → payloads → state (routes.ts) → exchange file → effects → next exchange of ours (tasks.ts)
 */
import { addressToString } from "#core/address";
import { ProtocolError, WireError } from "#core/errors";
import type { JobResult } from "#core/ike-job";
import type { IkeSaSnapshot } from "#core/ike-state";
import type { Millis } from "#core/units";
import { Agenda, earliest } from "#ike/agenda";
import { Attempts } from "#ike/attempts";
import type { Counter, Counters } from "#ike/counters";
import type { IkeEffect, IkeInput, IkeWorld } from "#ike/effects";
import { DEFAULT_HALF_OPEN_LIMITS, HalfOpen, type HalfOpenLimits } from "#ike/half-open";
import { discard, type Way } from "#ike/host";
import { connectionsFor } from "#ike/pad";
import type { Numbers, VersionEngine } from "#ike/version-engine";
import { decodeChain } from "#wire/ike/chain";
import { IKE_HEADER_LENGTH, type IkeHeader, readHeader } from "#wire/ike/header";
import { ExchangeType, IkeFlag, NotifyType, PayloadType } from "#wire/ike/numbers";
import { notify } from "#wire/ike/v2/notify";
import { onBrokenRequest, onBrokenResponse } from "./broken.ts";
import { type CookieRequest, Cookies } from "./cookies.ts";
import { onSaTimeout } from "./deadlines.ts";
import { destroy, endSetup } from "./end.ts";
import { EngineHost } from "./engine-host.ts";
import type { FrozenIkev2 } from "./frozen.ts";
import type { JobRoad } from "./host.ts";
import { IkeSa } from "./ike-sa.ts";
import * as ikeSaInit from "./ike-sa-init.ts";
import { follow } from "./mobike.ts";
import { Registry } from "./registry.ts";
import { expectsRequest, type Message, onComputed, onRequest, onResponse } from "./routes.ts";
import { Session } from "./session.ts";
import { ikeSnapshot } from "./snapshot.ts";
import { Strangers } from "./strangers.ts";
import { nextTaskAt, pump } from "./tasks.ts";
import { REKEY_AT_MESSAGE_ID } from "./window.ts";
import { Wishes } from "./wishes.ts";

/** Deadlines of one `timeout`; the others are still due after it, and what came meanwhile has its turn first. */
const DUE_AT_ONCE = 64;
/** Between two questions that notifications in clear may bring about. */
const HINT_INTERVAL = 10_000;

export interface Ikev2Options {
  readonly halfOpen?: HalfOpenLimits;
  /** Below 2^32; half of it where it is not given: time enough to rekey. */
  readonly rekeyAtMessageId?: number;
}

/** A first message, and what a cookie for it is over. */
type Question = Omit<CookieRequest, "initiatorSpi"> & { readonly header: IkeHeader };

export class Ikev2Engine implements VersionEngine<FrozenIkev2> {
  readonly #registry = new Registry();
  readonly #counters: Counters;
  readonly #agenda = new Agenda<IkeSa | Session>();
  readonly #attempts = new Attempts();
  readonly #strangers = new Strangers();
  readonly #halfOpen: HalfOpen;
  readonly #cookies: Cookies;
  readonly #jobs = new Map<number, { readonly sa: IkeSa; readonly road: JobRoad }>();
  readonly #touched = new Set<Session>();
  readonly #host: EngineHost;
  readonly #wishes: Wishes;

  constructor(world: IkeWorld, counters: Counters, numbers: Numbers, options: Ikev2Options) {
    this.#counters = counters;
    this.#halfOpen = new HalfOpen(options.halfOpen ?? DEFAULT_HALF_OPEN_LIMITS);
    this.#cookies = new Cookies(world.random);
    this.#host = new EngineHost(
      world,
      this.#registry,
      counters,
      numbers,
      this.#jobs,
      this.#attempts,
      this.#halfOpen,
      this.#touched,
      options.rekeyAtMessageId ?? REKEY_AT_MESSAGE_ID,
    );
    this.#wishes = new Wishes(this.#host, this.#registry, this.#attempts);
  }

  handle(input: IkeInput, now: Millis): IkeEffect[] {
    const host = this.#host;
    host.now = now;
    host.way = undefined;
    switch (input.kind) {
      case "configure":
        host.connections = input.config.connections;
        host.credentials = input.config.credentials;
        this.#attempts.keepOnly(host.connections);
        this.#wishes.onConfigured();
        break;
      case "datagram":
        this.#onDatagram(input.octets, { local: input.local, remote: input.remote });
        break;
      case "timeout":
        this.#onTimeout();
        break;
      case "computed":
        this.#onComputed(input.job, input.result);
        break;
      case "hold":
      case "release":
        break;
      default:
        this.#wishes.onInput(input);
    }
    host.way = undefined;
    this.#settle();
    return host.takeEffects();
  }

  get nextTimeout(): Millis | undefined {
    return earliest([this.#agenda.next, this.#attempts.nextTimeout, this.#halfOpen.nextTimeout]);
  }

  isWaitingFor(job: number): boolean {
    return this.#jobs.has(job);
  }

  get halfOpen(): number {
    return this.#halfOpen.count;
  }

  sas(): readonly IkeSaSnapshot[] {
    return [...this.#registry.sas].filter(({ state }) => state.kind !== "Refused").map(ikeSnapshot);
  }

  get settingUp(): number {
    return [...this.#registry.sas].filter(({ state }) => state.kind !== "Live").length;
  }

  /** Nothing is carried yet. */
  get unsettled(): number {
    return [...this.#registry.sas].filter(({ state }) => state.kind === "Live").length;
  }

  freeze(): FrozenIkev2 {
    return { sas: [] };
  }

  thaw(_frozen: FrozenIkev2, _now: Millis): void {}

  /** Our next exchanges, and when we want to be asked again. */
  #settle(): void {
    for (let rounds = 0; this.#touched.size > 0 && rounds < 16; rounds++) {
      const sessions = [...this.#touched];
      this.#touched.clear();
      for (const session of sessions) {
        pump(this.#host, session);
        this.#wishes.onQuiet(session);
        for (const sa of this.#registry.sasOf(session)) this.#agenda.set(sa, sa.nextTimeout);
        this.#agenda.set(session, this.#registry.sessions.has(session) ? this.#sessionTimeout(session) : undefined);
      }
    }
    for (const sa of this.#host.takeRemoved()) this.#agenda.set(sa, undefined);
  }

  #sessionTimeout(session: Session): Millis | undefined {
    const { peer, current } = session;
    const alive = current?.state.kind === "Live" && current.state.phase.kind === "Current";
    return earliest([nextTaskAt(session), alive && peer.kind === "authenticated" ? peer.reauthAt : undefined]);
  }

  #onTimeout(): void {
    const { now } = this.#host;
    for (const id of this.#halfOpen.expire(now, DUE_AT_ONCE)) {
      const sa = this.#registry.byId(id);
      if (sa === undefined || sa.state.kind === "Live") continue;
      this.#touched.add(sa.session);
      if (sa.state.kind === "Refused") destroy(this.#host, sa);
      else endSetup(this.#host, sa, undefined);
    }
    for (const attempt of this.#attempts.due(now)) this.#wishes.start(attempt);
    for (let taken = 0; taken < DUE_AT_ONCE; taken++) {
      const who = this.#agenda.take(now);
      if (who === undefined) break;
      if (who instanceof Session) {
        this.#touched.add(who);
        this.#wishes.onSessionTimeout(who);
      } else {
        this.#touched.add(who.session);
        onSaTimeout(this.#host, who);
      }
    }
  }

  #onComputed(job: number, result: JobResult): void {
    const waiting = this.#jobs.get(job);
    this.#jobs.delete(job);
    if (result.kind === "failed") this.#counters.count("jobs_failed");
    if (waiting === undefined) {
      discard(this.#host, result);
      return;
    }
    this.#touched.add(waiting.sa.session);
    this.#guarded(waiting.sa, "request", () => onComputed(this.#host, waiting.sa, waiting.road, job, result));
  }

  // ── datagrams ──────────────────────────────────────────────────────────────────────────────────────────────────────

  #onDatagram(octets: Uint8Array, way: Way): void {
    const host = this.#host;
    const header = readHeader(octets);
    if (header === undefined) {
      host.count("drop_malformed_header");
      return;
    }
    if (header.majorVersion !== 2) {
      this.#onOtherVersion(header, way);
      return;
    }
    if (header.initiatorSpi === 0n) {
      host.count("drop_zero_spi");
      return;
    }
    if (header.exchangeType === ExchangeType.IKE_SA_INIT) {
      this.#onInit(octets, header, way);
      return;
    }
    const fromInitiator = (header.flags & IkeFlag.INITIATOR) !== 0;
    const sa = this.#registry.bySpi(fromInitiator ? header.responderSpi : header.initiatorSpi);
    if (sa === undefined) {
      this.#onUnknownSpi(header, way);
      return;
    }
    const fits = sa.initiatorSpi === header.initiatorSpi && sa.responderSpi === header.responderSpi;
    if (!fits || sa.originalInitiator === fromInitiator) {
      host.count("drop_wrong_direction");
      return;
    }
    this.#onSealed(sa, octets, header, way);
  }

  /** RFC 7296 §2.5; version 1 never comes here. */
  #onOtherVersion(header: IkeHeader, way: Way): void {
    this.#host.count("drop_major_version");
    if (header.majorVersion < 2) return;
    const answer = this.#strangers.invalidMajorVersion(header, this.#host.now);
    this.#answerStranger(answer, "answer_invalid_major_version", way);
  }

  #onUnknownSpi(header: IkeHeader, way: Way): void {
    this.#host.count("drop_unknown_spi");
    this.#answerStranger(this.#strangers.invalidIkeSpi(header, this.#host.now), "answer_invalid_ike_spi", way);
  }

  #answerStranger(answer: Uint8Array | undefined, counter: Counter, way: Way): void {
    if (answer === undefined) return;
    this.#host.count(counter);
    this.#host.send(answer, way);
  }

  #onSealed(sa: IkeSa, octets: Uint8Array, header: IkeHeader, way: Way): void {
    const host = this.#host;
    const isRequest = (header.flags & IkeFlag.RESPONSE) === 0;
    if (isRequest && !expectsRequest(sa.state, header.exchangeType)) {
      host.count("drop_state");
      return;
    }
    if (header.nextPayload === PayloadType.N) {
      this.#onHint(sa);
      return;
    }
    const received = sa.channel.receive(octets, header, host.now);
    switch (received.kind) {
      case "dropped":
        host.count(received.counter);
        return;
      case "stored":
        this.#touched.add(sa.session);
        return;
      case "repeat":
        // No sign of life: anybody may send it again.
        host.count("requests_repeated");
        for (const datagram of received.datagrams) host.send(datagram, way);
        return;
      case "message":
        break;
      default:
        received satisfies never;
        return;
    }
    this.#heard(sa);
    this.#followPath(sa, way);
    host.way = way;
    this.#guarded(sa, isRequest ? "request" : "response", () => {
      const { firstType, inner } = received;
      const payloads = decodeChain(firstType, inner);
      const { exchangeType, messageId } = header;
      const message: Message = { exchangeType, messageId, payloads, plain: { header, firstType, inner }, way };
      if (isRequest) onRequest(host, sa, message);
      else onResponse(host, sa, message);
    });
  }

  /**
   * RFC 7296 §2.21.4: a notification in clear (INVALID_IKE_SPI of a peer that started anew) proves nothing and changes
   * nothing, but the peer is asked whether it is there; whoever forges many makes us ask no more often.
   */
  #onHint(sa: IkeSa): void {
    const host = this.#host;
    host.count("drop_unprotected");
    const { session, state } = sa;
    if (state.kind !== "Live" || session.current !== sa || state.own.kind !== "Idle") return;
    if (session.hintedAt !== undefined && host.now < session.hintedAt + HINT_INTERVAL) return;
    if (session.tasks.some(({ work }) => work.kind === "probe")) return;
    session.hintedAt = host.now;
    session.add({ kind: "probe" }, "dpd", host.now);
    host.touch(session);
  }

  /** Something verified came from the peer: it lives. */
  #heard(sa: IkeSa): void {
    sa.session.heardAt = this.#host.now;
    sa.deadlines.confirmBy = undefined;
    this.#touched.add(sa.session);
  }

  /** While it is set up, the IKE SA is where its messages verify (RFC 7296 §2.23); later see mobike.ts. */
  #followPath(sa: IkeSa, way: Way): void {
    const { session } = sa;
    if (sa.state.kind === "Live") {
      follow(this.#host, session, way.remote);
      return;
    }
    if (!sa.originalInitiator) session.path = { ...session.path, ...way };
  }

  /** The one place where a malformed message is caught: it is answered where it was a request, and counted. */
  #guarded(sa: IkeSa, what: "request" | "response", act: () => void): void {
    try {
      act();
    } catch (error) {
      if (!(error instanceof WireError || error instanceof ProtocolError)) throw error;
      this.#host.count("drop_malformed");
      if (what === "request") onBrokenRequest(this.#host, sa, error);
      else onBrokenResponse(this.#host, sa, error);
    }
  }

  // ── IKE_SA_INIT ────────────────────────────────────────────────────────────────────────────────────────────────────

  #onInit(octets: Uint8Array, header: IkeHeader, way: Way): void {
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
      this.#answerStranger(
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
    this.#touched.add(sa.session);
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
      random: host.world.random,
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
}
