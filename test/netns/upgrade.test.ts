// The lab's network (src/lab/network.ts): gateways that new processes take over under load (docs/upgrade.md).
import assert from "node:assert/strict";
import { test } from "node:test";
import { DEMO_PLAN } from "#lab/gateway-config";
import type { GatewayProcess } from "#lab/gateway-process";
import { hostA, hostB, Lab } from "#lab/lab";
import { eventually } from "#lab/wait";
import { mustBeSilent, mustFlow } from "./lab.ts";
import { laneConfigs } from "./lane-configs.ts";
import { NEEDS_ROOT } from "./root.ts";

const MTU = 1500;
const UPGRADES = 3;
const LANES = 2;
/** A start of the program, on a machine that has others to do. */
const UPGRADE_SECONDS = 30;
/** Datagrams of one flow, and a second of it. */
const FLOW = 1000;

/** How often a process of this line has taken over and is ready. */
function takenOver(gateway: GatewayProcess): number {
  return gateway.process.log.match(/^taken over: /gm)?.length ?? 0;
}

async function upgraded(gateway: GatewayProcess, times: number): Promise<void> {
  gateway.process.signal("SIGUSR2");
  await eventually(`upgrade ${times}`, UPGRADE_SECONDS, () => {
    assert.doesNotMatch(gateway.process.log, /no upgrade/);
    return takenOver(gateway) >= times;
  });
}

test(
  `keys by hand, ${LANES} lanes: ${UPGRADES} upgrades of a gateway that is under load lose and repeat no packet`,
  NEEDS_ROOT,
  async () => {
    await using lab = new Lab(MTU);
    const hosts = await lab.startHosts();
    const configs = laneConfigs(DEMO_PLAN, LANES);
    const a = lab.launch(lab.network.gatewayA, configs.a);
    const b = lab.launch(lab.network.gatewayB, configs.b);
    await Promise.all([a.ready(), b.ready()]);
    await mustFlow(hostA(hosts.a), hostB(hosts.b));
    const tap = lab.openTap();
    let upgrading = true;
    const stream = async (
      from: typeof hosts.a,
      to: typeof hosts.b,
      target: ReturnType<typeof hostA>,
      first: number,
    ) => {
      let lost = 0;
      for (let flow = first; upgrading; flow += 2) {
        const { sent } = await from.flow(target, flow, FLOW, FLOW, 300);
        const { received, duplicates, damaged } = await to.finalFlowReport(flow, sent);
        assert.deepEqual([duplicates, damaged], [0, 0]);
        lost += sent - received;
      }
      return lost;
    };
    const streams = Promise.all([
      stream(hosts.a, hosts.b, hostB(hosts.b), 1001),
      stream(hosts.b, hosts.a, hostA(hosts.a), 1002),
    ]);
    for (let times = 1; times <= UPGRADES; times++) await upgraded(a, times);
    upgrading = false;
    assert.deepEqual(await streams, [0, 0], "packets lost");
    mustBeSilent(tap);
  },
);
