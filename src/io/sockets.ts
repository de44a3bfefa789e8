/** Sockets and the wake-up of a lane, opened by the control thread and used by number in the lane's Worker. */
import { addressToString, type IpAddress } from "#core/address";
import { type Descriptor, nativeIo } from "./native.ts";
import { encodeFilter, laneOfDatagram, packetsOfLane } from "./packet-filter.ts";
import { isFailure, succeed, systemError } from "./system-error.ts";

/** What UDP and raw sockets have in common. */
export interface SocketOptions {
  /** Firewall mark of what is sent; 0 = none. */
  readonly mark?: number;
  /** Octets of the receive and of the send buffer; 0 = the system's. */
  readonly buffers?: number;
  /** Interface to bind to. */
  readonly device?: string;
}

export interface UdpOptions extends SocketOptions {
  /** Any address of its family when its octets are zero. */
  readonly address: IpAddress;
  /** 0 = the kernel chooses. */
  readonly port: number;
  /** Several lanes share the port. */
  readonly reusePort?: boolean;
  /** false: every datagram comes alone. */
  readonly gro?: boolean;
}

export interface SenderOptions extends SocketOptions {
  readonly family: 4 | 6;
  readonly port: number;
  /** Descriptors of this process's sockets that have the port. */
  readonly beside: readonly number[];
}

export interface UdpSocket extends Disposable {
  readonly descriptor: Descriptor;
  readonly kind: "udp4" | "udp6";
  readonly protocol: 0;
  readonly port: number;
  /** The kernel joins received datagrams to trains. */
  readonly gro: boolean;
}

export interface RawOptions extends SocketOptions {
  readonly family: 4 | 6;
  /** 50 = ESP, 51 = AH, 255 = any, only to send (raw(7)). */
  readonly protocol: 50 | 51 | 255;
}

export interface RawSocket extends Disposable {
  readonly descriptor: Descriptor;
  readonly kind: "raw4" | "raw6";
  readonly protocol: 50 | 51 | 255;
}

function common(options: SocketOptions): { mark: number; buffers: number; device: string } {
  return { mark: options.mark ?? 0, buffers: options.buffers ?? 0, device: options.device ?? "" };
}

export function openUdp(options: UdpOptions): UdpSocket {
  const { address, port } = options;
  const opened = nativeIo().openUdp({
    ...common(options),
    family: address.family,
    address: address.octets,
    port,
    reusePort: options.reusePort ?? false,
    gro: options.gro ?? true,
  });
  if (isFailure(opened)) {
    const taken = opened.syscall === "bind" && opened.code === "EADDRINUSE";
    throw systemError(
      opened,
      `UDP port ${port} on ${addressToString(address)}`,
      taken ? `UDP port ${port} is taken: stop the other IKE daemon or give listen.port` : undefined,
    );
  }
  const { descriptor } = opened;
  return {
    descriptor,
    kind: address.family === 4 ? "udp4" : "udp6",
    protocol: 0,
    port: opened.port,
    gro: opened.gro,
    [Symbol.dispose]: () => descriptor.close(),
  };
}

/**
 * A socket that sends from the port of others and receives nothing. What is too long for the path is cut into fragments,
 * whatever the others do with DF.
 */
export function openSender(options: SenderOptions): Descriptor {
  const { family, port, beside } = options;
  const opened = nativeIo().openSender({ ...common(options), family, port, beside: Int32Array.from(beside) });
  return succeed(opened, `UDP port ${port} for IKE`).descriptor;
}

export function openRaw(options: RawOptions): RawSocket {
  const { family, protocol } = options;
  const opened = nativeIo().openRaw({ ...common(options), family, protocol });
  const { descriptor } = succeed(opened, `raw socket for IPv${family} protocol ${protocol}`);
  return {
    descriptor,
    kind: family === 4 ? "raw4" : "raw6",
    protocol,
    [Symbol.dispose]: () => descriptor.close(),
  };
}

/**
 * The datagrams of this socket's port go to the lane of their SPI. Done once a port, on the socket of lane 0 and before
 * those of the other lanes are bound: the kernel numbers them in that order, and numbers without a socket fall to others.
 */
export function steerPort(socket: UdpSocket, lanes: number): void {
  attach(socket.descriptor, encodeFilter(laneOfDatagram(lanes)), "port", `UDP port ${socket.port} shared by lanes`);
}

/** Of all packets of its protocol, the socket gets those of its lane. */
export function steerRaw(socket: RawSocket, lane: number, lanes: number): void {
  const family = socket.kind === "raw4" ? 4 : 6;
  const program = packetsOfLane(family, socket.protocol === 51 ? "ah" : "esp", lane, lanes);
  attach(socket.descriptor, encodeFilter(program), "socket", `raw socket of lane ${lane}`);
}

function attach(descriptor: Descriptor, program: Uint8Array, scope: "socket" | "port", subject: string): void {
  const failure = descriptor.attachFilter(program, scope);
  if (failure !== undefined) throw systemError(failure, subject);
}

/** An eventfd: `signal` ends a lane's wait. */
export function openWake(): Descriptor {
  return succeed(nativeIo().openEvent(), "wake-up of a lane");
}
