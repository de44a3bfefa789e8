import assert from "node:assert/strict";
import test from "node:test";
import { readSwanctl } from "#config/swanctl/read";
import { addressToString, type Endpoint } from "#core/address";
import {
  type ChildConfig,
  type Connection,
  DEFAULT_CHILD_POLICY,
  DEFAULT_CONNECTION_POLICY,
  type HostPattern,
  type SelectorConfig,
} from "#core/connection";
import { selectorToString } from "#core/selector";
import { identityToString } from "#crypto/identity";
import { complaintsOf, connectionOf, octetsOf, readText, sample, VirtualWorld } from "#test/config/swanctl/sample";

const HOUR = 3_600_000;

function childOf(lines: string): ChildConfig {
  const [child] = connectionOf({ child: lines }).children;
  assert.ok(child);
  return child;
}

test("a connection's defaults are swanctl.conf's, with DPD by traffic and PFS tried at set-up", () => {
  const { proposals, children, local, remote, localAddresses, remoteAddresses, ...rest } = connectionOf({});
  assert.deepEqual(rest, {
    name: "hq",
    version: 0,
    localPort: 500,
    remotePort: 500,
    unique: "no",
    mobike: true,
    encap: false,
    fragmentation: "yes",
    childless: "allow",
    sendCertificate: "ifasked",
    requestCertificate: true,
    dpdDelay: 30_000,
    keyingTries: 1,
    rekeyTime: 4 * HOUR,
    reauthTime: Number.POSITIVE_INFINITY,
    overTime: 0.4 * HOUR,
    randTime: 0.4 * HOUR,
    pfsPreflight: true,
    ...DEFAULT_CONNECTION_POLICY,
  });
  assert.deepEqual(localAddresses, [{ kind: "any" }]);
  assert.equal(local.method, "psk");
  assert.equal(remote.method, "psk");
  assert.equal(remote.revocation, "relaxed");
});

test("S8: a child's defaults: an hour, a tenth more, a window of 2048", () => {
  const { proposals, local, remote, ...rest } = childOf("");
  assert.deepEqual(rest, {
    ...DEFAULT_CHILD_POLICY,
    name: "net",
    mode: "tunnel",
    lifetime: {
      rekeyTime: HOUR,
      lifeTime: 3_960_000,
      randTime: 360_000,
      rekeyOctets: Number.POSITIVE_INFINITY,
      lifeOctets: Number.POSITIVE_INFINITY,
      randOctets: 0,
      rekeyPackets: Number.POSITIVE_INFINITY,
      lifePackets: Number.POSITIVE_INFINITY,
      randPackets: 0,
    },
    startAction: "none",
    closeAction: "none",
    dpdAction: "clear",
    replayWindow: 2048,
    tfcLength: 0,
    df: "copy",
    ecn: true,
    dscp: "copy",
    mssClamp: -1,
    priority: 0,
    updown: undefined,
  });
});

const INFINITE = Number.POSITIVE_INFINITY;
type Times = readonly [rekey: number, life: number, rand: number];
const LIFETIMES: readonly (readonly [lines: string, unit: "Time" | "Octets" | "Packets", limits: Times])[] = [
  ["rekey_bytes = 100M", "Octets", [100e6, 110e6, 10e6]],
  ["life_bytes = 110M", "Octets", [100e6, 110e6, 10e6]],
  ["rekey_bytes = 500000000\n life_bytes = 600000000\n rand_bytes = 0", "Octets", [5e8, 6e8, 0]],
  ["rekey_packets = 1k", "Packets", [1000, 1100, 100]],
  ["rekey_time = 0", "Time", [INFINITE, INFINITE, 0]],
  ["rekey_time = 0\n life_time = 1h", "Time", [INFINITE, HOUR, 0]],
  ["life_time = 66m", "Time", [HOUR, 3_960_000, 360_000]],
  ["rekey_time = 30s", "Time", [30_000, 33_000, 3000]],
];

for (const [lines, unit, limits] of LIFETIMES)
  test(`lifetime: ${lines.replaceAll(/\s+/g, " ")}`, () => {
    const { lifetime } = childOf(lines);
    assert.deepEqual([lifetime[`rekey${unit}`], lifetime[`life${unit}`], lifetime[`rand${unit}`]], limits);
  });

const IKE_TIMES: readonly (readonly [lines: string, times: readonly number[]])[] = [
  ["rekey_time = 1h", [HOUR, INFINITE, 360_000, 360_000]],
  ["rekey_time = 0", [INFINITE, INFINITE, 0, 0]],
  ["reauth_time = 10h", [INFINITE, 10 * HOUR, HOUR, HOUR]],
  ["reauth_time = 10h\n rekey_time = 1h", [HOUR, 10 * HOUR, HOUR, HOUR]],
  ["rekey_time = 1h\n over_time = 5m\n rand_time = 2m", [HOUR, INFINITE, 300_000, 120_000]],
];

for (const [lines, times] of IKE_TIMES)
  test(`IKE SA: ${lines.replaceAll(/\s+/g, " ")}`, () => {
    const { rekeyTime, reauthTime, overTime, randTime } = connectionOf({ connection: lines });
    assert.deepEqual([rekeyTime, reauthTime, overTime, randTime], times);
  });

function hostToString(pattern: HostPattern): string {
  if (pattern.kind === "address") return addressToString(pattern.address);
  if (pattern.kind === "name") return `name ${pattern.name}`;
  return pattern.kind === "any" ? "any" : `${addressToString(pattern.first)}-${addressToString(pattern.last)}`;
}

test("remote_addrs takes addresses, names, ranges, prefixes and %any", () => {
  const { remoteAddresses } = connectionOf({
    connection:
      "remote_addrs = 192.0.2.9, 2001:db8::1, gw-b.Example.org, 10.0.0.1-10.0.0.9, 198.51.100.0/24, %any4, %any",
  });
  assert.deepEqual(remoteAddresses.map(hostToString), [
    "192.0.2.9",
    "2001:db8::1",
    "name gw-b.example.org",
    "10.0.0.1-10.0.0.9",
    "198.51.100.0-198.51.100.255",
    "0.0.0.0-255.255.255.255",
    "any",
  ]);
});

function selectorText(selector: SelectorConfig): string {
  if (selector.kind === "fixed") return selectorToString(selector.selector);
  return `dynamic[${selector.protocol}/${selector.firstPort}-${selector.lastPort}]`;
}

test("local_ts takes prefixes, ranges, addresses and dynamic, each with protocol and port", () => {
  const { local } = childOf(
    "local_ts = 10.1.0.0/24, 10.3.0.5-10.3.0.9[tcp/80], 10.4.0.1[udp/5000-5999], dynamic[17/1701], dynamic, 10.5.0.0/16[icmp], 10.6.0.0/16[tcp/https], 10.7.0.0/16[sctp/opaque]",
  );
  assert.deepEqual(local.map(selectorText), [
    "10.1.0.0/24",
    "10.3.0.5-10.3.0.9[6/80-80]",
    "10.4.0.1[17/5000-5999]",
    "dynamic[17/1701-1701]",
    "dynamic[0/0-65535]",
    "10.5.0.0/16[1]",
    "10.6.0.0/16[6/443-443]",
    "10.7.0.0/16[132/65535-0]",
  ]);
});

const CHILD_VALUES: readonly (readonly [line: string, key: keyof ChildConfig, value: unknown])[] = [
  ["start_action = trap|start", "startAction", "trap|start"],
  ["start_action = hold", "startAction", "trap"],
  ["close_action = restart", "closeAction", "start"],
  ["dpd_action = hold", "dpdAction", "trap"],
  ["dpd_action = restart", "dpdAction", "restart"],
  ["replay_window = 100", "replayWindow", 128],
  ["replay_window = 1", "replayWindow", 32],
  ["replay_window = -1", "replayWindow", 2048],
  ["copy_df = no", "df", "clear"],
  ["copy_ecn = no", "ecn", false],
  ["copy_dscp = no", "dscp", 0],
  ["mss_clamp = no", "mssClamp", 0],
  ["mss_clamp = 1300", "mssClamp", 1300],
  ["tfc_padding = 1300", "tfcLength", 1300],
  ["mode = transport", "mode", "transport"],
  ["priority = 7", "priority", 7],
  ["updown = /usr/lib/ipsec/_updown iptables", "updown", "/usr/lib/ipsec/_updown iptables"],
];

for (const [line, key, value] of CHILD_VALUES)
  test(`child: ${line}`, () => assert.deepEqual(childOf(line)[key], value));

const CONNECTION_VALUES: readonly (readonly [line: string, key: keyof Connection, value: unknown])[] = [
  ["version = 2", "version", 2],
  ["unique = replace", "unique", "replace"],
  ["mobike = no", "mobike", false],
  ["encap = yes", "encap", true],
  ["fragmentation = force", "fragmentation", "force"],
  ["childless = prefer", "childless", "prefer"],
  ["send_cert = always", "sendCertificate", "always"],
  ["send_certreq = no", "requestCertificate", false],
  ["dpd_delay = 0", "dpdDelay", 0],
  ["keyingtries = 0", "keyingTries", 0],
  ["pfs_preflight = no", "pfsPreflight", false],
  ["local_port = 4500", "localPort", 4500],
];

for (const [line, key, value] of CONNECTION_VALUES)
  test(`connection: ${line}`, () => assert.deepEqual(connectionOf({ connection: line })[key], value));

test("hashes and PSS of signatures, for IKE alone where `ike:` says so (RFC 7427 §3)", () => {
  const remote = (auth: string) => connectionOf({ remote: `auth = ${auth}` }).remote;
  assert.deepEqual(remote("pubkey-sha384-sha256").hashes, [3, 2]);
  assert.deepEqual(remote("ike:pubkey-sha512").hashes, [4]);
  assert.deepEqual(remote("rsa-4096-sha256-ike:rsa/pss-sha384").hashes, [3]);
  assert.equal(remote("any").method, "any");
  assert.equal(remote("psk").method, "psk");
});

test("identities: names, addresses, distinguished names, and %any for anybody", () => {
  const id = (text: string) => {
    const { identity } = connectionOf({ remote: `id = ${text}` }).remote;
    return identity && identityToString(identity);
  };
  assert.equal(id("gw-b"), "gw-b");
  assert.equal(id("192.0.2.7"), "192.0.2.7");
  assert.equal(id('"C=CH, O=Example, CN=gw-b"'), "C=CH, O=Example, CN=gw-b");
  assert.equal(id("%any"), undefined);
});

function configOf(text: string): ReturnType<typeof readText>["config"] {
  return readText(text).config;
}

function endpointsOf(listen: readonly Endpoint[]): string[] {
  return listen.map(({ address, port }) => `${addressToString(address)} ${port}`);
}

test("without a section esplanade everything is there", () => {
  const { tun, listen, lanes, slots, crypto, offload, sas, allowWeak } = configOf(sample());
  assert.deepEqual(tun, { name: "esp0", mtu: undefined, addresses: [], queues: 1 });
  assert.deepEqual(endpointsOf(listen), ["0.0.0.0 4500"]);
  assert.deepEqual([lanes, slots, crypto, offload, sas, allowWeak], [1, 16384, "auto", true, [], []]);
});

test("several lanes are refused: what is negotiated is one lane's", () => {
  const [complaint = ""] = complaintsOf(sample({ file: "esplanade { lanes = 2\n }" }));
  assert.match(complaint, /one lane carries what is negotiated; say 1, or leave it out/);
});

test("section esplanade", () => {
  const { tun, listen, lanes, slots, crypto, offload } = configOf(
    sample({
      file: `esplanade {
  tun { name = ipsec0
        mtu = 1400
        addresses = 10.1.0.1/32, 2001:db8::1/128 }
  lanes = 1
  slots = 1024
  crypto = node
  offload = no
  listen = 192.0.2.1, [2001:db8::1]:4501
}`,
    }),
  );
  assert.equal(tun.name, "ipsec0");
  assert.equal(tun.mtu, 1400);
  assert.equal(tun.queues, 1);
  assert.deepEqual(
    tun.addresses.map(({ address, length }) => `${addressToString(address)}/${length}`),
    ["10.1.0.1/32", "2001:db8::1/128"],
  );
  assert.deepEqual([lanes, slots, crypto, offload], [1, 1024, "node", false]);
  assert.deepEqual(endpointsOf(listen), ["192.0.2.1 4500", "2001:db8::1 4501"]);
});

test("it listens in the families where peers may be, and on ports that connections ask for", () => {
  const listen = (connection: string) => endpointsOf(configOf(sample({ connection })).listen);
  assert.deepEqual(listen("remote_addrs = %any"), ["0.0.0.0 4500", ":: 4500"]);
  assert.deepEqual(listen("remote_addrs = gw.example.org\n local_addrs = 192.0.2.1"), ["0.0.0.0 4500"]);
  assert.deepEqual(listen("local_port = 5500"), ["0.0.0.0 4500", "0.0.0.0 5500"]);
});

test("policies: pass first, then the narrower; priority before all; drop is discard", () => {
  const { policies } = configOf(
    sample({
      connection: `children {
  wide { local_ts = 10.0.0.0/8
         remote_ts = 10.0.0.0/8 }
  first { local_ts = 0.0.0.0/0
          remote_ts = 0.0.0.0/0
          mode = drop
          priority = 5 }
  ssh { local_ts = 0.0.0.0/0[tcp/22]
        remote_ts = 0.0.0.0/0
        mode = pass } }`,
    }),
  );
  assert.deepEqual(
    policies.map(({ name, action }) => `${name} ${action}`),
    ["hq/first discard", "hq/ssh bypass", "hq/net protect", "hq/wide protect"],
  );
});

test("dynamic selectors are the fixed addresses in the policies; where there is none there is no policy yet", () => {
  const text = (connection: string) =>
    configOf(sample({ connection, child: "local_ts = dynamic[udp/1701]\n remote_ts = dynamic" })).policies;
  const [policy] = text("local_addrs = 192.0.2.1");
  assert.deepEqual(policy?.local.map(selectorToString), ["192.0.2.1[17/1701-1701]"]);
  assert.deepEqual(policy?.remote.map(selectorToString), ["192.0.2.2"]);
  assert.deepEqual(text("local_addrs = %any"), []);
});

test("weak transforms of ESP that a proposal names are allowed for the data plane, no others", () => {
  const { allowWeak } = configOf(
    sample({ child: "esp_proposals = 3des-md5-modp1024", connection: "proposals = 3des-sha1-modp1024" }),
  );
  assert.deepEqual(allowWeak, ["3des", "md5"]);
});

test("templates by reference, as operators write them", () => {
  const text = `
conn-defaults {
  version = 2
  proposals = aes256gcm16-prfsha384-x25519
  local { auth = psk
    id = gw-a }
  remote { auth = psk }
}
child-defaults { esp_proposals = aes256gcm16-x25519 # PFS
  start_action = trap }
connections {
  b : conn-defaults { remote_addrs = 192.0.2.2
    remote { id = gw-b }
    children { net : child-defaults { remote_ts = 10.2.0.0/24
      local_ts = 10.1.0.0/24 } } }
  c : conn-defaults { remote_addrs = 192.0.2.3
    children { net : child-defaults { remote_ts = 10.3.0.0/24
      local_ts = 10.1.0.0/24
      start_action = } } }
}
secrets { ike { secret = 0sY29ycmVjdCBob3JzZSBiYXR0ZXJ5IHN0YXBsZQ== } }
`;
  const { config, warnings } = readSwanctl(
    { name: "hq.conf", octets: octetsOf(text), mode: 0o600 },
    new VirtualWorld({}),
  );
  assert.deepEqual(warnings, []);
  const [b, c] = config.ike?.connections ?? [];
  assert.equal(b?.version, 2);
  assert.equal(b?.remote.method, "psk");
  assert.equal(b?.remote.identity && identityToString(b.remote.identity), "gw-b");
  assert.equal(b?.children[0]?.startAction, "trap");
  assert.equal(c?.local.identity && identityToString(c.local.identity), "gw-a");
  assert.equal(c?.children[0]?.startAction, "none");
});
