/** Two gateways' data planes joined by a virtual network, on a virtual clock. */
import { addressWords, type IpAddress, parseAddress } from "#core/address";
import type { ChildSaSpec } from "#core/child-sa-spec";
import { assert } from "#core/errors";
import { EVENT_COLUMNS, EventRing, LaneEvent } from "#core/event-ring";
import { allocateLaneMemory, type LaneMemory } from "#core/lane-memory";
import type { Policy } from "#core/policy";
import type { BatchCipher, RandomSource } from "#core/ports";
import { DataPlane, type InstalledChild } from "#gateway/data-plane";
import { allocateDropCounters, type LaneSocket } from "#gateway/lane-context";
import { LaneEngine } from "#gateway/lane-engine";
import { LaneMesh } from "#gateway/lane-mesh";
import { LanePolicies } from "#gateway/lane-policies";
import type { PlaneState } from "#gateway/plane-state";
import { nativeIo } from "#io/native";
import { SaTable } from "#ipsec/sa";
import { compileSpd } from "#ipsec/spd-compile";
import { type Datagram, VirtualPort } from "./virtual-port.ts";

export const ALL_SOCKETS: readonly LaneSocket[] = [
  { kind: "udp", family: 4 },
  { kind: "udp", family: 6 },
  { kind: "esp", family: 4 },
  { kind: "esp", family: 6 },
  { kind: "ah", family: 4 },
  { kind: "ah", family: 6 },
  { kind: "bypass", family: 4 },
  { kind: "bypass", family: 6 },
];

/** Reproducible randomness (xorshift32): a failing seed replays. */
export function seededRandom(seed: number): RandomSource & { next(): number } {
  let state = seed === 0 ? 1 : seed | 0;
  const next = () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return state >>> 0;
  };
  return {
    next,
    fill(target) {
      for (let i = 0; i < target.length; i++) target[i] = next() >>> 8;
    },
  };
}

export interface LaneEventRecord {
  readonly kind: number;
  readonly slot: number;
  readonly value: number;
  readonly more: readonly number[];
}

export class VirtualGateway {
  readonly port: VirtualPort;
  readonly table: SaTable;
  readonly plane: DataPlane;
  readonly engine: LaneEngine;
  readonly drops: Float64Array = allocateDropCounters();
  readonly memory: LaneMemory;
  readonly ike: Uint8Array[] = [];
  readonly #events: EventRing = EventRing.allocate(256);
  now = 1000;

  constructor(makeCipher: (memory: LaneMemory, slots: number) => BatchCipher, slots = 256, seed = 7) {
    const random = seededRandom(seed);
    this.memory = allocateLaneMemory(slots);
    this.table = SaTable.allocate(slots);
    this.port = new VirtualPort(this.memory, ALL_SOCKETS);
    this.engine = new LaneEngine({
      memory: this.memory,
      table: this.table,
      cipher: makeCipher(this.memory, slots),
      port: this.port,
      sockets: ALL_SOCKETS,
      events: this.#events,
      ike: {
        take: (bytes, offset, length) => {
          this.ike.push(bytes.slice(offset, offset + length));
          return true;
        },
      },
      drops: this.drops,
      policies: new LanePolicies({ table: compileSpd([], 1), formerIndex: [], answersFrom: [] }, random),
      mesh: LaneMesh.alone(),
    });
    const engine = this.engine;
    const link = {
      sockets: ALL_SOCKETS,
      endpoints: this.memory.endpoints,
      send: (command: Parameters<LaneEngine["command"]>[0]) => engine.command(command, this.now),
    };
    this.plane = new DataPlane(this.table, [link], random, 0, new (nativeIo().KeyVault)());
  }

  /** What a process that takes it over is given. */
  freeze(): PlaneState {
    return this.plane.freeze([this.engine.context.policies.outbound]);
  }

  /** It goes on with what another one froze. */
  thaw(state: PlaneState): void {
    this.plane.thaw(state);
    this.plane.populate(state.outbound);
  }

  configure(policies: readonly Policy[], ...specs: readonly ChildSaSpec[]): InstalledChild[] {
    this.plane.setPolicies(policies);
    return specs.map((spec) => this.plane.install(spec, true).child);
  }

  /** Everything that the lane told since the last call. */
  events(): LaneEventRecord[] {
    return this.allEvents().filter(({ kind }) => kind !== LaneEvent.DONE);
  }

  /** The same, with the answers to commands. */
  allEvents(): LaneEventRecord[] {
    const record = new Int32Array(EVENT_COLUMNS);
    const out: LaneEventRecord[] = [];
    while (this.#events.take(record)) {
      const [kind = 0, slot = 0, value = 0, ...more] = record;
      if (kind === LaneEvent.DONE) this.plane.done(value);
      out.push({ kind, slot, value, more });
    }
    return out;
  }

  /** Runs outbound and inbound steps until nothing is left to do. */
  drive(): void {
    let moved = 1;
    while (moved > 0) {
      moved = this.engine.outboundStep(this.now);
      for (let i = 0; i < ALL_SOCKETS.length; i++) moved += this.engine.inboundStep(i, this.now);
    }
  }
}

/** What `from` sent arrives at `to`: UDP with the sender's address, raw as it is. */
export function carry(
  from: VirtualGateway,
  to: VirtualGateway,
  change: (d: Datagram) => Datagram | undefined = (d) => d,
): number {
  const datagrams = from.port.sent.splice(0);
  for (const sent of datagrams) {
    const [family = 4] = sent.peer;
    const arrived = change({
      ...sent,
      peer: [family, kindOf(sent.socket) === "udp" ? 4500 : 0, ...sent.local],
      local: sent.peer.slice(2),
    });
    if (arrived !== undefined) to.port.offerDatagram(arrived);
  }
  return datagrams.length;
}

function kindOf(socket: number): string {
  return ALL_SOCKETS[socket]?.kind ?? "none";
}

export function address(text: string): IpAddress {
  const parsed = parseAddress(text);
  assert(parsed !== undefined, `${text} is an address`);
  return parsed;
}

export function words(text: string): readonly number[] {
  return addressWords(address(text));
}
