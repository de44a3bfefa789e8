/** How many octets every key has processed: of each SPI that ever lived at a gateway, retired or not. */
import type { IkeReport } from "#core/ike-state";
import type { GatewayStatus } from "#core/operator";
import { spiToString } from "#core/units";

export interface SaAccount {
  /** "A in 0xc0000001" */
  readonly name: string;
  readonly keyOctets: number;
}

export interface AccountSummary {
  /** SPIs, of both directions. */
  readonly count: number;
  readonly largest: SaAccount;
  /** Those beyond the limit, the worst first. */
  readonly beyond: readonly SaAccount[];
  /** Mean of the retired outbound ones: how much of its limit a key is used for. */
  readonly meanRetiredOut: number;
}

export class SaAccounts {
  readonly #gateway: string;
  readonly #octets = new Map<string, number>();
  readonly #retiredOut: number[] = [];

  /** `gateway` is its letter. */
  constructor(gateway: string) {
    this.#gateway = gateway;
  }

  report(report: IkeReport): void {
    if (report.kind !== "sa-retired") return;
    this.#note("in", spiToString(report.inboundSpi), report.keyOctetsIn);
    this.#note("out", spiToString(report.outboundSpi), report.keyOctetsOut);
    this.#retiredOut.push(report.keyOctetsOut);
  }

  /** Those that live. */
  status({ tunnels }: GatewayStatus): void {
    for (const { spiIn, spiOut, keyOctetsIn, keyOctetsOut } of tunnels.flatMap(({ sas }) => sas)) {
      this.#note("in", spiIn, keyOctetsIn);
      this.#note("out", spiOut, keyOctetsOut);
    }
  }

  /** A key's count only grows; of two that share an SPI one after the other the larger counts. */
  #note(direction: "in" | "out", spi: string, keyOctets: number): void {
    const name = `${this.#gateway} ${direction} ${spi}`;
    this.#octets.set(name, Math.max(keyOctets, this.#octets.get(name) ?? 0));
  }

  get all(): readonly SaAccount[] {
    return [...this.#octets].map(([name, keyOctets]) => ({ name, keyOctets }));
  }

  get retiredOut(): readonly number[] {
    return this.#retiredOut;
  }
}

export function summary(accounts: readonly SaAccounts[], limit: number): AccountSummary {
  const all = accounts.flatMap((account) => account.all).toSorted((x, y) => y.keyOctets - x.keyOctets);
  const retired = accounts.flatMap(({ retiredOut }) => retiredOut);
  return {
    count: all.length,
    largest: all[0] ?? { name: "none", keyOctets: Number.NaN },
    beyond: all.filter(({ keyOctets }) => keyOctets > limit),
    meanRetiredOut: retired.reduce((total, octets) => total + octets, 0) / retired.length,
  };
}
