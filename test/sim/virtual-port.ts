/** A LanePort without a kernel: packets are offered and taken by the test. */
import type { LaneMemory } from "#core/lane-memory";
import type { LanePort, PathError } from "#core/ports";
import {
  ENDPOINT_COLUMNS,
  EndpointColumn,
  HEADROOM,
  IN_OFFSET,
  OUT_LENGTH,
  OUT_OFFSET,
  ROW_STRIDE,
  ROWS,
  Row,
  TRAIN_COLUMNS,
  TRAIN_HEADROOM,
  TRAIN_STRIDE,
  TRAINS,
  Train,
  VERDICT_GO,
} from "#core/slab";
import type { LaneSocket } from "#gateway/lane-context";

export interface Datagram {
  /** UDP payload, or a whole IP packet of a raw socket. */
  readonly bytes: Uint8Array;
  readonly socket: number;
  /** family, port, address words of where it goes to or comes from. */
  readonly peer: readonly number[];
  /** Address words of this side. */
  readonly local: readonly number[];
  readonly tos: number;
  readonly df: number;
}

export class VirtualPort implements LanePort {
  /** What left by sockets and what was written to TUN, oldest first. */
  readonly sent: Datagram[] = [];
  readonly written: Uint8Array[] = [];
  readonly errors: PathError[] = [];
  /** Datagrams with the same `peer` and `local` objects arrive in one train, octet behind octet, as GRO hands them over. */
  packed = false;
  readonly #memory: LaneMemory;
  readonly #sockets: readonly LaneSocket[];
  #fromTun: { packet: Uint8Array; group: number }[] = [];
  readonly #fromSocket: Datagram[][] = [];
  #groups = 0;

  constructor(memory: LaneMemory, sockets: readonly LaneSocket[]) {
    this.#memory = memory;
    this.#sockets = sockets;
  }

  /** Packets offered in one call are of one super-packet. */
  offerTun(...packets: readonly Uint8Array[]): void {
    const group = this.#groups++;
    for (const packet of packets) this.#fromTun.push({ packet, group });
  }

  offerDatagram(datagram: Datagram): void {
    const waiting = this.#fromSocket[datagram.socket];
    if (waiting === undefined) this.#fromSocket[datagram.socket] = [datagram];
    else waiting.push(datagram);
  }

  wait(): number {
    return 0;
  }

  readTun(tailroom: number): number {
    const { slab, out } = this.#memory;
    let at = OUT_OFFSET;
    let count = 0;
    for (const { packet, group } of this.#fromTun) {
      const end = at + HEADROOM + packet.length + tailroom;
      if (count === ROWS || end > OUT_OFFSET + OUT_LENGTH) break;
      const row = count * ROW_STRIDE;
      slab.set(packet, at + HEADROOM);
      out.fill(0, row, row + ROW_STRIDE);
      out[row + Row.OFFSET] = at + HEADROOM;
      out[row + Row.LENGTH] = packet.length;
      out[row + Row.SLOT] = -1;
      out[row + Row.GROUP] = group;
      at = (end + 63) & -64;
      count++;
    }
    this.#fromTun = this.#fromTun.slice(count);
    return count;
  }

  send(first: number, count: number): void {
    const { slab, out, endpoints } = this.#memory;
    for (let i = first; i < first + count; i++) {
      const row = i * ROW_STRIDE;
      if (out[row + Row.VERDICT] !== VERDICT_GO) continue;
      const offset = out[row + Row.OFFSET] ?? 0;
      const endpoint = (out[row + Row.SLOT] ?? 0) * ENDPOINT_COLUMNS;
      const words = (column: number) => [...endpoints.subarray(endpoint + column, endpoint + column + 4)];
      this.sent.push({
        bytes: slab.slice(offset, offset + (out[row + Row.LENGTH] ?? 0)),
        socket: out[row + Row.SOCKET] ?? -1,
        peer: [
          endpoints[endpoint] ?? 0,
          endpoints[endpoint + EndpointColumn.PORT] ?? 0,
          ...words(EndpointColumn.ADDRESS),
        ],
        local: words(EndpointColumn.LOCAL_ADDRESS),
        tos: out[row + Row.TOS] ?? 0,
        df: out[row + Row.DF] ?? 0,
      });
    }
  }

  receive(socket: number): number {
    const { slab, trains } = this.#memory;
    const rows = this.#memory.in;
    const waiting = this.#fromSocket[socket] ?? [];
    const mine = waiting.splice(0, this.packed ? ROWS : TRAINS);
    let train = -1;
    let at = 0;
    let before: Datagram | undefined;
    for (const [i, datagram] of mine.entries()) {
      const row = i * ROW_STRIDE;
      const end = IN_OFFSET + train * TRAIN_STRIDE + TRAIN_STRIDE;
      const joins = this.packed && before?.peer === datagram.peer && before.local === datagram.local;
      if (!joins || at + datagram.bytes.length > end) {
        if (train === TRAINS - 1) {
          waiting.unshift(...mine.splice(i));
          break;
        }
        train++;
        at = IN_OFFSET + train * TRAIN_STRIDE + TRAIN_HEADROOM;
        trains.set(datagram.peer, train * TRAIN_COLUMNS + Train.FAMILY);
        trains.set(datagram.local, train * TRAIN_COLUMNS + Train.LOCAL_ADDRESS);
        trains[train * TRAIN_COLUMNS + Train.SOCKET] = socket;
      }
      before = datagram;
      slab.set(datagram.bytes, at);
      rows.fill(0, row, row + ROW_STRIDE);
      rows[row + Row.OFFSET] = at;
      rows[row + Row.LENGTH] = datagram.bytes.length;
      rows[row + Row.SLOT] = -1;
      rows[row + Row.GROUP] = train;
      rows[row + Row.TOS] = datagram.tos;
      at += datagram.bytes.length;
    }
    return mine.length;
  }

  deliver(first: number, count: number): void {
    const rows = this.#memory.in;
    for (let i = first; i < first + count; i++) {
      const row = i * ROW_STRIDE;
      if (rows[row + Row.VERDICT] !== VERDICT_GO) continue;
      const offset = rows[row + Row.OFFSET] ?? 0;
      this.written.push(this.#memory.slab.slice(offset, offset + (rows[row + Row.LENGTH] ?? 0)));
    }
  }

  takeError(): PathError | undefined {
    return this.errors.shift();
  }

  /** True when some datagram waits at this socket. */
  waiting(socket: number): boolean {
    return (this.#fromSocket[socket]?.length ?? 0) > 0;
  }

  get sockets(): readonly LaneSocket[] {
    return this.#sockets;
  }
}
