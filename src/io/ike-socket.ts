/**
 * IKE's datagrams on the control thread. A port that carries ESP too belongs to the lanes, which hand over what is IKE's;
 * from there control only sends. Any other port is a socket of its own on this thread's event loop.
 */
import { addressFromWords, addressOf, type Endpoint, type IpAddress } from "#core/address";
import { TRAIN_COLUMNS, Train } from "#core/slab";
import { type Unreachable, unreachableReason } from "#core/unreachable";
import { type Descriptor, type NativeFailure, nativeIo, type Poller } from "./native.ts";
import { openSender, openUdp } from "./sockets.ts";
import { isFailure } from "./system-error.ts";

/** Longest datagram of UDP over IPv4 and IPv6 without jumbograms. */
const LONGEST = 65_535;
/** Datagrams of one turn of the event loop. */
const BURST = 32;
const RECORD = 1 + TRAIN_COLUMNS;
/** ICMP errors looked at in one turn. */
const ERRORS = 32;
const READABLE = 1;
const WRITABLE = 2;
/** Octets of the socket's buffers, which the kernel doubles: what a burst of new peers may bring while a turn lasts. */
const BUFFERS = 1 << 20;

export interface IkeListener {
  /** The octets are the receiver's. False: there is no room for it, and it is counted as dropped. */
  datagram(octets: Uint8Array, local: Endpoint, remote: Endpoint): boolean;
  unreachable(remote: Endpoint, reason: Unreachable): void;
}

/** One port of this host that IKE is sent from. */
export interface IkePort extends Disposable {
  readonly address: IpAddress;
  readonly port: number;
  /** Why it could not be sent, or undefined. */
  send(octets: Uint8Array, local: IpAddress, remote: Endpoint): NativeFailure | undefined;
  /** Datagrams that came and found no room, here or in the kernel. */
  readonly dropped: number;
  /** Those that found none here: the kernel's go with the socket. */
  readonly droppedHere: number;
  readonly fd: number;
  /** Whether datagrams are taken; else they wait in the kernel. */
  listen(on: boolean): void;
}

/** Words of a train (core/slab.ts) as endpoints. */
export function endpointsOfTrain(
  train: Int32Array,
  at: number,
  localPort: number,
): { readonly local: Endpoint; readonly remote: Endpoint } {
  const family = train[at + Train.FAMILY] === 4 ? 4 : 6;
  return {
    local: { address: addressFromWords(family, train, at + Train.LOCAL_ADDRESS), port: localPort },
    remote: { address: addressFromWords(family, train, at + Train.ADDRESS), port: train[at + Train.PORT] ?? 0 },
  };
}

/** All sockets of one thread receive into the same memory: what came is copied out before the next call. */
const arrivals = { octets: new Uint8Array(0), records: new Int32Array(BURST * RECORD) };

export class IkeSocket implements IkePort {
  readonly address: IpAddress;
  readonly port: number;
  readonly #descriptor: Descriptor;
  readonly #poller: Poller;
  readonly #listener: IkeListener;
  #dropped = 0;
  #listens = false;

  /** Takes nothing before `listen`. */
  constructor(address: IpAddress, port: number, descriptor: Descriptor, listener: IkeListener) {
    if (arrivals.octets.length === 0) arrivals.octets = new Uint8Array(BURST * LONGEST);
    this.address = address;
    this.port = port;
    this.#descriptor = descriptor;
    this.#listener = listener;
    this.#poller = new (nativeIo().Poller)(descriptor.fd, (events) => this.#ready(events));
  }

  /** Port 0: the kernel chooses. Throws SystemError. */
  static open(address: IpAddress, port: number, mark: number, listener: IkeListener): IkeSocket {
    const socket = openUdp({ address, port, mark, buffers: BUFFERS, gro: false });
    const opened = new IkeSocket(address, socket.port, socket.descriptor, listener);
    opened.listen(true);
    return opened;
  }

  get fd(): number {
    return this.#descriptor.fd;
  }

  get dropped(): number {
    return this.#dropped + (this.#descriptor.fd < 0 ? 0 : nativeIo().socketDrops(this.#descriptor.fd));
  }

  get droppedHere(): number {
    return this.#dropped;
  }

  listen(on: boolean): void {
    this.#listens = on;
    if (this.#descriptor.fd >= 0) this.#poller.watch(on ? READABLE : 0);
  }

  send(octets: Uint8Array, local: IpAddress, remote: Endpoint): NativeFailure | undefined {
    const { address, port } = remote;
    return nativeIo().sendDatagram(this.#descriptor.fd, octets, false, address.octets, port, local.octets);
  }

  [Symbol.dispose](): void {
    this.#poller.close();
    this.#dropped = this.dropped;
    this.#descriptor.close();
  }

  #ready(events: number): void {
    // libuv ends its watch when there is an error to be fetched, and tells so by both events.
    if ((events & WRITABLE) !== 0) {
      this.#takeErrors();
      if (this.#descriptor.fd < 0 || !this.#listens) return;
      this.#poller.watch(READABLE);
    }
    const { octets, records } = arrivals;
    const count = nativeIo().receiveDatagrams(this.#descriptor.fd, octets, records);
    const part = Math.floor(octets.length / BURST);
    for (let i = 0; i < count; i++) {
      const length = records[i * RECORD] ?? 0;
      const { local, remote } = endpointsOfTrain(records, i * RECORD + 1, this.port);
      if (length === 0 || !this.#listener.datagram(octets.slice(i * part, i * part + length), local, remote))
        this.#dropped++;
      // A listener may have closed us.
      if (this.#descriptor.fd < 0) return;
    }
  }

  #takeErrors(): void {
    for (let i = 0; i < ERRORS && this.#descriptor.fd >= 0; i++) {
      const error = nativeIo().takeSocketError(this.#descriptor.fd, this.address.family);
      if (error === undefined) return;
      const reason = unreachableReason(error.code);
      if (reason !== undefined)
        this.#listener.unreachable({ address: addressOf(error.address), port: error.port }, reason);
    }
  }
}

/** A port of the lanes: control sends from it, the lanes receive. */
export class IkeSender implements IkePort {
  readonly address: IpAddress;
  readonly port: number;
  /** Lanes count what they drop. */
  readonly dropped = 0;
  readonly droppedHere = 0;
  readonly #descriptor: Descriptor;

  constructor(address: IpAddress, port: number, descriptor: Descriptor) {
    this.address = address;
    this.port = port;
    this.#descriptor = descriptor;
  }

  /** `beside`: the lanes' descriptors of the port. Throws SystemError. */
  static open(address: IpAddress, port: number, mark: number, beside: readonly number[]): IkeSender {
    return new IkeSender(address, port, openSender({ family: address.family, port, mark, beside }));
  }

  get fd(): number {
    return this.#descriptor.fd;
  }

  /** The lanes do. */
  listen(): void {}

  // RFC 3948 §2.2
  send(octets: Uint8Array, local: IpAddress, remote: Endpoint): NativeFailure | undefined {
    const { address, port } = remote;
    return nativeIo().sendDatagram(this.#descriptor.fd, octets, true, address.octets, port, local.octets);
  }

  [Symbol.dispose](): void {
    this.#descriptor.close();
  }
}

export interface Way {
  /** The address of this host that the peer is spoken to from. */
  readonly source: IpAddress;
  /** Octets of packets, as far as the kernel knows: of the interface, the route or what routers told. */
  readonly mtu: number;
}

/** undefined: there is no way to the peer. */
export function wayTo(remote: IpAddress, mark: number): Way | undefined {
  const route = nativeIo().routeTowards(remote.octets, mark);
  return isFailure(route) ? undefined : { source: addressOf(route.source), mtu: route.mtu };
}
