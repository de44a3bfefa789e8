/** The native addon: where it lies, what it offers, and the proof that it and core/slab.ts mean the same memory. */
import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { Drop } from "#core/drop";
import { assert } from "#core/errors";
import type { LaneMemory } from "#core/lane-memory";
import type { LanePort } from "#core/ports";
import * as slab from "#core/slab";
import { chooseAddon } from "./addon-places.ts";
import { packageFile } from "./package-file.ts";

/** A failed system call, as native code returns it. */
export interface NativeFailure {
  /** errno's name. */
  readonly code: string;
  readonly syscall: string;
}

/** Copies of SAs' keys by slot, in locked memory that nothing dumps. */
export interface NativeKeyVault {
  /** False: longer than any key, or there is no memory. */
  put(slot: number, encryptionKey: Uint8Array, integrityKey: Uint8Array): boolean;
  /** Fills both; false: unknown, or of other lengths. */
  read(slot: number, encryptionKey: Uint8Array, integrityKey: Uint8Array): boolean;
  remove(slot: number): void;
}

/** Owns one file descriptor; closed by `close` or by the garbage collector, whichever comes first. */
export interface Descriptor {
  /** -1 once closed. */
  readonly fd: number;
  /** Harmless when repeated. */
  close(): void;
  /** Wakes whoever waits for an eventfd. */
  signal(): void;
  /** One packet without waiting; returns its octets or -errno. */
  read(target: Uint8Array): number;
  write(source: Uint8Array): number;
  /**
   * A BPF program (struct sock_filter): on `socket` it says which packets the socket takes, on `port` which socket of its
   * SO_REUSEPORT group takes one, by the order in which they were bound.
   */
  attachFilter(program: Uint8Array, scope: "socket" | "port"): undefined | NativeFailure;
}

export type SocketKind = "udp4" | "udp6" | "raw4" | "raw6";

export interface LaneSocket {
  readonly fd: number;
  readonly kind: SocketKind;
  /** Raw sockets: 50 or 51. UDP: 0. */
  readonly protocol: number;
}

export interface LaneOptions {
  /** The TUN queue speaks virtio-net headers. */
  readonly vnetHeader: boolean;
  /** Send trains of UDP datagrams. */
  readonly gso: boolean;
  /** Receive trains of UDP datagrams. */
  readonly gro: boolean;
  /** TUN takes joined UDP datagrams. */
  readonly uso: boolean;
  /** Join neighbouring segments before they are written to TUN. */
  readonly join: boolean;
}

export interface LaneSetup {
  readonly memory: LaneMemory;
  readonly tunFd: number;
  readonly sockets: readonly LaneSocket[];
  readonly wakeFd: number;
  readonly options: LaneOptions;
}

/** Borrows its descriptors: close it before them. */
export interface NativeLane extends LanePort {
  close(): void;
}

export interface NativeTunOptions {
  readonly name: string;
  readonly queues: number;
  readonly vnetHeader: boolean;
  readonly persist: boolean;
  readonly offloads: number;
}

export interface NativeTunDevice {
  readonly name: string;
  readonly descriptors: readonly Descriptor[];
  readonly offloads: number;
}

export interface NativeSocketOptions {
  readonly family: 4 | 6;
  readonly mark: number;
  readonly buffers: number;
  readonly device: string;
}

export interface NativeUdpOptions extends NativeSocketOptions {
  readonly address: Uint8Array;
  readonly port: number;
  readonly reusePort: boolean;
  readonly gro: boolean;
}

export interface NativeSenderOptions extends NativeSocketOptions {
  readonly port: number;
  /** Sockets of this process that have the port. */
  readonly beside: Int32Array;
}

/** An ICMP error about a datagram that was sent to `address` and `port`. */
export interface SocketError {
  /** errno's name; empty when the kernel gave none. */
  readonly code: string;
  readonly address: Uint8Array;
  readonly port: number;
}

export interface NativeRawOptions extends NativeSocketOptions {
  readonly protocol: number;
}

export interface NativeSocket {
  readonly descriptor: Descriptor;
  readonly port: number;
  readonly gro: boolean;
}

/** Readiness of a descriptor on this thread's event loop. */
export interface Poller {
  /** 1 = readable, 2 = writable; 0 waits for nothing and lets the process end. */
  watch(events: number): void;
  /** Harmless when repeated, also in the callback. */
  close(): void;
}

export interface SnifferCount {
  readonly read: number;
  readonly octets: number;
  /** Matches that no longer fitted into the socket's buffer. */
  readonly unread: number;
  readonly samples: readonly Uint8Array[];
}

export interface NativeSniffer {
  drain(samples: number): SnifferCount;
  /** Of a cooked one: at most so many octets of records (native/sniffer.cc), and matches that were lost. */
  take(limit: number): { readonly records: Uint8Array; readonly unread: number };
  close(): void;
}

export interface NativeIo {
  readonly layout: Readonly<Record<string, number>>;
  readonly checksumVariant: string;
  readonly Lane: new (setup: LaneSetup) => NativeLane;
  openTun(options: NativeTunOptions): NativeTunDevice | NativeFailure;
  openUdp(options: NativeUdpOptions): NativeSocket | NativeFailure;
  openRaw(options: NativeRawOptions): NativeSocket | NativeFailure;
  /** Sends from a port other sockets have, without DF, and receives nothing. */
  openSender(options: NativeSenderOptions): NativeSocket | NativeFailure;
  /** Readable when addresses or routes of this host change. */
  openNetworkChanges(): Descriptor | NativeFailure;
  /**
   * Each record is the octets of a datagram and the columns of a train (core/slab.ts); the datagrams lie in equal parts of
   * `octets`. One that does not fit has length 0. Returns how many came.
   */
  receiveDatagrams(fd: number, octets: Uint8Array, records: Int32Array): number;
  /** `marker`: four zero octets go in front (RFC 3948 §2.2). A `local` of zeros lets the kernel choose. */
  sendDatagram(
    fd: number,
    octets: Uint8Array,
    marker: boolean,
    remote: Uint8Array,
    port: number,
    local: Uint8Array,
  ): undefined | NativeFailure;
  takeSocketError(fd: number, family: 4 | 6): SocketError | undefined;
  /** Datagrams that found the socket's buffer full. */
  socketDrops(fd: number): number;
  /** The address that datagrams with this mark are sent from, and octets that the way carries as far as is known. */
  routeTowards(
    address: Uint8Array,
    mark: number,
  ): { readonly source: Uint8Array; readonly mtu: number } | NativeFailure;
  /** No core dump, and no look into this process for others of the same user. */
  hideMemory(): undefined | NativeFailure;
  /** Whether this thread goes before others from now on (native/pace.h). */
  preferThread(): boolean;
  /** One datagram to a unix socket; "@" in front: a name of the abstract namespace. Never waits. */
  sendNotice(socket: string, text: string): undefined | NativeFailure;
  findAccount(
    name: string,
  ): { readonly uid: number; readonly gid: number; readonly groups: Uint32Array } | undefined | NativeFailure;
  /** Executes the program in place of this process, with no rights but these capabilities; returns when it cannot. */
  becomeUser(
    uid: number,
    gid: number,
    groups: Uint32Array,
    capabilities: Uint32Array,
    program: string,
    words: readonly string[],
    environment: readonly string[],
  ): NativeFailure;
  openEvent(): Descriptor | NativeFailure;
  /** One that this process was born with, by its number. */
  adoptDescriptor(fd: number): Descriptor | NativeFailure;
  /** Of one that this process was born with: programs that it starts do not get it. */
  closeOnExec(fd: number): undefined | NativeFailure;
  /** A file that is memory alone. */
  openMemoryFile(): Descriptor | NativeFailure;
  /** The memory file's length is final. */
  sealMemory(fd: number): undefined | NativeFailure;
  readonly KeyVault: new () => NativeKeyVault;
  /** `Descriptor.signal` for who has only the number. */
  signalEvent(fd: number): void;
  socketPair(): readonly [Descriptor, Descriptor] | NativeFailure;
  newNamespace(): Descriptor | NativeFailure;
  inNamespace(fd: number, work: () => void): undefined | NativeFailure;
  /** All that answers one rtnetlink request. */
  netlink(request: Uint8Array): Uint8Array | NativeFailure;
  /** Throws an error with `code` and `syscall`. */
  readonly Poller: new (
    fd: number,
    ready: (events: number) => void,
  ) => Poller;
  /** `cooked`: packets without link headers, of all interfaces for index 0. */
  readonly Sniffer: new (
    interfaceIndex: number,
    filter: Uint8Array,
    cooked?: boolean,
  ) => NativeSniffer;
}

let loaded: unknown;

/** All that the addon exports; each user names the part it uses. */
export function loadAddon(): unknown {
  loaded ??= createRequire(import.meta.url)(chooseAddon(packageFile("."), process, existsSync));
  return loaded;
}

let checked: NativeIo | undefined;

export function nativeIo(): NativeIo {
  if (checked === undefined) {
    const io = loadAddon() as NativeIo;
    assertSameLayout(io.layout);
    checked = io;
  }
  return checked;
}

/** Compares native/slab.h with core/slab.ts and core/drop.ts: one of them was changed alone when it throws. */
export function assertSameLayout(layout: Readonly<Record<string, number>>): void {
  const tables = { Row: slab.Row, Train: slab.Train, EndpointColumn: slab.EndpointColumn, IoCounter: slab.IoCounter };
  const expected = new Map<string, number>();
  for (const [name, value] of Object.entries(slab)) if (typeof value === "number") expected.set(name, value);
  for (const [table, columns] of Object.entries(tables))
    for (const [name, value] of Object.entries(columns)) expected.set(`${table}.${name}`, value);
  for (const [name, value] of Object.entries(Drop)) expected.set(`Drop.${name}`, value);
  for (const [name, value] of Object.entries(layout))
    assert(expected.get(name) === value, `native ${name} is ${value}, TypeScript says ${expected.get(name)}`);
  for (const name of expected.keys()) {
    const native = !name.startsWith("Drop.") && !name.startsWith("VERDICT_");
    assert(!native || name in layout, `native code does not know ${name}`);
  }
}
