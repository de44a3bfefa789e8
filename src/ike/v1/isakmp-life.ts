/** How long an ISAKMP SA lives, and when it is renewed; the responder may shorten it after the choice (RFC 2407 §4.6.3.1). */
import type { Connection } from "#core/connection";
import { type Millis, millis, octets } from "#core/units";
import { earliest } from "#ike/agenda";
import { randomBelow } from "#ike/host";
import type { NotifyPayload } from "#wire/ike/v1/notify";
import { NotifyType } from "#wire/ike/v1/numbers";
import type { Host } from "./host.ts";
import type { IsakmpSa, Live } from "./isakmp-sa.ts";
import { ISAKMP_LIFE, type Lifetime, readResponderLifetime, shorterLifetime, UNLIMITED } from "./lifetimes.ts";

/** An agreed life that is shorter than what we would have: renewed after this part of it. */
const RENEW_PART = 0.9;
/** Nobody makes us renew more often than this by telling us. */
const SHORTEST_TOLD = 60_000;
const FEWEST_TOLD = 10_000;

/**
 * Make-before-break. Without `overTime` nothing is renewed: it expires, and the next quick mode brings another main mode (S75).
 */
export function renewal(
  host: Host,
  { rekeyTime, reauthTime, overTime, randTime }: Connection,
  lifeTime: Millis,
): Millis | undefined {
  const time = Math.min(rekeyTime, reauthTime, lifeTime * RENEW_PART);
  if (!(overTime > 0) || !Number.isFinite(Math.min(rekeyTime, reauthTime)) || time <= 0) return undefined;
  return millis(host.now + Math.max(1, time - randomBelow(host, Math.min(randTime, time))));
}

/** What RESPONDER-LIFETIMEs among these say of phase 1. */
export function toldIsakmpLife(notifies: readonly NotifyPayload[]): Lifetime {
  return notifies
    .filter(({ type }) => type === NotifyType.RESPONDER_LIFETIME)
    .map((one) => readResponderLifetime(ISAKMP_LIFE, one) ?? UNLIMITED)
    .reduce(shorterLifetime, UNLIMITED);
}

/** To the initiator: the shorter of what it has and what it is told counts from the beginning. */
export function shortenLife(host: Host, sa: IsakmpSa, live: Live, told: Lifetime): void {
  const { lifeTime, lifeOctets } = live.suite;
  const time = millis(Math.max(told.time, SHORTEST_TOLD));
  const processed = octets(Math.max(told.octets, FEWEST_TOLD));
  if (time >= lifeTime && processed >= lifeOctets) return;
  live.suite = {
    ...live.suite,
    lifeTime: millis(Math.min(time, lifeTime)),
    lifeOctets: octets(Math.min(processed, lifeOctets)),
  };
  if (time >= lifeTime) return;
  const left = millis(Math.max(0, live.establishedAt + time - host.now));
  sa.deadlines.expireAt = millis(host.now + left);
  sa.deadlines.renewAt = earliest([sa.deadlines.renewAt, renewal(host, sa.line.connection, left)]);
}
