/**
 * Control's side of the data plane: who has which slot and SPI, what each lane was asked, what it answered.
 * IKE and manual keys install SAs here and nowhere else. Sans-IO: lanes are links, events are polled.
 */
import { addressToString } from "#core/address";
import type { ChildSaSpec, ProtocolSpec } from "#core/child-sa-spec";
import { assert, ConfigError } from "#core/errors";
import type { Policy } from "#core/policy";
import type { RandomSource } from "#core/ports";
import { laneOfSpi, nearestSpiOfLane } from "#core/steering";
import { type Slot, type Spi, slot as slotOf, spi as spiOf, spiToString } from "#core/units";
import { WordArena } from "#ipsec/arena";
import { jitterSoftLimits } from "#ipsec/lifetime";
import { windowWords } from "#ipsec/replay-window";
import { Sa, type SaInstall, SaNumber, type SaTable, saStateName } from "#ipsec/sa";
import type { LaneCommand, LaneKey } from "./lane-command.ts";
import type { LaneSocket } from "./lane-context.ts";
import { policySnapshot } from "./policy-snapshot.ts";
import { buildInstall, buildKey, childMtu, type Placement, selectorWords } from "./sa-install.ts";
import { buildMove, type Place, withoutKeys } from "./sa-move.ts";
import { inboundSpisOf, refuseBadKeys, refuseForeignSpi } from "./sa-refusals.ts";

/** Control's end of a lane. */
export interface LaneLink {
  send(command: LaneCommand): void;
  /** The lane's sockets, in the order of `Row.SOCKET`. */
  readonly sockets: readonly LaneSocket[];
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

export interface DirectionCounters {
  readonly spi: string;
  readonly state: string;
  readonly packets: number;
  /** Octets of inner packets. */
  readonly octets: number;
  /** Octets the key has processed. */
  readonly keyOctets: number;
  readonly drops: number;
  readonly icvFailures: number;
}

/** How far one direction of a pair has come: what lifetimes are about. */
export interface DirectionUsage {
  readonly keyOctets: number;
  readonly octets: number;
  readonly packets: number;
  readonly lastUsed: number;
  /** A `SaState`. */
  readonly state: number;
}

export interface ChildUsage {
  readonly inbound: DirectionUsage;
  readonly outbound: DirectionUsage;
}

export interface ChildCounters {
  readonly policy: string;
  readonly remote: string;
  readonly inbound: DirectionCounters;
  readonly outbound: DirectionCounters;
}

interface Ranges {
  readonly windows: readonly { readonly offset: number; readonly length: number }[];
  readonly selectors: { readonly offset: number; readonly length: number };
}

interface Entry {
  readonly child: InstalledChild;
  readonly inboundSpis: readonly Spi[];
  readonly ranges: Ranges;
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
  readonly #used: Uint8Array;
  readonly #windows: WordArena;
  readonly #selectors: WordArena;
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
  /** Lanes are born with version 1, which has no policies. */
  #version = 1;
  #commands = 0;
  #ids = 0;

  /** `softJitter`: soft limits are drawn up to this part of them earlier. */
  constructor(table: SaTable, lanes: readonly LaneLink[], random: RandomSource, softJitter: number = SOFT_JITTER) {
    this.#softJitter = softJitter;
    this.#table = table;
    this.#lanes = lanes;
    this.#random = random;
    this.#used = new Uint8Array(table.capacity);
    this.#windows = new WordArena(table.windows.length);
    this.#selectors = new WordArena(table.selectors.length);
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
    const factor = commonFactor(lanes, capacity);
    const slot = this.#freeSlot((candidate) => candidate % factor === lane % factor);
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
    const policy = this.#policies.findIndex((p) => p.name === spec.policy);
    if (policy < 0) throw ConfigError.of("sa.policy", `no policy '${spec.policy}'`, "name one of the policies");
    const lane = this.#lanes[spec.lane];
    if (lane === undefined)
      throw ConfigError.of("sa.lane", `lane ${spec.lane} does not exist`, `give 0 to ${this.#lanes.length - 1}`);
    refuseBadKeys(spec);
    refuseForeignSpi(spec, this.#lanes.length);
    this.#refuseUsedSpi(spec);
    this.#refuseFullTable(spec);
    const ranges = this.#takeRanges(spec);
    const mtu = childMtu(spec, spec.pathMtu);
    const slots = this.#takeSlots(spec);
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
    const command = ++this.#commands;
    lane.send({ kind: "install", id: command, installs, keys });
    return { child, command: use ? this.use(child.id) : command };
  }

  /** Packets of the child's policy take its outbound SA from now on. */
  use(id: number): number {
    const { child } = this.#entry(id);
    const policy = this.#policies.findIndex((p) => p.name === child.policy);
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
    return { inbound: this.#usageOf(child.inbound), outbound: this.#usageOf(child.outbound) };
  }

  #usageOf(slot: Slot): DirectionUsage {
    const number = (column: number) => this.#table.number(slot, column);
    return {
      keyOctets: number(SaNumber.KEY_OCTETS),
      octets: number(SaNumber.OCTETS),
      packets: number(SaNumber.PACKETS),
      lastUsed: number(SaNumber.LAST_USED),
      state: this.#table.state(slot),
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
    for (const slot of slotsOf(entry.child)) this.#used[slot] = 0;
    for (const range of entry.ranges.windows) this.#windows.give(range.offset, range.length);
    this.#selectors.give(entry.ranges.selectors.offset, entry.ranges.selectors.length);
  }

  /** Read in place from shared memory; no lane is asked. */
  counters(id: number): ChildCounters {
    const { child } = this.#entry(id);
    return {
      policy: child.policy,
      remote: child.remote,
      inbound: this.#direction(child.inbound, child.inboundSpi),
      outbound: this.#direction(child.outbound, child.outboundSpi),
    };
  }

  /** "outbound SA 0x00002001 of net", for messages. */
  nameOf(slot: number): string {
    const child = this.#children.get(this.#bySlot.get(slot) ?? -1)?.child;
    if (child === undefined) return `the SA of slot ${slot}`;
    const inbound = child.inbound === slot || child.inboundAh === slot;
    const spi = spiOf(this.#table.column(slot, Sa.SPI));
    return `${inbound ? "inbound" : "outbound"} SA ${spiToString(spi)} of ${child.policy}`;
  }

  #direction(slot: Slot, spi: Spi): DirectionCounters {
    const number = (column: number) => this.#table.number(slot, column);
    return {
      spi: spiToString(spi),
      state: saStateName(this.#table.state(slot)),
      packets: number(SaNumber.PACKETS),
      octets: number(SaNumber.OCTETS),
      keyOctets: number(SaNumber.KEY_OCTETS),
      drops: number(SaNumber.DROPS),
      icvFailures: number(SaNumber.ICV_FAILURES),
    };
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

  /** Before anything is taken: a refused installation leaves nothing behind. */
  #refuseFullTable(spec: ChildSaSpec): void {
    const needed = spec.outerAh === undefined ? 2 : 4;
    let free = 0;
    for (let slot = 0; slot < this.#used.length && free < needed; slot++) if (this.#used[slot] === 0) free++;
    if (free < needed)
      throw ConfigError.of(
        "slots",
        `all ${this.#used.length} slots are in use`,
        "give a larger 'slots', a power of two",
      );
  }

  #takeRanges(spec: ChildSaSpec): Ranges {
    const words = windowWords(spec.replayWindow);
    const count = spec.outerAh === undefined ? 1 : 2;
    const windows: { offset: number; length: number }[] = [];
    for (let i = 0; i < count; i++) windows.push({ offset: this.#windows.take(words), length: words });
    const length = selectorWords(spec);
    const selectors = { offset: this.#selectors.take(length), length };
    if (windows.every((w) => w.offset >= 0) && selectors.offset >= 0) return { windows, selectors };
    for (const w of windows) if (w.offset >= 0) this.#windows.give(w.offset, w.length);
    if (selectors.offset >= 0) this.#selectors.give(selectors.offset, selectors.length);
    throw ConfigError.of(
      "slots",
      "replay windows and selectors of all SAs together do not fit",
      "give more slots, or smaller replay windows",
    );
  }

  #takeSlots(spec: ChildSaSpec): { inbound: Slot; outbound: Slot }[] {
    const protocols = spec.outerAh === undefined ? [spec] : [spec, spec.outerAh];
    const slots: { inbound: Slot; outbound: Slot }[] = [];
    for (const protocol of protocols) {
      const carried = protocol.inbound.spi & (this.#table.capacity - 1);
      const inbound = this.#used[carried] === 0 ? carried : this.#freeSlot();
      this.#used[inbound] = 1;
      const outbound = this.#freeSlot();
      this.#used[outbound] = 1;
      slots.push({ inbound: slotOf(inbound), outbound: slotOf(outbound) });
    }
    return slots;
  }

  #nextFree = 0;

  /** A free slot of those that are `suitable`, or -1; `#refuseFullTable` has looked whether there is one at all. */
  #freeSlot(suitable: (slot: number) => boolean = () => true): number {
    for (let i = 0; i < this.#used.length; i++) {
      const candidate = (this.#nextFree + i) % this.#used.length;
      if (this.#used[candidate] !== 0 || !suitable(candidate)) continue;
      this.#nextFree = candidate + 1;
      return candidate;
    }
    return -1;
  }

  #forgetOutbound({ id, outboundSpi }: InstalledChild): void {
    const others = (this.#byOutboundSpi.get(outboundSpi) ?? []).filter((child) => child.id !== id);
    if (others.length > 0) this.#byOutboundSpi.set(outboundSpi, others);
    else this.#byOutboundSpi.delete(outboundSpi);
  }

  #remember(
    spec: ChildSaSpec,
    slots: readonly { inbound: Slot; outbound: Slot }[],
    ranges: Ranges,
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
    const inboundSpis = inboundSpisOf(spec);
    for (const spi of inboundSpis) {
      this.#offered.delete(spi);
      this.#spis.add(spi);
    }
    const others = this.#byOutboundSpi.get(child.outboundSpi) ?? [];
    this.#byOutboundSpi.set(child.outboundSpi, [...others, child]);
    for (const slot of slotsOf(child)) this.#bySlot.set(slot, child.id);
    this.#children.set(child.id, { child, inboundSpis, ranges, spec: withoutKeys(spec) });
    return child;
  }
}

/** The largest power of two that divides both: residues by it are the same for an SPI and for the slot it carries. */
function commonFactor(lanes: number, capacity: number): number {
  return Math.min(lanes & -lanes, capacity);
}

function remoteText({ remote, encapsulation }: Place): string {
  return `${addressToString(remote.address)}${encapsulation === "udp" ? `:${remote.port}` : ""}`;
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
