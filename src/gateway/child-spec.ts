/** What was agreed on and what is configured, together: the pair of SAs that the data plane gets. */
import type { ChildSaSpec, LifetimeLimits } from "#core/child-sa-spec";
import type { ChildConfig } from "#core/connection";
import { laneOfSpi } from "#core/steering";
import { type Millis, millis } from "#core/units";
import type { NegotiatedChild } from "#ike/effects";

/** RFC 3948 §4: often enough for every NAT. */
const KEEPALIVE: Millis = millis(20_000);

export function keepaliveOf(behindNat: boolean): Millis {
  return behindNat ? KEEPALIVE : millis(0);
}

export function childSpecOf(
  child: NegotiatedChild,
  config: ChildConfig,
  policy: string,
  lifetime: LifetimeLimits,
  lanes: number,
  pathMtu: number,
): ChildSaSpec {
  const { protocol, mode, suite, inbound, outbound, encapsulation, local, remote, esn } = child;
  return {
    protocol,
    mode,
    suite,
    inbound,
    outbound,
    policy,
    lane: laneOfSpi(inbound.spi, lanes),
    encapsulation,
    local,
    remote,
    localSelectors: child.localSelectors,
    remoteSelectors: child.remoteSelectors,
    esn,
    replayWindow: config.replayWindow,
    lifetime,
    dscp: config.dscp,
    ecn: config.ecn,
    df: config.df,
    fragmentation: "before",
    pathMtu,
    tfcLength: config.tfcLength,
    mssClamp: config.mssClamp,
    keepaliveInterval: keepaliveOf(child.behindNat),
    outerAh: child.outerAh,
  };
}
