/**
 * Keys for `esplanade trace --keys`: kept from one question to the next while somebody asks, and only then. Whoever stops
 * asking is forgotten after some seconds, and all that waited for him is wiped.
 */
import type { ProtocolSpec } from "#core/child-sa-spec";
import type { KeyWatch, WatchedIkeKeys } from "#core/key-watch";
import type { Millis } from "#core/units";
import { joinOctets, wipe } from "#crypto/octets";
import { espLines, ikeLine } from "./wireshark-keys.ts";

/** The question on the control socket. */
export const KEYS_REQUEST = '{"kind":"keys"}';
/** The same, for keys of the SAs too that a tunnel ("hq", "hq/net") has already. */
export function presentKeysRequest(target: string): string {
  return `{"kind":"keys","present":${JSON.stringify(target)}}`;
}

/** `present`: whose SAs; undefined: no question for keys. */
export function keysQuestion(line: string): { readonly present: string | undefined } | undefined {
  if (line === KEYS_REQUEST) return { present: undefined };
  const [, target] = /^\{"kind":"keys","present":"([^"\\]+)"\}$/.exec(line) ?? [];
  return target === undefined ? undefined : { present: target };
}

/** Policies of "hq" are "hq/net" and, of each further peer, "hq/net#2". */
export function isPolicyOf(target: string, policy: string): boolean {
  return policy === target || policy.startsWith(`${target}/`) || policy.startsWith(`${target}#`);
}
/** Milliseconds from one question to the next. */
export const KEYS_PATIENCE = 5000;
/** Octets that wait; some thousand SAs. */
const LIMIT = 1 << 20;

export interface KeyLogWorld {
  now(): Millis;
  /** Calls once, and keeps no process alive. */
  later(work: () => void, millis: number): void;
  warn(text: string): void;
}

/** Keys of SAs that were made before anybody asked. */
export interface PresentKeys {
  /** Whose: "hq/net". */
  readonly target: string;
  show(watch: KeyWatch): void;
}

export class KeyLog implements KeyWatch {
  readonly #world: KeyLogWorld;
  #lines: Uint8Array[] = [];
  #length = 0;
  /** Until then somebody is expected to ask again. */
  #until = Number.NEGATIVE_INFINITY;
  #open = false;

  constructor(world: KeyLogWorld) {
    this.#world = world;
  }

  ike(keys: WatchedIkeKeys): void {
    if (this.#open) this.#add(ikeLine(keys));
  }

  child(pair: ProtocolSpec, family: 4 | 6): void {
    if (this.#open) this.#add(espLines(pair, family));
  }

  /** What was made since the last question, for the caller to wipe; the first one opens the log. */
  take(present?: PresentKeys): Uint8Array {
    this.#until = this.#world.now() + KEYS_PATIENCE;
    if (!this.#open) {
      this.#open = true;
      this.#world.warn("KEYS LEAVE THIS PROCESS: esplanade trace --keys asks for those of every SA made from now on");
      this.#expire();
    }
    if (present !== undefined) {
      this.#world.warn(`KEYS LEAVE THIS PROCESS: those of the SAs that ${present.target} has already, too`);
      present.show(this);
    }
    const taken = joinOctets(this.#lines);
    this.#forget();
    return taken;
  }

  #add(line: Uint8Array): void {
    if (this.#length + line.length > LIMIT) {
      wipe(line);
      return;
    }
    this.#lines.push(line);
    this.#length += line.length;
  }

  #expire(): void {
    const left = this.#until - this.#world.now();
    if (left > 0) {
      this.#world.later(() => this.#expire(), left);
      return;
    }
    this.#open = false;
    this.#forget();
    this.#world.warn("keys stay in this process again: nobody asks for them any more");
  }

  #forget(): void {
    wipe(...this.#lines);
    this.#lines = [];
    this.#length = 0;
  }
}
