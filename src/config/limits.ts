/** Lifetimes of an SA (RFC 4301 §4.4.2.1): in octets, packets and time, each with a soft and a hard limit. */
import type { LifetimeLimits } from "#core/child-sa-spec";
import { UNLIMITED } from "#core/child-sa-spec";
import { millis, octets } from "#core/units";
import type { Suite } from "#crypto/suite";
import type { Fields } from "./fields.ts";

/** What one key of a 64-bit block cipher should carry at most: 100 MB, decimal. */
const SMALL_BLOCK_OCTETS = 100_000_000;
const SMALL_BLOCK = 8;
const LAST_SEQUENCE = 2 ** 32 - 1;

/** Without a soft limit the warning comes at nine tenths of the hard one. */
const SOFT_SHARE = 0.9;

export function readLifetime(sa: Fields): LifetimeLimits {
  const fields = sa.object("lifetime", "lifetime");
  if (fields === undefined) return UNLIMITED;
  const [softOctets, hardOctets] = pair(fields, "softOctets", "hardOctets", "count");
  const [softPackets, hardPackets] = pair(fields, "softPackets", "hardPackets", "count");
  const [softTime, hardTime] = pair(fields, "softTime", "hardTime", "time");
  return {
    softOctets: octets(softOctets),
    hardOctets: octets(hardOctets),
    softPackets,
    hardPackets,
    softTime: millis(softTime),
    hardTime: millis(hardTime),
  };
}

function pair(fields: Fields, softKey: string, hardKey: string, kind: "count" | "time"): readonly [number, number] {
  const hard = fields[kind](hardKey, Number.POSITIVE_INFINITY);
  const soft = fields[kind](softKey, Math.floor(hard * SOFT_SHARE));
  for (const [key, value] of [
    [softKey, soft],
    [hardKey, hard],
  ] as const)
    if (fields.has(key) && value === 0)
      fields.error(key, "0 would end the SA before its first packet", "leave it out for no limit");
  if (soft > hard)
    fields.error(softKey, "the soft limit is above the hard one", "a soft limit is reached first: make it smaller");
  return [soft, hard];
}

export function checkLifetime(sa: Fields, suite: Suite, limits: LifetimeLimits, esn: boolean): void {
  const fields = sa.object("lifetime", "lifetime");
  if (!esn && fields?.has("hardPackets") === true && limits.hardPackets > LAST_SEQUENCE)
    fields.error(
      "hardPackets",
      `${limits.hardPackets} packets need extended sequence numbers (RFC 4303 §2.2.1)`,
      `set "esn": true, or at most ${LAST_SEQUENCE}`,
    );
  if (suite.encryption?.blockOctets === SMALL_BLOCK && limits.hardOctets > SMALL_BLOCK_OCTETS)
    (fields ?? sa).warn(
      fields?.has("hardOctets") === true ? "hardOctets" : fields === undefined ? "suite" : "",
      `${suite.encryption.name} may carry more than 100 MB under one key: its 64-bit blocks begin to collide (Sweet32)`,
      'set "lifetime": {"hardOctets": "100M"} or less',
    );
}
