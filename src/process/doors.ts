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
  #released = false;

  get listening(): Listening {
    return { control: this.control?.fd, vici: this.vici?.fd, http: this.http?.fds ?? [] };
  }

  /** Harmless after `release`. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#released) return;
    await this.http?.close();
    await this.vici?.close();
    await this.control?.close();
  }

  /** The sockets are another process's now. */
  async release(): Promise<void> {
    this.#released = true;
    const left = Promise.all([this.http?.release(), this.vici?.release(), this.control?.release()]);
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, LEAVING);
    });
    await Promise.race([left, late]);
    clearTimeout(timer);
  }
}
