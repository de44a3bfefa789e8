// The lab's network (src/lab/network.ts): a gateway whose peer does not negotiate, then does, then is lost.
import assert from "node:assert/strict";
import { test } from "node:test";
import { connectionText, freshSecret, IKE_PLAN, type IkePlan, MAIN_FILE, mainFile, secretsText } from "#lab/ike-config";
import { hostA, hostB, Lab } from "#lab/lab";
import { SITE_A, SITE_B } from "#lab/network";
import { eventually, mustBeSilent, mustFlow } from "./lab.ts";
import { NEEDS_ROOT } from "./root.ts";

const PLAN: IkePlan = { ...IKE_PLAN, startAction: "trap" };

test(
  "S53: nobody negotiates: in clear, both ways and through routes and guards; protected when somebody does; then never again",
  NEEDS_ROOT,
  async () => {
    await using lab = new Lab(1500);
    const { a, b } = await lab.startHosts();
    const secrets = secretsText(freshSecret());
    const child = "fallback_to_clear = yes\nfallback_after = 1s\nfallback_every = 2s";
    const falling = connectionText({ ...PLAN, child }, SITE_A);
    const left = lab.launchIke(lab.network.gatewayA, { [MAIN_FILE]: mainFile(falling, secrets) });
    await left.ready();
    await a.flow(hostB(b), 940, 1, 1000, 64);
    await eventually("it is in clear", async () => (await left.status()).tunnels[0]?.state === "clear");
    assert.equal((await b.finalFlowReport(940, 1)).received, 1, "it waited, and went in clear");
    await mustFlow(hostA(a), hostB(b));
    await mustFlow(hostB(b), hostA(a));
    const [tunnel] = (await left.status()).tunnels;
    assert.equal(tunnel?.state, "clear");
    assert.match(tunnel.clear?.because ?? "", /^nobody answers/);
    assert.match(left.process.log, /s2s\/net goes IN CLEAR from now on: nobody answers/);

    const right = lab.launchIke(lab.network.gatewayB, { [MAIN_FILE]: mainFile(connectionText(PLAN, SITE_B), secrets) });
    await right.ready();
    await eventually("a pair", async () => (await left.status()).tunnels[0]?.state === "up");
    assert.match(left.process.log, /s2s\/net does not go in clear any more/);
    const tap = lab.openTap();
    await mustFlow(hostA(a), hostB(b));
    await mustFlow(hostB(b), hostA(a));
    mustBeSilent(tap);

    await right.process.end("SIGKILL");
    await left.act("terminate", "s2s").catch(() => undefined);
    assert.equal((await a.echo(hostB(b), 3, 64)).lost, 3);
    mustBeSilent(tap);
    const [lost] = (await left.status()).tunnels;
    assert.notEqual(lost?.state, "clear");
    assert.deepEqual((await left.status()).fallbacks, { total: 1, now: 0 });
  },
);

test(
  "S81: what the peer sends in clear is taken, and the answer is protected or does not leave",
  NEEDS_ROOT,
  async () => {
    await using lab = new Lab(1500);
    const { a, b } = await lab.startHosts();
    const secrets = secretsText(freshSecret());
    const accepting = connectionText({ ...IKE_PLAN, child: "accept_clear = yes" }, SITE_A);
    const left = lab.launchIke(lab.network.gatewayA, { [MAIN_FILE]: mainFile(accepting, secrets) });
    await left.ready();
    const tap = lab.openTap();
    // The other side has no gateway: what comes from there comes in clear.
    await b.flow(hostA(a), 930, 20, 1000, 64);
    assert.equal((await a.finalFlowReport(930, 20)).received, 20);
    assert.equal(tap.report().innerPackets, 20);
    assert.equal((await b.echo(hostA(a), 1, 64)).lost, 1, "the answer waits for an SA");
    assert.equal(tap.report().innerPackets, 21);

    // The answer to a packet in clear begins the negotiation.
    const right = lab.launchIke(lab.network.gatewayB, {
      [MAIN_FILE]: mainFile(connectionText(IKE_PLAN, SITE_B), secrets),
    });
    await right.ready();
    const silent = lab.openTap();
    await eventually("a pair", async () => {
      await a.echo(hostB(b), 1, 64);
      return (await left.status()).tunnels[0]?.state === "up";
    });
    await mustFlow(hostA(a), hostB(b));
    mustBeSilent(silent);
  },
);
