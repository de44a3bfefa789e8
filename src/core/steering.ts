/**
 * Which lane owns an inbound SPI when several lanes share a port: SPI mod lanes. The kernel's filters (io/packet-filter.ts)
 * compute the same, so an SA's packets come to the lane that has its keys and its replay window (RFC 9611).
 */
import { type Spi, spi as spiOf, spiToString } from "./units.ts";

export function laneOfSpi(spi: number, lanes: number): number {
  return (spi >>> 0) % lanes;
}

/** The next SPI from this one on that belongs to the lane, or the one before where numbers end. */
export function nearestSpiOfLane(spi: number, lane: number, lanes: number): Spi {
  const up = (spi >>> 0) + ((lane - laneOfSpi(spi, lanes) + lanes) % lanes);
  return spiOf(up >= 2 ** 32 ? up - lanes : up);
}

/** What is wrong with an inbound SPI of a lane, and what to do about it; undefined when nothing is. */
export function foreignSpi(
  spi: Spi,
  lane: number,
  lanes: number,
): { readonly problem: string; readonly remedy: string } | undefined {
  const owner = laneOfSpi(spi, lanes);
  if (owner === lane) return undefined;
  return {
    problem: `packets with SPI ${spiToString(spi)} go to lane ${owner} (SPI mod ${lanes}), not to lane ${lane}`,
    remedy: `choose an SPI with SPI mod ${lanes} = ${lane}, for example 0x${(nearestSpiOfLane(spi, lane, lanes) >>> 0).toString(16)}`,
  };
}
