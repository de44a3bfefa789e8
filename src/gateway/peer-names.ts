/** Peers that are configured by name: addresses as far as they are known, and starts that wait for one. */
import type { Endpoint, IpAddress } from "#core/address";
import type { Connection, IkeConfig } from "#core/connection";
import type { Start } from "./child-starts.ts";

export interface PeerNamesState {
  readonly known: ReadonlyMap<string, readonly IpAddress[]>;
  readonly waiting: ReadonlyMap<string, readonly Start[]>;
}

export class PeerNames {
  readonly #known = new Map<string, readonly IpAddress[]>();
  readonly #waiting = new Map<string, Start[]>();

  get known(): ReadonlyMap<string, readonly IpAddress[]> {
    return this.#known;
  }

  freeze(): PeerNamesState {
    return { known: this.#known, waiting: this.#waiting };
  }

  /** Returns the names that starts wait for: whoever was asked for them answers somebody else. */
  thaw({ known, waiting }: PeerNamesState): readonly string[] {
    for (const [name, addresses] of known) this.#known.set(name, addresses);
    for (const [name, starts] of waiting) this.#waiting.set(name, [...starts]);
    return [...waiting.keys()];
  }

  /** Names of this configuration that nobody has asked for. */
  unknown({ connections }: IkeConfig): readonly string[] {
    return connections
      .flatMap(({ remoteAddresses, localAddresses }) => [...remoteAddresses, ...localAddresses])
      .flatMap((pattern) => (pattern.kind === "name" && !this.#known.has(pattern.name) ? [pattern.name] : []));
  }

  /** Returns the starts that waited for this name. No addresses: what was known stays. */
  resolve(name: string, addresses: readonly IpAddress[]): readonly Start[] {
    const waiting = this.#waiting.get(name) ?? [];
    this.#waiting.delete(name);
    if (addresses.length > 0) this.#known.set(name, addresses);
    return waiting;
  }

  /** The peer's place: as configured (undefined), by its name, or `waiting` until this name is resolved. */
  find(
    { remoteAddresses: [pattern], remotePort }: Connection,
    start: Start,
  ): { readonly remote: Endpoint | undefined } | { readonly waiting: string } {
    if (pattern?.kind !== "name") return { remote: undefined };
    const [address] = this.#known.get(pattern.name) ?? [];
    if (address !== undefined) return { remote: { address, port: remotePort } };
    this.#waiting.set(pattern.name, [...(this.#waiting.get(pattern.name) ?? []), start]);
    return { waiting: pattern.name };
  }
}
