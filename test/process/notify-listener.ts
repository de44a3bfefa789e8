/** A service manager's end of sd_notify(3), in Python: Node's dgram has no unix sockets. */
import { type ChildProcess, spawn } from "node:child_process";

const PROGRAM = `
import socket, sys
at = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
name = sys.argv[1]
at.bind("\\0" + name[1:] if name[0] == "@" else name)
print("bound", flush=True)
while True:
    print(at.recv(65536).decode().replace("\\n", " | "), flush=True)
`;

export class NotifyListener implements AsyncDisposable {
  readonly socket: string;
  /** Each is one notice, its lines with " | " between them. */
  readonly notices: string[] = [];
  readonly #process: ChildProcess;
  readonly #ended: Promise<void>;
  readonly #waiting: (() => void)[] = [];

  private constructor(socket: string) {
    this.socket = socket;
    this.#process = spawn("python3", ["-c", PROGRAM, socket], { stdio: ["ignore", "pipe", "inherit"] });
    this.#ended = new Promise((resolve) => {
      this.#process.once("error", () => resolve());
      this.#process.once("close", () => resolve());
    });
    let rest = "";
    this.#process.stdout?.setEncoding("utf8").on("data", (text: string) => {
      const lines = (rest + text).split("\n");
      rest = lines.pop() ?? "";
      this.notices.push(...lines);
      for (const wake of this.#waiting.splice(0)) wake();
    });
  }

  /** `socket`: a path, or "@" and a name of the abstract namespace. */
  static async open(socket: string): Promise<NotifyListener> {
    const listener = new NotifyListener(socket);
    await listener.take(/^bound$/);
    listener.notices.length = 0;
    return listener;
  }

  /** The first notice that fits, also of those that came before; what came before it is forgotten. */
  async take(pattern: RegExp): Promise<string> {
    for (;;) {
      const at = this.notices.findIndex((notice) => pattern.test(notice));
      const [found] = at < 0 ? [] : this.notices.splice(0, at + 1).slice(-1);
      if (found !== undefined) return found;
      await Promise.race([
        new Promise<void>((resolve) => this.#waiting.push(resolve)),
        this.#ended.then(() => Promise.reject(new Error("python3 ended: is it there?"))),
      ]);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#process.kill("SIGKILL");
    await this.#ended;
  }
}
