/** Takes IKE messages away on their way into a gateway, and nothing else: nftables in its namespace. */
import { spawnSync } from "node:child_process";
import type { Box } from "#lab/box";
import { LabError } from "#lab/children";

const TABLE = "inet ike-loss";
const HUNDRED = 100;

/** Of every hundred messages so many are lost, by chance. IKE on port 4500 begins with four zero octets (RFC 3948 §2.2). */
export function loseIke(box: Box, percent: number): void {
  const lost = `numgen random mod ${HUNDRED} < ${percent} counter drop`;
  nft(
    box,
    `add table ${TABLE}; add chain ${TABLE} in { type filter hook input priority 0 ; }; ` +
      `add rule ${TABLE} in udp dport 500 counter ${lost}; ` +
      `add rule ${TABLE} in udp dport 4500 @th,64,32 0 counter ${lost}`,
  );
}

export interface IkeLoss {
  readonly messages: number;
  readonly lost: number;
}

/** Of each rule two counters: what came, what of it was lost. */
export function ikeLoss(box: Box): IkeLoss {
  return countersOf(nft(box, `list table ${TABLE}`));
}

export function countersOf(listing: string): IkeLoss {
  const counts = [...listing.matchAll(/counter packets (\d+)/g)].map(([, count]) => Number(count));
  const sum = (parity: number) => counts.filter((_, i) => i % 2 === parity).reduce((total, count) => total + count, 0);
  return { messages: sum(0), lost: sum(1) };
}

function nft(box: Box, command: string): string {
  const { status, stdout, stderr, error } = box.run(() => spawnSync("nft", [command], { encoding: "utf8" }));
  if (status !== 0) throw new LabError(`nft: ${error?.message ?? stderr.trim()}; remedy: install nftables`);
  return stdout;
}
