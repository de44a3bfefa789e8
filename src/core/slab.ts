/**
 * Where a lane's octets lie, and the descriptor row that stands for a packet at the native boundary.
 * Twin of native/slab.h; start-up compares the two (`assertSameLayout` in io/native.ts).
 *
 *   slab:  | staging | out: packets cut from TUN, built in place | in: received trains | scratch: the engine's own |
 *
 * TypeScript allocates the slab over a SharedArrayBuffer (it can neither be detached nor resized), native attaches once.
 */

/** One super-packet as read from TUN, with its virtio-net header. */
export const STAGING_OFFSET = 0;
export const STAGING_LENGTH: number = 128 * 1024;

/** Packets cut from super-packets; slots are packed one after the other, each with headroom and tailroom. */
export const OUT_OFFSET: number = STAGING_OFFSET + STAGING_LENGTH;
export const OUT_LENGTH: number = 4 * 1024 * 1024;
/** Room in front of a cut packet: IPv6 (40) + AH (12 + 64) + ESP (8 + 16 IV), rounded up. */
export const HEADROOM = 192;

/** Receive buffers: one datagram, or one train of datagrams that GRO joined, in each. */
export const IN_OFFSET: number = OUT_OFFSET + OUT_LENGTH;
export const TRAINS = 64;
export const TRAIN_STRIDE: number = 66 * 1024;
/** Room in front of a train, for the IPv6 header that a raw socket does not hand over. */
export const TRAIN_HEADROOM = 64;

/** The engine's own octets: ICMP answers, fragments, muted AH headers. */
export const SCRATCH_OFFSET: number = IN_OFFSET + TRAINS * TRAIN_STRIDE;
export const SCRATCH_LENGTH: number = 1024 * 1024;

export const SLAB_LENGTH: number = SCRATCH_OFFSET + SCRATCH_LENGTH;

/** Rows of one direction. */
export const ROWS = 4096;
/** Int32 columns of a row: one cache line. */
export const ROW_STRIDE = 16;

/** Columns of a row, in int32. */
export const Row = {
  /** Packet's first octet in the slab. Out: inner packet, then what is sent. In: what came, then the inner packet. */
  OFFSET: 0,
  LENGTH: 1,
  /** 0 = go on, < 0 = dropped for that reason (core/drop.ts), > 0 = taken by somebody else. */
  VERDICT: 2,
  /** SA slot = key slot = endpoint index; -1 = none. */
  SLOT: 3,
  /** ESP: offset of the SPI. AH: first octet after the AH. */
  CRYPT_OFFSET: 4,
  /** ESP: octets of ciphertext, without IV and ICV. AH: octets after the AH. */
  CRYPT_LENGTH: 5,
  /** High half of the extended sequence number (RFC 4303 §2.2.1); 0 without ESN. */
  SEQ_HIGH: 6,
  /** AH: where the copy of outer header and AH with muted fields lies (RFC 4302 §3.3.3.1). ESP: 0. */
  PREFIX_OFFSET: 7,
  /** AH: its octets; ESP: 0. This column tells AH from ESP. */
  PREFIX_LENGTH: 8,
  /** AH: where the ICV field of the packet itself lies. */
  ICV_OFFSET: 9,
  /** Out: number of the super-packet it was cut from. In: number of its train. */
  GROUP: 10,
  /** Out: outer traffic class (DSCP and ECN) of a UDP send. In: as received. */
  TOS: 11,
  /** Out: 1 = the outer packet must not be fragmented. */
  DF: 12,
  /** Out: index of the lane's socket it leaves by. */
  SOCKET: 13,
  /** The engine's: policy index of the packet's flow. */
  POLICY: 14,
  /** The engine's. */
  SPARE: 15,
} as const;

export const VERDICT_GO = 0;
/** Taken by somebody else: answered, parked, or for IKE. */
export const VERDICT_TAKEN = 1;

/** Int32 columns of a train: where a receive buffer's datagrams came from. */
export const TRAIN_COLUMNS = 16;
export const Train = {
  /** 4 or 6. */
  FAMILY: 0,
  /** Source port; 0 for raw. */
  PORT: 1,
  /** Source address as big-endian words, 2–5. */
  ADDRESS: 2,
  /** Destination address, 6–9 (from packet info). */
  LOCAL_ADDRESS: 6,
  /** Index of the socket it came by. */
  SOCKET: 10,
  /** Interface index. */
  INTERFACE: 11,
} as const;

/** Int32 columns of an endpoint: where an SA's packets go. Indexed by slot. Written by the lane alone. */
export const ENDPOINT_COLUMNS = 16;
export const EndpointColumn = {
  FAMILY: 0,
  PORT: 1,
  /** Big-endian words, 2–5. */
  ADDRESS: 2,
  /** Source address to send from, 6–9; all zero = kernel's choice. */
  LOCAL_ADDRESS: 6,
} as const;

/** Bits of `LanePort.wait`. */
export const READY_TUN = 1;
export const READY_WAKE = 2;
/** An ICMP error waits in some socket's error queue. */
export const READY_ERROR = 4;
/** Socket i is `READY_SOCKET << i`. */
export const READY_SOCKET = 8;

/** I/O counters that native writes, float64. */
export const IoCounter = {
  TUN_READS: 0,
  TUN_READ_PACKETS: 1,
  TUN_READ_OCTETS: 2,
  TUN_WRITES: 3,
  TUN_WRITE_PACKETS: 4,
  TUN_WRITE_OCTETS: 5,
  TUN_WRITE_ERRORS: 6,
  SENDS: 7,
  SEND_PACKETS: 8,
  SEND_OCTETS: 9,
  SEND_ERRORS: 10,
  SEND_RETRIES: 11,
  RECEIVES: 12,
  RECEIVE_PACKETS: 13,
  RECEIVE_OCTETS: 14,
  WAITS: 15,
  /** Times a device or path refused GSO and single sends took over. */
  GSO_FALLBACKS: 16,
  /** Malformed super-packets that could not be cut. */
  TUN_READ_BAD: 17,
} as const;
export const IO_COUNTERS = 32;
