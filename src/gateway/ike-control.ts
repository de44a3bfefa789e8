/**
 * The join of IKE, data plane and rekey director: carries out what the engine wants, tells it what lanes saw, and keeps
 * the children of the configuration in the state that it asks for. Sans-IO; the world around it is main.ts.
 *
 *     datagrams, results ──► engine ──► install, use, remove, move ──► director ──► DataPlane ──► lanes
 *     operator, packets ──►──┘  ▲                                        │  ▲                       │
 *                               └──────── rekey, delete, heard ──────────┘  └──── limits, switched ─┘
 */
import type { Endpoint, IpAddress } from "#core/address";
import { addressFromWords } from "#core/address";
import { ConfigError } from "#core/errors";
import { LaneEvent } from "#core/event-ring";
import type { IkeReport } from "#core/ike-state";
import { type Millis, millis } from "#core/units";
import type { EndCause, IkeEffect, IkeInput, NegotiatedChild } from "#ike/effects";
import { wipeChildKeys } from "#ike/keymat";
import { packetSelectors } from "./acquire.ts";
import { childPolicyName } from "./child-policies.ts";
import { childSpecOf, keepaliveOf } from "./child-spec.ts";
import { ChildStarts, type Start } from "./child-starts.ts";
import { type ChildTotals, TotalsOfChildren } from "./child-totals.ts";
import { ClearFallbacks, type FallbackEffect, fallbackReport } from "./clear-fallback.ts";
import { ControlCommands } from "./control-commands.ts";
import type { ControlEffect, ControlInput, ControlSnapshot, ControlWorld, TunnelSnapshot } from "./control-doors.ts";
import type { DirectorEffect, DirectorInput } from "./director-doors.ts";
import { type Installed, InstalledPairs } from "./installed-pairs.ts";
import { KeyRates } from "./key-rate.ts";
import { OperatorCommands } from "./operator-commands.ts";
import { PeerNames } from "./peer-names.ts";
import { RekeyDirector } from "./rekey-director.ts";
import { laneLimits, pairLimits } from "./rekey-timing.ts";
import { retiredReport } from "./retired-report.ts";
import { isOfPolicy, type Tunnel, Tunnels } from "./tunnels.ts";

export class IkeControl {
  readonly #world: ControlWorld;
  readonly #director: RekeyDirector;
  readonly #starts: ChildStarts;
  readonly #commands: ControlCommands = new ControlCommands();
  readonly #operator: OperatorCommands;
  readonly #tunnels: Tunnels = new Tunnels();
  readonly #names: PeerNames = new PeerNames();
  readonly #keyRates: KeyRates = new KeyRates();
  readonly #pairs: InstalledPairs = new InstalledPairs();
  readonly #totals = new TotalsOfChildren();
  readonly #fallbacks: ClearFallbacks = new ClearFallbacks();
  /** Pairs and IKE SAs that an operator ends: nothing brings them back. */
  readonly #ending = new Set<number>();
  #now: Millis = millis(0);
  #whyLost: "operator" | "close" | "dpd" = "close";
  #effects: ControlEffect[] = [];

  constructor(world: ControlWorld) {
    this.#world = world;
    this.#starts = new ChildStarts(world.random);
    this.#director = new RekeyDirector({
      random: world.random,
      usage: (id) => world.plane.usage(this.#pairs.get(id)?.plane ?? -1),
    });
    this.#operator = new OperatorCommands({
      director: this.#director,
      tunnels: this.#tunnels,
      starts: this.#starts,
      commands: this.#commands,
      ending: this.#ending,
      isInstalled: (id) => this.#pairs.has(id),
      ikeSas: () => world.engine.snapshot().sas,
      engine: (input, now) => this.#engine(input, now),
      direct: (input, now) => this.#direct(input, now),
      start: (start, now) => this.#start(start, now),
      tell: (...effects) => void this.#effects.push(...effects),
      allowClear: (name, now) => this.#fallbacks.allow(name, now),
    });
  }

  /** When `timeout` is wanted; undefined = nothing waits. */
  get nextTimeout(): Millis | undefined {
    const { engine } = this.#world;
    const all = [engine, this.#director, this.#starts, this.#commands, this.#fallbacks].map(
      ({ nextTimeout }) => nextTimeout ?? Number.POSITIVE_INFINITY,
    );
    const first = Math.min(...all);
    return Number.isFinite(first) ? millis(first) : undefined;
  }

  handle(input: ControlInput, now: Millis): ControlEffect[] {
    this.#now = now;
    this.#take(input, now);
    this.#startDue(now);
    const effects = this.#effects;
    this.#effects = [];
    return effects;
  }

  #take(input: ControlInput, now: Millis): void {
    switch (input.kind) {
      case "configure":
        this.#configure(input, now);
        break;
      case "datagram":
        this.#fallbacks.heard(input.remote.address, this.#names.known);
        this.#engine(input, now);
        break;
      case "computed":
      case "addresses":
      case "unreachable":
        this.#engine(input, now);
        break;
      case "resolved":
        this.#resolved(input.name, input.addresses, now);
        break;
      case "event":
        this.#event(input.record, now);
        break;
      case "timeout":
        this.#timeout(now);
        break;
      case "initiate":
      case "terminate":
      case "rekey":
      case "allow-clear":
        this.#operator.take(input, now);
        break;
      default:
        input satisfies never;
    }
  }

  #timeout(now: Millis): void {
    const { engine } = this.#world;
    if ((engine.nextTimeout ?? Number.POSITIVE_INFINITY) <= now) this.#engine({ kind: "timeout" }, now);
    this.#direct({ kind: "timeout" }, now);
    this.#fall(this.#fallbacks.timeout(now), now);
    this.#effects.push(...this.#commands.expire(now));
  }

  // Configuration and names

  #configure(input: Extract<ControlInput, { kind: "configure" }>, now: Millis): void {
    this.#tunnels.configure(input.ike, input.policies, this.#names.known);
    const ended = this.#fallbacks.configure(input.ike.connections);
    this.#setPolicies();
    for (const effect of ended) this.#report(fallbackReport(effect), now);
    this.#engine({ kind: "configure", config: input.ike }, now);
    for (const name of this.#names.unknown(input.ike)) this.#effects.push({ kind: "resolve", name });
    this.#starts.configure(input.ike.connections, now);
  }

  #setPolicies(): void {
    const { held } = this.#tunnels;
    const policies = this.#tunnels.policies.map((policy) =>
      this.#fallbacks.inClear(policy.name) === undefined ? policy : { ...policy, inClear: "both" as const },
    );
    this.#world.plane.setPolicies(policies, held);
    this.#effects.push({ kind: "policies", policies });
  }

  #resolved(name: string, addresses: readonly IpAddress[], now: Millis): void {
    const waiting = this.#names.resolve(name, addresses);
    if (addresses.length > 0) {
      this.#tunnels.resolve(this.#names.known);
      this.#setPolicies();
    }
    for (const start of waiting) {
      if (addresses.length > 0) this.#start(start, now);
      else
        this.#report(
          {
            kind: "failed",
            connection: start.connection,
            child: start.child,
            asked: "us",
            stage: "address of the peer",
            notify: undefined,
            from: "nobody",
            reason: `the name ${name} has no address`,
            remedy: "mend the name or give the peer's address",
            retryAt: undefined,
          },
          now,
        );
    }
  }

  // Starts

  #startDue(now: Millis): void {
    for (const start of this.#starts.due(now)) this.#start(start, now);
  }

  #start(start: Start, now: Millis, packet?: ReturnType<typeof packetSelectors>): void {
    const connection = this.#tunnels.connection(start.connection);
    if (connection === undefined) return;
    const place = this.#names.find(connection, start);
    if ("waiting" in place) {
      this.#effects.push({ kind: "resolve", name: place.waiting });
      return;
    }
    const { remote } = place;
    if (start.child !== undefined) this.#fallbacks.began(childPolicyName(start.connection, start.child), now);
    this.#engine(
      {
        kind: "initiate",
        ...start,
        ...(packet === undefined ? {} : { packet }),
        ...(remote === undefined ? {} : { remote }),
      },
      now,
    );
  }

  // Falling back to clear

  /** Policies change first, in lanes, routes and guards as one; then it is told. */
  #fall(effects: readonly FallbackEffect[], now: Millis): void {
    if (effects.some(({ kind }) => kind !== "negotiate")) this.#setPolicies();
    for (const effect of effects) {
      if (effect.kind !== "negotiate") this.#report(fallbackReport(effect), now);
      else if (!this.#starts.isUnderWay(effect.policy, now)) {
        const start = this.#starts.demand(effect.policy, "trap", now);
        if (start !== undefined) this.#start(start, now);
      }
    }
  }

  // What lanes saw

  #event(record: Int32Array, now: Millis): void {
    const [kind = 0, slot = -1, value = 0] = record;
    if (kind === LaneEvent.DONE) {
      this.#effects.push(...this.#pairs.done(value));
      return;
    }
    if (kind === LaneEvent.ACQUIRE) {
      this.#acquire(value, record, now);
      return;
    }
    const id = this.#pairs.idOfPlane(this.#world.plane.childOfSlot(slot));
    if (id === undefined) return;
    switch (kind) {
      case LaneEvent.SOFT:
        this.#direct({ kind: "limit", id, hard: false }, now);
        break;
      case LaneEvent.HARD:
      case LaneEvent.SEQUENCE_END:
        this.#direct({ kind: "limit", id, hard: true }, now);
        break;
      case LaneEvent.SWITCHED:
        this.#direct({ kind: "switched", id }, now);
        break;
      case LaneEvent.FIRST_PACKET:
        if (value === 1) {
          this.#direct({ kind: "proven", id }, now);
          return;
        }
        this.#engine({ kind: "first-packet", id }, now);
        this.#direct({ kind: "use", id }, now);
        return;
      case LaneEvent.PEER_MOVED:
        this.#engine({ kind: "peer-moved", id, remote: movedTo(record) }, now);
        break;
      default:
    }
  }

  #acquire(index: number, record: Int32Array, now: Millis): void {
    const policy = this.#world.plane.policies[index];
    const packet = packetSelectors(record);
    if (policy === undefined || !isOfPolicy(policy, packet.local, packet.remote)) return;
    const tunnel = this.#tunnels.tunnel(policy.name);
    if (tunnel === undefined) return;
    if (this.#fallbacks.inClear(policy.name) !== undefined) {
      this.#fall(this.#fallbacks.packet(policy.name, now), now);
      return;
    }
    // The pair has ended, and what is to replace it is under way.
    if (this.#director.family(policy.name)?.attempt !== undefined) return;
    const start = this.#starts.acquire(childPolicyName(tunnel.connection, tunnel.child), now);
    if (start !== undefined) this.#start(start, now, packet);
  }

  // What the engine wants

  #engine(input: IkeInput, now: Millis): void {
    this.#pairs.breath(() => {
      for (const effect of this.#world.engine.handle(input, now)) this.#carryOut(effect, now);
    });
  }

  #carryOut(effect: IkeEffect, now: Millis): void {
    switch (effect.kind) {
      case "send":
        if (!this.#pairs.holdsBack(effect)) this.#effects.push(effect);
        break;
      case "compute":
        this.#effects.push(effect);
        return;
      case "report":
        this.#report(effect.report, now);
        break;
      case "install-child-sa":
        this.#install(effect, now);
        break;
      case "use-child-sa":
      case "confirm-child-sa":
        this.#direct({ kind: effect.kind === "use-child-sa" ? "use" : "proven", id: effect.id }, now);
        break;
      case "remove-child-sa":
        this.#remove(effect.id, effect.drain, effect.cause, now);
        break;
      case "move-child-sa":
        this.#move(effect);
        break;
      default:
        effect satisfies never;
    }
  }

  #install({ child, outbound }: Extract<IkeEffect, { kind: "install-child-sa" }>, now: Millis): void {
    const use = outbound === "use";
    const connection = this.#tunnels.connection(child.connection);
    const config = connection?.children.find(({ name }) => name === child.child);
    if (connection === undefined || config === undefined) {
      this.#refuse(child, "it is not configured any more", now);
      return;
    }
    this.#fall(this.#fallbacks.secured(childPolicyName(child.connection, child.child)), now);
    const former = this.#pairs.get(child.replaces);
    const found = former === undefined ? this.#tunnels.find(child) : { tunnel: former.tunnel, isNew: false };
    if (found.isNew) this.#setPolicies();
    const { tunnel } = found;
    const { plane, random } = this.#world;
    const limits = pairLimits(config.lifetime, child.esn, random, now, child.agreedLifetime);
    const pathMtu = this.#world.pathMtu(child.remote);
    const spec = childSpecOf(child, config, tunnel.policy, laneLimits(limits, now), plane.lanes, pathMtu);
    let installed: ReturnType<typeof plane.install>;
    try {
      installed = plane.install(spec, use);
    } catch (error) {
      if (!(error instanceof ConfigError)) throw error;
      this.#refuse(child, error.message, now);
      return;
    } finally {
      wipeChildKeys(child);
      if (child.outerAh !== undefined) wipeChildKeys(child.outerAh);
    }
    const { id, local, remote, localSelectors, remoteSelectors, initiator, took, trigger, replaces } = child;
    const facts = { local, remote, localSelectors, remoteSelectors };
    const pair = { id, plane: installed.child.id, sas: installed.child, tunnel, facts };
    this.#pairs.add(pair, installed.command);
    const isFirst = this.#director.family(tunnel.policy)?.current === undefined;
    const probeAfter = connection.dpdDelay;
    const { policy: family } = tunnel;
    const made = { family, replaces, use, initiator, outbound, took, limits, trigger, probeAfter };
    this.#direct({ kind: "installed", id, ...made }, now);
    if (isFirst) this.#tell(pair, "up");
    const name = childPolicyName(child.connection, child.child);
    if (replaces === undefined) this.#starts.up(name);
    const warning = this.#keyRates.made(name, connection, now);
    if (warning !== undefined) this.#effects.push({ kind: "report", report: warning });
    this.#effects.push(...this.#commands.happened(`up ${name}`));
    if (replaces !== undefined) this.#effects.push(...this.#commands.happened(`rekeyed ${replaces}`));
  }

  #refuse(child: NegotiatedChild, why: string, now: Millis): void {
    const text = `${child.connection}/${child.child}: the pair that was agreed on cannot be installed: ${why}`;
    this.#effects.push({ kind: "report", report: { kind: "warning", text } });
    for (const { inbound } of child.outerAh === undefined ? [child] : [child, child.outerAh])
      this.#world.plane.spis.giveBack(inbound.spi);
    this.#engine({ kind: "delete-child", id: child.id, reason: why }, now);
  }

  #remove(id: number, drain: boolean, cause: EndCause, now: Millis): void {
    this.#whyLost = this.#ending.delete(id) ? "operator" : cause;
    this.#direct({ kind: "removed", id, drain }, now);
    this.#effects.push(...this.#commands.happened(`gone ${id}`));
  }

  #move({ id, local, remote, encapsulation, behindNat }: Extract<IkeEffect, { kind: "move-child-sa" }>): void {
    const pair = this.#pairs.get(id);
    if (pair === undefined) return;
    const { plane } = this.#world;
    const pathMtu = this.#world.pathMtu(remote);
    plane.move(pair.plane, { local, remote, encapsulation, keepaliveInterval: keepaliveOf(behindNat), pathMtu });
  }

  #report(given: IkeReport, now: Millis): void {
    let report = given;
    if (report.kind === "failed") report = { ...report, retryAt: this.#failed(report, now) };
    this.#effects.push({ kind: "report", report });
    if (report.kind === "ike-down") this.#effects.push(...this.#commands.happened(`ike-gone ${report.ike}`));
    if (report.kind === "ike-up") this.#effects.push(...this.#commands.happened(`up ${report.ike.connection}`));
    if (report.kind === "ike-rekeyed") this.#effects.push(...this.#commands.happened(`ike-rekeyed ${report.former}`));
  }

  /** An attempt for a child, or for its whole connection. Returns when it is tried again. */
  #failed(failure: Extract<IkeReport, { kind: "failed" }>, now: Millis): Millis | undefined {
    if (failure.asked === "peer") return failure.retryAt;
    const { connection, child } = failure;
    const why = `${failure.reason}; ${failure.remedy}`;
    let retryAt = failure.retryAt;
    for (const tunnel of this.#tunnels.all) {
      if (tunnel.connection !== connection || (child !== undefined && tunnel.child !== child)) continue;
      const family = this.#director.family(tunnel.policy);
      const rekeyed = family?.attempt?.id;
      if (rekeyed !== undefined) {
        this.#direct({ kind: "failed", family: tunnel.policy }, now);
        this.#effects.push(...this.#commands.failed(`rekeyed ${rekeyed}`, why));
      }
      const name = childPolicyName(connection, tunnel.child);
      this.#fall(this.#fallbacks.failed(name, failure.from === "nobody", failure.reason, now), now);
      const again = this.#starts.failed(name, failure.retryAt, now);
      retryAt ??= again ?? (rekeyed === undefined ? undefined : family?.retryAt);
      this.#effects.push(...this.#commands.failed(`up ${name}`, why));
    }
    if (child === undefined) this.#effects.push(...this.#commands.failed(`up ${connection}`, why));
    return retryAt;
  }

  // What the director wants

  #direct(input: DirectorInput, now: Millis): void {
    for (const effect of this.#director.handle(input, now)) this.#obey(effect, now);
  }

  #obey(effect: DirectorEffect, now: Millis): void {
    const { plane } = this.#world;
    switch (effect.kind) {
      case "use":
      case "prove":
      case "retire":
      case "succeed": {
        const pair = this.#pairs.get(effect.id);
        if (pair === undefined) return;
        if (effect.kind === "use") plane.use(pair.plane);
        else if (effect.kind === "prove") plane.prove(pair.plane);
        else if (effect.kind === "retire") plane.retire(pair.plane);
        else plane.succeed(pair.plane, this.#pairs.get(effect.successor)?.plane);
        return;
      }
      case "discard":
        this.#discard(effect.id);
        break;
      case "rekey":
        this.#engine({ kind: "rekey-child", id: effect.id, trigger: effect.trigger }, now);
        break;
      case "delete":
        this.#engine({ kind: "delete-child", id: effect.id, reason: effect.reason }, now);
        break;
      case "heard":
        this.#engine({ kind: "heard", id: effect.id }, now);
        break;
      case "lost":
        this.#lost(effect.id, now);
        break;
      default:
        effect satisfies never;
    }
  }

  #discard(id: number): void {
    const pair = this.#pairs.get(id);
    if (pair === undefined) return;
    const family = this.#director.family(pair.tunnel.policy);
    this.#pairs.remove(pair);
    const report = retiredReport(pair.tunnel, pair.sas, this.#world.plane.usage(pair.plane));
    this.#effects.push({ kind: "report", report });
    this.#totals.retire(pair.tunnel, this.#world.plane.counters(pair.plane));
    this.#world.plane.remove(pair.plane);
    if (family?.isEmpty !== true || !this.#tunnels.drop(pair.tunnel.policy)) return;
    this.#director.forget(pair.tunnel.policy);
    this.#setPolicies();
  }

  #lost(id: number, now: Millis): void {
    const pair = this.#pairs.get(id);
    if (pair === undefined) return;
    this.#tell(pair, "down");
    this.#starts.lost(childPolicyName(pair.tunnel.connection, pair.tunnel.child), this.#whyLost, now);
  }

  #tell({ tunnel, facts }: Installed, state: "up" | "down"): void {
    const { connection, child } = tunnel;
    const updown = this.#tunnels.connection(connection)?.children.find(({ name }) => name === child)?.updown;
    this.#effects.push({ kind: "tunnel", state, connection, child, updown, ...facts });
  }

  /** Of all configured children; never falls. */
  totals(): readonly ChildTotals[] {
    const pairs = [...this.#pairs.all].map(({ tunnel, plane }) => [tunnel, this.#world.plane.counters(plane)] as const);
    return this.#totals.of(this.#tunnels.all, pairs);
  }

  /** `now`: rates are of the time since the last snapshot; without it, as of the last input. */
  snapshot(now: Millis = this.#now): ControlSnapshot {
    const tunnels = [...this.#tunnels.all].map((tunnel) => this.#tunnelSnapshot(tunnel, now));
    const fallbacks = this.#fallbacks.counts;
    return { ike: this.#world.engine.snapshot(), tunnels, rekeys: this.#director.counts.table, fallbacks };
  }

  #tunnelSnapshot(tunnel: Tunnel, now: Millis): TunnelSnapshot {
    const { policy, connection, child } = tunnel;
    const shown = this.#director.show(policy, now);
    const clear = this.#fallbacks.inClear(policy);
    const down = this.#starts.isUnderWay(childPolicyName(connection, child), now) ? "connecting" : "down";
    return { connection, child, policy, ...shown, state: shown.state ?? (clear === undefined ? down : "clear"), clear };
  }
}

function movedTo(record: Int32Array): Endpoint {
  const [, , , family, port = 0] = record;
  return { address: addressFromWords(family === 6 ? 6 : 4, record, 5), port };
}
