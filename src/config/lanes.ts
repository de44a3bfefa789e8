/** Several lanes: whose SPI is whose, and whether each lane can carry what the kernel gives it. */
import { foreignSpi } from "#core/steering";
import type { Fields } from "./fields.ts";
import { directionsOf, type PlacedSa } from "./sas.ts";

export function checkLanes(gateway: Fields, placed: readonly PlacedSa[], lanes: number): void {
  if (lanes === 1) return;
  for (const sa of placed)
    for (const { direction, keys, fields } of directionsOf(sa)) {
      const fault = direction === "inbound" ? foreignSpi(keys.spi, sa.spec.lane, lanes) : undefined;
      if (fault !== undefined) fields.error("inbound", fault.problem, fault.remedy);
    }
  // The kernel spreads the flows of every policy over all queues of the TUN device (RFC 9611 §3).
  for (const policy of new Set(placed.map(({ spec }) => spec.policy)))
    for (let lane = 0; lane < lanes; lane++)
      if (!placed.some(({ spec }) => spec.policy === policy && spec.lane === lane))
        gateway.error(
          "lanes",
          `policy "${policy}" has no SA on lane ${lane}`,
          `give it an SA with "lane": ${lane}, or fewer lanes`,
        );
}
