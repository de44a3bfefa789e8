/**
 * Lives one schedule: the storm with its steps, then a quiet network until all is settled, then a delete by one side. What
 * was wrong comes back as lines of text; no line = all held.
 */
import { type Connection, DEFAULT_CONNECTION_POLICY, type IkeConfig } from "#core/connection";
import type { Proposal } from "#core/proposal";
import { millis } from "#core/units";
import { KeMethod } from "#crypto/key-exchange";
import { wipeFrozen } from "#ike/frozen";
import { A, B, childConfig, espProposal, mirrored, NET_A, NET_B } from "./ike-config.ts";
import { leftovers, unexpectedCounts, violations } from "./ike-invariants.ts";
import { endpoint, FAIR, type IkeNode, IkeSim, type SimObserver } from "./ike-pair.ts";
import { isakmpProposal, quickModeProposal } from "./ikev1-pair.ts";
import { Keeper } from "./keeper.ts";
import { NonceBooks } from "./nonce-books.ts";
import { type Deed, mix, type Schedule, type Side } from "./schedule.ts";
import { SecretBooks } from "./secret-books.ts";
import { Nat } from "./virtual-nat.ts";

/** All back-offs and retransmissions end within this. */
const LONGEST_SETTLING = 1_500_000;
/** Deletes that the peer owes, and answers to repeats, are waited for less long. */
const AFTERWARDS = 200_000;
const MOVED = ["192.0.2.77", "192.0.2.78", A];

/** Runs it; violations and exceptions as lines. `observer` sees all that happens. */
export function runSchedule(schedule: Schedule, observer?: SimObserver): string[] {
  const life = new Life(schedule, observer);
  try {
    return life.run();
  } catch (error) {
    return [`exception: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`];
  }
}

class Life {
  readonly #schedule: Schedule;
  readonly #sim: IkeSim;
  readonly #configs: Readonly<Record<Side, IkeConfig>>;
  readonly #nodes: Record<Side, IkeNode>;
  readonly #keepers: Partial<Record<Side, Keeper>> = {};
  readonly #secrets: SecretBooks;
  readonly #nat: Nat | undefined;
  readonly #nonces: NonceBooks;
  readonly #upgrading = new Set<IkeNode>();
  #silentUntil = 0;
  #moves = 0;

  constructor(schedule: Schedule, observer: SimObserver | undefined) {
    const { seed, weather, jobTime, switchAfter, owners, children } = schedule;
    this.#schedule = schedule;
    this.#sim = new IkeSim({
      seed: mix(seed) | 1,
      jobs: "cheap",
      weather,
      jobTime,
      switchAfter,
      roaming: schedule.mobike,
    });
    this.#configs = configsOf(schedule, schedule.dpdDelay);
    if (observer !== undefined) this.#sim.observers.push(observer);
    this.#secrets = new SecretBooks(this.#sim);
    this.#nonces = new NonceBooks(this.#sim);
    this.#nodes = { a: this.#sim.node("a", A), b: this.#sim.node("b", B) };
    this.#nat = schedule.nat ? new Nat(this.#sim, A) : undefined;
    for (const side of owners) this.#keepers[side] = new Keeper(this.#sim, this.#nodes[side], children);
  }

  run(): string[] {
    const { owners, stagger, settleIn, steps } = this.#schedule;
    for (const side of ["a", "b"] as const) this.#introduce(side);
    for (const side of owners) {
      this.#keepers[side]?.startAll();
      this.#driveFor(stagger);
    }
    this.#driveFor(settleIn);
    for (const { wait, deeds } of steps) {
      this.#driveFor(wait);
      for (const deed of deeds) this.#act(deed);
    }
    if (this.#silentUntil > this.#sim.now) this.#driveFor(this.#silentUntil - this.#sim.now);
    this.#sim.weather = FAIR;
    const found = this.#settle();
    return found.length > 0 ? found : this.#end();
  }

  // ── steps ──────────────────────────────────────────────────────────────────────────────────────────────────────────

  #introduce(side: Side): void {
    const node = this.#nodes[side];
    node.configure(this.#configs[side]);
    node.give({ kind: "addresses", local: [{ address: node.address, port: 0 }] });
  }

  /** The network is dead as long as a silence lasts. */
  #driveFor(span: number): void {
    const until = this.#sim.now + span;
    const silent = Math.min(until, this.#silentUntil);
    if (silent > this.#sim.now) {
      this.#sim.weather = { ...this.#schedule.weather, loss: 1 };
      this.#sim.drive(silent);
    }
    this.#sim.weather = this.#silentUntil > until ? this.#sim.weather : this.#schedule.weather;
    this.#sim.drive(until);
  }

  #act(deed: Deed): void {
    switch (deed.kind) {
      case "rekey-child":
      case "delete-child":
        this.#onChild(deed.kind, this.#nodes[deed.side], deed.pick);
        return;
      case "rekey-ike":
      case "reauthenticate":
      case "delete-ike":
        this.#onIke(deed.kind, this.#nodes[deed.side]);
        return;
      case "restart":
        this.#restart(deed.side, deed.down);
        return;
      case "silence":
        this.#silentUntil = Math.max(this.#silentUntil, this.#sim.now + deed.span);
        return;
      case "upgrade":
        this.#upgrade(deed);
        return;
      case "move":
        this.#move();
        return;
      default:
        deed satisfies never;
    }
  }

  #onChild(kind: "rekey-child" | "delete-child", node: IkeNode, pick: number): void {
    const ids = [...node.installed.keys()];
    const id = ids[pick % Math.max(1, ids.length)];
    if (id === undefined) return;
    node.give(kind === "rekey-child" ? { kind, id, trigger: "time" } : { kind, id, reason: "schedule" });
  }

  #onIke(kind: "rekey-ike" | "reauthenticate" | "delete-ike", node: IkeNode): void {
    const ike = node.sas.find(({ state }) => state === "established")?.id ?? node.sas[0]?.id;
    if (ike === undefined) return;
    const keeper = this.#keepers[node.name === "a" ? "a" : "b"];
    node.give(kind === "delete-ike" ? { kind, ike, reason: "schedule" } : { kind, ike, trigger: "time" });
    if (kind === "delete-ike") keeper?.startAgain();
  }

  #restart(side: Side, down: number): void {
    const killed = this.#nodes[side];
    if (!killed.alive) return;
    this.#sim.kill(killed);
    this.#sim.after([down, down], () => {
      if (side === "a") this.#sim.move(killed, A);
      this.#nodes[side] = this.#sim.restart(killed);
      this.#introduce(side);
      this.#keepers[side]?.restarted(this.#nodes[side]);
    });
  }

  /** As the gateway does it: held, settled, frozen; or it goes on as if nothing had been. */
  #upgrade({ side, limit, away, fails }: Extract<Deed, { readonly kind: "upgrade" }>): void {
    const node = this.#nodes[side];
    if (!node.alive || node.isAway || this.#upgrading.has(node)) return;
    this.#upgrading.add(node);
    const until = this.#sim.now + limit;
    node.give({ kind: "hold" });
    const settle = () => {
      if (!node.alive) return;
      const isSettled = node.engine.unsettled === 0;
      if (!isSettled && this.#sim.now < until) {
        this.#sim.after([20, 20], settle);
        return;
      }
      this.#upgrading.delete(node);
      if (isSettled && !fails) {
        node.upgrade(away);
        return;
      }
      if (isSettled) wipeFrozen(node.engine.freeze());
      node.give({ kind: "release" });
    };
    settle();
  }

  #move(): void {
    this.#moves += 1;
    if (this.#nat !== undefined) {
      this.#nat.remap();
      return;
    }
    const { a } = this.#nodes;
    if (!this.#schedule.mobike || !a.alive) return;
    const address = MOVED[this.#moves % MOVED.length] ?? A;
    this.#sim.move(a, address);
    a.give({ kind: "addresses", local: [endpoint(address, 0)] });
  }

  // ── verdicts ───────────────────────────────────────────────────────────────────────────────────────────────────────

  /** Quiet until all holds; then it has to hold for good, with no timer once nobody asks whether the peer is there. */
  #settle(): string[] {
    const sim = this.#sim;
    const until = sim.now + LONGEST_SETTLING;
    // A NAT that forgot us is told by the next question whether the peer is there.
    sim.driveFor(this.#schedule.nat ? 200_000 : 10_000);
    while (this.#violations(true).length > 0) {
      if (sim.now > until) return this.#violations(true);
      sim.driveFor(30_000);
    }
    const { a, b } = configsOf(this.#schedule, 0);
    this.#nodes.a.configure(a);
    this.#nodes.b.configure(b);
    sim.driveFor(AFTERWARDS);
    return this.#violations(false);
  }

  #violations(timers: boolean): string[] {
    const { a, b } = this.#nodes;
    if (!a.alive || !b.alive) return ["a gateway is down"];
    const found = violations(this.#sim, a, b, this.#schedule.children);
    return timers ? found.filter((line) => !line.endsWith("has a timer") && !line.endsWith("under way")) : found;
  }

  /** One side deletes the IKE SA: nothing may stay, on neither. */
  #end(): string[] {
    for (const keeper of Object.values(this.#keepers)) keeper.stop();
    const { a, b } = this.#nodes;
    const ender = this.#schedule.seed % 2 === 0 ? a : b;
    this.#onIke("delete-ike", ender);
    this.#sim.driveFor(AFTERWARDS);
    const kept = [a, b].flatMap((node) => [...leftovers(node), ...unexpectedCounts(node)]);
    return [...kept, ...[a, b].flatMap((node) => this.#secrets.notWiped(node)), ...this.#nonces.usedTwice];
  }
}

function configsOf(schedule: Schedule, dpdDelay: number): Record<Side, IkeConfig> {
  const { children, pfs, mobike, nat, ikev1 } = schedule;
  const proposals = ikev1 === undefined ? [espProposal(pfs ? [KeMethod.CURVE25519] : [])] : quickModeProposals(pfs);
  const { a, b } = mirrored({ mobike, keyingTries: 0, dpdDelay: millis(dpdDelay) });
  const nets = (net: string, i: number) => net.replace(".0.0/16", `.${i}.0/24`);
  const childrenOf = (local: string, remote: string) =>
    children.map((name, i) => childConfig(nets(local, i), nets(remote, i), { name, proposals }));
  const [any] = [[{ kind: "any" } as const]];
  const hidden = nat || mobike;
  return {
    a: {
      ...a,
      connections: a.connections.map((c) => ({
        ...c,
        ...version1Of(schedule, "a"),
        localAddresses: any,
        children: childrenOf(NET_A, NET_B),
      })),
    },
    b: {
      ...b,
      connections: b.connections.map((c) => ({
        ...c,
        ...version1Of(schedule, "b"),
        remoteAddresses: hidden ? any : c.remoteAddresses,
        children: childrenOf(NET_B, NET_A),
      })),
    },
  };
}

function quickModeProposals(pfs: boolean): readonly Proposal[] {
  return [quickModeProposal(pfs ? [KeMethod.MODP_2048] : [])];
}

function version1Of({ ikev1 }: Schedule, side: Side): Partial<Connection> {
  if (ikev1 === undefined) return {};
  const { aggressive, commitBit, microsoft } = ikev1;
  return {
    version: 1,
    proposals: [isakmpProposal()],
    v1: { ...DEFAULT_CONNECTION_POLICY.v1, aggressive, aggressivePsk: aggressive, commitBit, microsoft },
    refreshLimit: ikev1.refreshLimit[side],
    masterPfs: ikev1.masterPfs[side],
  };
}
