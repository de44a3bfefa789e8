/**
 * A TUN device as a Duplex stream, one IP packet a chunk: the interface of the former npm package tuntap2, for programs
 * that want packets and no gateway. The gateway itself moves batches (tun-device.ts, lane-port.ts).
 */
import { Buffer } from "node:buffer";
import { constants } from "node:os";
import { Duplex } from "node:stream";
import { getSystemErrorName } from "node:util";
import { addressToString, type Family, parseAddress } from "#core/address";
import { ConfigError } from "#core/errors";
import { changeLink, ensureAddress, ensureNoAddress, getLink, type InterfaceAddress, listAddresses } from "./links.ts";
import { type Descriptor, nativeIo, type Poller } from "./native.ts";
import { fromThrown, systemError } from "./system-error.ts";
import { openTunDevice } from "./tun-device.ts";

const READABLE = 1;
const WRITABLE = 2;
const LARGEST_PACKET = 65535;
/** Packets handed on before other events get their turn. */
const PACKETS_A_TURN = 64;

type WriteDone = (error?: Error | null) => void;

function parseInterfaceAddress(property: string, text: string, family: Family): InterfaceAddress {
  const [host = "", length = ""] = text.split("/");
  const address = parseAddress(host);
  const bits = family === 4 ? 32 : 128;
  const fits = address?.family === family && /^\d{1,3}$/.test(length) && Number(length) <= bits;
  if (address === undefined || !fits)
    throw ConfigError.of(
      property,
      `"${text}" is no IPv${family} address with a prefix length`,
      "give e.g. 10.0.0.1/24",
    );
  return { address, length: Number(length) };
}

export class Tun extends Duplex {
  readonly name: string;
  readonly isTun: boolean = true;
  readonly isTap: boolean = false;
  readonly #index: number;
  readonly #descriptor: Descriptor;
  readonly #poller: Poller;
  readonly #buffer = Buffer.alloc(LARGEST_PACKET);
  #waiting: { readonly packet: Uint8Array; readonly done: WriteDone } | undefined;
  #reading = false;

  /** Without a name the kernel chooses one. */
  constructor(name = "") {
    super({ objectMode: true });
    const device = openTunDevice({ name, vnetHeader: false });
    const [descriptor] = device.queues;
    if (descriptor === undefined) throw new Error("bug: a TUN device without a queue");
    this.#descriptor = descriptor;
    this.name = device.name;
    try {
      this.#index = getLink(device.name).index;
      this.#poller = new (nativeIo().Poller)(descriptor.fd, (events) => this.#ready(events));
    } catch (error) {
      device.close();
      throw fromThrown(error, `TUN device ${device.name}`);
    }
  }

  get mtu(): number {
    return getLink(this.name).mtu;
  }

  set mtu(mtu: number) {
    changeLink(this.#index, { mtu });
  }

  get isUp(): boolean {
    return getLink(this.name).up;
  }

  set isUp(up: boolean) {
    changeLink(this.#index, { up });
  }

  /** Always zero: TUN has no hardware address, and none can be set. */
  get mac(): string {
    return "00:00:00:00:00:00";
  }

  /** "10.0.0.1/24"; empty when there is none. */
  get ipv4(): string {
    return this.#address(4);
  }

  /** Takes the place of the addresses of its family. */
  set ipv4(text: string) {
    this.#setAddress(4, parseInterfaceAddress("ipv4", text, 4));
  }

  get ipv6(): string {
    return this.#address(6);
  }

  set ipv6(text: string) {
    this.#setAddress(6, parseInterfaceAddress("ipv6", text, 6));
  }

  /** Closes the device; what was read before is still there. Harmless when repeated. */
  release(released?: (error?: Error) => void): void {
    if (released !== undefined) {
      if (this.closed) queueMicrotask(released);
      else this.once("close", () => released());
    }
    this.destroy();
  }

  override _read(): void {
    this.#reading = true;
    this.#watch();
  }

  override _write(chunk: unknown, encoding: BufferEncoding, done: WriteDone): void {
    const packet = typeof chunk === "string" ? Buffer.from(chunk, encoding) : chunk;
    if (packet instanceof Uint8Array) this.#send(packet, done);
    else done(new TypeError("a chunk is one packet: a Uint8Array"));
  }

  override _destroy(error: Error | null, done: WriteDone): void {
    this.#poller.close();
    this.#descriptor.close();
    this.#waiting = undefined;
    done(error);
  }

  /** Without the link-local address that every IPv6 interface gets by itself (RFC 4291 §2.5.6). */
  #addresses(family: Family): InterfaceAddress[] {
    return listAddresses(this.#index).filter(
      ({ address: { octets, ...address } }) =>
        address.family === family && (family === 4 || octets[0] !== 0xfe || octets[1] !== 0x80),
    );
  }

  #address(family: Family): string {
    const [own] = this.#addresses(family);
    return own === undefined ? "" : `${addressToString(own.address)}/${own.length}`;
  }

  #setAddress(family: Family, given: InterfaceAddress): void {
    for (const old of this.#addresses(family)) ensureNoAddress(this.#index, old);
    ensureAddress(this.#index, given);
  }

  #watch(): void {
    this.#poller.watch((this.#reading ? READABLE : 0) | (this.#waiting === undefined ? 0 : WRITABLE));
  }

  #ready(events: number): void {
    const waiting = this.#waiting;
    if ((events & WRITABLE) !== 0 && waiting !== undefined) {
      this.#waiting = undefined;
      this.#send(waiting.packet, waiting.done);
    }
    if ((events & READABLE) !== 0) this.#receive();
    // A consumer may have closed the device while it was handed a packet.
    if (!this.destroyed) this.#watch();
  }

  #receive(): void {
    for (let i = 0; i < PACKETS_A_TURN && this.#reading && !this.destroyed; i++) {
      const length = this.#descriptor.read(this.#buffer);
      if (length === -constants.errno.EAGAIN) return;
      if (length <= 0) {
        this.destroy(this.#failure("read", length));
        return;
      }
      this.#reading = this.push(Buffer.from(this.#buffer.subarray(0, length)));
    }
  }

  #send(packet: Uint8Array, done: WriteDone): void {
    const result = this.#descriptor.write(packet);
    if (result === -constants.errno.EAGAIN) {
      this.#waiting = { packet, done };
      this.#watch();
    } else {
      done(result < 0 ? this.#failure("write", result) : null);
    }
  }

  #failure(syscall: string, errno: number): Error {
    const remedy = errno === -constants.errno.EIO ? "set isUp before packets are written" : undefined;
    const code = errno === 0 ? "EOF" : getSystemErrorName(errno);
    return systemError({ code, syscall }, `TUN device ${this.name}`, remedy);
  }
}
