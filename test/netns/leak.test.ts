// The lab's network (src/lab/network.ts); what is not protected leaves by the default routes over the wan:
//
//     host A ---- gateway A ==== wan, sniffers at both ends ==== gateway B ---- host B
import assert from "node:assert/strict";
import { test } from "node:test";
import { DEMO_PLAN, type GatewayJson, gatewayConfigs } from "#lab/gateway-config";
import { hostA, hostB, Lab } from "#lab/lab";
import { eventually, mustBeSilent, mustFlow } from "./lab.ts";
import { NEEDS_ROOT } from "./root.ts";

test("kill -9 of a gateway under traffic: nothing leaves in clear; with new keys both go on", NEEDS_ROOT, async () => {
  await using lab = new Lab(1500);
  const { a, b } = await lab.startHosts();
  // The sniffers see what is clear: without gateways all of it.
  const control = lab.openTap();
  await a.flow(hostB(b), 900, 10, 1000, 64);
  assert.equal((await b.finalFlowReport(900, 10)).received, 10);
  assert.equal(control.report().innerPackets, 10);

  const gateways = await lab.startGateways(DEMO_PLAN);
  const tap = lab.openTap();
  const flows = Promise.all([
    a.flow(hostB(b), 901, 3000, 2000, 64),
    b.flow(hostA(a), 902, 3000, 2000, 64),
    b.pull(hostA(a), 1.5),
  ]);
  await eventually("traffic flows", async () => (await b.flowReport(901)).received > 200);
  gateways.a.process.signal("SIGKILL");
  await gateways.a.process.ended;
  const atDeath = (await b.flowReport(901)).received;
  await flows;
  const { received } = await b.finalFlowReport(901, 3000);
  assert.ok(atDeath < 2500, "the gateway died too late to prove anything");
  assert.ok(received < 3000, "somebody else forwarded the rest");
  mustBeSilent(tap);

  // The other one dies too: their hosts still cannot talk in clear.
  await gateways.b.process.end("SIGKILL");
  assert.equal((await a.echo(hostB(b), 1, 64)).lost, 1);
  mustBeSilent(tap);

  await lab.startGateways(DEMO_PLAN);
  await mustFlow(hostA(a), hostB(b));
  await mustFlow(hostB(b), hostA(a));
  mustBeSilent(tap);
});

test(
  "clear packets from the wan for a protected selector do not reach the host (RFC 4301 §5.2)",
  NEEDS_ROOT,
  async () => {
    await using lab = new Lab(1500);
    const { a, b } = await lab.startHosts();
    const gateways = await lab.startGateways(DEMO_PLAN);
    await mustFlow(hostA(a), hostB(b));
    // A wanted stop of A lifts its block: now it forwards what host A sends in clear, just as a forger on the wan would.
    assert.equal(await gateways.a.process.end("SIGTERM"), 0);
    const tap = lab.openTap();
    for (const [family, flow] of [
      [4, 910],
      [6, 911],
    ] as const) {
      await a.flow(hostB(b, family), flow, 50, 1000, 64);
      assert.equal((await b.finalFlowReport(flow, 50)).received, 0, `IPv${family}`);
    }
    assert.equal(tap.report().innerPackets, 100, "the forged packets were on the wire");
  },
);

/** Behind the protect policies everything else is let through. */
function withBypass(config: GatewayJson): GatewayJson {
  const { policies }: { readonly policies: readonly object[] } = JSON.parse(JSON.stringify(config));
  const rest = [
    { name: "rest4", action: "bypass", local: "0.0.0.0/0", remote: "0.0.0.0/0" },
    { name: "rest6", action: "bypass", local: "::/0", remote: "::/0" },
  ];
  return { ...config, policies: [...policies, ...rest] };
}

test("a bypass policy for everything else leads nothing protected around the tunnel", NEEDS_ROOT, async () => {
  await using lab = new Lab(1500);
  const { a, b } = await lab.startHosts();
  const configs = gatewayConfigs(DEMO_PLAN);
  const gateways = {
    a: lab.launch(lab.network.gatewayA, withBypass(configs.a)),
    b: lab.launch(lab.network.gatewayB, withBypass(configs.b)),
  };
  await Promise.all([gateways.a.ready(), gateways.b.ready()]);
  const tap = lab.openTap();
  for (const family of [4, 6] as const) {
    await mustFlow(hostA(a, family), hostB(b, family));
    await mustFlow(hostB(b, family), hostA(a, family));
  }
  mustBeSilent(tap);
  await gateways.a.process.end("SIGKILL");
  for (const family of [4, 6] as const) {
    await a.flow(hostB(b, family), 920 + family, 20, 1000, 64);
    assert.equal((await b.finalFlowReport(920 + family, 20)).received, 0, `IPv${family}`);
  }
  mustBeSilent(tap);
});
