/**
 * The join of IKE, data plane and rekey director: carries out what the engine wants, tells it what lanes saw, and keeps
 * the children of the configuration in the state that it asks for. Sans-IO; the world around it is main.ts.
 *
 *     datagrams, results ──► engine ──► install, use, remove, move ──► director ──► DataPlane ──► lanes
 *     operator, packets ──►──┘  ▲                                        │  ▲                       │
 *                               └──────── rekey, delete, heard ──────────┘  └──── limits, switched ─┘
 */
import type { Endpoint, IpAddress } from "#core/address";
import { LaneEvent } from "#core/event-ring";
import type { IkeReport, IkeSaSnapshot } from "#core/ike-state";
import { sameValue } from "#core/same-value";
import { type Millis, millis } from "#core/units";
import type { IkeEffect, IkeInput } from "#ike/effects";
import { movedTo, packetSelectors } from "./acquire.ts";
import { childPolicyName } from "./child-policies.ts";
import { ChildStarts, type Start } from "./child-starts.ts";
import { TotalsOfChildren } from "./child-totals.ts";
import { ClearFallbacks, type FallbackEffect, fallbackReport } from "./clear-fallback.ts";
import { ControlCommands } from "./control-commands.ts";
import type { ControlEffect, ControlInput, ControlWorld } from "./control-doors.ts";
import type { ControlState, PoliciesInForce } from "./control-state.ts";
import { ControlView } from "./control-view.ts";
import type { DirectorInput } from "./director-doors.ts";
import { InstalledPairs } from "./installed-pairs.ts";
import { OperatorCommands } from "./operator-commands.ts";
import { PairKeeper } from "./pair-keeper.ts";
import { PeerNames } from "./peer-names.ts";
import { Reconfiguration } from "./reconfiguration.ts";
import { RekeyDirector } from "./rekey-director.ts";
import { isOfPolicy, Tunnels } from "./tunnels.ts";

type Configuration = Omit<Extract<ControlInput, { kind: "configure" }>, "kind">;

/** `addresses`: of this host, as the former control knew them. */
interface Inherited extends Configuration {
  readonly addresses: readonly Endpoint[];
}

export class IkeControl {
  /** What everybody may know of it. */
  readonly view: ControlView;
  readonly #world: ControlWorld;
  readonly #director: RekeyDirector;
  readonly #starts: ChildStarts;
  readonly #commands: ControlCommands = new ControlCommands();
  readonly #operator: OperatorCommands;
  readonly #tunnels: Tunnels = new Tunnels();
  readonly #names: PeerNames = new PeerNames();
  readonly #pairs: InstalledPairs = new InstalledPairs();
  readonly #totals = new TotalsOfChildren();
  readonly #fallbacks: ClearFallbacks = new ClearFallbacks();
  readonly #keeper: PairKeeper;
  readonly #reconfiguration: Reconfiguration;
  #now: Millis = millis(0);
  /** What the data plane has; undefined before the first configuration. */
  #policies: PoliciesInForce | undefined;
  #effects: ControlEffect[] = [];

  constructor(world: ControlWorld) {
    this.#world = world;
    this.#starts = new ChildStarts(world.random);
    this.#director = new RekeyDirector({
      random: world.random,
      usage: (id) => world.plane.usage(this.#pairs.get(id)?.plane ?? -1),
    });
    const shared = {
      director: this.#director,
      tunnels: this.#tunnels,
      starts: this.#starts,
      commands: this.#commands,
      isInstalled: (id: number) => this.#pairs.has(id),
      ikeSas: () => world.engine.snapshot().sas,
      engine: (input: IkeInput, now: Millis) => this.#engine(input, now),
      direct: (input: DirectorInput, now: Millis) => this.#direct(input, now),
      tell: (...effects: readonly ControlEffect[]) => void this.#effects.push(...effects),
    };
    this.#keeper = new PairKeeper({
      ...shared,
      world,
      pairs: this.#pairs,
      totals: this.#totals,
      secured: (name, now) => this.#fall(this.#fallbacks.secured(name), now),
      setPolicies: () => this.#setPolicies(),
    });
    this.#reconfiguration = new Reconfiguration({ ...shared, keeper: this.#keeper });
    this.#operator = new OperatorCommands({
      ...shared,
      ending: this.#keeper.ending,
      start: (start, now) => this.#start(start, now),
      allowClear: (name, now) => this.#fallbacks.allow(name, now),
    });
    this.view = new ControlView({
      ...world,
      director: this.#director,
      tunnels: this.#tunnels,
      starts: this.#starts,
      pairs: this.#pairs,
      totals: this.#totals,
      fallbacks: this.#fallbacks,
      now: () => this.#now,
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
      case "hold":
      case "release":
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
      case "trap":
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

  // Another process goes on with it

  /** Why it cannot be frozen now; undefined = it can. While nothing is held, that may never be. */
  get unsettled(): string | undefined {
    const { unsettled } = this.#world.engine;
    if (unsettled > 0) return `exchanges are under way (IKE SAs: ${unsettled}); try again`;
    if (!this.#pairs.isSettled || !this.#world.plane.isSettled) return "SAs are being installed or removed; try again";
    return undefined;
  }

  /** IKE SAs that are being set up: a freeze leaves them out, and those of ours begin again. */
  get settingUp(): number {
    return this.#world.engine.settingUp;
  }

  /** Changes nothing. Keys in it are the caller's to wipe. */
  freeze(): ControlState {
    return {
      engine: this.#world.engine.freeze(),
      director: this.#director.freeze(),
      starts: this.#starts.freeze(),
      tunnels: this.#tunnels.freeze(),
      names: this.#names.freeze(),
      pairs: this.#pairs.freeze(),
      totals: this.#totals.freeze(),
      fallbacks: this.#fallbacks.freeze(),
      keeper: this.#keeper.freeze(),
      policies: this.#policies,
    };
  }

  /**
   * In place of the first `configure`, with the configuration that was in force, and when the data plane has its SAs. Keys in
   * the state stay the caller's to wipe. What follows comes with the next input.
   */
  thaw(state: ControlState, { ike, policies, addresses }: Inherited, now: Millis): void {
    const { engine } = this.#world;
    this.#now = now;
    const asked = this.#names.thaw(state.names);
    this.#tunnels.thaw(state.tunnels);
    this.#tunnels.configure(ike, policies, this.#names.known);
    this.#fallbacks.configure(ike.connections);
    this.#fallbacks.thaw(state.fallbacks);
    this.#starts.configure(ike.connections, now);
    this.#starts.thaw(state.starts);
    this.#reconfiguration.thaw(ike);
    this.#pairs.thaw(state.pairs);
    this.#totals.thaw(state.totals);
    this.#director.thaw(state.director);
    this.#keeper.thaw(state.keeper);
    this.#policies = state.policies;
    this.#engine({ kind: "addresses", local: addresses }, now);
    this.#engine({ kind: "configure", config: ike }, now);
    engine.thaw(state.engine, now);
    for (const name of new Set([...asked, ...this.#names.unknown(ike)])) this.#effects.push({ kind: "resolve", name });
  }

  // Configuration and names

  #configure({ ike, policies }: Configuration, now: Millis): void {
    const exchange = () => {
      this.#tunnels.configure(ike, policies, this.#names.known);
      const ended = this.#fallbacks.configure(ike.connections);
      this.#setPolicies();
      for (const effect of ended) this.#report(fallbackReport(effect), now);
      this.#engine({ kind: "configure", config: ike }, now);
    };
    this.#reconfiguration.take(ike, exchange, now);
    for (const name of this.#names.unknown(ike)) this.#effects.push({ kind: "resolve", name });
  }

  #setPolicies(): void {
    const { held } = this.#tunnels;
    const policies = this.#tunnels.policies.map((policy) =>
      this.#fallbacks.inClear(policy.name) === undefined ? policy : { ...policy, inClear: "both" as const },
    );
    // A reload of something else: lanes, routes and guards need not hear of it.
    if (this.#policies !== undefined && sameValue(this.#policies, { policies, held: [...held] })) return;
    this.#policies = { policies, held: [...held] };
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
        this.#keeper.install(effect, now);
        break;
      case "use-child-sa":
      case "confirm-child-sa":
        this.#direct({ kind: effect.kind === "use-child-sa" ? "use" : "proven", id: effect.id }, now);
        break;
      case "remove-child-sa":
        this.#keeper.remove(effect, now);
        break;
      case "move-child-sa":
        this.#keeper.move(effect);
        break;
      default:
        effect satisfies never;
    }
  }

  #report(given: IkeReport, now: Millis): void {
    let report = given;
    if (report.kind === "failed") report = { ...report, retryAt: this.#failed(report, now) };
    this.#effects.push({ kind: "report", report });
    if (report.kind === "ike-down") this.#effects.push(...this.#commands.happened(`ike-gone ${report.ike}`));
    if (report.kind === "ike-up") this.#isUp(report.ike, now);
    if (report.kind === "ike-rekeyed") this.#effects.push(...this.#commands.happened(`ike-rekeyed ${report.former}`));
  }

  #isUp({ id, connection }: IkeSaSnapshot, now: Millis): void {
    this.#effects.push(...this.#commands.happened(`up ${connection}`));
    // Another configuration came while it was set up.
    if (this.#tunnels.connection(connection) === undefined)
      this.#engine({ kind: "delete-ike", ike: id, reason: "it is not configured any more" }, now);
  }

  /** An attempt for a child, or for its whole connection. Returns when it is tried again. */
  #failed(failure: Extract<IkeReport, { kind: "failed" }>, now: Millis): Millis | undefined {
    if (failure.asked === "peer") return failure.retryAt;
    const { connection, child } = failure;
    const why = `${failure.reason}; ${failure.remedy}`;
    let retryAt = failure.retryAt;
    for (const tunnel of this.#tunnels.of(connection)) {
      if (child !== undefined && tunnel.child !== child) continue;
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
    for (const effect of this.#director.handle(input, now)) this.#keeper.obey(effect, now);
  }
}
