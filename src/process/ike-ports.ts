/** The ports that IKE speaks from: those of the lanes (4500), and sockets of the control thread (500, and what was configured). */
import { addressToString, compareAddresses, type Endpoint, type IpAddress } from "#core/address";
import type { IkeConfig } from "#core/connection";
import { SystemError } from "#core/errors";
import { type IkeListener, type IkePort, IkeSender, IkeSocket, wayTo } from "#io/ike-socket";
import { adopted, type OpenIkePort } from "./inherited.ts";
import type { LaneListen } from "./lane-set.ts";
import type { Opened } from "./opened.ts";

/** RFC 7296 §2. */
const IKE_PORT = 500;

export interface IkePortCounters {
  readonly sent: number;
  /** The kernel refused to send them, or no port was theirs. */
  readonly sendFailed: number;
  /** Came and found no room. */
  readonly dropped: number;
}

const isAny = ({ octets }: IpAddress) => octets.every((octet) => octet === 0);
const same = (a: IpAddress, b: IpAddress) => compareAddresses(a, b) === 0;

/** `dropped`: here, without the kernel's, which go with the sockets. */
export type IkePortsState = IkePortCounters;

export class IkePorts {
  #ports: IkePort[] = [];
  readonly #mark: number;
  readonly #listener: IkeListener;
  /** Addresses that the lanes listen on: what is configured besides is listened for there too. */
  readonly #addresses: readonly IpAddress[];
  /** Of ports that are closed. */
  #dropped = 0;
  #sent = 0;
  #sendFailed = 0;

  /** `inherited`: of a process before this one; nothing is taken there before `listen`. Throws SystemError, and what was opened until then is in `opened`. */
  constructor(
    config: IkeConfig,
    lanes: readonly LaneListen[],
    mark: number,
    listener: IkeListener,
    opened: Opened,
    inherited: readonly OpenIkePort[] = [],
  ) {
    this.#mark = mark;
    this.#listener = listener;
    opened.add(() => {
      for (const port of this.#ports) port[Symbol.dispose]();
    });
    for (const { address, port, fd, listens } of inherited) {
      const descriptor = adopted(fd, `UDP port ${port} for IKE`);
      this.#ports.push(
        listens ? new IkeSocket(address, port, descriptor, listener) : new IkeSender(address, port, descriptor),
      );
    }
    for (const { endpoint, fds } of inherited.length > 0 ? [] : lanes)
      this.#ports.push(IkeSender.open(endpoint.address, endpoint.port, mark, fds));
    const addresses = new Map(lanes.map(({ endpoint }) => [addressToString(endpoint.address), endpoint.address]));
    this.#addresses = [...addresses.values()];
    this.extend(config);
  }

  /**
   * Opens what another configuration needs besides, before it is in force; the returned function closes it again. Throws
   * SystemError, and nothing has changed then.
   */
  extend(config: IkeConfig): () => void {
    const fresh: IkePort[] = [];
    const undo = () => {
      this.#ports = this.#ports.filter((port) => !fresh.includes(port));
      for (const port of fresh) port[Symbol.dispose]();
    };
    try {
      for (const address of this.#addresses)
        for (const port of portsOf(config)) {
          if (this.#ports.some((other) => other.port === port && same(other.address, address))) continue;
          const opened = openOwn(address, port, this.#mark, this.#listener);
          fresh.push(opened);
          this.#ports.push(opened);
        }
    } catch (error) {
      undo();
      throw error;
    }
    return undo;
  }

  /** Closes what this configuration, which is in force, does not need any more. */
  reduce(config: IkeConfig): void {
    const needed = portsOf(config);
    const idle = this.#ports.filter((port) => port instanceof IkeSocket && !needed.has(port.port));
    this.#ports = this.#ports.filter((port) => !idle.includes(port));
    for (const port of idle) {
      this.#dropped += port.dropped;
      port[Symbol.dispose]();
    }
  }

  /** For a process that goes on with them. */
  get open(): readonly OpenIkePort[] {
    return this.#ports.map((port) => {
      return { address: port.address, port: port.port, fd: port.fd, listens: port instanceof IkeSocket };
    });
  }

  /** Else what comes waits in the kernel, where it has room. */
  listen(on: boolean): void {
    for (const port of this.#ports) port.listen(on);
  }

  freeze(): IkePortsState {
    const dropped = this.#ports.reduce((sum, port) => sum + port.droppedHere, this.#dropped);
    return { sent: this.#sent, sendFailed: this.#sendFailed, dropped };
  }

  thaw({ sent, sendFailed, dropped }: IkePortsState): void {
    this.#sent += sent;
    this.#sendFailed += sendFailed;
    this.#dropped += dropped;
  }

  get counters(): IkePortCounters {
    const dropped = this.#ports.reduce((sum, port) => sum + port.dropped, this.#dropped);
    return { sent: this.#sent, sendFailed: this.#sendFailed, dropped };
  }

  /** Why it was not sent (errno's name), or undefined. */
  send(octets: Uint8Array, local: Endpoint, remote: Endpoint): string | undefined {
    const failure = this.#send(octets, local, remote);
    if (failure === undefined) this.#sent++;
    else this.#sendFailed++;
    return failure;
  }

  #send(octets: Uint8Array, local: Endpoint, remote: Endpoint): string | undefined {
    const port = this.#portOf(local);
    if (port === undefined || local.address.family !== remote.address.family) return "EADDRNOTAVAIL";
    const source = isAny(local.address) ? wayTo(remote.address, this.#mark)?.source : local.address;
    if (source === undefined) return "ENETUNREACH";
    return port.send(octets, source, remote)?.code;
  }

  /** The one that is bound to this address, else one that is bound to any. */
  #portOf({ address, port }: Endpoint): IkePort | undefined {
    let found: IkePort | undefined;
    for (const own of this.#ports) {
      if (own.port !== port || own.address.family !== address.family) continue;
      if (isAny(own.address)) found ??= own;
      else if (compareAddresses(own.address, address) === 0) return own;
    }
    return found;
  }
}

function portsOf({ connections }: IkeConfig): ReadonlySet<number> {
  return new Set([IKE_PORT, ...connections.map(({ localPort }) => localPort)]);
}

function openOwn(address: IpAddress, port: number, mark: number, listener: IkeListener): IkePort {
  try {
    return IkeSocket.open(address, port, mark, listener);
  } catch (error) {
    if (!(error instanceof SystemError && error.syscall === "bind" && error.code === "EADDRINUSE")) throw error;
    const subject = `UDP port ${port} on ${addressToString(address)} for IKE`;
    throw new SystemError(error.code, error.syscall, subject, "stop the other IKE daemon (charon, pluto, racoon)");
  }
}
