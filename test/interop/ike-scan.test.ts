// ike-scan, a foreign prober that knows IKEv1's handshakes and retransmissions, at ours in the lab's network
// (src/lab/network.ts). RFC 2409 §5.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { type TestOptions, test } from "node:test";
import type { Agent } from "#lab/agent";
import type { GatewayProcess } from "#lab/gateway-process";
import { connectionText, freshSecret, IKE_PLAN_1, MAIN_FILE, mainFile, secretsText } from "#lab/ike-config";
import { Lab } from "#lab/lab";
import { SITE_A } from "#lab/network";
import { NEEDS_ROOT } from "#test/netns/root";

const MISSING =
  spawnSync("ike-scan", ["--version"], { stdio: "ignore" }).status === 0 ? false : "SKIPPED: no ike-scan here";
if (MISSING !== false) console.error(MISSING);
const NEEDS_IKE_SCAN: TestOptions = { ...NEEDS_ROOT, skip: NEEDS_ROOT.skip || MISSING };

const OURS = "192.0.2.1";
const SECONDS = 30;
/** How long it waits for repeats of our answer. */
const BACKOFF_SECONDS = 8;

/** What it offers by itself begins with this one. */
const CONNECTION = connectionText({ ...IKE_PLAN_1, ike: "3des-sha1-modp1024", connection: "allow_weak = yes" }, SITE_A);

interface Scanned {
  readonly ours: GatewayProcess;
  readonly prober: Agent;
}

async function besides(work: (scanned: Scanned) => Promise<void>): Promise<void> {
  await using lab = new Lab(1500);
  const { gatewayA, gatewayB } = lab.network;
  const ours = lab.launchIke(gatewayA, { [MAIN_FILE]: mainFile(CONNECTION, secretsText(freshSecret())) });
  const [prober] = await Promise.all([lab.startAgent(gatewayB), ours.ready()]);
  await work({ ours, prober });
}

async function scan({ prober }: Scanned, ...words: readonly string[]): Promise<string> {
  const { status, stdout } = await prober.execute(SECONDS, "ike-scan", "--retry=1", ...words, OURS);
  assert.equal(status, 0, stdout);
  return stdout;
}

const summary = (handshakes: number, notifies: number) =>
  new RegExp(`${handshakes} returned handshake; ${notifies} returned notify`);

test("main mode: our handshake is shown, with one transform of those offered", NEEDS_IKE_SCAN, () =>
  besides(async (scanned) => {
    const output = await scan(scanned);
    assert.match(output, summary(1, 0));
    assert.match(output, /192\.0\.2\.1\tMain Mode Handshake returned/);
    assert.match(
      output,
      /SA=\(Enc=3DES Hash=SHA1 (Auth=PSK )?Group=2:modp1024 (Auth=PSK )?LifeType=Seconds LifeDuration/,
    );
  }),
);

test("main mode with transforms that nobody configured: NO-PROPOSAL-CHOSEN and nothing else", NEEDS_IKE_SCAN, () =>
  besides(async (scanned) => {
    // DES, MD5, PSK, modp768.
    const output = await scan(scanned, "--trans=1,1,1,1");
    assert.match(output, summary(0, 1));
    assert.match(output, /Notify message 14 \(NO-PROPOSAL-CHOSEN\)/);
  }),
);

test("aggressive mode with a pre-shared key is refused: no hash to guess the key by", NEEDS_IKE_SCAN, () =>
  besides(async (scanned) => {
    const output = await scan(scanned, "--aggressive", "--id=gw-b", "--trans=5,2,1,2");
    assert.match(output, /0 returned handshake/);
    assert.doesNotMatch(output, /Aggressive Mode Handshake|Hash\(/);
    const { ikeSas, halfOpen } = await scanned.ours.status();
    assert.deepEqual([ikeSas, halfOpen], [[], 0]);
  }),
);

test("no storm: a responder never repeats by itself (RFC 2408 §5.1)", NEEDS_IKE_SCAN, () =>
  besides(async (scanned) => {
    const output = await scan(scanned, `--showbackoff=${BACKOFF_SECONDS}`);
    assert.match(output, summary(1, 0));
    const received = [...output.matchAll(/^192\.0\.2\.1\t(\d+)\t/gm)].map(([, number]) => Number(number));
    assert.deepEqual(received, [1]);
  }),
);
