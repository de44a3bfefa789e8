/**
 * Certificate policies (RFC 5280 §6.1) for somebody who accepts any policy. Only the last level of the policy tree is
 * kept, one node a policy (RFC 9618 §5), so that it cannot grow exponentially: it is empty when the tree is.
 */
import type { Certificate } from "./certificate.ts";

const ANY_POLICY = "2.5.29.32.0";

export interface PolicyState {
  /** Valid policy → expected policies; undefined = no policy is valid. */
  readonly nodes: ReadonlyMap<string, ReadonlySet<string>> | undefined;
  readonly explicitPolicy: number;
  readonly policyMapping: number;
  readonly inhibitAny: number;
}

/** `length`: certificates below the trust anchor. RFC 5280 §6.1.2. */
export function initialPolicies(length: number): PolicyState {
  return {
    nodes: new Map([[ANY_POLICY, new Set([ANY_POLICY])]]),
    explicitPolicy: length + 1,
    policyMapping: length + 1,
    inhibitAny: length + 1,
  };
}

/** The state for the next certificate; undefined when the path fails here. */
export function nextPolicies(
  state: PolicyState,
  certificate: Certificate,
  selfIssued: boolean,
  last: boolean,
): PolicyState | undefined {
  const nodes = childNodes(state, certificate, state.inhibitAny > 0 || (!last && selfIssued));
  // RFC 5280 §6.1.3 (f)
  if (state.explicitPolicy === 0 && nodes === undefined) return undefined;
  const less = (count: number) => (count === 0 ? 0 : count - 1);
  if (last) {
    // RFC 5280 §6.1.5 (a), (b), (g)
    const explicit = certificate.requireExplicitPolicy === 0 ? 0 : less(state.explicitPolicy);
    return explicit === 0 && nodes === undefined ? undefined : { ...state, nodes, explicitPolicy: explicit };
  }
  // RFC 5280 §6.1.4 (a), (b)
  if (certificate.policyMappings.some((pair) => pair.includes(ANY_POLICY))) return undefined;
  const mapped = nodes === undefined ? undefined : mapNodes(nodes, certificate, state.policyMapping > 0);
  // RFC 5280 §6.1.4 (h), (i), (j)
  const step = (count: number) => (selfIssued ? count : less(count));
  const {
    requireExplicitPolicy = Infinity,
    inhibitPolicyMapping = Infinity,
    inhibitAnyPolicy = Infinity,
  } = certificate;
  return {
    nodes: mapped,
    explicitPolicy: Math.min(step(state.explicitPolicy), requireExplicitPolicy),
    policyMapping: Math.min(step(state.policyMapping), inhibitPolicyMapping),
    inhibitAny: Math.min(step(state.inhibitAny), inhibitAnyPolicy),
  };
}

// RFC 5280 §6.1.3 (d), (e)
function childNodes(state: PolicyState, certificate: Certificate, anyAllowed: boolean): PolicyState["nodes"] {
  const { nodes } = state;
  const { policies } = certificate;
  if (nodes === undefined || policies === undefined) return undefined;
  const expected = new Set([...nodes.values()].flatMap((set) => [...set]));
  const children = new Map<string, ReadonlySet<string>>();
  for (const policy of policies) {
    if (policy !== ANY_POLICY && (expected.has(policy) || nodes.has(ANY_POLICY)))
      children.set(policy, new Set([policy]));
  }
  if (anyAllowed && policies.includes(ANY_POLICY)) {
    for (const policy of expected) if (!children.has(policy)) children.set(policy, new Set([policy]));
  }
  return children.size === 0 ? undefined : children;
}

// RFC 5280 §6.1.4 (b)
function mapNodes(
  nodes: ReadonlyMap<string, ReadonlySet<string>>,
  certificate: Certificate,
  allowed: boolean,
): PolicyState["nodes"] {
  const mapped = new Map(nodes);
  const targets = new Map<string, Set<string>>();
  for (const [issuer, subject] of certificate.policyMappings) {
    targets.set(issuer, (targets.get(issuer) ?? new Set()).add(subject));
  }
  for (const [issuer, subjects] of targets) {
    if (!allowed) mapped.delete(issuer);
    else if (nodes.has(issuer) || nodes.has(ANY_POLICY)) mapped.set(issuer, subjects);
  }
  return mapped.size === 0 ? undefined : mapped;
}
