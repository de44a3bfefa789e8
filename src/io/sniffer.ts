/** Counts the frames of an interface that match a filter, and keeps the first few for people to look at. */
import { getLink } from "./links.ts";
import { type NativeSniffer, nativeIo } from "./native.ts";
import { encodeFilter, type Instruction } from "./packet-filter.ts";
import { fromThrown } from "./system-error.ts";

export interface SnifferReport {
  /** Frames that matched, also those that came faster than they were read. */
  readonly packets: number;
  /** Of the frames that were read. */
  readonly octets: number;
  readonly samples: readonly Uint8Array[];
}

export class Sniffer implements Disposable {
  readonly #native: NativeSniffer;
  readonly #wanted: number;
  readonly #samples: Uint8Array[] = [];
  #packets = 0;
  #octets = 0;

  /** In the network namespace of the calling thread. Both directions are seen. */
  constructor(interfaceName: string, filter: readonly Instruction[], samples = 3) {
    this.#wanted = samples;
    const { index } = getLink(interfaceName);
    try {
      this.#native = new (nativeIo().Sniffer)(index, encodeFilter(filter));
    } catch (error) {
      throw fromThrown(error, `sniffer on ${interfaceName}`);
    }
  }

  /** Everything since the sniffer was opened. */
  report(): SnifferReport {
    const count = this.#native.drain(this.#wanted - this.#samples.length);
    this.#packets += count.read + count.unread;
    this.#octets += count.octets;
    this.#samples.push(...count.samples);
    return { packets: this.#packets, octets: this.#octets, samples: [...this.#samples] };
  }

  close(): void {
    this.#native.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }
}
