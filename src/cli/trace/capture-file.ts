/** A capture on its way to its file: bounded, with what did not fit counted. */
import { interfaceDescription, interfaceStatistics, packetBlock, sectionHeader } from "#wire/pcapng";

/** Of a packet, as it was seen. */
export interface Seen {
  readonly interface: string;
  readonly direction: "in" | "out";
  readonly time: bigint;
  readonly octets: Uint8Array;
  readonly length: number;
}

export class CaptureFile {
  readonly #write: (octets: Uint8Array) => void;
  readonly #limit: number;
  readonly #interfaces = new Map<string, number>();
  #octets = 0;
  #packets = 0;
  #beyond = 0;

  /** `limit`: octets of the whole file. */
  constructor(write: (octets: Uint8Array) => void, limit: number, application: string) {
    this.#write = write;
    this.#limit = limit;
    this.#put(sectionHeader(application));
  }

  /** In the file, and those for which it had no room. */
  get counts(): { readonly packets: number; readonly beyond: number; readonly octets: number } {
    return { packets: this.#packets, beyond: this.#beyond, octets: this.#octets };
  }

  get full(): boolean {
    return this.#beyond > 0;
  }

  add(seen: Seen): void {
    const block = packetBlock({ ...seen, interface: this.#indexOf(seen.interface) });
    if (this.full || this.#octets + block.length > this.#limit) {
      this.#beyond++;
      return;
    }
    this.#put(block);
    this.#packets++;
  }

  /** `lost`: what the kernel had no room for, of whichever interface. */
  end(lost: number, at: bigint): void {
    const [first] = this.#interfaces.values();
    if (first !== undefined) this.#put(interfaceStatistics(first, at, lost + this.#beyond));
  }

  #indexOf(name: string): number {
    let index = this.#interfaces.get(name);
    if (index === undefined) {
      index = this.#interfaces.size;
      this.#interfaces.set(name, index);
      this.#put(interfaceDescription(name));
    }
    return index;
  }

  #put(block: Uint8Array): void {
    this.#octets += block.length;
    this.#write(block);
  }
}
