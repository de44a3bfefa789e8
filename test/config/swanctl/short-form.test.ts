import assert from "node:assert/strict";
import test from "node:test";
import { locateSettings } from "#config/swanctl/locate";
import { readSwanctl } from "#config/swanctl/read";
import { ConfigError } from "#core/errors";
import { complaintsOf, octetsOf, readText, VirtualWorld, warningsOf } from "#test/config/swanctl/sample";

const PSK = "hI0JjO3cR8eM0zkQ2v7nUw5tXyAbCdEf";
const FILES = { "hq.psk": `${PSK}\n` };
const SHORT = `tunnel hq {
  peer = 203.0.113.2
  local = 10.1.0.0/16
  remote = 10.2.0.0/16
  psk = file:hq.psk
}
`;
const LONG = `connections {
  hq {
    remote_addrs = 203.0.113.2
    local { auth = psk }
    remote { auth = psk }
    children { net {
        local_ts = 10.1.0.0/16
        remote_ts = 10.2.0.0/16
        start_action = trap|start } }
  }
}
secrets { ike-hq { id = 203.0.113.2
    file = hq.psk } }
`;

const read = (text: string) => readText(text, new VirtualWorld(FILES)).config;

test("six lines of a tunnel are the connection, child and secret that fifteen lines of swanctl.conf are", () => {
  assert.equal(SHORT.trim().split("\n").length, 6);
  assert.deepEqual(read(SHORT), read(LONG));
});

test("a service manager's credential stands wherever a file may: secret, key, certificate (systemd.exec(5))", () => {
  const asked: string[] = [];
  const world = {
    read: (path: string) => {
      asked.push(path);
      return { octets: octetsOf(`${PSK}\n`), mode: 0o400 };
    },
    glob: () => [],
  };
  const octets = octetsOf(SHORT.replace("file:hq.psk", "credential:hq.psk"));
  // Everybody may read such a file.
  const { config, warnings } = readSwanctl({ name: "/etc/e/hq.conf", octets, mode: 0o644 }, world);
  assert.deepEqual([asked, warnings], [["credential:hq.psk"], []]);
  assert.deepEqual(config, read(SHORT));
  const keys = `${LONG.replace("file = hq.psk", "file = credential:a")} secrets { private-b { file = credential:b } }
    connections { hq { remote { cacerts = credential:c } } }`;
  assert.throws(() => readSwanctl({ name: "/etc/e/hq.conf", octets: octetsOf(keys), mode: 0o600 }, world), ConfigError);
  assert.deepEqual(asked.slice(1).toSorted(), ["credential:a", "credential:b", "credential:c"]);
});

test("a tunnel may stand on one line, and beside connections", () => {
  const line = "tunnel hq { peer = 203.0.113.2  local = 10.1.0.0/16  remote = 10.2.0.0/16  psk = file:hq.psk }\n";
  assert.deepEqual(read(line), read(SHORT));
  assert.deepEqual(read(`tunnel {\n${SHORT.replace("tunnel ", "")}}\n`), read(SHORT));
  const both = read(SHORT + LONG.replaceAll("hq {", "other {").replaceAll("10.2.", "10.3."));
  assert.deepEqual(
    both.ike?.connections.map(({ name }) => name),
    ["other", "hq"],
  );
});

test("a tunnel inherits from another section, and its own settings come first", () => {
  const text = `usual {\n peer = 192.0.2.7\n local = 10.1.0.0/16\n psk = file:hq.psk\n}
tunnel hq : usual {\n peer = 203.0.113.2\n remote = 10.2.0.0/16\n}\n`;
  assert.deepEqual(read(text), read(SHORT));
});

test("what a tunnel says beyond four lines reaches its connection", () => {
  const config = read(
    SHORT.replace(
      "}",
      "  address = 192.0.2.1\n  id = a.example\n  peer_id = b.example\n  version = 2\n  start = none\n}",
    ),
  );
  const [connection] = config.ike?.connections ?? [];
  assert.equal(connection?.version, 2);
  assert.equal(connection?.localAddresses[0]?.kind, "address");
  assert.equal(connection?.children[0]?.startAction, "none");
  assert.deepEqual(connection?.local.identity?.data, octetsOf("a.example"));
  const [secret] = config.ike?.credentials.secrets ?? [];
  assert.deepEqual(
    secret?.owners.map(({ data }) => data),
    [octetsOf("b.example")],
  );
  assert.deepEqual(secret?.secret, octetsOf(PSK));
});

test("a peer that may be anywhere or has a name only shares its secret with nobody else's identity, and is waited for", () => {
  for (const peer of ["%any", "vpn-a.example.com", "203.0.113.0/24", "203.0.113.2-203.0.113.9"]) {
    const { ike } = read(SHORT.replace("203.0.113.2", peer));
    assert.deepEqual(ike?.credentials.secrets[0]?.owners, []);
    const startsItself = peer.startsWith("vpn");
    assert.equal(ike?.connections[0]?.children[0]?.startAction, startsItself ? "trap|start" : "none", peer);
  }
});

const WRONG: readonly (readonly [change: readonly [string, string], ...complaints: string[]])[] = [
  [["peer =", "pear ="], "hq.conf:1:8: tunnel 'hq' has no peer; add peer = 203.0.113.2, or %any"],
  [["10.2.0.0/16", "10.2.0.0/61"], "hq.conf:4:21: prefix length 61 is beyond 32"],
  [["10.1.0.0/16", "10.1.0.0/16, 10.1.0.0.0"], "hq.conf:3:24:"],
  [["203.0.113.2", "203.0.113.2.9"], "hq.conf:2:10: '203.0.113.2.9' is no address"],
  [["psk = file:hq.psk", ""], "hq.conf:1:8: tunnel 'hq' has neither psk nor cert; add psk = file:hq.psk"],
  [["file:hq.psk", "file:no.psk"], "hq.conf:5:14: no.psk: no such file; name a readable file"],
  [["file:hq.psk", "file:hq.psk\n  cert = a.pem"], "hq.conf:6:3: a certificate beside a psk"],
  [["}", "  esp_proposals = aes256gcm17\n}"], "hq.conf:6:19: unknown algorithm 'aes256gcm17'"],
  [["}", "  children { }\n}"], "hq.conf:6:3: unknown section 'children' in tunnel 'hq'"],
  [
    ["tunnel hq", "connections { hq { remote_addrs = 192.0.2.9 } }\ntunnel hq"],
    "hq.conf:2:8: 'hq' is a connection too",
  ],
  [["tunnel hq", "tunel hq"], "hq.conf:1:7: = or { should follow 'tunel'"],
];

for (const [[what, instead], ...complaints] of WRONG)
  test(`a tunnel with ${instead.replaceAll("\n", " ") || "nothing"} for ${what} is told of its own line`, () => {
    const told = complaintsOf(SHORT.replace(what, instead), FILES);
    for (const complaint of complaints)
      assert.ok(
        told.some((line) => line.startsWith(complaint)),
        `${complaint}\n${told.join("\n")}`,
      );
  });

test("an unknown key of a tunnel is told with what was meant", () => {
  assert.ok(
    complaintsOf(SHORT.replace("remote =", "remotes ="), FILES).includes(
      "hq.conf:4:3: unknown key 'remotes' in tunnel 'hq'; did you mean 'remote'?",
    ),
  );
});

test("no complaint shows the secret of a tunnel, wherever it stands", () => {
  const secret = "open-sesame-open-sesame";
  for (const text of [
    `tunnel hq { peer = 203.0.113.2.9 local = 10.1.0.0/16 remote = x psk = ${secret} }\n`,
    `tunnel hq {\n peer = 203.0.113.2\n local = 10.1.0.0/16 psk = ${secret} remote = 10.2.0.0/61\n}\n`,
    SHORT.replace("file:hq.psk", `"${secret}`),
  ]) {
    const told = complaintsOf(text).join("\n");
    assert.ok(told.length > 0);
    assert.ok(!told.includes(secret), told);
  }
});

test("a secret in the tunnel itself is its text, and every octet that was read is wiped", () => {
  const octets = octetsOf(SHORT.replace("file:hq.psk", `0x${"41".repeat(16)}`));
  const world = new VirtualWorld(FILES);
  const { config } = readText(new TextDecoder().decode(octets), world);
  assert.deepEqual(config.ike?.credentials.secrets[0]?.secret, octetsOf("A".repeat(16)));
  assert.deepEqual(warningsOf(SHORT, FILES), []);
  readText(SHORT, world);
  for (const handed of world.handedOut) assert.ok(handed.every((octet) => octet === 0));
});

test("where a setting of the long form stands is the short form's line", () => {
  const main = { name: "hq.conf", octets: octetsOf(SHORT), mode: 0o600 };
  assert.deepEqual(
    locateSettings(main, new VirtualWorld(FILES), [
      ["connections", "hq", "remote_addrs"],
      ["connections", "hq", "children", "net", "remote_ts"],
      ["connections", "hq", "proposals"],
    ]),
    [
      { place: "hq.conf:2:3", exact: true },
      { place: "hq.conf:4:3", exact: true },
      { place: "hq.conf:1:8", exact: false },
    ],
  );
});
