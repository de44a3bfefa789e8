/** What the two directions of a lane share. Built once a lane; everything in it has the lane as its only writer. */
import { DROP_COUNTERS } from "#core/drop";
import type { EventRing } from "#core/event-ring";
import type { LaneMemory } from "#core/lane-memory";
import type { BatchCipher, LanePort } from "#core/ports";
import { SCRATCH_LENGTH, SCRATCH_OFFSET } from "#core/slab";
import { AhIn } from "#ipsec/ah-in";
import { AhOut } from "#ipsec/ah-out";
import { EspIn } from "#ipsec/esp-in";
import { EspOut } from "#ipsec/esp-out";
import { FlowKey } from "#ipsec/flow";
import { Lifetime } from "#ipsec/lifetime";
import { OuterHeader } from "#ipsec/outer-header";
import { ReplayWindow } from "#ipsec/replay-window";
import type { SaTable } from "#ipsec/sa";
import { Scratch } from "#ipsec/scratch";
import { Sequence } from "#ipsec/sequence";
import { HeldPackets } from "./held-packets.ts";
import type { LaneMesh } from "./lane-mesh.ts";
import type { LanePolicies } from "./lane-policies.ts";
import { LimitReports } from "./limit-reports.ts";
import { Succession } from "./succession.ts";

export type SocketKind = "udp" | "esp" | "ah" | "bypass";

/** One of a lane's sockets; its index in the list is `Row.SOCKET`. */
export interface LaneSocket {
  readonly kind: SocketKind;
  readonly family: 4 | 6;
}

/** Where IKE messages and the answers of other protocols' peers go; bounded by the implementation. */
export interface IkeSink {
  /** The octets are copied out before it returns. False: too many wait, the message is dropped. */
  take(bytes: Uint8Array, offset: number, length: number, train: Int32Array, trainRow: number): boolean;
}

export interface LaneParts {
  readonly memory: LaneMemory;
  readonly table: SaTable;
  readonly cipher: BatchCipher;
  readonly port: LanePort;
  readonly sockets: readonly LaneSocket[];
  readonly events: EventRing;
  readonly ike: IkeSink;
  /** Indexed by -code; shared with control. */
  readonly drops: Float64Array;
  readonly policies: LanePolicies;
  readonly mesh: LaneMesh;
}

export interface LaneContext extends LaneParts {
  readonly view: DataView;
  readonly flow: FlowKey;
  readonly scratch: Scratch;
  readonly espOut: EspOut;
  readonly espIn: EspIn;
  readonly ahOut: AhOut;
  readonly ahIn: AhIn;
  readonly outer: OuterHeader;
  readonly limits: LimitReports;
  readonly held: HeldPackets;
  readonly succession: Succession;
}

export function allocateDropCounters(): Float64Array {
  return new Float64Array(new SharedArrayBuffer(8 * DROP_COUNTERS));
}

export function createLaneContext(parts: LaneParts): LaneContext {
  const { memory, table } = parts;
  const lifetime = new Lifetime(table);
  const sequence = new Sequence(table);
  const window = new ReplayWindow(table);
  const scratch = new Scratch(SCRATCH_OFFSET, SCRATCH_LENGTH);
  return {
    ...parts,
    view: new DataView(memory.slab.buffer, memory.slab.byteOffset, memory.slab.byteLength),
    flow: new FlowKey(),
    scratch,
    espOut: new EspOut(memory, table, lifetime, sequence),
    espIn: new EspIn(memory, table, window, lifetime),
    ahOut: new AhOut(memory, table, lifetime, sequence, scratch),
    ahIn: new AhIn(memory, table, window, lifetime, scratch),
    outer: new OuterHeader(memory, table),
    limits: new LimitReports(table, parts.events),
    held: new HeldPackets(memory, parts.drops),
    succession: new Succession(parts),
  };
}
