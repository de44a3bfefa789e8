/** What may not begin yet: wishes while we are held, and main modes that ended with the process before this one. */
import type { Trigger } from "#core/ike-state";
import { type Millis, millis } from "#core/units";
import { earliest } from "#ike/agenda";
import type { Host } from "./host.ts";
import { DOUBTED_AFTER } from "./initial-contact.ts";
import type { PeerLine } from "./peer-line.ts";
import * as phase2 from "./phase2.ts";

/** The director asks for what is due once; of strangers nothing comes here. */
const WISHES_LIMIT = 65_536;
/** Our last message was under way. */
const SPARE = 1_000;

/** A main mode of ours that ended with its process. */
export interface Interrupted {
  readonly trigger: Trigger;
  readonly weaker: boolean;
  /** The peer may have it already, and have told there what it tells at first contact. */
  readonly proofSent: boolean;
}

export class Waiting {
  #wishes: phase2.Wish[] = [];
  readonly #interrupted = new Map<PeerLine, Interrupted>();
  /** When the first main mode begins again. */
  #from: Millis | undefined;

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

  /** A main mode for this line begins again, not before what the peer may have of the former one is in doubt (initial-contact.ts). */
  interrupt(line: PeerLine, main: Interrupted, now: Millis): void {
    line.mainModeFrom = main.proofSent ? millis(now + DOUBTED_AFTER + SPARE) : now;
    this.#interrupted.set(line, main);
    this.#from = earliest([this.#from, line.mainModeFrom]);
  }

  interrupted(line: PeerLine): Interrupted | undefined {
    return this.#interrupted.get(line);
  }

  /** When something of it may begin. */
  get next(): Millis | undefined {
    return this.#wishes.length > 0 ? millis(0) : this.#from;
  }

  /** In the order in which it was asked for; main modes come first, since wishes may need them. */
  begin(host: Host): void {
    const wishes = this.#wishes;
    this.#wishes = [];
    const due = [...this.#interrupted].filter(([line]) => line.mainModeFrom <= host.now);
    for (const [line] of due) this.#interrupted.delete(line);
    this.#from = earliest([...this.#interrupted.keys()].map(({ mainModeFrom }) => mainModeFrom));
    for (const [line, { trigger, weaker }] of due) {
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
