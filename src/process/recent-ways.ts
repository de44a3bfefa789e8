/** Ways to peers, asked of the kernel once for all who want to know within some seconds: a question is a socket of its own. */
import { addressToString, type IpAddress } from "#core/address";
import type { Millis } from "#core/units";
import type { Way } from "#io/ike-socket";

/** Milliseconds: what routers told of path MTUs meanwhile counts a little later. */
const FRESH = 5000;
const MOST = 20_000;

export class RecentWays {
  readonly #ask: (remote: IpAddress) => Way | undefined;
  readonly #now: () => Millis;
  readonly #known = new Map<string, { readonly at: Millis; readonly way: Way | undefined }>();

  constructor(ask: (remote: IpAddress) => Way | undefined, now: () => Millis) {
    this.#ask = ask;
    this.#now = now;
  }

  /** undefined: there is no way to the peer. */
  to(remote: IpAddress): Way | undefined {
    const key = addressToString(remote);
    const now = this.#now();
    const known = this.#known.get(key);
    if (known !== undefined && now - known.at < FRESH) return known.way;
    if (this.#known.size >= MOST) this.#known.clear();
    const way = this.#ask(remote);
    this.#known.set(key, { at: now, way });
    return way;
  }

  /** Interfaces, addresses or routes have changed. */
  forget(): void {
    this.#known.clear();
  }
}
