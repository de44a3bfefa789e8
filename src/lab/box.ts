/** A machine of the lab: a network namespace without a name, and processes inside that end with this one. */
import { type ChildProcess, fork } from "node:child_process";
import { writeFileSync } from "node:fs";
import { SystemError } from "#core/errors";
import { changeLink, getLink } from "#io/links";
import { inNamespace, newNamespace } from "#io/namespace";
import type { Descriptor } from "#io/native";

export interface ForkOptions {
  readonly arguments: readonly string[];
  /** Descriptors the child gets from 4 on; 0–2 are its standard streams, 3 is the channel to us. */
  readonly descriptors?: readonly number[];
}

export class Box implements Disposable {
  readonly name: string;
  readonly #namespace: Descriptor;

  constructor(name: string) {
    this.name = name;
    this.#namespace = newNamespace();
    this.run(() => changeLink(getLink("lo").index, { up: true }));
  }

  /** For netlink requests that name a namespace. */
  get namespaceFd(): number {
    return this.#namespace.fd;
  }

  /** Does work that waits for nothing inside the namespace. */
  run<Result>(work: () => Result): Result {
    return inNamespace(this.#namespace, work);
  }

  /** `name` as in "net/ipv4/ip_forward". */
  sysctl(name: string, value: string): void {
    const path = `/proc/sys/${name}`;
    try {
      this.run(() => writeFileSync(path, value));
    } catch (cause) {
      const code = cause instanceof Error && "code" in cause ? String(cause.code) : "EIO";
      const remedy = "in a container /proc/sys must be writable: start it with --privileged";
      throw Object.assign(new SystemError(code, "write", path, remedy), { cause });
    }
  }

  /** Runs a module of ours inside. It sees its channel closed when this process ends, however that happens. */
  fork(module: string, options: ForkOptions): ChildProcess {
    return this.run(() =>
      fork(module, options.arguments, {
        execArgv: [],
        stdio: ["ignore", "pipe", "pipe", "ipc", ...(options.descriptors ?? [])],
      }),
    );
  }

  /** The namespace itself ends with the last process inside. */
  [Symbol.dispose](): void {
    this.#namespace.close();
  }
}
