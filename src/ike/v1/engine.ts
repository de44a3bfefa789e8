/**
 * IKEv1's machine (RFC 2408, 2409), sans-IO, for all ISAKMP SAs of a gateway and the pairs that quick mode makes.
 *
 *   datagram → header → (fragments) → ISAKMP SA by cookies (or a stranger: first-message.ts, half-open limits)
 *     phase 1 → phase1-routes.ts → main-mode.ts, aggressive-mode.ts → establish.ts → line of the peer
 *     phase 2 → deciphered, decoded → phase2.ts: HASH, quick mode, informational exchanges
 *   → effects → what the line has to do next (pump)
 */

import { assert, ProtocolError, WireError } from "#core/errors";
import type { JobResult } from "#core/ike-job";
import type { IkeSaSnapshot } from "#core/ike-state";
import type { Millis } from "#core/units";
import { Agenda, earliest } from "#ike/agenda";
import { Attempts } from "#ike/attempts";
import { configuredNow, tasksNow } from "#ike/configured";
import type { Counters } from "#ike/counters";
import type { IkeEffect, IkeInput, IkeWorld } from "#ike/effects";
import { ConfiguredNames } from "#ike/frozen-names";
import { DEFAULT_HALF_OPEN_LIMITS, HalfOpen, type HalfOpenLimits } from "#ike/half-open";
import { discard, type Way } from "#ike/host";
import type { Numbers, VersionEngine } from "#ike/version-engine";
import { IKE_HEADER_LENGTH, type IkeHeader, readHeader } from "#wire/ike/header";
import { decodeChain, decodeDecrypted } from "#wire/ike/v1/chain";
import { Exchange, FIRST_STATUS_NOTIFY, IsakmpFlag, notifyName, PayloadType } from "#wire/ike/v1/numbers";
import { shape } from "#wire/ike/v1/shape";
import { alternativesDiff, decodeAlternatives } from "./alternatives.ts";
import type { Opened } from "./channel.ts";
import { onSaTimeout, watchOctets } from "./deadlines.ts";
import { endSetup } from "./end.ts";
import { EngineHost } from "./engine-host.ts";
import { promote } from "./establish.ts";
import { downgradeMainMode } from "./export-downgrade.ts";
import { FirstMessages } from "./first-message.ts";
import type { FrozenIkev1 } from "./frozen.ts";
import { type FrozenLine, freezeLine, hasAnything, thawLine } from "./frozen-line.ts";
import type { IsakmpSa } from "./isakmp-sa.ts";
import { PeerLine } from "./peer-line.ts";
import { onPhase1Computed, onPhase1Message, onSealedNotice } from "./phase1-routes.ts";
import { sendDatagrams } from "./phase1-send.ts";
import * as phase2 from "./phase2.ts";
import { isUnsettled } from "./phase2-state.ts";
import { Registry } from "./registry.ts";
import { lineSnapshots } from "./snapshot.ts";
import { Waiting } from "./waiting.ts";

const NOTICE = { N: "many" } as const;

export interface Ikev1Options {
  readonly halfOpen?: HalfOpenLimits;
}

export class Ikev1Engine implements VersionEngine<FrozenIkev1> {
  readonly #registry = new Registry();
  readonly #agenda = new Agenda<IsakmpSa | PeerLine>();
  readonly #attempts = new Attempts();
  readonly #halfOpen: HalfOpen;
  readonly #touched = new Set<PeerLine>();
  readonly #waiting = new Waiting();
  readonly #host: EngineHost;
  readonly #first: FirstMessages;

  constructor(world: IkeWorld, counters: Counters, numbers: Numbers, options: Ikev1Options = {}) {
    const limits = options.halfOpen ?? DEFAULT_HALF_OPEN_LIMITS;
    this.#halfOpen = new HalfOpen(limits);
    const { registry, attempts, halfOpen, touched } = this.#parts();
    this.#host = new EngineHost(world, registry, counters, numbers, attempts, halfOpen, touched);
    this.#first = new FirstMessages(this.#host, this.#halfOpen, limits);
  }

  #parts() {
    return { registry: this.#registry, attempts: this.#attempts, halfOpen: this.#halfOpen, touched: this.#touched };
  }

  handle(input: IkeInput, now: Millis): IkeEffect[] {
    const host = this.#host;
    host.now = now;
    host.way = undefined;
    switch (input.kind) {
      case "configure":
        host.connections = input.config.connections.filter(({ version }) => version !== 2);
        host.credentials = input.config.credentials;
        this.#onConfigured();
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
        host.held = input.kind === "hold";
        for (const line of this.#registry.lines) host.touch(line);
        break;
      default:
        if (input.kind === "addresses") host.localEndpoints = input.local;
        if (host.held && Waiting.waits(input)) this.#waiting.wish(host, input);
        else phase2.onWish(host, input);
    }
    host.way = undefined;
    if (!host.held && (this.#waiting.next ?? Number.POSITIVE_INFINITY) <= now) this.#waiting.begin(host);
    this.#settle();
    return host.takeEffects();
  }

  get nextTimeout(): Millis | undefined {
    const { held } = this.#host;
    const waiting = held ? undefined : this.#touched.size > 0 ? this.#host.now : this.#waiting.next;
    const attempts = held ? undefined : this.#attempts.nextTimeout;
    return earliest([waiting, this.#agenda.next, attempts, this.#halfOpen.nextTimeout]);
  }

  isWaitingFor(job: number): boolean {
    return this.#host.isWaitingFor(job);
  }

  get halfOpen(): number {
    return this.#halfOpen.count;
  }

  sas(): readonly IkeSaSnapshot[] {
    return [...this.#registry.lines].flatMap((line) => lineSnapshots(line, this.#registry.sasOf(line)));
  }

  get settingUp(): number {
    let count = 0;
    for (const { state } of this.#registry.sas) if (state.kind !== "Live" && state.kind !== "Refused") count++;
    return count;
  }

  get unsettled(): number {
    let count = 0;
    for (const { state } of this.#registry.sas) if (state.kind === "Live" && isUnsettled(state)) count++;
    return count;
  }

  freeze(): FrozenIkev1 {
    const registry = this.#registry;
    assert(this.unsettled === 0, "an ISAKMP SA waits for the result of a job");
    const names = new ConfiguredNames(this.#host.connections);
    const lines: FrozenLine[] = [];
    const firsts = new Map<number, string>();
    for (const line of registry.lines) {
      const frozen = freezeLine(names, line, registry.sasOf(line), this.#waiting.interrupted(line));
      if (hasAnything(frozen)) lines.push(frozen);
    }
    for (const sa of registry.sas) {
      const first = registry.firstOf(sa);
      if (first !== undefined && sa.state.kind === "Live") firsts.set(sa.id, first);
    }
    const attempts = this.#attempts.freeze();
    return { lines, firsts, attempts, wishes: this.#waiting.freeze(), localEndpoints: this.#host.localEndpoints };
  }

  thaw({ lines, firsts, attempts, wishes, localEndpoints }: FrozenIkev1, now: Millis): void {
    const host = this.#host;
    host.now = now;
    host.localEndpoints = localEndpoints;
    this.#attempts.thaw(attempts, now);
    const names = new ConfiguredNames(host.connections);
    this.#waiting.thaw(wishes);
    for (const frozen of lines) {
      const { line, sas } = thawLine(names, frozen);
      this.#registry.thaw(line, sas, firsts);
      if (frozen.interrupted !== undefined) this.#waiting.interrupt(line, frozen.interrupted, now);
      this.#schedule(line);
      host.touch(line);
    }
  }

  /** Lines go on with the connection of the same name. */
  #onConfigured(): void {
    const { connections } = this.#host;
    this.#attempts.keepOnly(connections);
    const byName = new Map(connections.map((connection) => [connection.name, connection]));
    for (const line of this.#registry.lines) {
      const connection = byName.get(line.connection.name);
      if (connection === undefined) continue;
      line.connection = connection;
      for (const pair of line.pairs.values()) pair.config = configuredNow(connection, pair.config);
      line.tasks = tasksNow(connection, line.tasks);
    }
  }

  /** What comes next of each line that something happened to, and when we want to be asked again. */
  #settle(): void {
    const host = this.#host;
    for (let rounds = 0; this.#touched.size > 0 && rounds < 16; rounds++) {
      const lines = [...this.#touched];
      this.#touched.clear();
      for (const line of lines) {
        promote(host, line);
        phase2.pump(host, line);
        watchOctets(host, line);
      }
      for (const line of lines) this.#schedule(line);
    }
    for (const sa of host.takeRemoved()) {
      this.#agenda.set(sa, undefined);
      this.#first.forget(sa);
    }
  }

  #schedule(line: PeerLine): void {
    const sas = this.#registry.sasOf(line);
    const { held } = this.#host;
    for (const sa of sas) this.#agenda.set(sa, held ? sa.heldTimeout : sa.nextTimeout);
    const begins = this.#waiting.interrupted(line) !== undefined;
    const over = sas.length === 0 && line.pairs.size === 0 && line.tasks.length === 0 && !begins;
    if (over) this.#registry.forget(line);
    this.#agenda.set(line, over ? undefined : phase2.lineTimeout(this.#host, line));
  }

  #onTimeout(): void {
    const host = this.#host;
    for (const id of this.#halfOpen.expire(host.now)) {
      const sa = this.#registry.byId(id);
      if (sa === undefined || sa.state.kind === "Live") continue;
      if (sa.state.kind === "Refused") host.destroy(sa, "refused");
      else endSetup(host, sa, undefined);
    }
    const attempts = host.held ? [] : this.#attempts.due(host.now);
    for (const attempt of attempts) phase2.onAttempt(host, attempt);
    for (let who = this.#agenda.take(host.now); who !== undefined; who = this.#agenda.take(host.now)) {
      if (who instanceof PeerLine) {
        host.touch(who);
        phase2.onLineTimeout(host, who);
      } else {
        host.touch(who.line);
        onSaTimeout(host, who);
      }
    }
  }

  #onComputed(job: number, result: JobResult): void {
    const host = this.#host;
    const waiting = host.takeJob(job);
    if (result.kind === "failed") host.count("jobs_failed");
    if (waiting === undefined) {
      discard(host, result);
      return;
    }
    const { sa, road } = waiting;
    host.touch(sa.line);
    if (road === "phase1") onPhase1Computed(host, sa, job, result);
    else if (sa.state.kind === "Live") phase2.onPhase2Computed(host, sa, sa.state, road, job, result);
    else discard(host, result);
  }

  // ── datagrams ──────────────────────────────────────────────────────────────────────────────────────────────────────

  #onDatagram(octets: Uint8Array, way: Way): void {
    const host = this.#host;
    const header = readHeader(octets);
    if (header === undefined || header.majorVersion !== 1) {
      host.count("drop_malformed_header");
      return;
    }
    if (header.initiatorSpi === 0n) {
      host.count("drop_zero_spi");
      return;
    }
    host.way = way;
    try {
      if (header.nextPayload === PayloadType.FRAG) this.#onFragment(octets, header, way);
      else this.#onMessage(octets, header, way);
    } catch (error) {
      if (!(error instanceof WireError || error instanceof ProtocolError)) throw error;
      // Nobody has proven anything: silence.
      host.count("drop_malformed");
    }
  }

  #onFragment(octets: Uint8Array, header: IkeHeader, way: Way): void {
    const host = this.#host;
    const sa = this.#registry.byCookies(header.initiatorSpi, header.responderSpi);
    const [fragment, ...others] = decodeChain(header.nextPayload, octets, IKE_HEADER_LENGTH);
    if (
      sa === undefined ||
      sa.line.connection.fragmentation === "no" ||
      fragment?.kind !== "FRAG" ||
      others.length > 0
    ) {
      host.count("drop_fragment");
      return;
    }
    host.touch(sa.line);
    const whole = sa.channel.assembler.add(fragment, host.now);
    if (whole === "stored") return;
    const inner = whole === "dropped" ? undefined : readHeader(whole);
    const same =
      inner !== undefined &&
      inner.majorVersion === 1 &&
      inner.nextPayload !== PayloadType.FRAG &&
      inner.initiatorSpi === header.initiatorSpi &&
      inner.responderSpi === header.responderSpi;
    if (whole === "dropped" || !same) {
      host.count("drop_fragment");
      return;
    }
    this.#onMessage(whole, inner, way);
  }

  #onMessage(octets: Uint8Array, header: IkeHeader, way: Way): void {
    const host = this.#host;
    const { exchangeType, initiatorSpi, responderSpi } = header;
    const phase1 = exchangeType === Exchange.MAIN_MODE || exchangeType === Exchange.AGGRESSIVE;
    if (!phase1 && exchangeType !== Exchange.INFORMATIONAL && exchangeType !== Exchange.QUICK_MODE) {
      host.count("drop_unknown_exchange");
      return;
    }
    if (phase1 && responderSpi === 0n) {
      this.#first.onMessage(octets, header, way);
      return;
    }
    const sa = this.#registry.byCookies(initiatorSpi, responderSpi);
    if (sa === undefined) {
      host.count("drop_unknown_spi");
      if (!phase1 && (header.flags & IsakmpFlag.ENCRYPTION) !== 0) this.#first.refuseCookies(header, way);
      return;
    }
    if (phase1 !== (header.messageId === 0) && exchangeType !== Exchange.INFORMATIONAL) {
      host.count("drop_message_id");
      return;
    }
    host.begin(sa);
    if (phase1) this.#onPhase1(sa, octets, header, way);
    else this.#onPhase2(sa, octets, header, way);
    host.followProven();
  }

  #onPhase1(sa: IsakmpSa, octets: Uint8Array, header: IkeHeader, way: Way): void {
    const mode = header.exchangeType === Exchange.MAIN_MODE ? "main" : "aggressive";
    if (mode !== sa.mode) {
      this.#host.count("drop_state");
      return;
    }
    const opened = this.#receive(sa, octets, header, way);
    if (opened === undefined) return;
    this.#host.touch(sa.line);
    onPhase1Message(this.#host, sa, { opened, way });
    if (sa.state.kind !== "AwaitKeRequest") this.#first.forget(sa);
  }

  /** What is neither dropped nor the same again. */
  #receive(sa: IsakmpSa, octets: Uint8Array, header: IkeHeader, way: Way): Opened | undefined {
    const host = this.#host;
    const received = sa.channel.receive(octets, header);
    switch (received.kind) {
      case "dropped":
        host.count(received.counter);
        return undefined;
      case "repeat":
        // No sign of life: anybody may send it again.
        host.count("requests_repeated");
        sendDatagrams(host, received.datagrams, way);
        return undefined;
      case "message":
        return received.opened;
      default:
        return received satisfies never;
    }
  }

  #onPhase2(sa: IsakmpSa, octets: Uint8Array, header: IkeHeader, way: Way): void {
    const host = this.#host;
    const { state } = sa;
    if ((header.flags & IsakmpFlag.ENCRYPTION) === 0) {
      this.#onClear(sa, octets, header);
      return;
    }
    if (state.kind !== "Live" && header.exchangeType !== Exchange.INFORMATIONAL) {
      // S68: not before main mode is over.
      host.count("drop_state");
      return;
    }
    if (header.messageId === 0) {
      host.count("drop_message_id");
      return;
    }
    const opened = this.#receive(sa, octets, header, way);
    if (opened === undefined) return;
    if (state.kind !== "Live") {
      host.touch(sa.line);
      onSealedNotice(host, sa, opened);
      return;
    }
    const message = decoded(opened);
    if (message === undefined) {
      host.count("drop_not_verified");
      return;
    }
    phase2.onPhase2Message(host, sa, state, message);
  }

  /** A notification in clear: before there are keys the peer has no other way, later it is a hint. */
  #onClear(sa: IsakmpSa, octets: Uint8Array, header: IkeHeader): void {
    const host = this.#host;
    const { state } = sa;
    if (header.exchangeType !== Exchange.INFORMATIONAL || state.kind === "Live") {
      host.count("drop_unprotected");
      if (state.kind === "Live") phase2.onHint(host, sa);
      return;
    }
    const payloads = decodeChain(header.nextPayload, octets, IKE_HEADER_LENGTH);
    const error = shape(NOTICE, payloads).N.find(({ type }) => type < FIRST_STATUS_NOTIFY);
    // Only what answers our first message, or third, by somebody who has seen it.
    const asked = state.kind === "AwaitSa" || state.kind === "AwaitKe" || state.kind === "AwaitAnswer";
    if (error === undefined || !asked) {
      host.count("drop_unprotected");
      return;
    }
    if (state.kind !== "AwaitKe" && downgradeMainMode(host, sa, error.type)) return;
    const alternatives = state.kind === "AwaitSa" ? decodeAlternatives(error.data) : undefined;
    const diff = state.kind === "AwaitSa" && alternatives ? alternativesDiff(state.offer, alternatives) : undefined;
    const shown = diff === undefined ? "" : `; it would take: ${diff.summary}\n${diff.lines.join("\n")}`;
    endSetup(host, sa, {
      child: undefined,
      stage: sa.mode === "main" ? "main mode" : "aggressive mode",
      notify: notifyName(error.type),
      from: "peer",
      reason: `the peer answered ${notifyName(error.type)}${shown}`,
      remedy: "make the IKE proposals and the authentication equal on both sides",
    });
  }
}

/** undefined: it was enciphered with other keys, or it is no message of phase 2. */
function decoded(opened: Opened): phase2.Phase2Message | undefined {
  const { header, firstType, inner } = opened;
  try {
    const payloads = decodeDecrypted(firstType, inner);
    const [first] = payloads;
    // RFC 2409 §5.5, §5.7: HASH comes first.
    if (first?.kind !== "HASH") return undefined;
    const afterHash = inner.subarray(first.end, payloads.at(-1)?.end);
    const { exchangeType, messageId, flags } = header;
    return { exchangeType, messageId, commit: (flags & IsakmpFlag.COMMIT) !== 0, payloads, afterHash, opened };
  } catch (error) {
    if (error instanceof WireError) return undefined;
    throw error;
  }
}
