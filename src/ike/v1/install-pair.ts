/** A quick mode that both sides agree on becomes a pair: keys, what is remembered of it, the data plane's order. */

import type { Protocol, ProtocolSpec } from "#core/child-sa-spec";
import { assert } from "#core/errors";
import { ProtocolId } from "#core/proposal";
import { type Millis, millis } from "#core/units";
import { wipe } from "#crypto/octets";
import { configuredNow } from "#ike/configured";
import type { Outbound } from "#ike/effects";
import { report } from "#ike/host";
import { type ChildKeys, wipeChildKeys } from "#ike/keymat";
import { hasMasterPfs } from "#ike/refresh-limit";
import { childSuiteName, suiteIds } from "#ike/suite";
import type { Host } from "./host.ts";
import type { IsakmpSa, Live } from "./isakmp-sa.ts";
import { quickModeKeys } from "./keymat.ts";
import { lowestOf, type Pair, type PairPart } from "./pairs.ts";
import type { QuickPlan, TermsPart } from "./phase2-state.ts";

export function protocolId(protocol: Protocol): number {
  return protocol === "ah" ? ProtocolId.AH : ProtocolId.ESP;
}

/** RFC 2409 §5.5, both formulas; `shared` (g(qm)^xy) is empty without PFS. Throws once SKEYID_d was wiped (S28). */
export function pairKeys(live: Live, plan: QuickPlan, part: TermsPart, shared: Uint8Array): ChildKeys {
  assert(
    live.keys.SKEYID_d.some((octet) => octet !== 0),
    "a master key with PFS makes one session key",
  );
  const { initiatorNonce, responderNonce } = plan;
  const { inboundSpi, outboundSpi, suite } = part;
  return quickModeKeys({
    isakmp: live.keys,
    suite,
    protocol: protocolId(suite.protocol),
    initiatorNonce,
    responderNonce,
    shared,
    inboundSpi,
    outboundSpi,
  });
}

function specOf(plan: QuickPlan, { suite }: TermsPart, keys: ChildKeys): ProtocolSpec {
  return { protocol: suite.protocol, mode: plan.mode, suite: suiteIds(suite), ...keys };
}

/** As swanctl.conf writes it; AH in front of the ESP it goes over. */
function suiteName({ parts }: QuickPlan): string {
  const [inner, outer] = parts;
  const name = childSuiteName(inner.suite);
  return outer === undefined ? name : `ah:${childSuiteName(outer.suite)}+esp:${name}`;
}

function partOf({ suite, inboundSpi, outboundSpi }: TermsPart): PairPart {
  return { protocol: suite.protocol, inboundSpi, outboundSpi };
}

/**
 * Keys the pair and hands it to the data plane, inbound first: before message 2 or 3 leaves. `outbound` "later": the peer has
 * not shown yet that it has the pair. Wipes `shared`, and with PFS of the master key what would make another (S28).
 */
export function installPair(
  host: Host,
  sa: IsakmpSa,
  live: Live,
  plan: QuickPlan,
  shared: Uint8Array,
  outbound: "used" | "later",
): Pair {
  const { line } = sa;
  const { connection, path } = line;
  const [inner, outer] = plan.parts;
  const innerKeys = pairKeys(live, plan, inner, shared);
  const outerKeys = outer && pairKeys(live, plan, outer, shared);
  wipe(shared);
  live.quickModes++;
  if (hasMasterPfs(connection)) wipe(live.keys.SKEYID_d);
  line.quickModeAt = host.now;
  const by = plan.by === "us";
  const pair: Pair = {
    id: host.nextId(),
    ike: sa.id,
    config: configuredNow(connection, plan.config),
    mode: plan.mode,
    encapsulation: plan.encapsulation,
    suite: suiteName(plan),
    parts: outer === undefined ? [partOf(inner)] : [partOf(inner), partOf(outer)],
    localSelector: plan.localSelector,
    remoteSelector: plan.remoteSelector,
    by: plan.by,
    madeAt: host.now,
    lowestNonce: lowestOf(plan.initiatorNonce, plan.responderNonce),
    state: { kind: "Installed", outbound },
    proven: false,
    successors: [],
  };
  line.pairs.set(pair.id, pair);
  host.registry.own(pair.id, line);
  const took: Millis = by ? millis(host.now - plan.startedAt) : millis(0);
  const spec = specOf(plan, inner, innerKeys);
  host.emit({
    kind: "install-child-sa",
    child: {
      ...spec,
      id: pair.id,
      ike: sa.id,
      connection: connection.name,
      child: plan.config.name,
      config: plan.config,
      esn: inner.suite.esn,
      outerAh: outer === undefined || outerKeys === undefined ? undefined : specOf(plan, outer, outerKeys),
      agreedLifetime: plan.lifetime,
      encapsulation: plan.encapsulation,
      local: path.local,
      remote: path.remote,
      behindNat: path.natLocal,
      localSelectors: [plan.localSelector],
      remoteSelectors: [plan.remoteSelector],
      keMethod: plan.method,
      replaces: plan.replaces?.id,
      initiator: by,
      trigger: by ? plan.trigger : "peer",
      took,
    },
    outbound: outboundOf(outbound, plan),
  });
  host.count(plan.replaces === undefined ? "child_established" : "child_rekeyed");
  const names = { connection: connection.name, child: plan.config.name };
  if (plan.replaces === undefined) report(host, { kind: "child-up", ...names, id: pair.id });
  return pair;
}

/**
 * A rekey that we began is switched by the director: when the peer has said CONNECTED, or may be taken to have message 3. Until
 * then the former pair carries on.
 */
function outboundOf(outbound: "used" | "later", { by, replaces }: QuickPlan): Outbound {
  if (replaces === undefined) return outbound === "used" ? "use" : "later";
  if (by !== "us") return "later";
  return outbound === "later" ? "when-confirmed" : "when-settled";
}

/** S62: which of both formulas keyed it. */
export function keyingText(method: number): string {
  return method === 0 ? "a refresh of main mode's key" : "a Diffie-Hellman exchange of its own";
}

/** For tests and failures after derivation. */
export function wipeKeys(...keys: readonly (ChildKeys | undefined)[]): void {
  for (const one of keys) if (one !== undefined) wipeChildKeys(one);
}
