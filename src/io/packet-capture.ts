/** Packets as interfaces see them, from their IP headers on: the kernel's own copies, so that no lane has to make any. */
import { getLink, listLinks } from "./links.ts";
import { type NativeSniffer, nativeIo } from "./native.ts";
import { LITTLE_ENDIAN } from "./netlink-message.ts";
import { encodeFilter, traceFilter } from "./packet-filter.ts";
import { fromThrown } from "./system-error.ts";

/** Octets of one look: a thread that writes them has other things to do. */
const LOOK = 8 << 20;
/** native/sniffer.cc: six fields of 32 bits. */
const RECORD = 24;

export interface SeenPacket {
  readonly interface: string;
  readonly direction: "in" | "out";
  /** Nanoseconds since 1970. */
  readonly time: bigint;
  readonly octets: Uint8Array;
  /** Octets that passed; `octets` may be fewer. */
  readonly length: number;
}

export class PacketCapture implements Disposable {
  readonly #native: NativeSniffer;
  readonly #names = new Map<number, string>();

  /** All of the interface `inside`, and what of others belongs to IPsec. In the network namespace of the calling thread. */
  constructor(inside: string, ports: readonly number[]) {
    const filter = encodeFilter(traceFilter(getLink(inside).index, ports));
    try {
      this.#native = new (nativeIo().Sniffer)(0, filter, true);
    } catch (error) {
      throw fromThrown(error, "a socket for packets");
    }
  }

  /** Since the last call; `lost` came faster than they were read. */
  read(): { readonly packets: readonly SeenPacket[]; readonly lost: number } {
    const { records, unread } = this.#native.take(LOOK);
    const view = new DataView(records.buffer, records.byteOffset, records.length);
    const packets: SeenPacket[] = [];
    for (let at = 0; at < records.length; ) {
      const field = (i: number) => view.getUint32(at + 4 * i, LITTLE_ENDIAN);
      const kept = field(0);
      packets.push({
        interface: this.#nameOf(field(4)),
        direction: field(5) === 1 ? "out" : "in",
        time: BigInt(field(2)) * 1_000_000_000n + BigInt(field(3)),
        octets: records.subarray(at + RECORD, at + RECORD + kept),
        length: field(1),
      });
      at += RECORD + kept;
    }
    return { packets, lost: unread };
  }

  [Symbol.dispose](): void {
    this.#native.close();
  }

  #nameOf(index: number): string {
    let name = this.#names.get(index);
    if (name === undefined) {
      name = listLinks().find((link) => link.index === index)?.name ?? `#${index}`;
      this.#names.set(index, name);
    }
    return name;
  }
}
