/** IKE messages by direction and exchange: a closed set of names, whatever strangers send. */
import { ExchangeType } from "#wire/ike/numbers";
import { Exchange } from "#wire/ike/v1/numbers";

// Offsets in octets from the start of the message: RFC 7296 §3.1, RFC 2408 §3.1.
const VERSION = 17;
const EXCHANGE_TYPE = 18;

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

export class MessageCounts {
  readonly #in = fresh();
  readonly #out = fresh();

  received(octets: Uint8Array): void {
    count(this.#in, octets);
  }

  sent(octets: Uint8Array): void {
    count(this.#out, octets);
  }

  get table(): MessageTable {
    return { in: Object.fromEntries(this.#in), out: Object.fromEntries(this.#out) };
  }
}

function fresh(): Map<string, number> {
  return new Map([...NAMES.values(), OTHER].map((name) => [name, 0]));
}

function count(counts: Map<string, number>, octets: Uint8Array): void {
  const major = (octets[VERSION] ?? 0) >>> 4;
  const type = octets[EXCHANGE_TYPE] ?? 0;
  // Numbers below 34 are version 1's, the others version 2's (RFC 7296 §3.1).
  const fits = (major === 1 && type < ExchangeType.IKE_SA_INIT) || (major === 2 && type >= ExchangeType.IKE_SA_INIT);
  const name = (fits ? NAMES.get(type) : undefined) ?? OTHER;
  counts.set(name, (counts.get(name) ?? 0) + 1);
}
