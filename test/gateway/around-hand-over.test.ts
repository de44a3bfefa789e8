// What stands around the engine, as another process gets it: it goes on where it was, whatever its configuration says at first.
import assert from "node:assert/strict";
import { test } from "node:test";
import type { ClearFallback } from "#core/connection";
import { millis } from "#core/units";
import { ChildStarts } from "#gateway/child-starts";
import { TotalsOfChildren } from "#gateway/child-totals";
import { ClearFallbacks } from "#gateway/clear-fallback";
import { MessageCounts } from "#gateway/message-counts";
import { PeerNames } from "#gateway/peer-names";
import { Tunnels } from "#gateway/tunnels";
import { decodeState, encodeState } from "#process/state-codec";
import { childConfig, connectionConfig, ikeConfig } from "#test/sim/control-pair";
import { address, seededRandom } from "#test/sim/gateway-pair";
import { selector } from "#test/sim/specs";

/** As another process gets it. */
function crossed<State>(state: State): State {
  return decodeState(encodeState(state)) as State;
}

const at = millis(10_000);
const later = (span: number) => millis(at + span);

test("a start that failed is tried again when it would have been; one that an operator ended is not begun by its configuration", () => {
  const children = [
    childConfig({ name: "failing", startAction: "start" }),
    childConfig({ name: "ended", startAction: "start" }),
    childConfig({ name: "lifted", startAction: "trap" }),
  ];
  const connections = [connectionConfig(children, { keyingTries: 0 })];
  const former = new ChildStarts(seededRandom(1));
  former.configure(connections, at);
  assert.equal(former.due(at).length, 2);
  const retryAt = former.failed("gw/failing", undefined, at);
  former.up("gw/ended");
  former.lost("gw/ended", "operator", at);
  former.trap("gw/lifted", false);
  assert.ok(retryAt !== undefined && retryAt > at);

  const next = new ChildStarts(seededRandom(2));
  next.configure(connections, later(100));
  next.thaw(crossed(former.freeze()));
  assert.equal(next.nextTimeout, retryAt);
  assert.deepEqual(next.due(later(100)), []);
  assert.deepEqual(next.trapped, []);
  assert.deepEqual(next.due(retryAt), [{ connection: "gw", child: "failing", trigger: "start" }]);
});

test("S53–S55: who is in clear stays so and negotiates on, who was secured once never falls back", () => {
  const fallback: ClearFallback = {
    after: millis(1000),
    mismatchToo: false,
    retry: { mode: "interval", every: millis(5000) },
  };
  const children = ["clear", "secured", "waiting"].map((name) => childConfig({ name, fallback }));
  const connections = [connectionConfig(children)];
  const former = new ClearFallbacks();
  former.configure(connections);
  former.secured("gw/secured");
  former.began("gw/clear", at);
  assert.deepEqual(
    former.timeout(later(1000)).map(({ kind }) => kind),
    ["clear"],
  );
  for (const name of ["gw/secured", "gw/waiting"]) former.began(name, later(1000));

  const next = new ClearFallbacks();
  next.configure(connections);
  next.thaw(crossed(former.freeze()));
  assert.deepEqual(next.counts, { total: 1, now: 1 });
  assert.deepEqual(next.inClear("gw/clear"), former.inClear("gw/clear"));
  assert.equal(next.nextTimeout, later(2000));
  assert.deepEqual(
    next.timeout(later(3000)).map(({ kind, policy }) => [kind, policy]),
    [["clear", "gw/waiting"]],
  );
  assert.deepEqual(
    next.timeout(later(6000)).map(({ kind, policy }) => [kind, policy]),
    [["negotiate", "gw/clear"]],
  );
  assert.equal(next.inClear("gw/secured"), undefined);
});

test("a name that was asked for is asked for again, and the start that waits for it begins then", () => {
  const connection = connectionConfig([childConfig()], { remoteAddresses: [{ kind: "name", name: "peer.example" }] });
  const start = { connection: "gw", child: "net", trigger: "start" } as const;
  const former = new PeerNames();
  assert.deepEqual(former.find(connection, start), { waiting: "peer.example" });
  former.resolve("other.example", [address("192.0.2.9")]);

  const next = new PeerNames();
  assert.deepEqual(next.thaw(crossed(former.freeze())), ["peer.example"]);
  assert.deepEqual(next.known.get("other.example"), [address("192.0.2.9")]);
  assert.deepEqual(next.resolve("peer.example", [address("192.0.2.2")]), [start]);
});

test("policies that pairs brought stand where they stood, and the next one gets a name of its own", () => {
  const config = ikeConfig([connectionConfig([childConfig()])]);
  const agreed = (remote: string) => ({
    connection: "gw",
    child: "net",
    localSelectors: [selector("10.1.0.0/16")],
    remoteSelectors: [selector(remote)],
    mode: "tunnel" as const,
    local: { address: address("192.0.2.1"), port: 4500 },
    remote: { address: address("192.0.2.2"), port: 4500 },
  });
  const former = new Tunnels();
  former.configure(config, [], new Map());
  const { tunnel } = former.find(agreed("10.2.7.0/24"));

  const next = new Tunnels();
  next.thaw(crossed(former.freeze()));
  next.configure(config, [], new Map());
  assert.deepEqual(next.policies, former.policies);
  assert.deepEqual(next.find(agreed("10.2.7.0/24")), { tunnel: next.tunnel(tunnel.policy), isNew: false });
  assert.notEqual(next.find(agreed("10.2.8.0/24")).tunnel.policy, tunnel.policy);
});

test("messages and what pairs that are gone carried are counted on", () => {
  const message = new Uint8Array(28);
  message[17] = 0x20;
  message[18] = 34;
  const former = new MessageCounts();
  former.received(message);
  former.sent(message);
  const next = new MessageCounts();
  next.received(message);
  next.thaw(crossed(former.freeze()));
  assert.deepEqual([next.table.in["ike_sa_init"], next.table.out["ike_sa_init"]], [2, 1]);
  assert.equal(next.exchanges.get("ike_sa_init-in-req"), 2);

  const tunnel = { policy: "gw/net", connection: "gw", child: "net" };
  const direction = { octets: 500, packets: 5, drops: 1, icvFailures: 0, replays: 1, misfits: 0 };
  const side = { ...direction, spi: "0x1", state: "mature", keyOctets: 600, lastUsed: 77 } as const;
  const totals = new TotalsOfChildren();
  totals.retire(tunnel, { inbound: side, outbound: side });
  const counted = new TotalsOfChildren();
  counted.thaw(crossed(totals.freeze()));
  const { inbound, lastInbound } = counted.begin(tunnel);
  assert.deepEqual([inbound, lastInbound], [direction, 77]);
});
