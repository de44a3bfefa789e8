/**
 * What the service manager that started this process is told (sd_notify(3)): ready, reloading, stopping, a line for
 * `systemctl status`, and that everything turns. Without a manager nothing is sent.
 */
import { SystemError } from "#core/errors";
import { sendNotice } from "#io/notice";

/** Feeds are this much more frequent than the manager asks for. */
const FEEDS = 3;
const MICROS = 1000;
/** Milliseconds. */
const LINES_EVERY = 250;

/** As systemd sets it. */
export interface ServiceEnvironment {
  readonly NOTIFY_SOCKET?: string | undefined;
  readonly WATCHDOG_USEC?: string | undefined;
  readonly WATCHDOG_PID?: string | undefined;
}

export interface ServiceManagerParts {
  readonly environment: ServiceEnvironment;
  readonly pid: number;
  readonly warn: (text: string) => void;
  readonly send?: (socket: string, text: string) => void;
}

export class ServiceManager implements Disposable {
  readonly #socket: string | undefined;
  readonly #send: (socket: string, text: string) => void;
  readonly #warn: (text: string) => void;
  /** Milliseconds between two feeds of the watchdog; undefined: nobody wants them. */
  readonly feedEvery: number | undefined;
  #timer: NodeJS.Timeout | undefined;
  #asking = false;
  #warned = false;
  #line: () => string = () => "";
  #telling: NodeJS.Timeout | undefined;
  #told = "";
  #stopped = false;

  constructor({ environment, pid, warn, send = sendNotice }: ServiceManagerParts) {
    const { NOTIFY_SOCKET: socket = "" } = environment;
    // vsock: is for virtual machines that tell their host.
    this.#socket = /^[/@]./.test(socket) ? socket : undefined;
    this.#send = send;
    this.#warn = warn;
    this.feedEvery = this.#socket === undefined ? undefined : feedEvery(environment, pid);
  }

  /** Lines as sd_notify(3) has them. */
  notify(...lines: readonly string[]): void {
    if (this.#socket === undefined) return;
    try {
      this.#send(this.#socket, lines.join("\n"));
      this.#warned = false;
    } catch (error) {
      if (!(error instanceof SystemError)) throw error;
      // A full queue is no fault of the gateway, and one line tells as much as a hundred.
      if (!this.#warned) this.#warn(error.message);
      this.#warned = true;
    }
  }

  /** After the start, and after each reload. */
  ready(): void {
    this.notify("READY=1");
  }

  reloading(): void {
    // CLOCK_MONOTONIC, which is what Node measures by.
    this.notify("RELOADING=1", `MONOTONIC_USEC=${process.hrtime.bigint() / 1000n}`);
  }

  /** Another process of the unit is the gateway now. The last word of this one. */
  handedTo(pid: number): void {
    this.notify(`MAINPID=${pid}`);
    this[Symbol.dispose]();
    this.#stopped = true;
  }

  stopping(): void {
    this.#stopped = true;
    clearTimeout(this.#telling);
    this.notify("STOPPING=1", "STATUS=stops");
  }

  /** Where the line for people comes from. */
  tells(line: () => string): void {
    this.#line = line;
  }

  /** The line is another one; of many in a row the last is told, and the same one once. */
  tellSoon(): void {
    if (this.#socket === undefined || this.#telling !== undefined || this.#stopped) return;
    this.#telling = setTimeout(() => {
      this.#telling = undefined;
      const text = this.#line();
      if (text === this.#told) return;
      this.#told = text;
      this.notify(`STATUS=${text}`);
    }, LINES_EVERY);
    this.#telling.unref();
  }

  /**
   * From now on the watchdog is fed as long as this thread comes to its timers and `turn`, which it asks for each time,
   * resolves.
   */
  watch(turn: () => Promise<void>): void {
    if (this.feedEvery === undefined) return;
    const feed = () => {
      if (this.#asking) return;
      this.#asking = true;
      void turn().then(() => {
        this.#asking = false;
        this.notify("WATCHDOG=1");
      });
    };
    feed();
    this.#timer = setInterval(feed, this.feedEvery);
    this.#timer.unref();
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
    clearTimeout(this.#telling);
  }
}

function feedEvery({ WATCHDOG_USEC, WATCHDOG_PID }: ServiceEnvironment, pid: number): number | undefined {
  // It may be meant for whoever started us.
  if (WATCHDOG_PID !== undefined && WATCHDOG_PID !== "" && Number(WATCHDOG_PID) !== pid) return undefined;
  const micros = Number(WATCHDOG_USEC ?? "");
  return Number.isFinite(micros) && micros > 0 ? Math.max(1, Math.floor(micros / MICROS / FEEDS)) : undefined;
}
