// A strongSwan operator's day: Debian's swanctl, unmodified, loads an operator's files into a gateway of ours that was started
// without any, and drives it against a real strongSwan. Topology: src/lab/network.ts, ours is gateway A.
import assert from "node:assert/strict";
import type { ChildProcess } from "node:child_process";
import { test } from "node:test";
import {
  connectionText,
  freshSecret,
  IKE_PLAN,
  IKE_PLAN_1,
  type IkePlan,
  mainFile,
  secretsText,
} from "#lab/ike-config";
import { Lab } from "#lab/lab";
import { siteAt } from "#lab/network";
import { Strongswan } from "#lab/strongswan";
import { eventually } from "#test/netns/lab";
import { LabAuthority } from "./lab-authority.ts";
import { NEEDS_STRONGSWAN } from "./strongswan.ts";
import { Swanctl } from "./swanctl.ts";

/** What makes it a gateway that waits for its connections. */
const NO_CONNECTIONS = { "swanctl.conf": "esplanade {\n}\n" };
const PLAN: IkePlan = { ...IKE_PLAN, ike: "aes256-sha256-modp2048", esp: "aes128gcm16-modp2048" };
const NETS = { local: "10.1.0.0/24", remote: "10.2.0.0/24" };

/** All that a command which goes on has printed. */
class Heard {
  text = "";

  constructor({ stdout }: ChildProcess) {
    stdout?.setEncoding("utf8").on("data", (text: string) => {
      this.text += text;
    });
  }

  until(what: RegExp): Promise<void> {
    return eventually(`${what} in:\n${this.text}`, () => what.test(this.text));
  }
}

/** What --list-sas says once it has this form: the first CHILD_SA has no exchange of its own and is rekeyed for its group at once. */
async function listed(swanctl: Swanctl, form: RegExp): Promise<string> {
  let text = "";
  await eventually("the SAs are listed so", async () => {
    text = await swanctl.run("--list-sas");
    return form.test(text);
  }).catch(() => assert.match(text, form));
  return text;
}

async function ping(lab: Lab): Promise<void> {
  const hosts = await lab.startHosts();
  await eventually("pings through the tunnel", async () => {
    const { status, stdout } = await hosts.a.execute(10, "ping", "-n", "-c", "3", "-i", "0.05", "10.2.0.10");
    return status === undefined || / 0% packet loss/.test(stdout);
  });
}

test(
  "with a secret: loaded, brought up, listed, rekeyed, watched, terminated, unloaded",
  NEEDS_STRONGSWAN,
  async () => {
    await using lab = new Lab(1500);
    const { gatewayA, gatewayB } = lab.network;
    const secrets = secretsText(freshSecret());
    const ours = lab.launchIke(gatewayA, NO_CONNECTIONS);
    await ours.ready();
    await using peer = await Strongswan.start(gatewayB, { connections: connectionText(PLAN, siteAt("B", 0)), secrets });
    using swanctl = new Swanctl(ours.vici, { "swanctl.conf": mainFile(connectionText(PLAN, siteAt("A", 0)), secrets) });

    assert.match(await swanctl.run("--version", "--daemon"), /^strongSwan [\d.]+ esplanade \(Linux, \S+, \w+\)\n$/);
    assert.equal(
      await swanctl.run("--load-all"),
      [
        "loaded ike secret 'ike-lab'",
        "no authorities found, 0 unloaded",
        "no pools found, 0 unloaded",
        "loaded connection 's2s'",
        "successfully loaded 1 connections, 0 unloaded\n",
      ].join("\n"),
    );
    assert.equal(
      await swanctl.run("--list-conns"),
      `s2s: IKEv2, no reauthentication, rekeying every 14400s, dpd delay 30s
  local:  192.0.2.1
  remote: 192.0.2.2
  local pre-shared key authentication:
    id: gw-a
  remote pre-shared key authentication:
    id: gw-b
  net: TUNNEL, rekeying every 3600s, dpd action is none
    local:  ${NETS.local}
    remote: ${NETS.remote}
`,
    );

    const monitor = new Heard(swanctl.start("--monitor-sa", "--raw"));
    const log = new Heard(swanctl.start("--log"));
    // Whoever is answered later was heard later.
    await swanctl.run("--stats");
    const initiated = await swanctl.run("--initiate", "--child", "net");
    assert.match(initiated, /^\[IKE\] s2s: up with 192\.0\.2\.2:\d+ \(gw-b\)/);
    assert.match(initiated, /^\[CHD\] s2s\/net: up$/m);
    assert.match(initiated, /^initiate completed successfully$/m);
    await monitor.until(
      /^ike-updown event \{up=yes s2s \{uniqueid=\d+ version=2 state=ESTABLISHED local-host=192\.0\.2\.1 /m,
    );
    await monitor.until(/^child-updown event \{up=yes s2s \{.* child-sas \{net-\d+ \{name=net .*spi-in=[0-9a-f]{8} /m);
    await log.until(/^00\[IKE\] s2s: up with 192\.0\.2\.2/m);

    await listed(swanctl, /^s2s: .*\n( {2}[^n].*\n)*( {2}net: .* INSTALLED, .*\/MODP_2048\n)( {4}.*\n)*$/);
    await ping(lab);
    assert.match(
      await swanctl.run("--list-sas"),
      /^s2s: #\d+, ESTABLISHED, IKEv2, [0-9a-f]{16}_i\* [0-9a-f]{16}_r\n {2}local {2}'gw-a' @ 192\.0\.2\.1\[4500\]\n {2}remote 'gw-b' @ 192\.0\.2\.2\[4500\]\n {2}AES_CBC-256\/HMAC_SHA2_256_128\/PRF_HMAC_SHA2_256\/MODP_2048\n {2}established \d+s ago, rekeying in 1\d{4}s\n {2}net: #\d+, reqid 1, INSTALLED, TUNNEL-in-UDP, ESP:AES_GCM_16-128\/MODP_2048\n {4}installed \d+s ago, rekeying in 3\d\d\ds, expires in 39\d\ds\n {4}in {2}[0-9a-f]{8}, +\d{3,} bytes, +\d+ packets, +\d+s ago\n {4}out [0-9a-f]{8}, +\d{3,} bytes, +\d+ packets, +\d+s ago\n {4}local {2}10\.1\.0\.0\/24\n {4}remote 10\.2\.0\.0\/24\n$/,
    );
    assert.equal(await swanctl.run("--list-sas", "--ike", "other"), "");
    assert.match(
      await swanctl.run("--list-sas", "--raw", "--noblock"),
      /^list-sa event \{s2s \{uniqueid=\d+ .*\nlist-sas reply \{\}\n$/,
    );

    // The same again changes nothing.
    const spis = (text: string) => [...text.matchAll(/\b(?:in|out)\s+([0-9a-f]{8}),/g)].map(([, spi]) => spi).sort();
    const before = spis(await swanctl.run("--list-sas"));
    await swanctl.run("--load-all");
    assert.deepEqual(spis(await swanctl.run("--list-sas")), before);

    assert.equal(await swanctl.run("--rekey", "--child", "net"), "rekey completed successfully\n");
    assert.notDeepEqual(spis(await swanctl.run("--list-sas")), before);
    assert.equal(await swanctl.run("--rekey", "--ike", "s2s"), "rekey completed successfully\n");
    await ping(lab);
    await eventually("the peer has the new ones", async () =>
      /ESTABLISHED, IKEv2[\s\S]*INSTALLED/.test(await peer.listSas("s2s")),
    );

    const counters = await swanctl.run("--counters");
    assert.match(counters, /^global:\n {2}ike-rekey-init {8}: 1\n/);
    assert.match(counters, /^ {2}ike-auth-out-req {6}: 1$/m);
    assert.match(counters, /^ {2}create-child-out-req {2}: [1-9]/m);
    assert.match(await swanctl.run("--counters", "--all"), /^s2s:\n {2}ike-rekey-init {8}: 1\n/);
    assert.match(await swanctl.run("--counters", "--reset"), /completed successfully/);
    assert.match(await swanctl.run("--counters"), /^ {2}ike-auth-out-req {6}: 0$/m);
    assert.match(
      await swanctl.run("--stats"),
      /^uptime: .*, since [A-Z][a-z]{2} [\s\S]*^IKE_SAs: 1 total, 0 half-open$/m,
    );

    assert.equal(await swanctl.run("--list-pols"), "");
    await swanctl.run("--install", "--child", "net");
    assert.equal(
      await swanctl.run("--list-pols"),
      `s2s/net, TUNNEL\n  local:  ${NETS.local}\n  remote: ${NETS.remote}\n`,
    );
    await swanctl.run("--uninstall", "--child", "net");
    assert.equal(await swanctl.run("--list-pols"), "");
    for (const words of [["--reload-settings"], ["--flush-certs"], ["--list-pools"], ["--list-authorities"]])
      assert.equal(await swanctl.run(...words), "", words.join(" "));
    assert.match(await swanctl.run("--list-algs"), /^aead:\n {2}AES_GCM_16\[esplanade\]$/m);
    const redirected = await swanctl.try("--redirect", "--ike", "s2s", "--gateway", "192.0.2.9");
    assert.notEqual(redirected.status, 0);
    assert.match(redirected.output, /^redirect failed: IKE_SAs are not redirected here \(RFC 5685\)/);

    const terminated = await swanctl.run("--terminate", "--child", "net");
    assert.match(terminated, /^\[CHD\] s2s\/net: down: an operator asked for it$/m);
    assert.match(terminated, /^terminate completed successfully$/m);
    await monitor.until(
      /^child-updown event \{s2s \{.* child-sas \{net-\d+ \{name=net uniqueid=\d+ reqid=1 state=DELETING /m,
    );
    await listed(swanctl, /^s2s: #\d+, ESTABLISHED[\s\S]*s\n$/);
    await swanctl.run("--initiate", "--child", "net");

    // A file without it unloads it, and the peer is told.
    swanctl.write({ "swanctl.conf": "connections { }\n" });
    assert.match(await swanctl.run("--load-all"), /^no connections found, 1 unloaded$/m);
    assert.equal(await swanctl.run("--list-conns"), "");
    await eventually("nothing is left at either side", async () => {
      return (await swanctl.run("--list-sas")) === "" && (await peer.listSas("s2s")) === "";
    });
    await monitor.until(/^ike-updown event \{s2s \{uniqueid=\d+ version=2 state=DELETING /m);
    const gone = await swanctl.try("--terminate", "--ike", "s2s");
    assert.deepEqual(gone, { status: gone.status, output: "terminate failed: no matching SAs to terminate found\n" });
    assert.notEqual(gone.status, 0);
  },
);

/** The lab's files of a strongSwan pair with certificates (strongswan-pair.sh writes them so), as they are. */
function labFile(own: "a" | "b"): string {
  const other = own === "a" ? "b" : "a";
  const [me, peer] = own === "a" ? ["192.0.2.1", "192.0.2.2"] : ["192.0.2.2", "192.0.2.1"];
  const [mynet, peernet] = own === "a" ? [NETS.local, NETS.remote] : [NETS.remote, NETS.local];
  return `s2s {
    version = 2

    proposals = aes256-sha256-modp2048
    local_addrs = ${me}
    remote_addrs = ${peer}
    local  { auth = pubkey
             id = gw-${own}
             certs = gw-${own}.pem }
    remote { auth = pubkey
             id = gw-${other} }
    children { net {
      local_ts = ${mynet}
      remote_ts = ${peernet}
      esp_proposals = aes128gcm16-modp2048
      rekey_time = 1h
      start_action = none } }
  }`;
}

for (const kind of ["rsa2048", "ecdsa256"] as const)
  test(`with certificates of ${kind} in swanctl's directories`, NEEDS_STRONGSWAN, async () => {
    await using lab = new Lab(1500);
    const { gatewayA, gatewayB } = lab.network;
    const authority = new LabAuthority(kind, "C=XX, O=peerlab, CN=peerlab");
    const [a, b] = [authority.issue("gw-a", ["gw-a"]), authority.issue("gw-b", ["gw-b"])];
    const ours = lab.launchIke(gatewayA, NO_CONNECTIONS);
    await ours.ready();
    const secrets = `ike-1 { secret = "lab-only-psk-4711" }`;
    await using _peer = await Strongswan.start(gatewayB, {
      connections: labFile("b"),
      secrets,
      files: { ...authority.trust, ...b.files },
    });
    const authorities = "authorities { lab { cacert = peerlab.pem } }";
    using swanctl = new Swanctl(ours.vici, {
      "swanctl.conf": mainFile(labFile("a"), secrets, authorities),
      ...authority.trust,
      ...a.files,
    });
    const loaded = await swanctl.run("--load-all");
    assert.match(loaded, /^loaded certificate from '\S+\/x509\/gw-a\.pem'$/m);
    assert.match(loaded, /^loaded (RSA|ECDSA) key from '\S+gw-a\.pem'$/m);
    assert.match(loaded, /^loaded authority 'lab'$/m);
    assert.match(loaded, /^successfully loaded 1 connections, 0 unloaded$/m);
    assert.match(
      await swanctl.run("--list-conns"),
      /^ {2}local public key authentication:\n {4}id: gw-a\n {4}certs: .*CN=gw-a$/m,
    );
    assert.match(await swanctl.run("--list-authorities"), /^lab:\n {2}cacert: .*CN=peerlab$/m);
    const certificates = await swanctl.run("--list-certs");
    assert.match(
      certificates,
      /End Entity Certificates[\s\S]*subject: {2}".*CN=gw-a"[\s\S]*pubkey: .* bits, has private key$/m,
    );
    assert.match(certificates, /CA Certificates[\s\S]*subject: {2}".*CN=peerlab"[\s\S]*flags: {5}CA /);

    assert.match(await swanctl.run("--initiate", "--child", "net"), /^initiate completed successfully$/m);
    await listed(swanctl, /^s2s: #\d+, ESTABLISHED, IKEv2[\s\S]*INSTALLED/);
    await ping(lab);

    // Keys and secrets that are in the files no more are unloaded; what runs goes on until it has to prove itself again.
    swanctl.remove("private/gw-a.pem");
    swanctl.write({ "swanctl.conf": mainFile(labFile("a"), "", authorities) });
    await swanctl.try("--load-creds");
    assert.match(
      await swanctl.run("--load-creds", "--raw"),
      /get-keys reply \{keys=\[\]\}\nget-shared reply \{keys=\[\]\}/,
    );
    await listed(swanctl, /^s2s: #\d+, ESTABLISHED, IKEv2[\s\S]*INSTALLED/);
  });

test("IKEv1 is loaded, driven and listed the same way", NEEDS_STRONGSWAN, async () => {
  await using lab = new Lab(1500);
  const { gatewayA, gatewayB } = lab.network;
  const secrets = secretsText(freshSecret());
  const ours = lab.launchIke(gatewayA, NO_CONNECTIONS);
  await ours.ready();
  await using _peer = await Strongswan.start(gatewayB, {
    connections: connectionText(IKE_PLAN_1, siteAt("B", 0)),
    secrets,
  });
  using swanctl = new Swanctl(ours.vici, {
    "swanctl.conf": mainFile(connectionText(IKE_PLAN_1, siteAt("A", 0)), secrets),
  });
  await swanctl.run("--load-all");
  assert.match(await swanctl.run("--list-conns"), /^s2s: IKEv1, reauthentication every 14400s/);
  await swanctl.run("--initiate", "--child", "net");
  await listed(
    swanctl,
    /^s2s: #\d+, ESTABLISHED, IKEv1, [0-9a-f]{16}_i\* [0-9a-f]{16}_r\n[\s\S]* {2}AES_CBC-128\/HMAC_SHA2_256_128\/PRF_HMAC_SHA2_256\/ECP_256\n[\s\S]*INSTALLED, TUNNEL-in-UDP, ESP:AES_GCM_16-128/,
  );
  await ping(lab);
  await swanctl.run("--rekey", "--child", "net");
  await swanctl.run("--terminate", "--ike", "s2s");
  // What IKEv1 has deleted stays a while, to say it again.
  await eventually("nothing is left", async () => !/ESTABLISHED|INSTALLED/.test(await swanctl.run("--list-sas")));
});

test(
  "what is wrong is said in a file's words and changes nothing; a silent peer costs the timeout that was given",
  NEEDS_STRONGSWAN,
  async () => {
    await using lab = new Lab(1500);
    const secrets = secretsText(freshSecret());
    const ours = lab.launchIke(lab.network.gatewayA, NO_CONNECTIONS);
    await ours.ready();
    const good = connectionText(PLAN, siteAt("A", 0));
    using swanctl = new Swanctl(ours.vici, { "swanctl.conf": mainFile(good, secrets) });
    await swanctl.run("--load-all");
    const conns = await swanctl.run("--list-conns");

    const wrongs: readonly (readonly [string, RegExp])[] = [
      [
        "remote_adrs = 192.0.2.9",
        /^loading connection 's2s' failed: .*unknown key 'remote_adrs'.*did you mean 'remote_addrs'\?/m,
      ],
      [
        "proposals = aes256-sha2_256-modp2049",
        /^loading connection 's2s' failed: .*modp2049.*did you mean 'modp2048'\?/m,
      ],
    ];
    for (const [line, complaint] of wrongs) {
      swanctl.write({ "swanctl.conf": mainFile(good.replace(/proposals = .*/, line), secrets) });
      const { status, output } = await swanctl.try("--load-all");
      assert.notEqual(status, 0);
      assert.match(output, complaint);
      assert.equal(await swanctl.run("--list-conns"), conns);
    }

    const unknown = await swanctl.try("--initiate", "--child", "nett");
    assert.equal(unknown.output, "initiate failed: CHILD_SA config 'nett' not found; did you mean 'net'?\n");
    assert.notEqual(unknown.status, 0);
    const silent = await swanctl.try("--initiate", "--child", "net", "--timeout", "1");
    assert.match(
      silent.output,
      /^initiate failed: (CHILD_SA 'net' not established after 1000ms|establishing CHILD_SA 'net' failed: )/m,
    );
    assert.notEqual(silent.status, 0);
  },
);
