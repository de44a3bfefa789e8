/**
 * Lifetimes in octets, packets and time (RFC 4301 §4.4.2.1). A packet is charged before it is sealed or delivered:
 * one that would pass a hard limit is refused, so no key ever processes more than its limit.
 */
import type { LifetimeLimits } from "#core/child-sa-spec";
import * as drops from "#core/drop";
import type { RandomSource } from "#core/ports";
import { type Millis, millis, type Octets, octets } from "#core/units";
import type { SaTable } from "./sa.ts";
import * as sas from "./sa.ts";

// Constants of its own are folded into the machine code, imported ones are loaded at each use: a third of a packet's time.
const { Drop } = drops;
const { SA_NUMBERS, SaNumber } = sas;

/** What a charge answers besides a drop code. */
export const Life = { FRESH: 0, SOFT: 1 } as const;

export class Lifetime {
  readonly #numbers: Float64Array;

  constructor(table: SaTable) {
    this.#numbers = table.numbers;
  }

  /**
   * Charges one packet of `keyOctets` under the key. HARD_LIFETIME: refused, nothing charged. SOFT: charged, and a soft
   * limit is reached. FRESH: charged.
   */
  charge(slot: number, keyOctets: number, innerOctets: number, now: number): number {
    const n = this.#numbers;
    const row = slot * SA_NUMBERS;
    const used = (n[row + SaNumber.KEY_OCTETS] ?? 0) + keyOctets;
    const packets = (n[row + SaNumber.PACKETS] ?? 0) + 1;
    if (
      used > (n[row + SaNumber.HARD_OCTETS] ?? 0) ||
      packets > (n[row + SaNumber.HARD_PACKETS] ?? 0) ||
      now >= (n[row + SaNumber.HARD_TIME] ?? 0)
    )
      return Drop.HARD_LIFETIME;
    n[row + SaNumber.KEY_OCTETS] = used;
    n[row + SaNumber.PACKETS] = packets;
    n[row + SaNumber.OCTETS] = (n[row + SaNumber.OCTETS] ?? 0) + innerOctets;
    n[row + SaNumber.LAST_USED] = now;
    return used >= (n[row + SaNumber.SOFT_OCTETS] ?? 0) ||
      packets >= (n[row + SaNumber.SOFT_PACKETS] ?? 0) ||
      now >= (n[row + SaNumber.SOFT_TIME] ?? 0)
      ? Life.SOFT
      : Life.FRESH;
  }
}

/** Whether `packets` more of `keyOctets` together may be charged. */
export function fitsLifetime(table: SaTable, slot: number, keyOctets: number, packets: number, now: number): boolean {
  const n = table.numbers;
  const row = slot * SA_NUMBERS;
  return (
    (n[row + SaNumber.KEY_OCTETS] ?? 0) + keyOctets <= (n[row + SaNumber.HARD_OCTETS] ?? 0) &&
    (n[row + SaNumber.PACKETS] ?? 0) + packets <= (n[row + SaNumber.HARD_PACKETS] ?? 0) &&
    now < (n[row + SaNumber.HARD_TIME] ?? 0)
  );
}

/** Soft limits are drawn a little earlier so that peers and tunnels of the same age do not rekey at once. */
export function jitterSoftLimits(limits: LifetimeLimits, fraction: number, random: RandomSource): LifetimeLimits {
  const octet = new Uint8Array(4);
  random.fill(octet);
  const draw = new DataView(octet.buffer).getUint32(0) / 2 ** 32;
  const earlier = 1 - fraction * draw;
  const jitter = (soft: number) => (Number.isFinite(soft) ? Math.floor(soft * earlier) : soft);
  return {
    ...limits,
    softOctets: octets(jitter(limits.softOctets)) satisfies Octets,
    softPackets: jitter(limits.softPackets),
    softTime: millis(jitter(limits.softTime)) satisfies Millis,
  };
}
