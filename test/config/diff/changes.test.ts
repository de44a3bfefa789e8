import assert from "node:assert/strict";
import { test } from "node:test";
import { adopt, adoptPolicies, secretsOf } from "#config/diff/adopt";
import { configChanges, isSame } from "#config/diff/changes";
import { restartNeeds } from "#config/diff/restart";
import type { IkeConfig } from "#core/connection";
import { complaintToString } from "#core/errors";
import type { GatewayConfig } from "#core/policy";
import { type Lines, readText, sample } from "#test/config/swanctl/sample";

const read = (lines: Lines = {}): GatewayConfig => readText(sample(lines)).config;
const PSK = "local { auth = psk\n }\nremote { auth = psk\n }\n";
const more = (lines: string) => read({ file: `connections { lab { remote_addrs = 192.0.2.7\n${PSK}${lines} } }` });

function ikeOf({ ike }: GatewayConfig): IkeConfig {
  assert.ok(ike !== undefined);
  return ike;
}

/** "hq/net renewed esp_proposals", one line a detail. */
function told(former: GatewayConfig, next: GatewayConfig): string[] {
  return configChanges(former, next).details.map(({ connection, child, fate, keys }) =>
    [child === undefined ? connection : `${connection}/${child}`, fate, ...keys].join(" "),
  );
}

test("the same text twice is no change at all, whatever its secrets' buffers", () => {
  const changes = configChanges(read(), read());
  assert.deepEqual(changes, {
    added: [],
    changed: [],
    removed: [],
    unchanged: ["hq"],
    credentials: false,
    details: [],
  });
  assert.ok(isSame(ikeOf(read()), ikeOf(read()), changes));
});

/** What changes, and what becomes of the SAs. */
const ROWS: readonly (readonly [lines: Lines, details: readonly string[]])[] = [
  [{ child: "esp_proposals = aes256gcm16" }, ["hq/net renewed esp_proposals"]],
  [{ child: "remote_ts = 10.9.0.0/16" }, ["hq/net renewed remote_ts"]],
  [{ child: "mode = transport" }, ["hq/net renewed mode"]],
  [{ child: "replay_window = 64" }, ["hq/net rekeyed replay_window"]],
  [{ child: "life_bytes = 100M" }, ["hq/net rekeyed life_*, rekey_*, rand_*"]],
  [{ child: "start_action = trap" }, ["hq/net kept start_action"]],
  [{ child: "updown = /bin/true\nesp_proposals = aes256gcm16" }, ["hq/net renewed esp_proposals updown"]],
  [{ connection: "dpd_delay = 7s" }, ["hq kept dpd_delay"]],
  [{ connection: "proposals = aes256-sha256-x25519" }, ["hq renewed proposals"]],
  [{ connection: "encap = yes", child: "replay_window = 64" }, ["hq renewed encap", "hq/net renewed replay_window"]],
  [{ local: "id = gw-a" }, ["hq renewed local.id"]],
  [{ file: "connections { hq { children { voice { remote_ts = 10.7.0.0/16\n} } } }" }, ["hq/voice new"]],
];

for (const [lines, details] of ROWS)
  test(`a change of ${Object.values(lines).join(" and ").replaceAll("\n", " ")} is told with what becomes of SAs`, () => {
    assert.deepEqual(told(read(), read(lines)), details);
    const { changed, unchanged } = configChanges(read(), read(lines));
    assert.deepEqual([changed, unchanged], [["hq"], []]);
  });

test("connections come, go and stay by their names; a child that went is ended", () => {
  const two = more("children { net { remote_ts = 10.3.0.0/16\n } }");
  assert.deepEqual(told(read(), two), ["lab new"]);
  assert.deepEqual(told(two, read()), ["lab ended"]);
  const { added, removed, unchanged } = configChanges(two, read());
  assert.deepEqual([added, removed, unchanged], [[], ["lab"], ["hq"]]);
  const without = more("children { other { remote_ts = 10.3.0.0/16\n } }");
  assert.deepEqual(told(two, without), ["lab/other new", "lab/net ended"]);
});

test("another secret is another credential, and no connection has changed", () => {
  const next = read({ file: 'secrets { ike-more { id = nobody\nsecret = "a longer secret than that" } }' });
  const { credentials, unchanged, details } = configChanges(read(), next);
  assert.deepEqual([credentials, unchanged, details], [true, ["hq"], []]);
});

test("what is the same is the former object, and of equal secrets one buffer is left to wipe", () => {
  const former = ikeOf(read());
  const next = ikeOf(more("children { net { remote_ts = 10.3.0.0/16\n } }"));
  const { ike, doubles, gone } = adopt(former, next);
  assert.equal(ike.connections[0], former.connections[0]);
  assert.equal(ike.connections[1], next.connections[1]);
  assert.deepEqual([...doubles], [...secretsOf(next.credentials)]);
  assert.deepEqual(gone, []);
  assert.deepEqual([...secretsOf(ike.credentials)], [...secretsOf(former.credentials)]);
});

test("what was found to be the same is not held against it again, and another one of its name is", () => {
  const [former, next, other] = [read(), read(), read({ connection: "dpd_delay = 7s" })];
  const [connection] = ikeOf(next).connections;
  assert.ok(connection !== undefined);
  let looks = 0;
  const watched = new Proxy(connection, {
    get: (target, key) => {
      if (key === "children") looks++;
      return Reflect.get(target, key);
    },
  });
  const again = { ...ikeOf(next), connections: [watched] };
  assert.equal(adopt(ikeOf(former), again).ike.connections[0], ikeOf(former).connections[0]);
  assert.ok(looks > 0);
  looks = 0;
  for (let i = 0; i < 10; i++) {
    assert.equal(adopt(ikeOf(former), again).ike.connections[0], ikeOf(former).connections[0]);
    assert.deepEqual(configChanges(former, { ...next, ike: again }).changed, []);
  }
  assert.equal(looks, 0);
  assert.deepEqual(configChanges(other, { ...next, ike: again }).changed, ["hq"]);
});

test("a policy that says the same is the former object, one of its name that does not is the new one", () => {
  const former = more("children { net { local_ts = 10.1.0.0/16\nremote_ts = 10.7.0.0/16\n} }").policies;
  const next = more("children { net { local_ts = 10.1.0.0/16\nremote_ts = 10.8.0.0/16\n} }").policies;
  const adopted = adoptPolicies(former, next);
  assert.deepEqual(adopted, next);
  assert.deepEqual(
    adopted.map((policy) => [policy.name, former.includes(policy)]),
    [
      ["hq/net", true],
      ["lab/net", false],
    ],
  );
});

test("a secret that is gone is named to be wiped, and a child that stayed is the same object beside one that changed", () => {
  const former = ikeOf(read({ file: 'secrets { ike-more { id = nobody\nsecret = "a longer secret than that" } }' }));
  const next = ikeOf(read({ file: "connections { hq { children { voice { remote_ts = 10.7.0.0/16\n} } } }" }));
  const { ike, gone } = adopt(former, next);
  assert.equal(gone.length, 1);
  assert.equal(Buffer.from(gone[0] ?? []).toString(), "a longer secret than that");
  assert.equal(ike.connections[0]?.children[0], former.connections[0]?.children[0]);
});

test("tun, slots, ciphers and sockets are of the start: each is refused with its remedy", () => {
  const needs = (file: string) =>
    restartNeeds(read(), read({ file }), new Map([["esplanade.crypto", "hq.conf:16:13"]])).map(complaintToString);
  assert.deepEqual(needs(""), []);
  assert.deepEqual(needs("esplanade { crypto = node\n }"), [
    "hq.conf:16:13: esplanade.crypto: 'auto' is of the gateway's start and cannot become 'node'; stop the gateway and start it again",
  ]);
  assert.match(needs("esplanade { tun { name = esp7\n } }").join(), /^esplanade.tun.name: 'esp0' is of/);
  assert.match(needs("esplanade { slots = 32768\n }").join(), /there is room for 16384 SAs, and 32768 are wanted/);
  assert.match(
    needs("esplanade { listen = 192.0.2.1\n }").join(),
    /^esplanade.listen: nothing listens on 192.0.2.1:4500/,
  );
  assert.match(
    needs(`connections { six { remote_addrs = 2001:db8::7\n${PSK} } }`).join(),
    /nothing listens on \[::\]:4500/,
  );
});

test("less than the start made room for is no reason to refuse", () => {
  const wide = read({ file: "esplanade { slots = 32768\n listen = 192.0.2.1, 192.0.2.3\n }" });
  const http = restartNeeds(read(), read({ file: "esplanade { http { listen = 127.0.0.1:9850\n } }" }));
  assert.deepEqual(
    http.map(({ path }) => path),
    ["esplanade.http"],
    "said once",
  );
  assert.deepEqual(restartNeeds(wide, read({ file: "esplanade { listen = 192.0.2.3\n }" })), []);
});

test("manual keys are of the start too", () => {
  const manual: GatewayConfig = { ...read(), ike: undefined };
  assert.match(
    restartNeeds(manual, manual).map(complaintToString).join(),
    /^sas: manual keys are of the gateway's start/,
  );
  assert.match(
    restartNeeds(manual, read()).map(complaintToString).join(),
    /manual keys and IKE do not take each other's/,
  );
});
