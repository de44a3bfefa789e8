/** Two gateways that key themselves, on a virtual clock: real data planes and controls, `FakeIke` between them. */
import {
  type ChildConfig,
  type Connection,
  DEFAULT_CHILD_POLICY,
  DEFAULT_CONNECTION_POLICY,
  type IkeConfig,
} from "#core/connection";
import { assert } from "#core/errors";
import type { Policy } from "#core/policy";
import { type Millis, millis, octets } from "#core/units";
import { runJob } from "#crypto/ike-jobs";
import { portableKeyExchange } from "#crypto/key-agreement";
import type { ControlEffect, ControlInput, IkePort } from "#gateway/control-doors";
import { IkeControl } from "#gateway/ike-control";
import { SA_COLUMNS, SA_NUMBERS, Sa, SaNumber } from "#ipsec/sa";
import { createLaneCipher } from "#process/lane-cipher";
import { decodeState, encodeState } from "#process/state-codec";
import { FakeIke, type FakeIkeWorld } from "./fake-ike.ts";
import { address, carry, seededRandom, VirtualGateway } from "./gateway-pair.ts";
import { WALL_CLOCK } from "./ike-pair.ts";
import { LEFT, RIGHT, selector } from "./specs.ts";

/** Milliseconds. */
const LONGEST_SETTLING = 2000;
const NEVER = Number.POSITIVE_INFINITY;

export function childConfig(
  change: Partial<ChildConfig> = {},
  lifetime: Partial<ChildConfig["lifetime"]> = {},
): ChildConfig {
  return {
    ...DEFAULT_CHILD_POLICY,
    name: "net",
    mode: "tunnel",
    proposals: [],
    local: LEFT.map((prefix) => ({ kind: "fixed", selector: selector(prefix) })),
    remote: RIGHT.map((prefix) => ({ kind: "fixed", selector: selector(prefix) })),
    lifetime: {
      rekeyTime: millis(NEVER),
      lifeTime: millis(NEVER),
      randTime: millis(0),
      rekeyOctets: octets(NEVER),
      lifeOctets: octets(NEVER),
      randOctets: octets(0),
      rekeyPackets: NEVER,
      lifePackets: NEVER,
      randPackets: 0,
      ...lifetime,
    },
    startAction: "none",
    closeAction: "none",
    dpdAction: "clear",
    replayWindow: 2048,
    tfcLength: 0,
    df: "copy",
    ecn: true,
    dscp: "copy",
    mssClamp: 0,
    priority: 0,
    updown: undefined,
    ...change,
  };
}

export function connectionConfig(children: readonly ChildConfig[], change: Partial<Connection> = {}): Connection {
  const local = { method: "psk", identity: undefined, certificates: [], hashes: [], rsaPss: false } as const;
  return {
    ...DEFAULT_CONNECTION_POLICY,
    name: "gw",
    version: 2,
    localAddresses: [{ kind: "address", address: address("192.0.2.1") }],
    remoteAddresses: [{ kind: "address", address: address("192.0.2.2") }],
    localPort: 4500,
    remotePort: 4500,
    proposals: [],
    local,
    remote: {
      method: "psk",
      identity: undefined,
      certificates: [],
      authorities: [],
      publicKeys: [],
      hashes: [],
      revocation: "relaxed",
    },
    children,
    unique: "no",
    mobike: false,
    encap: true,
    fragmentation: "yes",
    childless: "allow",
    sendCertificate: "ifasked",
    requestCertificate: true,
    dpdDelay: millis(0),
    keyingTries: 1,
    rekeyTime: millis(NEVER),
    reauthTime: millis(NEVER),
    overTime: millis(NEVER),
    randTime: millis(0),
    pfsPreflight: false,
    ...change,
  };
}

export function ikeConfig(connections: readonly Connection[]): IkeConfig {
  return { connections, credentials: { secrets: [], keys: [], authorities: [], intermediates: [], crls: [] } };
}

export interface EngineParts extends FakeIkeWorld {
  readonly firstId: number;
}

export class ControlledGateway<Engine extends IkePort = FakeIke> {
  readonly gateway: VirtualGateway;
  readonly engine: Engine;
  readonly control: IkeControl;
  /** What left control, sends apart. */
  readonly told: ControlEffect[] = [];
  policies: readonly Policy[] = [];
  readonly sends: Extract<ControlEffect, { kind: "send" }>[] = [];
  readonly jobs: Extract<ControlEffect, { kind: "compute" }>[] = [];
  /** The most that any SA ever had under its key, by what it may have. */
  worst = 0;

  #ike: IkeConfig = ikeConfig([]);

  /** `generation`: of processes; the first is 0, and each draws what none before it drew. */
  constructor(side: "left" | "right", make: (parts: EngineParts) => Engine, slots = 1024, generation = 0) {
    const seed = (side === "left" ? 5 : 6) + 1000 * generation;
    this.gateway = new VirtualGateway((memory, count) => createLaneCipher("native", memory, count), slots, seed);
    const random = seededRandom(100 + seed);
    const [local, remote] = side === "left" ? ["192.0.2.1", "192.0.2.2"] : ["192.0.2.2", "192.0.2.1"];
    const selectors = [LEFT.map(selector), RIGHT.map(selector)] as const;
    this.engine = make({
      random,
      spis: this.gateway.plane.spis,
      local: { address: address(local ?? ""), port: 4500 },
      remote: { address: address(remote ?? ""), port: 4500 },
      selectors: side === "left" ? selectors : [selectors[1], selectors[0]],
      firstId: side === "left" ? 1_000_000 : 2_000_000,
    });
    this.control = new IkeControl({
      engine: this.engine,
      plane: this.gateway.plane,
      random,
      pathMtu: () => 1500,
    });
  }

  /** Goes on with what the other one has, which is held and settled: as another process, which gets copies. */
  takeOver(former: ControlledGateway<Engine>): void {
    former.listen();
    const now = millis(former.gateway.now);
    const state = { plane: former.gateway.freeze(), control: former.control.freeze() };
    const next = decodeState(encodeState({ ...state, ike: former.#ike })) as typeof state & { readonly ike: IkeConfig };
    this.gateway.now = now;
    this.gateway.drops.set(former.gateway.drops);
    this.gateway.thaw(next.plane);
    this.control.thaw(next.control, { ike: next.ike, policies: [], addresses: [] }, now);
    this.#ike = next.ike;
    this.policies = former.policies;
    this.told.push(...former.told);
    this.worst = former.worst;
    // Sockets and TUN are the same.
    const [here, there] = [this.gateway.port, former.gateway.port];
    here.sent.push(...there.sent.splice(0));
    here.written.push(...there.written.splice(0));
    this.sends.push(...former.sends.splice(0));
    this.give({ kind: "timeout" });
  }

  give(input: ControlInput): void {
    if (input.kind === "configure") this.#ike = input.ike;
    for (const effect of this.control.handle(input, millis(this.gateway.now))) {
      if (effect.kind === "send") this.sends.push(effect);
      else if (effect.kind === "compute") this.jobs.push(effect);
      else this.told.push(effect);
      if (effect.kind === "policies") this.policies = effect.policies;
    }
    this.listen();
  }

  listen(): void {
    for (const { kind, slot, value, more } of this.gateway.allEvents())
      this.give({ kind: "event", lane: 0, record: Int32Array.of(kind, slot, value, ...more) });
  }

  tick(now: Millis): void {
    this.gateway.now = now;
    if ((this.gateway.engine.nextTimeout ?? NEVER) <= now) this.gateway.engine.timers(now);
    this.listen();
    if ((this.control.nextTimeout ?? NEVER) <= now) this.give({ kind: "timeout" });
    const { table } = this.gateway;
    for (const child of this.gateway.plane.children)
      for (const slot of [child.inbound, child.outbound]) {
        const part =
          (table.numbers[slot * SA_NUMBERS + SaNumber.KEY_OCTETS] ?? 0) /
          (table.numbers[slot * SA_NUMBERS + SaNumber.HARD_OCTETS] ?? 0);
        if ((table.columns[slot * SA_COLUMNS + Sa.STATE] ?? 0) !== 0) this.worst = Math.max(this.worst, part);
      }
  }

  get rekeys(): Readonly<Record<string, Readonly<Record<string, number>> | undefined>> {
    return this.control.view.summary().rekeys;
  }
}

export interface PairOptions {
  /** One way, of IKE messages. */
  readonly delay?: number;
  /** True: this IKE message is lost. */
  readonly lose?: (index: number, now: number) => boolean;
  readonly jobTime?: number;
}

/** Two of one kind, and what is between them. */
export class JoinedControls<Engine extends IkePort> {
  left: ControlledGateway<Engine>;
  right: ControlledGateway<Engine>;
  readonly #make: (parts: EngineParts) => Engine;
  #generations = 0;
  now: Millis = millis(1000);
  readonly #delay: number;
  readonly #lose: (index: number, now: number) => boolean;
  #messages = 0;
  readonly #random: ReturnType<typeof seededRandom> = seededRandom(77);
  readonly #jobTime: number;
  #flying: { at: number; to: ControlledGateway<Engine>; input: ControlInput }[] = [];
  clear = 0;

  constructor(make: (parts: EngineParts) => Engine, options: PairOptions) {
    this.#make = make;
    this.left = new ControlledGateway("left", make);
    this.right = new ControlledGateway("right", make);
    this.#jobTime = options.jobTime ?? 0;
    this.#delay = options.delay ?? 10;
    this.#lose = options.lose ?? (() => false);
  }

  /** `step` milliseconds at a time; `traffic` puts packets into TUN devices before each. */
  run(span: number, traffic: (now: Millis) => void = () => undefined, step = 1): void {
    for (const end = this.now + span; this.now < end; ) {
      this.now = millis(this.now + step);
      traffic(this.now);
      for (const side of [this.left, this.right]) side.tick(this.now);
      this.#carryMessages();
      const { left, right } = this;
      left.gateway.drive();
      right.gateway.drive();
      this.#countClear();
      carry(left.gateway, right.gateway);
      carry(right.gateway, left.gateway);
      left.gateway.drive();
      right.gateway.drive();
    }
  }

  /** A new process takes this side over as soon as nothing is under way that it could not go on with. */
  upgrade(side: "left" | "right", traffic: (now: Millis) => void): void {
    const former = this[side];
    former.give({ kind: "hold" });
    for (let spent = 0; former.control.unsettled !== undefined; spent++) {
      assert(spent < LONGEST_SETTLING, former.control.unsettled);
      this.run(1, traffic);
    }
    const next = new ControlledGateway(side, this.#make, undefined, ++this.#generations);
    next.takeOver(former);
    this[side] = next;
    this.#flying = this.#flying
      // Jobs of IKE SAs that were being set up.
      .filter(({ to, input }) => to !== former || input.kind !== "computed")
      .map((one) => (one.to === former ? { ...one, to: next } : one));
  }

  #countClear(): void {
    for (const { gateway } of [this.left, this.right])
      for (const { socket } of gateway.port.sent) if (socket > 5) this.clear++;
  }

  #carryMessages(): void {
    for (const [from, to] of [
      [this.left, this.right],
      [this.right, this.left],
    ] as const)
      for (const { octets, local, remote } of from.sends.splice(0)) {
        const input: ControlInput = { kind: "datagram", octets, local: remote, remote: local };
        if (!this.#lose(this.#messages++, this.now)) this.#flying.push({ at: this.now + this.#delay, to, input });
      }
    for (const to of [this.left, this.right])
      for (const { job, work } of to.jobs.splice(0)) {
        const result = runJob(work, { random: this.#random, wallClock: WALL_CLOCK, keyExchange: portableKeyExchange });
        this.#flying.push({ at: this.now + this.#jobTime, to, input: { kind: "computed", job, result } });
      }
    const due = this.#flying.filter(({ at }) => at <= this.now);
    this.#flying = this.#flying.filter(({ at }) => at > this.now);
    for (const { to, input } of due) to.give(input);
  }
}

export class ControlPair extends JoinedControls<FakeIke> {
  constructor(options: PairOptions = {}) {
    super((parts) => new FakeIke(parts, parts.firstId), options);
  }

  configure(left: readonly Connection[], right: readonly Connection[]): void {
    this.left.give({ kind: "configure", ike: ikeConfig(left), policies: [] });
    this.right.give({ kind: "configure", ike: ikeConfig(right), policies: [] });
  }
}
