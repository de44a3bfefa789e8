// Gateways with several lanes in the lab's network (src/lab/network.ts); an SA pair of its own in each lane (RFC 9611):
//
//     host A ---- gateway A  lane 0 ==== lane 0  gateway B ---- host B
//                            lane 1 ==== lane 1
import assert from "node:assert/strict";
import { test } from "node:test";
import { prefixToString } from "#core/address";
import { ensureNoLink, findLink } from "#io/links";
import { listRoutes, listRules } from "#io/routes";
import type { Agent } from "#lab/agent";
import type { Box } from "#lab/box";
import { bothDirections, kernelDrops } from "#lab/counters";
import { DEMO_PLAN, type TunnelPlan } from "#lab/gateway-config";
import type { GatewayProcess } from "#lab/gateway-process";
import { type Gateways, hostA, hostB, Lab } from "#lab/lab";
import { laneConfigs } from "./lane-configs.ts";
import { NEEDS_ROOT } from "./root.ts";

/** The gateway's own routing table (src/process/network.ts). */
const TABLE = 4301;
const TUN = "esp0";
const END_SECONDS = 10;

async function startLanes(lab: Lab, plan: TunnelPlan, lanes: number): Promise<Gateways> {
  const configs = laneConfigs(plan, lanes);
  const gateways = {
    a: lab.launch(lab.network.gatewayA, configs.a),
    b: lab.launch(lab.network.gatewayB, configs.b),
  };
  await Promise.all([gateways.a.ready(), gateways.b.ready()]);
  return gateways;
}

/** Many TCP streams and numbered datagrams at once, both ways; each its own flow for the TUN devices' queues. */
async function manyFlows(a: Agent, b: Agent, family: 4 | 6): Promise<void> {
  const streams = Array.from({ length: 12 }, (_, i) =>
    i % 2 === 0 ? b.pull(hostA(a, family), END_SECONDS, 400_000) : a.pull(hostB(b, family), END_SECONDS, 400_000),
  );
  const numbers = Array.from({ length: 16 }, (_, i) => 100 * family + i);
  const flows = numbers.map((flow) => a.flow(hostB(b, family), flow, 60, 200, 300));
  for (const { octets, damaged } of await Promise.all(streams)) {
    assert.ok(octets >= 400_000, `TCP stopped after ${octets} octets`);
    assert.equal(damaged, 0);
  }
  const sent = await Promise.all(flows);
  assert.equal((await a.echo(hostB(b, family), 1, 64)).lost, 0, "what comes after the last datagram has come");
  for (const [i, flow] of numbers.entries()) {
    const { longestGap: _, ...counts } = await b.flowReport(flow);
    assert.deepEqual(counts, { received: sent[i]?.sent, duplicates: 0, reordered: 0, damaged: 0 });
  }
}

async function mustShare(gateway: GatewayProcess, policies: readonly string[], lanes: number): Promise<void> {
  const { children, drops } = await gateway.snapshot();
  for (const name of ["unknown_spi", "lane_overload", "no_key", "replayed", "no_sa"])
    assert.equal(drops[name] ?? 0, 0, `${gateway.process.name}: ${name}`);
  for (const policy of policies) {
    const own = children.filter((child) => child.policy === policy);
    assert.equal(own.length, lanes);
    for (const { inbound, outbound } of own) {
      assert.ok(outbound.packets > 0, `${policy}: SA ${outbound.spi} carried nothing out`);
      assert.ok(inbound.packets > 0, `${policy}: SA ${inbound.spi} carried nothing in`);
    }
  }
}

/** A wanted stop leaves nothing. */
async function mustEndClean(gateway: GatewayProcess, box: Box): Promise<void> {
  assert.equal(await gateway.process.end("SIGTERM"), 0, gateway.process.log);
  box.run(() => {
    assert.equal(findLink(TUN), undefined);
    for (const family of [4, 6] as const) {
      assert.deepEqual(listRoutes(family, TABLE), []);
      assert.ok(listRules(family).every(({ priority }) => priority < 4299 || priority > 4301));
    }
  });
}

const TUNNELS: readonly (readonly [what: string, lanes: number, plan: Partial<TunnelPlan>])[] = [
  ["ESP in UDP over IPv4", 2, {}],
  ["ESP in UDP over IPv6", 3, { outside: 6 }],
  ["raw ESP over IPv4", 2, { encapsulation: "none" }],
  ["raw ESP over IPv6", 2, { encapsulation: "none", outside: 6 }],
  ["AH over IPv4", 2, { protocol: "ah", encapsulation: "none", suite: "sha256" }],
  ["a bundle of AH over ESP over IPv6", 2, { encapsulation: "none", outside: 6, bundle: "sha256" }],
];

for (const [what, lanes, changes] of TUNNELS)
  test(
    `${lanes} lanes, ${what}: all lanes carry, each flow in order, no packet at a wrong lane`,
    NEEDS_ROOT,
    async () => {
      await using lab = new Lab(1500);
      const { a, b } = await lab.startHosts();
      const gateways = await startLanes(lab, { ...DEMO_PLAN, ...changes }, lanes);
      const tap = lab.openTap();
      for (const family of [4, 6] as const) await manyFlows(a, b, family);
      const { sent, received } = await bothDirections(gateways);
      const { gatewayA, gatewayB } = lab.network;
      assert.equal(kernelDrops(gatewayA) + kernelDrops(gatewayB), 0, "the sockets had room for all");
      assert.deepEqual(received, sent);
      await mustShare(gateways.a, ["net4", "net6"], lanes);
      await mustShare(gateways.b, ["net4", "net6"], lanes);
      assert.equal(tap.report().clearPackets, 0);
      await mustEndClean(gateways.a, gatewayA);
      await mustEndClean(gateways.b, gatewayB);
    },
  );

for (const lanes of [1, 2])
  test(
    `when a lane of ${lanes} dies, the gateway says why and exits with 1, and the block stays`,
    NEEDS_ROOT,
    async () => {
      await using lab = new Lab(1500);
      const { a, b } = await lab.startHosts();
      const gateways = await startLanes(lab, DEMO_PLAN, lanes);
      assert.equal((await a.echo(hostB(b), 3, 64)).lost, 0);
      const tap = lab.openTap();
      const { gatewayA } = lab.network;
      const flow = a.flow(hostB(b), 1, 400, 1000, 64);
      // The lane's next read of its queue fails: the device behind the descriptor is gone.
      gatewayA.run(() => ensureNoLink(TUN));
      const [status] = await Promise.all([gateways.a.process.ended, flow]);
      assert.equal(status, 1, gateways.a.process.log);
      assert.match(
        gateways.a.process.log,
        /^esplanade: lane \d ended: TUN device and sockets: read TUN failed with EBADFD; somebody removed the TUN device: .*; protected traffic stays blocked/m,
      );
      assert.equal((await a.echo(hostB(b), 1, 64)).lost, 1);
      assert.equal(tap.report().clearPackets, 0, tap.report().example);
      gatewayA.run(() => {
        assert.equal(findLink(TUN), undefined);
        const routes = listRoutes(4, TABLE).map((route) => `${route.kind} ${prefixToString(route.destination)}`);
        assert.deepEqual(routes, ["unreachable 10.2.0.0/24"]);
      });
    },
  );
