/** IKE messages by direction and exchange: a closed set of names, whatever strangers send. */
import { ExchangeType, IkeFlag } from "#wire/ike/numbers";
import { Exchange } from "#wire/ike/v1/numbers";

// Offsets in octets from the start of the message: RFC 7296 §3.1, RFC 2408 §3.1.
const VERSION = 17;
const EXCHANGE_TYPE = 18;
const FLAGS = 19;

/** In lower case, as a label's value. "informational" is both versions'. */
const NAMES: ReadonlyMap<number, string> = new Map([
  [ExchangeType.IKE_SA_INIT, "ike_sa_init"],
  [ExchangeType.IKE_AUTH, "ike_auth"],
  [ExchangeType.CREATE_CHILD_SA, "create_child_sa"],
  [ExchangeType.INFORMATIONAL, "informational"],
  [ExchangeType.IKE_INTERMEDIATE, "ike_intermediate"],
  [ExchangeType.IKE_FOLLOWUP_KE, "ike_followup_ke"],
  [Exchange.MAIN_MODE, "main_mode"],
  [Exchange.AGGRESSIVE, "aggressive_mode"],
  [Exchange.INFORMATIONAL, "informational"],
  [Exchange.TRANSACTION, "transaction"],
  [Exchange.QUICK_MODE, "quick_mode"],
]);
const OTHER = "other";

export type MessageTable = Readonly<Record<"in" | "out", Readonly<Record<string, number>>>>;

export interface MessageCountsState {
  readonly in: ReadonlyMap<string, number>;
  readonly out: ReadonlyMap<string, number>;
  readonly exchanges: ReadonlyMap<string, number>;
}

export class MessageCounts {
  readonly #in = fresh();
  readonly #out = fresh();

  readonly #exchanges = new Map<string, number>();

  freeze(): MessageCountsState {
    return { in: this.#in, out: this.#out, exchanges: this.#exchanges };
  }

  thaw(state: MessageCountsState): void {
    for (const [own, former] of [
      [this.#in, state.in],
      [this.#out, state.out],
      [this.#exchanges, state.exchanges],
    ] as const)
      for (const [name, count] of former) own.set(name, (own.get(name) ?? 0) + count);
  }

  received(octets: Uint8Array): void {
    this.#count(this.#in, octets, "in");
  }

  sent(octets: Uint8Array): void {
    this.#count(this.#out, octets, "out");
  }

  /** IKEv2's alone, by exchange, direction and the R flag: "ike_auth-out-req" → count. */
  get exchanges(): ReadonlyMap<string, number> {
    return this.#exchanges;
  }

  #count(counts: Map<string, number>, octets: Uint8Array, direction: "in" | "out"): void {
    const name = count(counts, octets);
    if (name === OTHER || majorVersion(octets) !== 2) return;
    const key = `${name}-${direction}-${((octets[FLAGS] ?? 0) & IkeFlag.RESPONSE) === 0 ? "req" : "resp"}`;
    this.#exchanges.set(key, (this.#exchanges.get(key) ?? 0) + 1);
  }

  get table(): MessageTable {
    return { in: Object.fromEntries(this.#in), out: Object.fromEntries(this.#out) };
  }
}

function fresh(): Map<string, number> {
  return new Map([...NAMES.values(), OTHER].map((name) => [name, 0]));
}

function majorVersion(octets: Uint8Array): number {
  return (octets[VERSION] ?? 0) >>> 4;
}

/** Returns what it was counted as. */
function count(counts: Map<string, number>, octets: Uint8Array): string {
  const major = majorVersion(octets);
  const type = octets[EXCHANGE_TYPE] ?? 0;
  // Numbers below 34 are version 1's, the others version 2's (RFC 7296 §3.1).
  const fits = (major === 1 && type < ExchangeType.IKE_SA_INIT) || (major === 2 && type >= ExchangeType.IKE_SA_INIT);
  const name = (fits ? NAMES.get(type) : undefined) ?? OTHER;
  counts.set(name, (counts.get(name) ?? 0) + 1);
  return name;
}
