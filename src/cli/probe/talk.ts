/** One datagram to a peer and what comes back, from a port of its own. */
import type { Endpoint, IpAddress } from "#core/address";
import type { Unreachable } from "#core/unreachable";
import { IkeSocket, wayTo } from "#io/ike-socket";
import { SOCKET_MARK } from "#process/network";

/** Waits after the first and the second send, in milliseconds: together longer than the kernel looks for a neighbour (3 s). */
const WAITS: readonly number[] = [1000, 2600];

export type Reply<Answer> =
  | { readonly kind: "answer"; readonly answer: Answer }
  | { readonly kind: Unreachable | "silent" };

/** What a search asks: sends `octets` until `read` makes something of an answer. */
export type Ask = <Answer>(
  octets: Uint8Array,
  read: (answer: Uint8Array) => Answer | undefined,
) => Promise<Reply<Answer>>;

export class Talk implements Disposable {
  readonly local: Endpoint;
  readonly remote: Endpoint;
  readonly #socket: IkeSocket;
  readonly #waits: readonly number[];
  #heard: (octets: Uint8Array) => void = () => undefined;
  #failed: (reason: Unreachable) => void = () => undefined;

  /** Throws SystemError. `waits`: of each send, in milliseconds. */
  constructor(remote: Endpoint, waits: readonly number[] = WAITS) {
    const { family } = remote.address;
    const any: IpAddress = { family, octets: new Uint8Array(family === 4 ? 4 : 16) };
    // The mark leads round the tunnel, where we may set it.
    const mark = wayTo(remote.address, SOCKET_MARK) === undefined ? 0 : SOCKET_MARK;
    this.remote = remote;
    this.#waits = waits;
    this.#socket = IkeSocket.open(any, 0, mark, {
      datagram: (octets) => {
        this.#heard(octets);
        return true;
      },
      unreachable: (_remote, reason) => this.#failed(reason),
    });
    this.local = { address: wayTo(remote.address, mark)?.source ?? any, port: this.#socket.port };
  }

  readonly ask: Ask = async (octets, read) => {
    for (const wait of this.#waits) {
      const reply = await this.#once(octets, read, wait);
      if (reply.kind !== "silent") return reply;
    }
    return { kind: "silent" };
  };

  #once<Answer>(
    octets: Uint8Array,
    read: (answer: Uint8Array) => Answer | undefined,
    wait: number,
  ): Promise<Reply<Answer>> {
    return new Promise((resolve) => {
      const timer = setTimeout(() => resolve({ kind: "silent" }), wait);
      const end = (reply: Reply<Answer>) => {
        clearTimeout(timer);
        resolve(reply);
      };
      this.#heard = (came) => {
        const answer = read(came);
        if (answer !== undefined) end({ kind: "answer", answer });
      };
      this.#failed = (reason) => end({ kind: reason });
      const failure = this.#socket.send(octets, this.local.address, this.remote);
      if (failure?.code === "ECONNREFUSED") end({ kind: "refused" });
      else if (failure?.code === "EHOSTUNREACH" || failure?.code === "ENETUNREACH") end({ kind: "unreachable" });
    });
  }

  [Symbol.dispose](): void {
    this.#socket[Symbol.dispose]();
  }
}
