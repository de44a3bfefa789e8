/**
 * Control's side of the data plane: who has which slot and SPI, what each lane was asked, what it answered.
 * IKE and manual keys install SAs here and nowhere else. Sans-IO: lanes are links, events are polled.
 */
import { addressToString } from "#core/address";
import type { ChildSaSpec, ProtocolSpec } from "#core/child-sa-spec";
import { assert, ConfigError } from "#core/errors";
import type { KeyWatch } from "#core/key-watch";
import type { Policy } from "#core/policy";
import type { RandomSource } from "#core/ports";
import { laneOfSpi, nearestSpiOfLane } from "#core/steering";
import { type Slot, type Spi, spi as spiOf, spiToString } from "#core/units";
import { jitterSoftLimits } from "#ipsec/lifetime";
import { Sa, type SaInstall, type SaTable } from "#ipsec/sa";
import {
  bundleUsage,
  type ChildCounters,
  type ChildFigures,
  type ChildUsage,
  countersOf,
  figuresOf,
} from "./child-usage.ts";
import type { LaneCommand, LaneKey } from "./lane-command.ts";
import type { LaneSocket } from "./lane-context.ts";
import { freezeChild, type KeyVault, laneKeys, type PlaneState, showPair, thawChild } from "./plane-state.ts";
import { policySnapshot } from "./policy-snapshot.ts";
import { buildInstall, buildKey, childMtu, type Placement } from "./sa-install.ts";
import { buildMove, type Place, withoutKeys } from "./sa-move.ts";
import { inboundSpisOf, refuseBadKeys, refuseForeignSpi } from "./sa-refusals.ts";
import { type SaRanges, SaRoom } from "./sa-room.ts";

/** Control's end of a lane. */
export interface LaneLink {
  send(command: LaneCommand): void;
  /** The lane's sockets, in the order of `Row.SOCKET`. */
  readonly sockets: readonly LaneSocket[];
  /** Rows of endpoints (core/slab.ts), by slot; a lane without them is not handed over. */
  readonly endpoints?: Int32Array;
}

/** A pair of SAs (or two pairs, in a bundle) as it was installed. Keys are not kept. */
export interface InstalledChild {
  readonly id: number;
  readonly policy: string;
  readonly lane: number;
  readonly inbound: Slot;
  readonly outbound: Slot;
  /** Slots of the AH of a bundle. */
  readonly inboundAh: Slot | undefined;
  readonly outboundAh: Slot | undefined;
  readonly inboundSpi: Spi;
  readonly outboundSpi: Spi;
  readonly remote: string;
  /** Largest inner packet that fits. */
  readonly mtu: number;
}

interface Entry {
  readonly child: InstalledChild;
  readonly inboundSpis: readonly Spi[];
  readonly ranges: SaRanges;
  /** Without keys. */
  readonly spec: ChildSaSpec;
}

/** Tunnels of the same age do not all ask for new SAs at once. */
const SOFT_JITTER = 0.05;

export class DataPlane {
  readonly #table: SaTable;
  readonly #lanes: readonly LaneLink[];
  readonly #random: RandomSource;
  readonly #softJitter: number;
  #room: SaRoom;
  /** Without it nobody can take the data plane over. */
  readonly #vault: KeyVault | undefined;
  readonly #children = new Map<number, Entry>();
  /** Inbound SPIs of all children. */
  readonly #spis = new Set<Spi>();
  /** Inbound SPIs that were offered to a peer and are not installed. */
  readonly #offered = new Set<Spi>();
  readonly #bySlot = new Map<number, number>();
  /** Outbound SPIs are the peers' choice: two peers may have chosen the same. */
  readonly #byOutboundSpi = new Map<Spi, InstalledChild[]>();
  /** Removed children whose slots are free once the lane has answered this command. */
  readonly #leaving = new Map<number, Entry>();
  #policies: readonly Policy[] = [];
  /** Place of each policy, by name. */
  #places: ReadonlyMap<string, number> = new Map();
  #held: ReadonlySet<string> = new Set();
  /** Lanes are born with version 1, which has no policies. */
  #version = 1;
  #commands = 0;
  #ids = 0;

  /** `softJitter`: soft limits are drawn up to this part of them earlier. */
  constructor(
    table: SaTable,
    lanes: readonly LaneLink[],
    random: RandomSource,
    softJitter: number = SOFT_JITTER,
    vault?: KeyVault,
  ) {
    this.#vault = vault;
    this.#softJitter = softJitter;
    this.#table = table;
    this.#lanes = lanes;
    this.#random = random;
    this.#room = new SaRoom(table);
  }

  get lanes(): number {
    return this.#lanes.length;
  }

  get policies(): readonly Policy[] {
    return this.#policies;
  }

  get children(): readonly InstalledChild[] {
    return [...this.#children.values()].map((entry) => entry.child);
  }

  /**
   * All lanes go over to these policies; SAs of policies that keep their name stay in use; packets of
   * those in `held` wait for SAs. Returns the last command.
   */
  setPolicies(policies: readonly Policy[], held: ReadonlySet<string> = new Set()): number {
    const snapshot = policySnapshot(policies, this.#policies, held, ++this.#version);
    this.#policies = policies;
    this.#places = placesOf(policies);
    this.#held = held;
    let last = 0;
    for (const lane of this.#lanes) {
      last = ++this.#commands;
      lane.send({ kind: "policies", id: last, snapshot });
    }
    return last;
  }

  /**
   * An inbound SPI nobody uses (RFC 4303 §2.1: never below 256), of the lane (SPI mod lanes) and with a free slot in its
   * low bits. Where lanes and capacity share a factor only some slots can be both; when those are taken the lane's map
   * finds the SA instead.
   */
  drawSpi(lane: number): Spi {
    const lanes = this.#lanes.length;
    const { capacity } = this.#table;
    assert(lane >= 0 && lane < lanes, `lane ${lane} exists`);
    const slot = this.#room.freeSlotOf(lane, lanes);
    const drawn = new Int32Array(1);
    for (;;) {
      this.#random.fill(new Uint8Array(drawn.buffer));
      const high = (drawn[0] ?? 0) & -capacity;
      // One of these has the lane: a step moves SPI mod lanes by capacity mod lanes.
      for (let step = 0; step < lanes; step++) {
        const spi = slot < 0 ? nearestSpiOfLane(drawn[0] ?? 0, lane, lanes) : spiOf((high + step * capacity) | slot);
        if (spi >>> 0 >= 256 && laneOfSpi(spi, lanes) === lane && !this.#isTaken(spi)) return spi;
      }
    }
  }

  /** What IKE offers to peers: SPIs of the first lane, which nobody else gets until they are installed or given back. */
  readonly spis: { draw(): Spi; giveBack(spi: Spi): void } = {
    draw: () => {
      const drawn = this.drawSpi(0);
      this.#offered.add(drawn);
      return drawn;
    },
    giveBack: (spi) => void this.#offered.delete(spi),
  };

  #isTaken(spi: Spi): boolean {
    return this.#spis.has(spi) || this.#offered.has(spi);
  }

  /** Installs both directions; `use` makes the policy's packets take it. Returns it and the command to wait for. */
  install(given: ChildSaSpec, use: boolean): { readonly child: InstalledChild; readonly command: number } {
    const spec = { ...given, lifetime: jitterSoftLimits(given.lifetime, this.#softJitter, this.#random) };
    const policy = this.#places.get(spec.policy);
    if (policy === undefined)
      throw ConfigError.of("sa.policy", `no policy '${spec.policy}'`, "name one of the policies");
    const lane = this.#lanes[spec.lane];
    if (lane === undefined)
      throw ConfigError.of("sa.lane", `lane ${spec.lane} does not exist`, `give 0 to ${this.#lanes.length - 1}`);
    refuseBadKeys(spec);
    refuseForeignSpi(spec, this.#lanes.length);
    this.#refuseUsedSpi(spec);
    const ranges = this.#room.takeRanges(spec);
    const mtu = childMtu(spec, spec.pathMtu);
    const slots = this.#room.takeSlots(spec);
    const installs: SaInstall[] = [];
    const keys: LaneKey[] = [];
    const protocols: readonly ProtocolSpec[] = spec.outerAh === undefined ? [spec] : [spec, spec.outerAh];
    for (const [index, protocol] of protocols.entries()) {
      for (const direction of ["inbound", "outbound"] as const) {
        const own = slots[index]?.[direction];
        const pair = slots[index]?.[direction === "inbound" ? "outbound" : "inbound"];
        assert(own !== undefined && pair !== undefined, "every protocol has its slots");
        const at: Placement = {
          slot: own,
          pair,
          bundle: slots[1 - index]?.[direction] ?? -1,
          direction,
          policy,
          socket: socketFor(lane.sockets, spec, protocols[protocols.length - 1] ?? spec),
          windowOffset: direction === "inbound" ? (ranges.windows[index]?.offset ?? 0) : 0,
          selectorOffset: ranges.selectors.offset,
          mtu,
        };
        installs.push(buildInstall(spec, protocol, at));
        keys.push(buildKey(spec, protocol, at));
      }
    }
    const child = this.#remember(spec, slots, ranges, mtu);
    for (const { slot, encryptionKey, integrityKey } of keys) this.#vault?.put(slot, encryptionKey, integrityKey);
    const command = ++this.#commands;
    lane.send({ kind: "install", id: command, installs, keys });
    return { child, command: use ? this.use(child.id) : command };
  }

  /** Packets of the child's policy take its outbound SA from now on. */
  use(id: number): number {
    const { child } = this.#entry(id);
    const policy = this.#places.get(child.policy) ?? -1;
    const command = ++this.#commands;
    this.#lanes[child.lane]?.send({ kind: "use", id: command, policy, slot: child.outbound });
    return command;
  }

  /** The lane takes `successor` when the child's outbound SA ends, without asking; chains are spares. Same lane only. */
  succeed(id: number, successor: number | undefined): number {
    const { child } = this.#entry(id);
    const next = successor === undefined ? undefined : this.#entry(successor).child;
    assert(next === undefined || next.lane === child.lane, "an SA and its successor are of one lane");
    const command = ++this.#commands;
    const slots = { slot: child.outbound, successor: next?.outbound ?? -1 };
    this.#lanes[child.lane]?.send({ kind: "succeed", id: command, ...slots });
    return command;
  }

  /** One dummy packet (RFC 4303 §2.6): the peer learns that we have the pair. Not of AH alone, which knows none. */
  prove(id: number): void {
    const { child, spec } = this.#entry(id);
    if (spec.protocol === "ah") return;
    this.#lanes[child.lane]?.send({ kind: "dummy", id: ++this.#commands, slot: child.outbound, octets: 0 });
  }

  /** Nothing leaves by the child any more; it still listens. */
  retire(id: number): number {
    const { child } = this.#entry(id);
    const command = ++this.#commands;
    this.#lanes[child.lane]?.send({ kind: "retire", id: command, slot: child.outbound });
    return command;
  }

  /** The pair's outer addresses are these now; keys, numbers and windows stay. Not for bundles. */
  move(id: number, place: Place): number {
    const entry = this.#entry(id);
    const spec = { ...entry.spec, ...place };
    const lane = this.#lanes[spec.lane];
    const mtu = childMtu(spec, spec.pathMtu);
    const socket = socketFor(lane?.sockets ?? [], spec, spec);
    const child = { ...entry.child, remote: remoteText(spec), mtu };
    this.#children.set(id, { ...entry, spec, child });
    const command = ++this.#commands;
    const moves = [buildMove(spec, child.inbound, "inbound", socket, mtu)];
    moves.push(buildMove(spec, child.outbound, "outbound", socket, mtu));
    lane?.send({ kind: "move", id: command, moves });
    return command;
  }

  /** Which child has this slot now. */
  childOfSlot(slot: number): number | undefined {
    return this.#bySlot.get(slot);
  }

  /** Read in place from shared memory. */
  usage(id: number): ChildUsage {
    const { child } = this.#entry(id);
    return {
      inbound: bundleUsage(this.#table, child.inbound, child.inboundAh),
      outbound: bundleUsage(this.#table, child.outbound, child.outboundAh),
    };
  }

  remove(id: number): number {
    const entry = this.#entry(id);
    this.#children.delete(id);
    for (const spi of entry.inboundSpis) this.#spis.delete(spi);
    this.#forgetOutbound(entry.child);
    for (const slot of slotsOf(entry.child)) this.#bySlot.delete(slot);
    const command = ++this.#commands;
    this.#leaving.set(command, entry);
    this.#lanes[entry.child.lane]?.send({ kind: "remove", id: command, slots: slotsOf(entry.child) });
    return command;
  }

  /** A PATH_ERROR of a lane's: the lane that owns an SA of this SPI looks whether the peer fits and believes it or not. */
  pathError(record: Int32Array): void {
    const [, , mtu = 0, spi = 0, family = 0, ...words] = record;
    const error = { mtu, family: family === 6 ? 6 : 4, destination: words.slice(0, 4) } as const;
    for (const { lane, outbound } of this.#byOutboundSpi.get(spiOf(spi)) ?? [])
      this.#lanes[lane]?.send({ kind: "path-error", id: ++this.#commands, slot: outbound, ...error });
  }

  /** A lane answered: what a removed child held can be given to others. */
  done(command: number): void {
    const entry = this.#leaving.get(command);
    if (entry === undefined) return;
    this.#leaving.delete(command);
    for (const slot of slotsOf(entry.child)) this.#vault?.remove(slot);
    this.#room.give(slotsOf(entry.child), entry.ranges);
  }

  /** Lanes have let go of all that was removed. */
  get isSettled(): boolean {
    return this.#leaving.size === 0;
  }

  /** While no lane runs. `outbound`: what each lane said last of its policies. Keys are the caller's to wipe. */
  freeze(outbound: readonly (readonly number[])[]): PlaneState {
    const vault = this.#vault;
    assert(vault !== undefined, "keys were kept");
    assert(this.#leaving.size === 0, "every removed child has left");
    return {
      version: this.#version,
      commands: this.#commands,
      ids: this.#ids,
      offered: [...this.#offered],
      policies: this.#policies,
      held: [...this.#held],
      room: this.#room.freeze(),
      children: [...this.#children.values()].map((entry) =>
        freezeChild(entry, this.#table, this.#endpointsOf(entry.child), vault),
      ),
      outbound,
    };
  }

  /** Of a data plane that has nothing yet, and whose lanes do not run. The state's keys are wiped. */
  thaw(state: PlaneState): void {
    const vault = this.#vault;
    assert(vault !== undefined && this.#children.size === 0, "only an empty data plane takes over");
    this.#room = new SaRoom(this.#table, state.room);
    for (const one of state.children) {
      const { child, inboundSpis, ranges, spec } = one;
      thawChild(one, this.#table, this.#endpointsOf(child), vault);
      this.#enter({ child, inboundSpis, ranges, spec });
    }
    for (const spi of state.offered) this.#offered.add(spi);
    this.#version = state.version;
    this.#commands = state.commands;
    this.#ids = state.ids;
    this.#policies = state.policies;
    this.#places = placesOf(state.policies);
    this.#held = new Set(state.held);
  }

  /** To lanes that were just born: all policies and SAs. Returns the last command of each. */
  populate(outbound: readonly (readonly number[])[]): readonly number[] {
    const vault = this.#vault;
    assert(vault !== undefined, "keys were kept");
    const snapshot = policySnapshot(this.#policies, [], this.#held, ++this.#version);
    const entries = [...this.#children.values()];
    return this.#lanes.map((lane, index) => {
      const own = entries.filter(({ child }) => child.lane === index);
      lane.send({ kind: "policies", id: ++this.#commands, snapshot });
      const id = ++this.#commands;
      lane.send({
        kind: "adopt",
        id,
        slots: own.flatMap(({ child }) => slotsOf(child)),
        keys: own.flatMap(({ child, spec }) => laneKeys(child, spec, vault)),
        outbound: outbound[index] ?? [],
      });
      return id;
    });
  }

  /** SAs whose policy is wanted, with their keys, which the callee copies during the call. */
  showKeys(watch: Pick<KeyWatch, "child">, isWanted: (policy: string) => boolean): void {
    for (const { child, spec } of this.#children.values())
      if (this.#vault !== undefined && isWanted(child.policy))
        showPair(child, spec, this.#vault, (pair) => watch.child(pair, spec.remote.address.family));
  }

  #endpointsOf({ lane }: InstalledChild): Int32Array {
    const link = this.#lanes[lane];
    assert(link?.endpoints !== undefined, `lane ${lane} has endpoints`);
    return link.endpoints;
  }

  /** Read in place from shared memory; no lane is asked. */
  counters(id: number): ChildCounters {
    const { child } = this.#entry(id);
    return {
      policy: child.policy,
      remote: child.remote,
      inbound: countersOf(this.#table, child.inbound, child.inboundSpi),
      outbound: countersOf(this.#table, child.outbound, child.outboundSpi),
    };
  }

  /** What it has carried, without names: for who looks at all there are. */
  figures(id: number): ChildFigures {
    const { child } = this.#entry(id);
    return { inbound: figuresOf(this.#table, child.inbound), outbound: figuresOf(this.#table, child.outbound) };
  }

  /** "outbound SA 0x00002001 of net", for messages. */
  nameOf(slot: number): string {
    const child = this.#children.get(this.#bySlot.get(slot) ?? -1)?.child;
    if (child === undefined) return `the SA of slot ${slot}`;
    const inbound = child.inbound === slot || child.inboundAh === slot;
    const spi = spiOf(this.#table.column(slot, Sa.SPI));
    return `${inbound ? "inbound" : "outbound"} SA ${spiToString(spi)} of ${child.policy}`;
  }

  #entry(id: number): Entry {
    const entry = this.#children.get(id);
    assert(entry !== undefined, `child ${id} is not installed`);
    return entry;
  }

  /** The SAD finds an inbound SA by its SPI alone (RFC 4301 §4.1), so ESP and AH share one space. */
  #refuseUsedSpi(spec: ChildSaSpec): void {
    const own = inboundSpisOf(spec);
    for (const [i, spi] of own.entries()) {
      if (this.#spis.has(spi) || own.indexOf(spi) !== i)
        throw ConfigError.of("sa.inbound.spi", `SPI ${spiToString(spi)} is in use`, "choose another SPI");
    }
  }

  #forgetOutbound({ id, outboundSpi }: InstalledChild): void {
    const others = (this.#byOutboundSpi.get(outboundSpi) ?? []).filter((child) => child.id !== id);
    if (others.length > 0) this.#byOutboundSpi.set(outboundSpi, others);
    else this.#byOutboundSpi.delete(outboundSpi);
  }

  #remember(
    spec: ChildSaSpec,
    slots: readonly { inbound: Slot; outbound: Slot }[],
    ranges: SaRanges,
    mtu: number,
  ): InstalledChild {
    const [main, ah] = slots;
    assert(main !== undefined, "a child has slots");
    const child: InstalledChild = {
      id: ++this.#ids,
      policy: spec.policy,
      lane: spec.lane,
      inbound: main.inbound,
      outbound: main.outbound,
      inboundAh: ah?.inbound,
      outboundAh: ah?.outbound,
      inboundSpi: spec.inbound.spi,
      outboundSpi: spec.outbound.spi,
      remote: remoteText(spec),
      mtu,
    };
    this.#enter({ child, inboundSpis: inboundSpisOf(spec), ranges, spec: withoutKeys(spec) });
    return child;
  }

  #enter(entry: Entry): void {
    const { child, inboundSpis } = entry;
    for (const spi of inboundSpis) {
      this.#offered.delete(spi);
      this.#spis.add(spi);
    }
    const others = this.#byOutboundSpi.get(child.outboundSpi) ?? [];
    this.#byOutboundSpi.set(child.outboundSpi, [...others, child]);
    for (const slot of slotsOf(child)) this.#bySlot.set(slot, child.id);
    this.#children.set(child.id, entry);
  }
}

function remoteText({ remote, encapsulation }: Place): string {
  return `${addressToString(remote.address)}${encapsulation === "udp" ? `:${remote.port}` : ""}`;
}

/** Of policies with the same name the first. */
function placesOf(policies: readonly Policy[]): ReadonlyMap<string, number> {
  const places = new Map<string, number>();
  for (const [place, { name }] of policies.entries()) if (!places.has(name)) places.set(name, place);
  return places;
}

/** Removal order: inbound and outbound of both protocols. */
function slotsOf(child: InstalledChild): number[] {
  return [child.inbound, child.outbound, child.inboundAh, child.outboundAh].filter((slot) => slot !== undefined);
}

/** The socket the finished packets leave by; -1 when this gateway opened none of the kind. */
function socketFor(sockets: readonly LaneSocket[], spec: ChildSaSpec, outermost: ProtocolSpec): number {
  const kind = spec.encapsulation === "udp" ? "udp" : outermost.protocol;
  const family = spec.remote.address.family;
  return sockets.findIndex((socket) => socket.kind === kind && socket.family === family);
}
