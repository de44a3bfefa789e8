import assert from "node:assert/strict";
import { test } from "node:test";
import { prefixToString } from "#core/address";
import type { Policy } from "#core/policy";
import { clearRules } from "#process/network";
import { protect, selector } from "#test/sim/specs";

const SITES = protect(["10.1.0.0/24"], ["10.2.0.0/24"]);

function bypass(
  local: string,
  remote: string,
  layer: { protocol?: number; firstPort?: number; lastPort?: number } = {},
) {
  const { protocol = 0, ...ports } = layer;
  const policy: Policy = {
    name: "clear",
    action: "bypass",
    local: [{ ...selector(local), protocol }],
    remote: [{ ...selector(remote), protocol, ...ports }],
    source: undefined,
  };
  return policy;
}

function rules(policies: readonly Policy[]): string[] {
  return clearRules(policies).map(({ source, destination, action, protocol, sourcePorts }) =>
    [
      source === undefined ? "all" : prefixToString(source),
      destination === undefined ? "all" : prefixToString(destination),
      action.kind,
      ...(protocol === undefined ? [] : [`protocol ${protocol}`]),
      ...(sourcePorts === undefined ? [] : [`from port ${sourcePorts.first}`]),
    ].join(" "),
  );
}

const DROPPED = "10.2.0.0/24 10.1.0.0/24 blackhole";

test("a bypass policy behind a protect policy leads nothing of it around the tunnel, inbound or outbound (RFC 4301 §4.4.1)", () => {
  assert.deepEqual(rules([SITES, bypass("0.0.0.0/0", "0.0.0.0/0")]), [DROPPED]);
  assert.deepEqual(rules([SITES, bypass("10.0.0.0/8", "10.0.0.0/8")]), [DROPPED]);
});

test("a bypass policy in front lets in what both take, and no more", () => {
  const ssh = { protocol: 6, firstPort: 22, lastPort: 22 };
  assert.deepEqual(rules([bypass("0.0.0.0/0", "0.0.0.0/0", ssh), SITES]), [
    "10.2.0.0/24 10.1.0.0/24 lookup protocol 6 from port 22",
    DROPPED,
  ]);
  assert.deepEqual(rules([bypass("10.1.0.0/16", "10.2.0.7", ssh), SITES]), [
    "10.2.0.7/32 10.1.0.0/24 lookup protocol 6 from port 22",
    DROPPED,
  ]);
  assert.deepEqual(rules([bypass("10.9.0.0/16", "0.0.0.0/0"), SITES]), [DROPPED]);
});

test("S81: rules drop nothing of a policy that lets clear packets in, unless another policy protects the same", () => {
  const lets = { ...protect(["10.1.0.0/24"], ["10.3.0.0/24"]), inClear: "inbound" as const };
  assert.deepEqual(rules([lets, SITES]), [DROPPED]);
  assert.deepEqual(rules([{ ...SITES, inClear: "both" as const }]), []);
  assert.deepEqual(rules([{ ...SITES, inClear: "both" as const }, SITES]), [DROPPED]);
});
