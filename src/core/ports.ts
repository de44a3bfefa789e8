/** The interfaces between the engine and the world. io/ has the real ones, tests have virtual ones. */
import type { Millis } from "./units.ts";

/** Octets nobody can predict. */
export interface RandomSource {
  fill(target: Uint8Array): void;
}

/** A monotonic clock. */
export interface Clock {
  now(): Millis;
}

export type CipherProvider = "native" | "node" | "noble";

/** A direction's key as a cipher takes it. IDs and key forms: core/child-sa-spec.ts. */
export interface CipherKey {
  readonly encryption: number;
  readonly integrity: number;
  readonly encryptionKey: Uint8Array;
  readonly integrityKey: Uint8Array;
  readonly esn: boolean;
  readonly direction: "seal" | "open";
}

/**
 * Seals and opens batches of descriptor rows in place (core/slab.ts), row by row where VERDICT is 0.
 * ESP (PREFIX_LENGTH 0): the packet's SPI stands at CRYPT_OFFSET, then sequence number, IV, CRYPT_LENGTH octets of
 * plaintext with trailer, ICV. `seal` writes IV and ICV; counter modes use the 64-bit sequence number as IV and refuse
 * (NONCE_REUSE) one that is not larger than the last of that key. `open` checks the ICV before it decrypts.
 * AH: the ICV is over PREFIX, then CRYPT_LENGTH octets at CRYPT_OFFSET, then SEQ_HIGH with ESN; written at or compared
 * with ICV_OFFSET, right before which the packet's sequence number stands. GMAC's ICV field is IV then tag
 * (RFC 4543 §4), and `seal` writes both.
 * On failure VERDICT becomes ICV_MISMATCH, NO_KEY, NONCE_REUSE, or TOO_SHORT when the row does not lie in the slab or
 * its ciphertext is not whole blocks, and the row's octets are undefined.
 */
export interface BatchCipher {
  readonly provider: CipherProvider;
  /** Copies and expands the key; the caller wipes its own copy. Replaces a former key of the slot. */
  install(slot: number, key: CipherKey): void;
  /** Wipes the key; unknown slots are ignored. */
  remove(slot: number): void;
  seal(rows: Int32Array, count: number): void;
  open(rows: Int32Array, count: number): void;
}

/** A cipher that tells what stands behind it. */
export interface InspectableCipher extends BatchCipher {
  /** As shown to people: "native (vaes, ipsec-mb 1.3.0, openssl 3.0.19)". */
  readonly description: string;
  /** What serves a slot's key: "ipsec-mb 1.3.0"; undefined for an empty slot. */
  implementation(slot: number): string | undefined;
  /** Wipes all keys; every later row gets NO_KEY. */
  destroy(): void;
}

/** An ICMP error the kernel kept for one of our sockets, about a packet of ours. */
export interface PathError {
  /** errno's name, as the kernel translates the ICMP error: `ECONNREFUSED`, `EHOSTUNREACH`, `EMSGSIZE`, … */
  readonly code: string;
  /** Next-hop MTU in octets; 0 when the error is not "too big". */
  readonly mtu: number;
  readonly family: 4 | 6;
  /** Where the packet was going, as big-endian words. */
  readonly destination: readonly number[];
  readonly port: number;
  readonly socket: number;
  /** The quoted payload: for ESP its first 4 octets are the SPI. */
  readonly quoted: Uint8Array;
}

/** A lane's view of TUN and sockets; every call moves one batch. Implemented by the addon and by virtual ports. */
export interface LanePort {
  /** Blocks until something is ready or `timeout` passed (-1 = no limit); returns READY_ bits. */
  wait(timeout: number): number;
  /**
   * Reads super-packets and cuts them into out rows from row 0 on: OFFSET, LENGTH, GROUP set, VERDICT 0, SLOT -1.
   * Every cut packet has final checksums, `HEADROOM` in front and at least `tailroom` octets behind. Returns rows.
   */
  readTun(tailroom: number): number;
  /**
   * Sends the out rows first … first + count - 1 whose VERDICT is 0. UDP sockets: OFFSET/LENGTH is the datagram, SLOT
   * the endpoint. Raw sockets: OFFSET/LENGTH is the whole IP packet. A refused row gets SEND_FAILED.
   */
  send(first: number, count: number): void;
  /** Receives from socket i into in rows from row 0 on; UDP: the payload, raw: the whole IP packet. Returns rows. */
  receive(socket: number): number;
  /** Joins neighbouring segments and writes the in rows first … first + count - 1 whose VERDICT is 0 to TUN. */
  deliver(first: number, count: number): void;
  /** Takes one error from the sockets' error queues. */
  takeError(): PathError | undefined;
}
