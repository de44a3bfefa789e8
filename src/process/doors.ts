/** Where others come in by: operators, swanctl, monitors and browsers. All of them close, or go to another process, as one. */
import type { ControlServer } from "#io/control-socket";
import type { Listening } from "./hand-over.ts";
import type { HttpDoor } from "./http-service.ts";

/** Milliseconds that those get who are in while the gateway goes to another process. */
const LEAVING = 1000;

export class Doors {
  control: ControlServer | undefined;
  vici: ControlServer | undefined;
  http: HttpDoor | undefined;
  #left: Promise<unknown> | undefined;

  get listening(): Listening {
    return { control: this.control?.fd, vici: this.vici?.fd, http: this.http?.fds ?? [] };
  }

  /** Harmless after `release`. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#left !== undefined) return;
    await this.http?.close();
    await this.vici?.close();
    await this.control?.close();
  }

  /** The sockets are another process's now: who comes is not answered here any more. */
  shut(): void {
    this.#left ??= Promise.all([this.http?.release(), this.vici?.release(), this.control?.release()]);
  }

  /** Those who are in get a second. */
  async release(): Promise<void> {
    this.shut();
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, LEAVING);
    });
    await Promise.race([this.#left, late]);
    clearTimeout(timer);
  }
}
