/** Tells when addresses or routes of this host change, by the kernel's own notices (rtnetlink(7)). */
import { type Descriptor, nativeIo, type Poller } from "./native.ts";
import { succeed } from "./system-error.ts";

const READABLE = 1;
/** Notices read in one turn of the event loop. */
const BURST = 256;
/** A cable that is pulled changes dozens of routes: what is told once, this long after the first notice, is enough. */
const SETTLE = 100;

export class NetworkChanges implements Disposable {
  readonly #descriptor: Descriptor;
  readonly #poller: Poller;
  readonly #changed: () => void;
  readonly #notice = new Uint8Array(8192);
  #settling: NodeJS.Timeout | undefined;

  /** In the network namespace of the calling thread. Throws SystemError. */
  constructor(changed: () => void) {
    this.#changed = changed;
    this.#descriptor = succeed(nativeIo().openNetworkChanges(), "notices of network changes");
    this.#poller = new (nativeIo().Poller)(this.#descriptor.fd, () => this.#ready());
    this.#poller.watch(READABLE);
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#settling);
    this.#poller.close();
    this.#descriptor.close();
  }

  /** What changed is looked up afterwards: notices may be lost, and a loss is a notice too. */
  #ready(): void {
    for (let i = 0; i < BURST; i++) {
      const length = this.#descriptor.read(this.#notice);
      // EAGAIN ends the notices; ENOBUFS says that some were lost, and there may be more behind.
      if (length <= 0 && i > 0) break;
    }
    // After an error libuv has ended its watch.
    this.#poller.watch(READABLE);
    this.#settling ??= setTimeout(() => {
      this.#settling = undefined;
      this.#changed();
    }, SETTLE);
  }
}
