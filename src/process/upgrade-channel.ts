/** What the former and the next process of a gateway say to each other: one JSON object a line over a socket pair. */
import { Socket } from "node:net";

export type UpgradeMessage =
  /** The next one: all is there but the state. */
  | { readonly kind: "prepared" }
  /** The next one will not take over. */
  | { readonly kind: "refused"; readonly why: string }
  /** The former one stands still; its state is in the second memory file. */
  | { readonly kind: "frozen" }
  /** The next one has the state. Its lanes wait. */
  | { readonly kind: "thawed" }
  /** The former one has let go: whatever happens now, it does not come back. */
  | { readonly kind: "yours" }
  /** The gateway is this process now. Also to a keeper, by every further successor. */
  | { readonly kind: "taken"; readonly pid: number };

const KINDS: readonly string[] = ["prepared", "refused", "frozen", "thawed", "yours", "taken"];

export class UpgradeChannel {
  readonly #socket: Socket;
  readonly #come: UpgradeMessage[] = [];
  #waiting: ((message: UpgradeMessage | undefined) => void) | undefined;
  #ended = false;
  /** The other end is closed: nobody has it any more. */
  readonly ended: Promise<void>;

  constructor(socket: Socket) {
    this.#socket = socket;
    let pending = "";
    socket.setEncoding("utf8");
    socket.on("error", () => undefined);
    socket.on("data", (text: string) => {
      const lines = (pending + text).split("\n");
      pending = lines.pop() ?? "";
      for (const line of lines) this.#take(line);
    });
    this.ended = new Promise((resolve) => {
      socket.once("close", () => {
        this.#ended = true;
        this.#waiting?.(undefined);
        resolve();
      });
    });
  }

  /** One that this process was born with. */
  static of(fd: number): UpgradeChannel {
    return new UpgradeChannel(new Socket({ fd, readable: true, writable: true }));
  }

  #take(line: string): void {
    const message = parse(line);
    if (message === undefined) return;
    if (this.#waiting !== undefined) this.#waiting(message);
    else this.#come.push(message);
  }

  /** Resolves when the kernel has it. */
  send(message: UpgradeMessage): Promise<void> {
    return new Promise((resolve) => void this.#socket.write(`${JSON.stringify(message)}\n`, () => resolve()));
  }

  /** The next message; undefined = there will be none. One asks at a time. */
  next(): Promise<UpgradeMessage | undefined> {
    const first = this.#come.shift();
    if (first !== undefined || this.#ended) return Promise.resolve(first);
    return new Promise((resolve) => {
      this.#waiting = (message) => {
        this.#waiting = undefined;
        resolve(message);
      };
    });
  }

  /** It keeps no process from ending. */
  unref(): void {
    this.#socket.unref();
  }

  close(): void {
    this.#socket.destroy();
  }
}

function parse(line: string): UpgradeMessage | undefined {
  const value: unknown = JSON.parse(line);
  const known = typeof value === "object" && value !== null && "kind" in value && KINDS.includes(`${value.kind}`);
  // Both ends are this program, and nobody else has the socket.
  return known ? (value as UpgradeMessage) : undefined;
}
