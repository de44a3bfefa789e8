/** A lane whose TUN device is a pair of sockets: the test is the kernel behind it. No root needed. */
import { constants } from "node:os";
import { allocateLaneMemory, type LaneMemory } from "#core/lane-memory";
import { ENDPOINT_COLUMNS, EndpointColumn, IN_OFFSET, IoCounter, ROW_STRIDE, Row } from "#core/slab";
import { FAST_LANE, openLanePort } from "#io/lane-port";
import { type Descriptor, type LaneOptions, type LaneSocket, type NativeLane, nativeIo } from "#io/native";
import { openWake } from "#io/sockets";
import { succeed } from "#io/system-error";

export class LaneRig implements Disposable {
  readonly memory: LaneMemory = allocateLaneMemory(16);
  readonly lane: NativeLane;
  readonly wake: Descriptor;
  readonly #kernel: Descriptor;
  readonly #tun: Descriptor;
  readonly #buffer = new Uint8Array(128 * 1024);

  constructor(options: Partial<LaneOptions> = {}, sockets: readonly LaneSocket[] = []) {
    [this.#kernel, this.#tun] = succeed(nativeIo().socketPair(), "socket pair");
    this.wake = openWake();
    this.lane = openLanePort({
      memory: this.memory,
      tunFd: this.#tun.fd,
      sockets,
      wakeFd: this.wake.fd,
      options: { ...FAST_LANE, ...options },
    });
  }

  /** The kernel hands a packet to the lane. */
  give(packet: Uint8Array): void {
    const written = this.#kernel.write(packet);
    if (written !== packet.length) throw new Error(`write returned ${written}`);
  }

  /** What the lane wrote to TUN, in order. */
  taken(): Uint8Array[] {
    const packets: Uint8Array[] = [];
    for (;;) {
      const length = this.#kernel.read(this.#buffer);
      if (length === -constants.errno.EAGAIN) return packets;
      if (length < 0) throw new Error(`read returned ${length}`);
      packets.push(this.#buffer.slice(0, length));
    }
  }

  /** The kernel's end is gone: writes to TUN fail. */
  hangUp(): void {
    this.#kernel.close();
  }

  row(rows: Int32Array, index: number, column: number): number {
    return rows[index * ROW_STRIDE + column] ?? 0;
  }

  octetsOf(rows: Int32Array, index: number): Uint8Array {
    const offset = this.row(rows, index, Row.OFFSET);
    return this.memory.slab.slice(offset, offset + this.row(rows, index, Row.LENGTH));
  }

  outPackets(count: number): Uint8Array[] {
    return Array.from({ length: count }, (_, i) => this.octetsOf(this.memory.out, i));
  }

  inPackets(count: number): Uint8Array[] {
    return Array.from({ length: count }, (_, i) => this.octetsOf(this.memory.in, i));
  }

  /** Lays packets into rows as an engine would leave them. */
  place(rows: Int32Array, packets: readonly Uint8Array[], columns: Readonly<Record<number, number>> = {}): void {
    let offset = IN_OFFSET;
    for (const [index, packet] of packets.entries()) {
      this.memory.slab.set(packet, offset);
      const at = index * ROW_STRIDE;
      rows.fill(0, at, at + ROW_STRIDE);
      rows[at + Row.OFFSET] = offset;
      rows[at + Row.LENGTH] = packet.length;
      for (const [column, value] of Object.entries(columns)) rows[at + Number(column)] = value;
      offset += packet.length + 32;
    }
  }

  setEndpoint(
    slot: number,
    family: 4 | 6,
    address: readonly number[],
    port: number,
    local: readonly number[] = [],
  ): void {
    const at = slot * ENDPOINT_COLUMNS;
    const { endpoints } = this.memory;
    endpoints.fill(0, at, at + ENDPOINT_COLUMNS);
    endpoints[at + EndpointColumn.FAMILY] = family;
    endpoints[at + EndpointColumn.PORT] = port;
    endpoints.set(address, at + EndpointColumn.ADDRESS);
    endpoints.set(local, at + EndpointColumn.LOCAL_ADDRESS);
  }

  counter(name: keyof typeof IoCounter): number {
    return this.memory.ioCounters[IoCounter[name]] ?? 0;
  }

  [Symbol.dispose](): void {
    this.lane.close();
    this.#kernel.close();
    this.#tun.close();
    this.wake.close();
  }
}
