/** What may not begin yet: wishes while we are held, and main modes that ended with the process before this one. */
import type { Trigger } from "#core/ike-state";
import type { Host } from "./host.ts";
import type { PeerLine } from "./peer-line.ts";
import * as phase2 from "./phase2.ts";

/** The director asks for what is due once; of strangers nothing comes here. */
const WISHES_LIMIT = 65_536;

/** A main mode of ours that ended with its process. */
export interface Interrupted {
  readonly trigger: Trigger;
  readonly weaker: boolean;
}

export class Waiting {
  #wishes: phase2.Wish[] = [];
  readonly #interrupted = new Map<PeerLine, Interrupted>();

  /** Whether it begins an exchange. */
  static waits({ kind }: phase2.Wish): boolean {
    switch (kind) {
      case "initiate":
      case "rekey-child":
      case "rekey-ike":
      case "reauthenticate":
      case "delete-child":
      case "delete-ike":
        return true;
      case "heard":
      case "first-packet":
      case "peer-moved":
      case "addresses":
      case "unreachable":
        return false;
      default:
        return kind satisfies never;
    }
  }

  wish(host: Host, wish: phase2.Wish): void {
    if (this.#wishes.length < WISHES_LIMIT) this.#wishes.push(wish);
    else host.count("queue_full");
  }

  /** A main mode for this line begins with the rest. */
  interrupt(line: PeerLine, main: Interrupted): void {
    this.#interrupted.set(line, main);
  }

  interrupted(line: PeerLine): Interrupted | undefined {
    return this.#interrupted.get(line);
  }

  get any(): boolean {
    return this.#wishes.length > 0 || this.#interrupted.size > 0;
  }

  /** In the order in which it was asked for; main modes come first, since wishes may need them. */
  begin(host: Host): void {
    const interrupted = [...this.#interrupted];
    const wishes = this.#wishes;
    this.#interrupted.clear();
    this.#wishes = [];
    for (const [line, { trigger, weaker }] of interrupted) {
      host.touch(line);
      host.renew(line, trigger, weaker);
    }
    for (const wish of wishes) phase2.onWish(host, wish);
  }

  freeze(): readonly phase2.Wish[] {
    return [...this.#wishes];
  }

  thaw(wishes: readonly phase2.Wish[]): void {
    this.#wishes = [...wishes];
  }
}
