/** Opens a TUN device for lanes: one descriptor a queue, with every offload the kernel agrees to. */
import { type Descriptor, nativeIo } from "./native.ts";
import { succeed } from "./system-error.ts";

export interface TunOffloads {
  /** Packets may carry a partial checksum. */
  readonly checksum: boolean;
  /** TCP super-packets over IPv4, over IPv6. */
  readonly tso4: boolean;
  readonly tso6: boolean;
  /** UDP super-packets; Linux 6.2 or newer. */
  readonly uso4: boolean;
  readonly uso6: boolean;
}

// TUN_F_ of linux/if_tun.h.
const CHECKSUM = 0x01;
const TSO4 = 0x02;
const TSO6 = 0x04;
const TSO_ECN = 0x08;
const USO4 = 0x20;
const USO6 = 0x40;

export const ALL_OFFLOADS: TunOffloads = { checksum: true, tso4: true, tso6: true, uso4: true, uso6: true };
export const NO_OFFLOADS: TunOffloads = { checksum: false, tso4: false, tso6: false, uso4: false, uso6: false };

export interface TunDeviceOptions {
  /** Up to 15 octets; empty, or with %d, where the kernel shall choose. */
  readonly name: string;
  readonly queues?: number;
  /** Without virtio-net headers each packet comes alone. */
  readonly vnetHeader?: boolean;
  /** The device stays when the process ends. */
  readonly persist?: boolean;
  /** What may be used; what is used stands in the device. */
  readonly offloads?: TunOffloads;
}

export interface TunDevice extends Disposable {
  readonly name: string;
  readonly queues: readonly Descriptor[];
  readonly vnetHeader: boolean;
  readonly offloads: TunOffloads;
  close(): void;
}

function offloadBits(offloads: TunOffloads): number {
  return (
    (offloads.checksum ? CHECKSUM : 0) |
    (offloads.tso4 ? TSO4 | TSO_ECN : 0) |
    (offloads.tso6 ? TSO6 | TSO_ECN : 0) |
    (offloads.uso4 ? USO4 : 0) |
    (offloads.uso6 ? USO6 : 0)
  );
}

export function openTunDevice(options: TunDeviceOptions): TunDevice {
  const vnetHeader = options.vnetHeader ?? true;
  const opened = succeed(
    nativeIo().openTun({
      name: options.name,
      queues: options.queues ?? 1,
      vnetHeader,
      persist: options.persist ?? false,
      offloads: offloadBits(options.offloads ?? ALL_OFFLOADS),
    }),
    options.name === "" ? "TUN device" : `TUN device ${options.name}`,
  );
  const bits = opened.offloads;
  const close = () => {
    for (const descriptor of opened.descriptors) descriptor.close();
  };
  return {
    name: opened.name,
    queues: opened.descriptors,
    vnetHeader,
    offloads: {
      checksum: (bits & CHECKSUM) !== 0,
      tso4: (bits & TSO4) !== 0,
      tso6: (bits & TSO6) !== 0,
      uso4: (bits & USO4) !== 0,
      uso6: (bits & USO6) !== 0,
    },
    close,
    [Symbol.dispose]: close,
  };
}
