/**
 * S71 while the gateway runs: session keys from one master key, predicted by how fast they are really made. A configuration
 * may limit octets, and only traffic shows how many keys that is.
 */
import type { Connection } from "#core/connection";
import type { IkeReport } from "#core/ike-state";
import type { Millis } from "#core/units";

/** Session keys from one master key, as for the configuration's warnings. */
const MANY = 1000;
/** Spares that are made ahead come in a burst: their rate is that of a longer while. */
const WINDOW = 60_000;

interface Window {
  readonly since: Millis;
  keys: number;
  told: boolean;
}

export type KeyRatesState = ReadonlyMap<string, Readonly<Window>>;

export class KeyRates {
  readonly #windows = new Map<string, Window>();

  freeze(): KeyRatesState {
    return this.#windows;
  }

  thaw(state: KeyRatesState): void {
    for (const [policy, window] of state) this.#windows.set(policy, { ...window });
  }

  /** A session key was made; `policy`: "connection/child". Returns what is to be told, once for each of them. */
  made(policy: string, connection: Connection, now: Millis): IkeReport | undefined {
    const { rekeyTime, reauthTime, overTime, refreshLimit } = connection;
    const window = this.#windows.get(policy);
    if (window === undefined || now - window.since < WINDOW) {
      if (window === undefined) this.#windows.set(policy, { since: now, keys: 0, told: false });
      else window.keys++;
      return undefined;
    }
    const life = Math.min(rekeyTime, reauthTime) + overTime;
    const keys = Math.ceil((life * (window.keys + 1)) / (now - window.since));
    const many = Number.isFinite(keys) && keys > MANY && (refreshLimit === 0 || refreshLimit > MANY);
    this.#windows.set(policy, { since: now, keys: 0, told: window.told || many });
    if (!many || window.told) return undefined;
    return {
      kind: "warning",
      text: `${policy}: at this rate one master key makes about ${keys} session keys; raise life_bytes, shorten the connection's rekey_time, or say refresh_limit = ${MANY}`,
    };
  }
}
