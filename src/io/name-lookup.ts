/** Names of peers to addresses, by the system's resolver: one question a name at a time, few at once, each for a bounded time. */
import { lookup } from "node:dns/promises";
import { type IpAddress, parseAddress } from "#core/address";

/** The system's resolver waits in a pool of four threads that others need too. */
const AT_ONCE = 2;
const WAITING = 256;
/** Milliseconds after which a name counts as unknown; a later answer is told all the same. */
const PATIENCE = 10_000;
/** More addresses than this are no peer's. */
const ADDRESSES = 16;

export type Resolver = (name: string) => Promise<readonly string[]>;

const systemResolver: Resolver = async (name) =>
  (await lookup(name, { all: true, verbatim: true })).map(({ address }) => address);

export class NameLookup {
  readonly #answer: (name: string, addresses: readonly IpAddress[]) => void;
  readonly #resolver: Resolver;
  readonly #waiting = new Set<string>();
  readonly #asked = new Set<string>();
  #closed = false;

  /** `answer` with no addresses: the name is not known now. It is never called before `ask` returns. */
  constructor(answer: (name: string, addresses: readonly IpAddress[]) => void, resolver: Resolver = systemResolver) {
    this.#answer = answer;
    this.#resolver = resolver;
  }

  /** A name that is being asked for is not asked for twice. */
  ask(name: string): void {
    if (this.#closed || this.#asked.has(name)) return;
    if (this.#waiting.size >= WAITING) queueMicrotask(() => this.#tell(name, []));
    else this.#waiting.add(name);
    this.#next();
  }

  close(): void {
    this.#closed = true;
    this.#waiting.clear();
  }

  #next(): void {
    for (const name of this.#waiting) {
      if (this.#asked.size >= AT_ONCE) return;
      this.#waiting.delete(name);
      this.#asked.add(name);
      void this.#resolve(name);
    }
  }

  async #resolve(name: string): Promise<void> {
    const impatience = setTimeout(() => this.#tell(name, []), PATIENCE);
    let found: readonly string[] = [];
    try {
      found = await this.#resolver(name);
    } catch {
      // ENOTFOUND, EAI_AGAIN: no address, which is what is told.
    }
    clearTimeout(impatience);
    this.#asked.delete(name);
    this.#tell(
      name,
      found
        .slice(0, ADDRESSES)
        .map(parseAddress)
        .filter((address) => address !== undefined),
    );
    this.#next();
  }

  #tell(name: string, addresses: readonly IpAddress[]): void {
    if (!this.#closed) this.#answer(name, addresses);
  }
}
