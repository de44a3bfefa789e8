import assert from "node:assert/strict";
import test from "node:test";
import { wipeKeys } from "#config/gateway";
import { addressToString } from "#core/address";
import { spiToString } from "#core/units";
import { Encryption } from "#crypto/transforms";
import {
  complaintsOf,
  complaintsOfText,
  type Json,
  type JsonObject,
  KEY_A,
  KEY_B,
  POLICY,
  read,
  readText,
  SA,
  sample,
  withSa,
} from "#test/config/sample";

test("what is left out has the documented default", () => {
  const { config } = read(sample());
  assert.deepEqual(config.tun, { name: "esp0", mtu: undefined, addresses: [], queues: 1 });
  assert.equal(config.slots, 16384);
  assert.equal(config.crypto, "auto");
  assert.equal(config.offload, true);
  assert.deepEqual(
    config.listen.map(({ address, port }) => [addressToString(address), port]),
    [["0.0.0.0", 4500]],
  );
  const [sa] = config.sas;
  assert.ok(sa !== undefined);
  assert.equal(sa.protocol, "esp");
  assert.equal(sa.mode, "tunnel");
  assert.equal(sa.encapsulation, "udp");
  assert.equal(sa.remote.port, 4500);
  assert.equal(spiToString(sa.inbound.spi), "0x00001001");
  assert.deepEqual(sa.suite, { encryption: Encryption.AES_GCM_16, integrity: 0 });
  assert.equal(sa.inbound.encryptionKey.length, 20);
  assert.equal(sa.inbound.encryptionKey[19], 0xa1);
  assert.equal(sa.localSelectors, config.policies[0]?.local);
  assert.equal(sa.lifetime.hardOctets, Number.POSITIVE_INFINITY);
  const { esn, replayWindow, lane, dscp, ecn, df, fragmentation, pathMtu, tfcLength, mssClamp, keepaliveInterval } = sa;
  assert.deepEqual(
    { esn, replayWindow, lane, dscp, ecn, df, fragmentation, pathMtu, tfcLength, mssClamp, keepaliveInterval },
    {
      esn: true,
      replayWindow: 2048,
      lane: 0,
      dscp: "copy",
      ecn: true,
      df: "copy",
      fragmentation: "before",
      pathMtu: 1500,
      tfcLength: 0,
      mssClamp: -1,
      keepaliveInterval: 20_000,
    },
  );
});

test("every key that is given reaches the typed result", () => {
  const { config } = read(
    sample({
      sas: [
        {
          ...SA,
          encapsulation: "none",
          suite: "aes256-sha256",
          inbound: { spi: 4097, key: "01".repeat(32), integrityKey: "02".repeat(32) },
          outbound: { spi: "8193", key: "03".repeat(32), integrityKey: "04".repeat(32) },
          bundle: {
            protocol: "ah",
            mode: "transport",
            suite: "aes128gmac",
            inbound: { spi: "0x3001", integrityKey: "05".repeat(20) },
            outbound: { spi: "0x4001", integrityKey: "06".repeat(20) },
          },
          localSelectors: ["10.1.0.0/25"],
          remoteSelectors: [{ from: "10.2.0.7", to: "10.2.0.9" }],
          esn: false,
          replayWindow: 64,
          lane: 1,
          lifetime: { softOctets: "90M", hardOctets: "100M", hardPackets: 1000, softTime: 10, hardTime: "1h" },
          dscp: 46,
          ecn: false,
          df: "clear",
          fragmentation: "after",
          pathMtu: 1400,
          tfcLength: 512,
          mssClamp: 1300,
        },
        {
          ...SA,
          local: "192.0.2.1:4501",
          inbound: { spi: "0x1002", key: KEY_A },
          outbound: { spi: "0x2002", key: KEY_B },
        },
      ],
      lanes: 2,
      slots: 64,
      crypto: "noble",
      offload: false,
      listen: [{ address: "192.0.2.1", port: 4501 }],
    }),
  );
  const [sa] = config.sas;
  assert.ok(sa !== undefined);
  assert.deepEqual(sa.lifetime, {
    softOctets: 90_000_000,
    hardOctets: 100_000_000,
    softPackets: 900,
    hardPackets: 1000,
    softTime: 10_000,
    hardTime: 3_600_000,
  });
  assert.equal(sa.outerAh?.protocol, "ah");
  assert.equal(sa.outerAh?.inbound.integrityKey.length, 20);
  assert.equal(sa.local.port, 0);
  assert.deepEqual([sa.localSelectors[0]?.last.octets[3], sa.remoteSelectors[0]?.first.octets[3]], [127, 7]);
  assert.deepEqual([sa.esn, sa.replayWindow, sa.lane, sa.dscp, sa.ecn, sa.df], [false, 64, 1, 46, false, "clear"]);
  assert.deepEqual([sa.fragmentation, sa.pathMtu, sa.tfcLength, sa.mssClamp], ["after", 1400, 512, 1300]);
  assert.deepEqual([config.tun.queues, config.slots, config.crypto, config.offload], [2, 64, "noble", false]);
  assert.equal(config.listen[0]?.port, 4501);
});

test("selectors: protocol, ports and ICMP type and code stand on the sides they belong to (RFC 7296 §3.13.1)", () => {
  const policies: Json = [
    { ...POLICY, name: "web", protocol: "tcp", remotePorts: "80-90", localPorts: 1024 },
    { ...POLICY, name: "ping", protocol: "icmp", icmp: "8/0" },
    { ...POLICY, name: "net" },
  ];
  const { config } = read(sample({ policies }));
  const ports = config.policies.map(({ local: [l], remote: [r] }) => [
    l?.protocol,
    l?.firstPort,
    l?.lastPort,
    r?.firstPort,
    r?.lastPort,
  ]);
  assert.deepEqual(ports, [
    [6, 1024, 1024, 80, 90],
    [1, 2048, 2048, 2048, 2048],
    [0, 0, 65535, 0, 65535],
  ]);
});

test("all complaints come at once, in the text's order, each with line and column", () => {
  const text = `{
  "tun": {"name": "esp0", "mtuu": 1400},
  "policies": [{"name": "net", "action": "protekt", "local": "10.1.0.0/24", "remote": "10.2.0.0/33"}]
}`;
  assert.deepEqual(complaintsOfText(text), [
    'gw.json:2:27: tun.mtuu: unknown key; did you mean "mtu"?',
    'gw.json:3:42: policies[0].action: "protekt" is not known; did you mean "protect"?',
    'gw.json:3:87: policies[0].remote: "10.2.0.0/33" is no address, prefix or range; for example "10.1.0.0/24", "10.1.0.5-10.1.0.9" or "2001:db8::/64"',
  ]);
});

test("a syntax error is one complaint with its place", () => {
  assert.deepEqual(complaintsOfText('{\n  "tun": {},\n}'), [
    'gw.json:3:1: a key is missing; write "key": value, and no comma after the last one',
  ]);
});

const long = "00".repeat(16);
const WRONG: readonly (readonly [what: string, value: JsonObject, complaint: RegExp])[] = [
  [
    "IPv6 inside a small MTU",
    sample({ tun: { mtu: 1279, addresses: ["2001:db8::1/128"] } }),
    /^tun\.mtu: 1279 is too small for IPv6 .*take 1280/,
  ],
  ["an MTU below IPv4's floor", sample({ tun: { mtu: 575 } }), /^tun\.mtu: 575 is too small; take 576/],
  ["a path MTU below the floor", withSa({ pathMtu: 575 }), /pathMtu: 575 is below the 576 octets of IPv4/],
  ["an unknown device name", sample({ tun: { name: "a name" } }), /^tun\.name: "a name" is no name/],
  ["queues that are not lanes", sample({ tun: { queues: 2 } }), /^tun\.queues: 2 queues for 1 lanes/],
  ["no policies", sample({ policies: [], sas: [] }), /^policies: no policies/],
  [
    "a name used twice",
    sample({ policies: [POLICY, { ...POLICY, local: "10.9.0.0/24" }] }),
    /already the name of another/,
  ],
  [
    "families that differ",
    sample({ policies: [{ ...POLICY, remote: "2001:db8::/64" }], sas: [] }),
    /IPv4 stands on one side only/,
  ],
  ["host bits in a prefix", sample({ policies: [{ ...POLICY, local: "10.1.0.1/24" }] }), /bits set beyond its prefix/],
  [
    "a range from end to start",
    sample({ policies: [{ ...POLICY, local: "10.1.0.9-10.1.0.5" }] }),
    /ends before it begins/,
  ],
  ["ports without a protocol", sample({ policies: [{ ...POLICY, localPorts: "80" }] }), /ports without a protocol/],
  [
    "a source that is not protected",
    sample({ policies: [{ ...POLICY, source: "10.3.0.1" }] }),
    /10\.3\.0\.1 is outside "local"/,
  ],
  [
    "ICMP for IPv6",
    sample({ policies: [{ ...POLICY, local: "::/0", remote: "::/0", protocol: "icmp" }], sas: [] }),
    /ICMP of IPv4/,
  ],
  [
    "a key that is too short",
    withSa({ inbound: { spi: 4097, key: "00".repeat(15) } }),
    /^sas\[0\]\.inbound\.key: key is 15 octets, aes128gcm16 needs 20 \(16 key \+ 4 salt\); give 40 hex digits$/,
  ],
  ["a key that is no hex", withSa({ inbound: { spi: 4097, key: "zz" } }), /inbound\.key: is not hex/],
  ["an odd number of digits", withSa({ inbound: { spi: 4097, key: "0".repeat(39) } }), /inbound\.key: is not hex/],
  ["no key", withSa({ inbound: { spi: 4097 } }), /inbound\.key: is missing: aes128gcm16 needs a key of 20/],
  [
    "an integrity key for an AEAD",
    withSa({ inbound: { spi: 4097, key: "01".repeat(20), integrityKey: long } }),
    /no use for it/,
  ],
  ["SPI 0", withSa({ inbound: { spi: 0, key: "01".repeat(20) } }), /SPI 0 is reserved \(RFC 4303 §2\.1: 0–255\)/],
  ["SPI 255", withSa({ inbound: { spi: "0xff", key: "01".repeat(20) } }), /SPI 255 is reserved/],
  ["an SPI of 33 bits", withSa({ inbound: { spi: 4294967296, key: "01".repeat(20) } }), /spi: is no SPI/],
  [
    "one inbound SPI twice",
    sample({
      sas: [SA, { ...SA, inbound: { spi: 4097, key: "01".repeat(20) }, outbound: { spi: 9999, key: "02".repeat(20) } }],
    }),
    /^sas\[1\]\.inbound: SPI 0x00001001 is used twice inbound \(also sas\[0\]\)/,
  ],
  [
    "one AEAD key in both directions",
    withSa({ outbound: { spi: 8193, key: `${"00".repeat(19)}a1` } }),
    /two packets would share a nonce/,
  ],
  ["an SA without its policy", withSa({ policy: "nett" }), /no policy is named "nett"; did you mean "net"\?/],
  ["an SA of a bypass policy", sample({ policies: [{ ...POLICY, action: "bypass" }] }), /"net" is a bypass policy/],
  [
    "a weak cipher",
    withSa({ suite: "des-sha256" }),
    /^sas\[0\]\.suite: des is weak: 56-bit keys .*add "des" to allowWeak if the peer has nothing better$/,
  ],
  ["weak integrity", withSa({ suite: "aes128-md5" }), /md5 is weak: .*add "md5" to allowWeak/],
  [
    "an unknown weak name",
    sample({ allowWeak: ["dess"] }),
    /allowWeak\[0\]: "dess" is no weak transform; did you mean "des"\?/,
  ],
  ["encryption without integrity", withSa({ suite: "aes256" }), /aes256 without integrity can be forged/],
  ["NULL without integrity", withSa({ suite: "null" }), /null without integrity/],
  ["an AEAD with integrity", withSa({ suite: "aes128gcm16-sha256" }), /has integrity of its own/],
  ["integrity as an ESP suite", withSa({ suite: "sha256" }), /ESP without encryption is "null-sha256"/],
  ["a mistyped suite", withSa({ suite: "aes128gmc16" }), /did you mean "aes128gcm16"\?/],
  ["AH that encrypts", withSa({ protocol: "ah", suite: "aes128-sha256" }), /AH does not encrypt/],
  ["AH in UDP", withSa({ protocol: "ah", suite: "sha256", encapsulation: "udp" }), /AH cannot go in UDP/],
  ["a bundle in UDP", withSa({ encapsulation: "udp", bundle: {} }), /AH cannot go in UDP/],
  ["GMAC beside encryption", withSa({ suite: "aes128-aes128gmac" }), /not defined for ESP/],
  [
    "a soft limit above the hard one",
    withSa({ lifetime: { softOctets: "2M", hardOctets: "1M" } }),
    /lifetime\.softOctets: the soft limit is above/,
  ],
  ["a limit of 0", withSa({ lifetime: { hardTime: 0 } }), /0 would end the SA before its first packet/],
  [
    "a limit that is no count",
    withSa({ lifetime: { hardOctets: "10 M" } }),
    /is no such quantity; for example 90000000/,
  ],
  [
    "too many packets without ESN",
    withSa({ esn: false, lifetime: { hardPackets: 4294967296 } }),
    /need extended sequence numbers/,
  ],
  ["ends of two families", withSa({ remote: "2001:db8::2" }), /local is IPv4 and remote IPv6/],
  ["itself as the peer", withSa({ remote: "192.0.2.1" }), /the peer is this gateway itself/],
  ["no address of the peer", withSa({ remote: "0.0.0.0" }), /the peer has no address/],
  [
    "a local end nobody listens on",
    withSa({}, { listen: { address: "192.0.2.9" } }),
    /nothing listens on 192\.0\.2\.1:4500/,
  ],
  ["ports without UDP", withSa({ encapsulation: "none", local: "192.0.2.1:4500" }), /have no ports; remove :4500/],
  [
    "transport mode for a network",
    withSa({ mode: "transport" }),
    /transport mode carries packets of 192\.0\.2\.1 only/,
  ],
  ["a lane that is not there", withSa({ lane: 1 }), /there is no lane 1; take 0 to 0/],
  [
    "an SPI whose packets come to another lane",
    sample({ lanes: 2, sas: [{ ...SA, lane: 0 }] }),
    /^sas\[0\]\.inbound: packets with SPI 0x00001001 go to lane 1 \(SPI mod 2\), not to lane 0; choose an SPI with SPI mod 2 = 0, for example 0x1002/,
  ],
  [
    "a policy that a lane has no SA for",
    sample({ lanes: 2, sas: [{ ...SA, lane: 1 }] }),
    /^lanes: policy "net" has no SA on lane 0; give it an SA with "lane": 0, or fewer lanes/,
  ],
  ["a window of 33", withSa({ replayWindow: 33 }), /33 is no window/],
  ["a window of 262144", withSa({ replayWindow: 262144 }), /262144 is out of range/],
  ["SA selectors outside the policy", withSa({ localSelectors: ["10.9.0.0/24"] }), /is outside its policy/],
  ["a DSCP of 64", withSa({ dscp: 64 }), /dscp: 64 is out of range/],
  ["slots that are no power of two", sample({ slots: 1000 }), /1000 is no power of two; take 1024/],
  ["keepalives without UDP", withSa({ encapsulation: "none", keepalive: "20s" }), /keepalives are for ESP in UDP/],
  ["TFC padding in AH", withSa({ protocol: "ah", suite: "sha256", tfcLength: 100 }), /AH has no padding/],
  ["a value of the wrong kind", withSa({ esn: "yes" }), /esn: "yes" where true or false belongs/],
];
for (const [what, value, complaint] of WRONG)
  test(`refuses ${what} and says what to do`, () => {
    const complaints = complaintsOf(value);
    assert.ok(
      complaints.some((line) => complaint.test(line)),
      `none of:\n${complaints.join("\n")}\nis like ${complaint}`,
    );
  });

test("limits hold at their edges: windows, SPI 256, 2^32-1 packets without ESN, MTU 576 and 1280", () => {
  for (const replayWindow of [0, 32, 64, 131_072]) assert.deepEqual(complaintsOf(withSa({ replayWindow })), []);
  assert.deepEqual(complaintsOf(withSa({ inbound: { spi: 256, key: "01".repeat(20) } })), []);
  assert.deepEqual(complaintsOf(withSa({ inbound: { spi: 4294967295, key: "01".repeat(20) } })), []);
  assert.deepEqual(complaintsOf(withSa({ esn: false, lifetime: { hardPackets: 4294967295 } })), []);
  assert.deepEqual(complaintsOf(sample({ tun: { mtu: 576 } })), []);
  assert.deepEqual(complaintsOf(sample({ tun: { mtu: 1280, addresses: ["2001:db8::1"] } })), []);
});

test("weak transforms work once they are allowed by name, and only those", () => {
  const des = {
    suite: "des-md5",
    inbound: { spi: 4097, key: "01".repeat(8), integrityKey: long },
    outbound: { spi: 8193, key: "02".repeat(8), integrityKey: long },
  };
  assert.deepEqual(complaintsOf(withSa(des, { allowWeak: ["des", "md5"] })), []);
  assert.equal(complaintsOf(withSa(des, { allowWeak: ["des"] })).length, 1);
});

test("3DES with two equal neighbouring parts is refused, whatever their parity bits", () => {
  const key = `${"10".repeat(8)}${"11".repeat(8)}${"22".repeat(8)}`;
  const keys = { key, integrityKey: "01".repeat(32) };
  const value = withSa({ suite: "3des-sha256", inbound: { spi: 4097, ...keys } }, { allowWeak: ["3des"] });
  assert.match(complaintsOf(value).join("\n"), /that is DES/);
});

test("transport mode between the endpoints themselves is accepted", () => {
  const policies: Json = [{ ...POLICY, local: "192.0.2.1", remote: "192.0.2.2" }];
  assert.deepEqual(complaintsOf(withSa({ mode: "transport" }, { policies })), []);
});

test("the first match decides, so a policy that can never match is refused (RFC 4301 §4.4.1)", () => {
  const bypass = { name: "b", action: "bypass", local: "10.1.0.5", remote: "10.2.0.0/25" };
  const late = complaintsOf(sample({ policies: [POLICY, bypass] }));
  assert.match(
    late.join(),
    /^policies\[1\]: can never match: "net" \(policies\[0\]\) takes all its packets; put the narrower/,
  );
  assert.deepEqual(complaintsOf(sample({ policies: [bypass, POLICY] })), []);
  const twice = complaintsOf(sample({ policies: [POLICY, { ...POLICY, name: "again", action: "discard" }] }));
  assert.match(twice.join(), /has the same selectors as "net"/);
});

test("a policy is shadowed only when all its parts are, by whichever earlier policies", () => {
  const [one, two] = [
    { ...POLICY, name: "one", action: "discard", local: "10.1.0.0/25" },
    { ...POLICY, name: "two", action: "discard", local: "10.1.0.128/25" },
  ];
  const halves = { ...POLICY, local: ["10.1.0.0/25", "10.1.0.128/25"] };
  assert.deepEqual(complaintsOf(sample({ policies: [one, halves] })), []);
  assert.match(
    complaintsOf(sample({ policies: [one, two, halves] })).join(),
    /"one" \(policies\[0\]\), "two" \(policies\[1\]\)/,
  );
});

test("a protocol or port that differs keeps two policies apart", () => {
  const tcp = { ...POLICY, name: "tcp", action: "bypass", protocol: "tcp" };
  const udp = { ...POLICY, name: "udp", action: "bypass", protocol: "udp" };
  assert.deepEqual(complaintsOf(sample({ policies: [tcp, udp, POLICY] })), []);
});

test("ten thousand disjoint policies are compared in a moment", () => {
  const policies = Array.from({ length: 10_000 }, (_, i) => ({
    name: `p${i}`,
    action: "discard",
    local: "10.1.0.0/24",
    remote: `10.${2 + (i >> 8)}.${i & 255}.0/24`,
  }));
  assert.equal(read(sample({ policies, sas: [] })).config.policies.length, 10_000);
});

test("static keys of a counter mode are refused unless somebody says that they are used once (RFC 4106 §2)", () => {
  assert.match(
    complaintsOf(sample({ oneTimeKeys: false })).join(),
    /sas\[0\]\.suite: a restart would use nonces .*oneTimeKeys/,
  );
  assert.deepEqual(complaintsOf(sample({ oneTimeKeys: true })), []);
});

test("warnings name what works and was hardly meant", () => {
  const warned = (value: JsonObject) =>
    read(value)
      .warnings.map(({ path, problem }) => `${path}: ${problem}`)
      .join("\n");
  assert.match(warned(withSa({ replayWindow: 0 })), /replayed packets are accepted/);
  assert.match(warned(sample({ sas: [] })), /policies\[0\]: no SA serves "net"/);
  const keys = (octet: string) => ({
    key: `${octet.repeat(8)}${"44".repeat(8)}${"66".repeat(8)}`,
    integrityKey: "01".repeat(32),
  });
  const tripleDes = (lifetime: JsonObject) =>
    withSa(
      { suite: "3des-sha256", inbound: { spi: 4097, ...keys("22") }, outbound: { spi: 8193, ...keys("88") }, lifetime },
      { allowWeak: ["3des"] },
    );
  assert.match(warned(tripleDes({ hardOctets: 100_000_001 })), /hardOctets: 3des may carry more than 100 MB/);
  assert.equal(warned(tripleDes({ hardOctets: "100M" })), "");
});

test("a key may stand in a file that others cannot read; its octets are wiped after use", () => {
  const octets = new TextEncoder().encode(`${"0c".repeat(20)}\n`);
  const value = withSa({ inbound: { spi: 4097, key: "file:in.key" } });
  const { config } = read(value, { "in.key": { octets, mode: 0o600 } });
  assert.equal(config.sas[0]?.inbound.encryptionKey[19], 0x0c);
  assert.ok(octets.every((octet) => octet === 0));
});

test("a key may be a credential of the service manager", () => {
  const value = withSa({ inbound: { spi: 4097, key: "credential:in" } });
  const { config } = read(value, {
    "credential:in": { octets: new TextEncoder().encode("0c".repeat(20)), mode: 0o400 },
  });
  assert.equal(config.sas[0]?.inbound.encryptionKey[19], 0x0c);
});

test("a key file that others can read, that is missing or that holds no hex is refused", () => {
  const value = withSa({ inbound: { spi: 4097, key: "file:in.key" } });
  const file = (text: string, mode: number) => ({ "in.key": { octets: new TextEncoder().encode(text), mode } });
  assert.match(
    complaintsOf(value, file("0c".repeat(20), 0o640)).join(),
    /readable by others \(mode 640\); chmod 600 in\.key/,
  );
  assert.match(complaintsOf(value).join(), /in\.key: no such file/);
  assert.match(complaintsOf(value, file("hello", 0o600)).join(), /in\.key holds no hex/);
});

test("no complaint shows a key", () => {
  const secret = "5ec2e7".repeat(5);
  for (const keys of [
    { key: secret },
    { key: `${secret}zz` },
    { key: [secret] },
    { integrityKey: secret },
    { spi: secret },
  ])
    assert.ok(
      !complaintsOf(withSa({ inbound: { spi: 4097, ...keys } }))
        .join()
        .includes("5ec2e7"),
      JSON.stringify(keys),
    );
});

test("wipeKeys leaves no key octet behind", () => {
  const { config } = read(sample());
  wipeKeys(config);
  for (const sa of config.sas)
    for (const { encryptionKey } of [sa.inbound, sa.outbound]) assert.ok(encryptionKey.every((octet) => octet === 0));
});

test("the whole text may be anything but an object and still gives a complaint", () => {
  for (const text of ["[]", "1", '"x"', "null", ""]) assert.equal(complaintsOfText(text).length, 1, text);
  assert.ok(readText(JSON.stringify(sample(), undefined, 2)).config.sas.length === 1);
});
