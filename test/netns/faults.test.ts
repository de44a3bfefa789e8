// The lab's network (src/lab/network.ts) with one fault each: what an operator at gateway A is told.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import type { Box } from "#lab/box";
import { freshCertificates, type Span } from "#lab/certificates";
import type { GatewayProcess } from "#lab/gateway-process";
import {
  connectionText,
  freshSecret,
  IKE_PLAN,
  type IkePlan,
  type LabFiles,
  MAIN_FILE,
  mainFile,
  secretsText,
} from "#lab/ike-config";
import { Lab } from "#lab/lab";
import { SITE_A, SITE_B } from "#lab/network";
import { NEEDS_ROOT } from "./root.ts";

const ESPLANADE = fileURLToPath(import.meta.resolve("#cli/esplanade"));
const HOUR = 3_600_000;
const LONG = { ...NEEDS_ROOT, timeout: 150_000 };

interface Told {
  readonly status: number | null;
  readonly out: string;
}

/** Gateways with what they were started with, which stays readable. */
class Faulty implements AsyncDisposable {
  readonly lab: Lab = new Lab(1500);
  readonly home: string = mkdtempSync(join(tmpdir(), "faults-"));
  ours: GatewayProcess | undefined;
  theirs: GatewayProcess | undefined;

  get file(): string {
    return join(this.home, MAIN_FILE);
  }

  static async start(ours: LabFiles, theirs: LabFiles | undefined): Promise<Faulty> {
    const faulty = new Faulty();
    for (const [path, content] of Object.entries(ours)) {
      mkdirSync(dirname(join(faulty.home, path)), { recursive: true, mode: 0o700 });
      writeFileSync(join(faulty.home, path), content, { mode: 0o600 });
    }
    const { gatewayA, gatewayB } = faulty.lab.network;
    const a = faulty.lab.launchIke(gatewayA, ours);
    const b = theirs === undefined ? undefined : faulty.lab.launchIke(gatewayB, theirs);
    await Promise.all([a.ready(), b?.ready()]);
    faulty.ours = a;
    faulty.theirs = b;
    return faulty;
  }

  /** A command at gateway A. */
  esplanade(...words: readonly string[]): Told {
    const socket = ["probe", "check"].includes(words[0] ?? "") ? [] : ["--socket", this.ours?.socket ?? ""];
    return runIn(this.lab.network.gatewayA, process.execPath, [ESPLANADE, ...words, ...socket]);
  }

  /** Resolves when the attempt has ended, however. */
  async initiate(): Promise<void> {
    await this.ours?.ask({ kind: "initiate", target: "s2s/net", ike: false });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.lab[Symbol.asyncDispose]();
    rmSync(this.home, { recursive: true, force: true });
  }
}

function runIn(box: Box, program: string, words: readonly string[]): Told {
  const { status, stdout, stderr } = box.run(() =>
    spawnSync(program, [...words], { encoding: "utf8", timeout: 40_000 }),
  );
  return { status, out: stdout + stderr };
}

function nft(box: Box, rules: string): void {
  const { status, out } = runIn(box, "nft", [rules]);
  assert.equal(status, 0, out);
}

const SECRET = freshSecret();

function pskFiles(plan: IkePlan, letter: "A" | "B", secret = SECRET): LabFiles {
  return { [MAIN_FILE]: mainFile(connectionText(plan, letter === "A" ? SITE_A : SITE_B), secretsText(secret)) };
}

/** Both sides by pre-shared key, theirs with these differences. */
function psk(theirs: Partial<IkePlan> = {}, secret = SECRET): Promise<Faulty> {
  return Faulty.start(pskFiles(IKE_PLAN, "A"), pskFiles({ ...IKE_PLAN, ...theirs }, "B", secret));
}

function certified(span: Span): Promise<Faulty> {
  const plan: IkePlan = { ...IKE_PLAN, auth: "pubkey" };
  const files = freshCertificates("ecdsa256", span);
  const of = (letter: "A" | "B") => mainFile(connectionText(plan, letter === "A" ? SITE_A : SITE_B), "");
  return Faulty.start({ ...files.a, [MAIN_FILE]: of("A") }, { ...files.b, [MAIN_FILE]: of("B") });
}

/** What `why` says after an attempt in vain, with the lines of our file. */
async function whyOf(faulty: Faulty): Promise<string> {
  await faulty.initiate();
  const { status, out } = faulty.esplanade("why", "s2s", "--config", faulty.file);
  assert.equal(status, 1, out);
  return out;
}

test("fault 1: a wrong secret is told as that, with the secrets' line", LONG, async () => {
  await using faulty = await psk({}, freshSecret());
  const out = await whyOf(faulty);
  assert.match(out, /IKE_AUTH: .*secret differs/);
  assert.match(out, /swanctl\.conf:\d+:\d+: secrets \{ ike-/);
  assert.match(faulty.esplanade("status").out, /AUTHENTICATION_FAILED/);
});

test(
  "fault 2: no common proposal: our offer, what came, the line, and a probe that says what the peer takes",
  LONG,
  async () => {
    await using faulty = await psk({ ike: "aes256-sha384-ecp384" });
    const out = await whyOf(faulty);
    assert.match(out, /offered aes128gcm16-prfsha256-x25519\n/);
    assert.match(out, /came back:\n {2}NO_PROPOSAL_CHOSEN/);
    assert.match(out, /swanctl\.conf:4:\d+: make the algorithms/);
    const probe = faulty.esplanade("probe", "192.0.2.2", "--ike-version", "2");
    assert.equal(probe.status, 0, probe.out);
    assert.match(probe.out, /proposals = aes256-sha384-prfsha384-ecp384\n/);
  },
);

test("fault 3: no common selector names both selectors and their lines", LONG, async () => {
  await using faulty = await psk({ localSelectors: "10.2.99.0/24", remoteSelectors: "10.1.99.0/24" });
  const out = await whyOf(faulty);
  assert.match(out, /TS_UNACCEPTABLE/);
  assert.match(out, /selectors 10\.1\.0\.0\/24 === 10\.2\.0\.0\/24/);
  assert.match(out, /swanctl\.conf:\d+:\d+: remote_ts = /);
});

test("faults 4 and 5: a silent peer and a refused port are told apart, with sends and seconds", LONG, async () => {
  await using silent = await psk();
  await using refused = await Faulty.start(pskFiles(IKE_PLAN, "A"), undefined);
  nft(
    silent.lab.network.gatewayB,
    "add table ip wall; add chain ip wall in { type filter hook input priority 0 ; }; add rule ip wall in udp dport { 500, 4500 } drop",
  );
  const [nothing, closed] = await Promise.all([whyOf(silent), whyOf(refused)]);
  assert.match(
    nothing,
    /no answer from 192\.0\.2\.2:500 after 6 sends in 3\d s \(no ICMP error; is UDP 500 filtered\?\)/,
  );
  assert.match(nothing, /swanctl\.conf:\d+:\d+: check remote_addrs/);
  assert.match(closed, /192\.0\.2\.2:500 refuses: no IKE daemon listens there/);
  assert.match(closed, /came back:\n {2}ICMP port unreachable, after \d+ sends/);
  assert.match(silent.esplanade("status").out, /no answer from 192\.0\.2\.2:500/);
});

test("fault 6: an expired certificate is told with its date", LONG, async () => {
  await using faulty = await certified({ from: -48 * HOUR, to: -24 * HOUR });
  const out = await whyOf(faulty);
  assert.match(out, /certificate|AUTHENTICATION_FAILED/);
  const { out: found, status } = faulty.esplanade("doctor", faulty.file);
  assert.equal(status, 1, found);
  assert.match(found, /fail {4}certificate: certificate of .*expired on .*\n {8}mend it: issue a new one/);
});

test("fault 10: a clock before the certificate's first day is told as a clock", LONG, async () => {
  await using faulty = await certified({ from: 24 * HOUR, to: 48 * HOUR });
  await whyOf(faulty);
  const { out } = faulty.esplanade("doctor", faulty.file);
  assert.match(out, /fail {4}clock: certificate of .*is not valid before .*\n {8}mend it: timedatectl set-ntp true/);
});

test("fault 8: an MTU hole is measured", LONG, async () => {
  await using faulty = await psk();
  await faulty.initiate();
  nft(
    faulty.lab.network.gatewayB,
    "add table ip hole; add chain ip hole in { type filter hook prerouting priority -450 ; }; add rule ip hole in ip length > 1300 drop",
  );
  const { status, out } = faulty.esplanade("mtu", "s2s/net");
  assert.equal(status, 0, out);
  assert.match(out, /192\.0\.2\.2: packets of 1300 octets pass \(the route says 1500;/);
  assert.match(out, /MTU hole/);
  assert.match(out, /aes256gcm16 +MTU 1\d\d\d, MSS 1\d\d\d/);
});

test(
  "fault 9: a masquerade rule eats the tunnel's packets: doctor names it, and its remedy mends it",
  LONG,
  async () => {
    await using faulty = await psk();
    const { gatewayA } = faulty.lab.network;
    await faulty.initiate();
    assert.match(faulty.esplanade("wait", "s2s", "--timeout", "5").out, /^up: s2s after/);
    assert.equal(faulty.esplanade("ping", "s2s").status, 0);
    nft(
      gatewayA,
      "add table ip nat; add chain ip nat post { type nat hook postrouting priority 100 ; }; add rule ip nat post masquerade",
    );
    const sick = faulty.esplanade("doctor", "--json");
    const finding = JSON.parse(sick.out).findings.find(({ check }: { check: string }) => check === "masquerade");
    assert.equal(finding.level, "fail", sick.out);
    nft(gatewayA, String(finding.remedy).replace(/^nft /, ""));
    assert.match(faulty.esplanade("doctor", "--all").out, /ok {6}masquerade/);
  },
);

test("a packet is explained by the running gateway and by its file alike", LONG, async () => {
  await using faulty = await psk();
  const words = ["why-packet", "10.1.0.10", "10.2.0.10", "tcp", "40000", "443"];
  assert.match(faulty.esplanade(...words).out, /outbound: waits for an SA: policy s2s\/net/);
  await faulty.initiate();
  assert.match(
    faulty.esplanade(...words).out,
    /outbound: protected: policy s2s\/net protects it: it goes to 192\.0\.2\.2/,
  );
  assert.match(faulty.esplanade(...words, "--config", faulty.file).out, /outbound: protected: .*once the tunnel is up/);
  assert.match(
    faulty.esplanade("why-packet", "10.1.0.10", "10.7.0.1").out,
    /no policy: .*\n {2}nearly: s2s\/net: destination/,
  );
});

test("fault 7: a NAT that gives the peer another port is told by why, and the tunnel goes on", LONG, async () => {
  await using faulty = await psk();
  const { gatewayB } = faulty.lab.network;
  nft(
    gatewayB,
    'add table ip nat; add chain ip nat post { type nat hook postrouting priority srcnat; }; add rule ip nat post oifname "wan" udp dport { 500, 4500 } snat to 192.0.2.2:20000-30000 fully-random',
  );
  // The peer begins: it is the one behind the NAT.
  await faulty.theirs?.ask({ kind: "initiate", target: "s2s/net", ike: false });
  for (const name of ["udp_timeout", "udp_timeout_stream"]) gatewayB.sysctl(`net/netfilter/nf_conntrack_${name}`, "1");
  const echo = () =>
    runIn(gatewayB, process.execPath, [ESPLANADE, "ping", "s2s", "--socket", faulty.theirs?.socket ?? ""]);
  assert.equal(echo().status, 0);
  let told = "";
  for (let i = 0; i < 8 && !/noticed:/.test(told); i++) {
    // The NAT forgets who is silent for a second.
    await pause(3000);
    assert.equal(echo().status, 0, "the tunnel goes on");
    told = faulty.esplanade("why", "s2s").out;
  }
  assert.match(
    told,
    /s2s: the peer is at 192\.0\.2\.2:2\d{4} now, it was at 192\.0\.2\.2:2\d{4}: its NAT has a new mapping/,
  );
});
