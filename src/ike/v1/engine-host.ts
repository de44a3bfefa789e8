/** The engine as its exchanges see it: effects, counters, jobs and the registry behind one door. */
import type { Endpoint, IpAddress } from "#core/address";
import type { Connection, Credentials } from "#core/connection";
import type { Job } from "#core/ike-job";
import type { Trigger } from "#core/ike-state";
import { type Millis, millis } from "#core/units";
import type { Attempts } from "#ike/attempts";
import type { Counter, Counters } from "#ike/counters";
import type { IkeEffect, IkeWorld } from "#ike/effects";
import type { HalfOpen } from "#ike/half-open";
import { type Failure, randomOctets, reportFailure, type Way } from "#ike/host";
import { isListed } from "#ike/pad";
import type { Numbers } from "#ike/version-engine";
import * as aggressiveMode from "./aggressive-mode.ts";
import { endSetup } from "./end.ts";
import type { Host, JobRoad, Phase2Send } from "./host.ts";
import { IsakmpSa, wipeState } from "./isakmp-sa.ts";
import * as mainMode from "./main-mode.ts";
import { follow } from "./path.ts";
import type { PeerLine } from "./peer-line.ts";
import { sendDatagrams } from "./phase1-send.ts";
import * as phase2 from "./phase2.ts";
import type { Registry } from "./registry.ts";

/** Key exchanges of strangers that may be under way: of all, and of one source. */
const STRANGERS_JOBS = 64;
const SOURCE_JOBS = 8;
/** Of those so many are for peers whose addresses a configuration lists. */
const LISTED_JOBS = 16;

interface Waiting {
  readonly sa: IsakmpSa;
  readonly road: JobRoad;
  /** Whose it is, where that is not proven. */
  readonly source: string | undefined;
}

export class EngineHost implements Host {
  readonly world: IkeWorld;
  readonly registry: Registry;
  readonly attempts: Attempts;
  readonly #counters: Counters;
  readonly #numbers: Numbers;
  readonly #halfOpen: HalfOpen;
  readonly #touched: Set<PeerLine>;
  readonly #jobs = new Map<number, Waiting>();
  readonly #sources = new Map<string, number>();
  #strangersJobs = 0;
  #effects: IkeEffect[] = [];
  #removed: IsakmpSa[] = [];
  /** The message that is being handled, and how many of its ISAKMP SA's were proven before it. */
  #incoming: { readonly sa: IsakmpSa; readonly accepted: number } | undefined;
  now: Millis = millis(0);
  way: Way | undefined = undefined;
  connections: readonly Connection[] = [];
  credentials: Credentials = { secrets: [], keys: [], authorities: [], intermediates: [], crls: [] };
  localEndpoints: readonly Endpoint[] = [];
  held = false;

  constructor(
    world: IkeWorld,
    registry: Registry,
    counters: Counters,
    numbers: Numbers,
    attempts: Attempts,
    halfOpen: HalfOpen,
    touched: Set<PeerLine>,
  ) {
    this.world = world;
    this.registry = registry;
    this.#counters = counters;
    this.#numbers = numbers;
    this.attempts = attempts;
    this.#halfOpen = halfOpen;
    this.#touched = touched;
  }

  emit(effect: IkeEffect): void {
    if (effect.kind === "install-child-sa") {
      const line = this.registry.byId(effect.child.ike)?.line;
      if (line !== undefined) this.registry.own(effect.child.id, line);
    }
    this.#effects.push(effect);
  }

  takeEffects(): IkeEffect[] {
    const effects = this.#effects;
    this.#effects = [];
    return effects;
  }

  count(counter: Counter): void {
    this.#counters.count(counter);
  }

  // ── jobs ───────────────────────────────────────────────────────────────────────────────────────────────────────────

  compute(sa: IsakmpSa, road: JobRoad, work: Job): number {
    const job = this.#numbers.nextJob();
    const source = road === "phase1" && !sa.initiator ? sourceOf(sa.line.path.remote.address) : undefined;
    if (source !== undefined) {
      this.#strangersJobs++;
      this.#sources.set(source, (this.#sources.get(source) ?? 0) + 1);
    }
    this.#jobs.set(job, { sa, road, source });
    this.count("jobs_started");
    this.emit({ kind: "compute", job, work });
    return job;
  }

  isWaitingFor(job: number): boolean {
    return this.#jobs.has(job);
  }

  takeJob(job: number): { readonly sa: IsakmpSa; readonly road: JobRoad } | undefined {
    const waiting = this.#jobs.get(job);
    this.#jobs.delete(job);
    if (waiting?.source !== undefined) {
      this.#strangersJobs--;
      const left = (this.#sources.get(waiting.source) ?? 0) - 1;
      if (left > 0) this.#sources.set(waiting.source, left);
      else this.#sources.delete(waiting.source);
    }
    return waiting;
  }

  mayCompute({ line, mode }: IsakmpSa, { remote }: Way): boolean {
    // In aggressive mode nobody has shown yet to be at that address.
    const listed = mode === "main" && isListed(line.connection);
    if (this.#strangersJobs >= (listed ? STRANGERS_JOBS : STRANGERS_JOBS - LISTED_JOBS)) return false;
    if ((this.#sources.get(sourceOf(remote.address)) ?? 0) >= SOURCE_JOBS) return false;
    return listed ? this.#halfOpen.spendOwn(remote.address, this.now) : this.#halfOpen.spend(remote.address, this.now);
  }

  // ── ISAKMP SAs ─────────────────────────────────────────────────────────────────────────────────────────────────────

  nextId(): number {
    return this.#numbers.nextId();
  }

  /** RFC 2408 §2.5.3: nobody can guess it; not 0 and nobody's yet. */
  drawCookie(): bigint {
    for (;;) {
      const cookie = new DataView(randomOctets(this, 8).buffer).getBigUint64(0);
      if (cookie !== 0n && !this.registry.hasCookie(cookie)) return cookie;
    }
  }

  drawMessageId(sa: IsakmpSa): number {
    for (;;) {
      const messageId = new DataView(randomOctets(this, 4).buffer).getUint32(0);
      if (sa.channel.isFree(messageId)) return messageId;
    }
  }

  renew(line: PeerLine, trigger: Trigger, weaker = false): void {
    if (line.coming !== undefined || line.mainModeFrom > this.now) return;
    const { connection, path } = line;
    const mode = aggressiveMode.isAllowed(connection) ? "aggressive" : "main";
    const sa = new IsakmpSa({
      id: this.nextId(),
      line,
      initiator: true,
      mode,
      trigger,
      weaker,
      initiatorCookie: this.drawCookie(),
      responderCookie: 0n,
    });
    line.coming = sa;
    this.registry.add(sa);
    this.touch(line);
    if (path.remote.address.octets.every((octet) => octet === 0)) {
      endSetup(this, sa, {
        child: undefined,
        stage: "initiate",
        notify: undefined,
        from: "us",
        reason: `${connection.name} has no address to speak to`,
        remedy: "set remote_addrs to an address, or let the peer begin",
      });
      return;
    }
    if (mode === "main") mainMode.begin(this, sa);
    else aggressiveMode.begin(this, sa);
  }

  destroy(sa: IsakmpSa, reason: string): void {
    const { state, line } = sa;
    if (state.kind === "Gone") return;
    if (state.kind === "Live") phase2.onEnding(this, sa, state, reason);
    wipeState(sa.state);
    sa.state = { kind: "Gone" };
    sa.channel.wipe();
    if (line.current === sa) line.current = undefined;
    if (line.coming === sa) line.coming = undefined;
    this.registry.remove(sa);
    this.#halfOpen.close(sa.id);
    this.#removed.push(sa);
    this.touch(line);
  }

  takeRemoved(): readonly IsakmpSa[] {
    const removed = this.#removed;
    this.#removed = [];
    return removed;
  }

  settled(sa: IsakmpSa): void {
    this.#halfOpen.close(sa.id);
    if (sa.line.attempt !== undefined) this.attempts.done(sa.line.attempt);
    sa.line.attempt = undefined;
    this.touch(sa.line);
  }

  touch(line: PeerLine): void {
    this.#touched.add(line);
  }

  failed(line: PeerLine, failure: Failure): void {
    const { connection, attempt, peer } = line;
    let retryAt: Millis | undefined;
    if (attempt !== undefined && peer.kind === "unknown") {
      const draw = randomOctets(this, 1);
      retryAt = this.attempts.failed(attempt, connection.keyingTries, this.now, (draw[0] ?? 0) / 256);
    }
    // Of a line that the peer set up, and that came to nothing.
    const asked = line.trigger === "peer" && peer.kind === "unknown" ? "peer" : "us";
    reportFailure(this, connection, failure, line.path, { asked, retryAt });
  }

  // ── phase 2's messages ─────────────────────────────────────────────────────────────────────────────────────────────

  /** A message of this ISAKMP SA is looked at. */
  begin(sa: IsakmpSa): void {
    this.#incoming = { sa, accepted: sa.channel.accepted };
  }

  /** What was proven says where the peer is (RFC 3947 §4), and that it has our last message of phase 1. */
  followProven(): void {
    const incoming = this.#incoming;
    if (incoming === undefined || this.way === undefined) return;
    const { sa, accepted } = incoming;
    if (sa.channel.accepted === accepted) return;
    this.#incoming = undefined;
    sa.unconfirmed = 0;
    if (sa.state.kind === "Live") follow(this, sa.line, this.way.remote);
  }

  sendPhase2(sa: IsakmpSa, { exchangeType, messageId, payloads, commit, repeats }: Phase2Send): void {
    this.followProven();
    const { connection, path } = sa.line;
    const outgoing = { ...sa.cookies, exchangeType, messageId, payloads, commit, repeats, remote: path.remote };
    sendDatagrams(this, sa.channel.send(outgoing, connection.retransmission, this.now), path);
    this.touch(sa.line);
  }

  endPhase2(sa: IsakmpSa, messageId: number): void {
    sa.channel.end(messageId);
  }
}

/** What one host has: an IPv4 address, or an IPv6 /64. */
function sourceOf({ family, octets }: IpAddress): string {
  return octets.subarray(0, family === 4 ? 4 : 8).join(".");
}
