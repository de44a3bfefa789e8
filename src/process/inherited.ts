/**
 * What a gateway process has open that its successor goes on with. Descriptors cross as numbers: a process is started with
 * them (\`spawn\`), so nobody else ever gets one.
 */
import type { IpAddress } from "#core/address";
import { type Descriptor, nativeIo } from "#io/native";
import { succeed, systemError } from "#io/system-error";
import type { TunDevice, TunOffloads } from "#io/tun-device";
import type { BirthSocket } from "./lane-birth.ts";

export interface OpenTun {
  readonly name: string;
  /** One a lane. */
  readonly fds: readonly number[];
  readonly vnetHeader: boolean;
  readonly offloads: TunOffloads;
}

export interface OpenLane {
  readonly sockets: readonly BirthSocket[];
  readonly udpGro: boolean;
}

/** A port that IKE is sent from; \`listens\` false: the lanes receive. */
export interface OpenIkePort {
  readonly address: IpAddress;
  readonly port: number;
  readonly fd: number;
  readonly listens: boolean;
}

export interface OpenDescriptors {
  readonly tun: OpenTun;
  readonly lanes: readonly OpenLane[];
  readonly ike: readonly OpenIkePort[];
}

/** All numbers, each once, in an order that \`renumbered\` keeps to. */
export function numbersOf({ tun, lanes, ike }: OpenDescriptors): readonly number[] {
  return [...tun.fds, ...lanes.flatMap(({ sockets }) => sockets.map(({ fd }) => fd)), ...ike.map(({ fd }) => fd)];
}

/** The same with the numbers that they have in the new process: \`first\`, and from there one by one. */
export function renumbered({ tun, lanes, ike }: OpenDescriptors, first: number): OpenDescriptors {
  let next = first;
  return {
    tun: { ...tun, fds: tun.fds.map(() => next++) },
    lanes: lanes.map((lane) => ({ ...lane, sockets: lane.sockets.map((socket) => ({ ...socket, fd: next++ })) })),
    ike: ike.map((port) => ({ ...port, fd: next++ })),
  };
}

export function adopted(fd: number, subject: string): Descriptor {
  return succeed(nativeIo().adoptDescriptor(fd), subject);
}

/** Programs that this process starts do not get it; who it belongs to is another matter. */
export function notInherited(fd: number, subject: string): void {
  const failure = nativeIo().closeOnExec(fd);
  if (failure !== undefined) throw systemError(failure, subject);
}

export function adoptTun({ name, fds, vnetHeader, offloads }: OpenTun): TunDevice {
  const queues = fds.map((fd) => adopted(fd, `TUN device ${name}`));
  const close = () => {
    for (const queue of queues) queue.close();
  };
  return { name, queues, vnetHeader, offloads, close, [Symbol.dispose]: close };
}
