/**
 * IKEv2's machine (RFC 7296), sans-IO, for all IKE SAs of a gateway. Datagrams, jobs' results, time and operators' wishes
 * come in by `handle`; what is to be done leaves as effects in the order in which it has to be carried out.
 *
 *   datagram → header → IKE SA by SPI (or a stranger: strangers.ts, half-open limits, cookies) → window and seal
 *   (channel.ts) → payloads → state (routes.ts) → exchange file → effects → next exchange of ours (tasks.ts)
 */
import { ProtocolError, WireError } from "#core/errors";
import type { JobResult } from "#core/ike-job";
import type { IkeSaSnapshot } from "#core/ike-state";
import type { Millis } from "#core/units";
import { Agenda, earliest } from "#ike/agenda";
import { Attempts } from "#ike/attempts";
import type { Counters } from "#ike/counters";
import type { IkeEffect, IkeInput, IkeWorld } from "#ike/effects";
import { DEFAULT_HALF_OPEN_LIMITS, HalfOpen, type HalfOpenLimits } from "#ike/half-open";
import { discard, type Way } from "#ike/host";
import type { Numbers, VersionEngine } from "#ike/version-engine";
import { decodeChain } from "#wire/ike/chain";
import { type IkeHeader, readHeader } from "#wire/ike/header";
import { ExchangeType, IkeFlag, PayloadType } from "#wire/ike/numbers";
import { onBrokenRequest, onBrokenResponse } from "./broken.ts";
import { onSaTimeout } from "./deadlines.ts";
import { destroy, endSetup } from "./end.ts";
import { EngineHost } from "./engine-host.ts";
import { FirstMessages } from "./first-messages.ts";
import { countSettingUp, countUnsettled, type FrozenIkev2, freezeEstablished, thawEstablished } from "./frozen.ts";
import type { JobRoad } from "./host.ts";
import type { IkeSa } from "./ike-sa.ts";
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

export class Ikev2Engine implements VersionEngine<FrozenIkev2> {
  readonly #registry = new Registry();
  readonly #counters: Counters;
  readonly #agenda = new Agenda<IkeSa | Session>();
  readonly #attempts = new Attempts();
  readonly #strangers = new Strangers();
  readonly #halfOpen: HalfOpen;
  readonly #first: FirstMessages;
  readonly #jobs = new Map<number, { readonly sa: IkeSa; readonly road: JobRoad }>();
  readonly #touched = new Set<Session>();
  readonly #host: EngineHost;
  readonly #wishes: Wishes;

  constructor(world: IkeWorld, counters: Counters, numbers: Numbers, options: Ikev2Options) {
    this.#counters = counters;
    this.#halfOpen = new HalfOpen(options.halfOpen ?? DEFAULT_HALF_OPEN_LIMITS);
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
    this.#first = new FirstMessages(this.#host, this.#registry, this.#halfOpen, this.#strangers);
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
        host.held = true;
        break;
      case "release":
        host.held = false;
        for (const session of this.#registry.sessions) this.#touched.add(session);
        break;
      default:
        this.#wishes.onInput(input);
    }
    host.way = undefined;
    this.#settle();
    return host.takeEffects();
  }

  get nextTimeout(): Millis | undefined {
    const attempts = this.#host.held ? undefined : this.#attempts.nextTimeout;
    return earliest([this.#agenda.next, attempts, this.#halfOpen.nextTimeout]);
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
    return countSettingUp(this.#registry);
  }

  get unsettled(): number {
    return countUnsettled(this.#registry);
  }

  freeze(): FrozenIkev2 {
    const { connections, localEndpoints } = this.#host;
    const established = freezeEstablished(this.#registry, connections);
    const packets = new Map([...this.#wishes.packets, ...established.packets]);
    return { ...established, attempts: this.#attempts.freeze(), packets, localEndpoints };
  }

  thaw(frozen: FrozenIkev2, now: Millis): void {
    const host = this.#host;
    host.localEndpoints = frozen.localEndpoints;
    thawEstablished(frozen, this.#registry, host.connections, host.world, now);
    this.#attempts.thaw(frozen.attempts, now);
    for (const { connection, remote, trigger, children } of frozen.wanted) {
      for (const child of children) this.#attempts.ask(connection, remote, child, trigger);
      this.#attempts.postpone(Attempts.key(connection, remote), now);
    }
    this.#wishes.thaw(frozen.packets);
    for (const spi of frozen.offered) host.world.spis.giveBack(spi);
    for (const sa of this.#registry.sas) this.#agenda.set(sa, sa.nextTimeout);
    // What waits in them is begun by the next `timeout`.
    for (const session of this.#registry.sessions) this.#agenda.set(session, now);
  }

  /** Our next exchanges, and when we want to be asked again. */
  #settle(): void {
    for (let rounds = 0; this.#touched.size > 0 && rounds < 16; rounds++) {
      const sessions = [...this.#touched];
      this.#touched.clear();
      for (const session of sessions) {
        if (!this.#host.held) {
          pump(this.#host, session);
          this.#wishes.onQuiet(session);
        }
        for (const sa of this.#registry.sasOf(session)) this.#agenda.set(sa, sa.nextTimeout);
        this.#agenda.set(session, this.#registry.sessions.has(session) ? this.#sessionTimeout(session) : undefined);
      }
    }
    for (const sa of this.#host.takeRemoved()) this.#agenda.set(sa, undefined);
  }

  #sessionTimeout(session: Session): Millis | undefined {
    if (this.#host.held) return undefined;
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
    if (!this.#host.held) for (const attempt of this.#attempts.due(now)) this.#wishes.start(attempt);
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
      this.#first.onInit(octets, header, way);
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
    this.#first.answerStranger(answer, "answer_invalid_major_version", way);
  }

  #onUnknownSpi(header: IkeHeader, way: Way): void {
    this.#host.count("drop_unknown_spi");
    this.#first.answerStranger(this.#strangers.invalidIkeSpi(header, this.#host.now), "answer_invalid_ike_spi", way);
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
}
