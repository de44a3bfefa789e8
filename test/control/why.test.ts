import assert from "node:assert/strict";
import test from "node:test";
import { locateSettings } from "#config/swanctl/locate";
import { explain, explanationText, lastFailure, noticedOf } from "#control/why";
import type { FailureDetails } from "#core/failure";
import type { JournalEntry } from "#core/journal";
import { TUNNEL } from "./sample.ts";

const DOWN = { ...TUNNEL, state: "down" as const };
const DETAILS: FailureDetails = {
  local: "192.0.2.1:500",
  remote: "192.0.2.2:500",
  ourOffer: ["aes128gcm16-prfsha256-x25519"],
  theirOffer: undefined,
  localSelectors: [],
  remoteSelectors: [],
  localIdentity: "gw-a",
  remoteIdentity: "gw-b",
  silence: undefined,
};

type Failed = Extract<JournalEntry, { readonly kind: "failed" }>;

function failed(more: Partial<Failed>): Failed {
  return {
    kind: "failed",
    number: 1,
    at: 1000,
    level: "warn",
    line: "",
    connection: "hq",
    child: undefined,
    asked: "us",
    stage: "IKE_SA_INIT",
    notify: undefined,
    from: "peer",
    reason: "reason",
    remedy: "remedy",
    retryAt: undefined,
    details: DETAILS,
    ...more,
  };
}

const settingsOf = (event: Failed) => explain(DOWN, event).fixes.map(({ setting }) => setting.join("."));

test("the newest failure of the child or of its connection counts, not one of its neighbours", () => {
  const events = [
    failed({ number: 1 }),
    failed({ number: 2, child: "net" }),
    failed({ number: 3, child: "voice" }),
    failed({ number: 4, connection: "lab" }),
  ];
  assert.equal(lastFailure(events, DOWN)?.number, 2);
  assert.equal(lastFailure([], DOWN), undefined);
});

test("a failure that was over when the tunnel came up is no answer, but noticed; one that came later is", () => {
  const up: JournalEntry = {
    kind: "child-up",
    connection: "hq",
    child: "net",
    id: 1,
    number: 2,
    at: 2,
    level: "info",
    line: "",
  };
  const before = failed({ number: 1, line: "hq: refused" });
  assert.equal(lastFailure([before, up], TUNNEL), undefined);
  assert.deepEqual(noticedOf([before, up], TUNNEL), ["hq: refused"]);
  assert.match(explain(TUNNEL, undefined).summary, /nothing has failed since it came up/);
  assert.equal(lastFailure([before, up, failed({ number: 3 })], TUNNEL)?.number, 3);
  assert.equal(lastFailure([before, up], DOWN)?.number, 1);
});

test("offers are compared kind by kind, and the first that has nothing in common is marked", () => {
  const event = failed({
    asked: "peer",
    from: "us",
    notify: "NO_PROPOSAL_CHOSEN",
    details: { ...DETAILS, theirOffer: ["aes128gcm16-prfsha384-modp2048"] },
  });
  const text = explanationText(explain(DOWN, event), 3000, () => "hq.conf:4:5");
  assert.match(text, /encryption: ours aes128gcm16; theirs aes128gcm16\n/);
  assert.match(text, /PRF: ours prfsha256; theirs prfsha384 {2}<- the first difference\n/);
  assert.match(text, /key exchange: ours x25519; theirs modp2048\n/);
  assert.match(text, /hq\.conf:4:5: proposals = aes128gcm16-prfsha384-modp2048, aes128gcm16-prfsha256-x25519/);
});

test("a refusal that names nothing says so, and asks for a probe", () => {
  const { came, commands, fixes } = explain(DOWN, failed({ notify: "NO_PROPOSAL_CHOSEN" }));
  assert.deepEqual(came, ["NO_PROPOSAL_CHOSEN", "(it does not say what it would take)"]);
  assert.equal(commands[0], "esplanade probe 192.0.2.2");
  assert.deepEqual(fixes[0]?.setting, ["connections", "hq", "proposals"]);
});

test("silent, refused and unreachable are told apart, with sends and seconds", () => {
  for (const [answer, said] of [
    ["silent", "nothing, and no ICMP error"],
    ["refused", "ICMP port unreachable"],
    ["unreachable", "ICMP host or network unreachable"],
  ] as const) {
    const event = failed({ from: "nobody", details: { ...DETAILS, silence: { answer, sends: 6, millis: 31_400 } } });
    assert.deepEqual(explain(DOWN, event).came, [`${said}, after 6 sends in 31 s`]);
    assert.deepEqual(settingsOf(event), ["connections.hq.remote_addrs"]);
  }
});

test("each kind of failure names the settings it is about", () => {
  assert.deepEqual(settingsOf(failed({ child: "net", notify: "TS_UNACCEPTABLE" })), [
    "connections.hq.children.net.remote_ts",
    "connections.hq.children.net.local_ts",
  ]);
  assert.deepEqual(settingsOf(failed({ child: "net", notify: "NO_PROPOSAL_CHOSEN" })), [
    "connections.hq.children.net.esp_proposals",
  ]);
  assert.deepEqual(settingsOf(failed({ notify: "AUTHENTICATION_FAILED" })), ["secrets", "connections.hq.remote.id"]);
  assert.deepEqual(settingsOf(failed({ from: "us", reason: "CN=gw-b expired on 2020-01-01" })), [
    "connections.hq.remote.cacerts",
  ]);
});

test("a tunnel that is up and hears nothing is told as such, with the commands that look further", () => {
  const { summary, commands } = explain({ ...TUNNEL, packetsIn: 0 }, undefined);
  assert.match(summary, /up and carries our packets, but none came back/);
  assert.deepEqual(commands, ["esplanade doctor", "esplanade ping hq/net"]);
  assert.match(
    explain({ ...TUNNEL, packetsOut: 0 }, undefined).summary,
    /no packet of ours has entered it: a masquerade/,
  );
});

test("a setting is found in its file, through references, or else its section", () => {
  const text = [
    "connections {",
    "  hq : base {",
    "    remote { id = gw-b }",
    "    children { net { } }",
    "  }",
    "}",
    "base { proposals = aes128-sha256-x25519 }",
  ].join("\n");
  const source = { name: "hq.conf", octets: new TextEncoder().encode(text), mode: 0o600 };
  const world = { read: () => assert.fail("nothing is included"), glob: () => [] };
  const found = locateSettings(source, world, [
    ["connections", "hq", "proposals"],
    ["connections", "hq", "remote", "id"],
    ["connections", "hq", "children", "net", "remote_ts"],
    ["secrets"],
  ]);
  assert.deepEqual(
    found.map((one) => one && `${one.place} ${one.exact}`),
    ["hq.conf:7:8 true", "hq.conf:3:14 true", "hq.conf:4:16 false", undefined],
  );
});
