// What vici's commands answer, as plain values; swanctl's own reading of them is in test/interop/vici.test.ts.
import assert from "node:assert/strict";
import { test } from "node:test";
import { list, type Message, section, value } from "#control/vici/message";
import type { StoreCommand, StoreOutcome } from "#core/config-store";
import { CHANGES } from "#test/control/sample";
import { keysOf, requestOf, type Said, segment, within } from "./client.ts";
import { CHILD, DETAILS, SA, Scene } from "./sample.ts";

const EVENTS = ["list-sa", "list-conn", "list-policy", "list-cert", "list-authority", "control-log"];

function scene(): Scene {
  const made = new Scene();
  for (const event of EVENTS) made.session.receive(segment({ kind: "register", name: event }));
  assert.deepEqual(
    made.output.said(),
    EVENTS.map(() => "confirm"),
  );
  return made;
}

/** All that is said until the response. */
async function ask(here: Scene, name: string, ...parts: readonly Message[]): Promise<Said[]> {
  here.session.receive(requestOf(name, ...parts));
  await new Promise(setImmediate);
  return here.output.said();
}

/** All that strongSwan's README of vici names. */
const COMMANDS =
  `version stats reload-settings initiate terminate rekey redirect install uninstall list-sas list-policies
  list-conns get-conns list-certs list-authorities get-authorities load-conn unload-conn load-cert load-key unload-key get-keys
  load-token load-shared unload-shared get-shared flush-certs clear-creds load-authority unload-authority load-pool unload-pool
  get-pools get-algorithms get-counters reset-counters`.split(/\s+/);

test("each of vici's 36 commands is answered, whatever is missing in it", async () => {
  assert.equal(COMMANDS.length, 36);
  for (const name of COMMANDS) assert.equal((await ask(scene(), name)).at(-1)?.[0], "response", name);
});

const SHOWN_CHILD = {
  name: "net",
  uniqueid: "7",
  reqid: "1",
  state: "INSTALLED",
  mode: "TUNNEL",
  protocol: "ESP",
  encap: "yes",
  "spi-in": "c5b1a2f0",
  "spi-out": "00001234",
  "encr-alg": "AES_GCM_16",
  "encr-keysize": "128",
  "bytes-in": "8400",
  "packets-in": "100",
  "use-in": "1",
  "bytes-out": "0",
  "packets-out": "0",
  "rekey-time": "3000",
  "install-time": "42",
  "local-ts": ["10.1.0.0/16"],
  "remote-ts": ["10.2.0.0/16"],
};
const SHOWN_SA = {
  uniqueid: "3",
  version: "2",
  state: "ESTABLISHED",
  "local-host": "192.0.2.1",
  "local-port": "4500",
  "local-id": "gw-a",
  "remote-host": "192.0.2.2",
  "remote-port": "4500",
  "remote-id": "gw-b",
  initiator: "yes",
  "initiator-spi": "0102030405060708",
  "responder-spi": "1112131415161718",
  "nat-remote": "yes",
  "nat-any": "yes",
  "encr-alg": "AES_CBC",
  "encr-keysize": "256",
  "integ-alg": "HMAC_SHA2_256_128",
  "prf-alg": "PRF_HMAC_SHA2_256",
  "dh-group": "MODP_2048",
  established: "42",
  "rekey-time": "3600",
};

test("list-sas: each IKE SA with its children, as README.vici has them", async () => {
  assert.deepEqual(await ask(scene(), "list-sas"), [
    ["list-sa", { hq: { ...SHOWN_SA, "child-sas": { "net-7": SHOWN_CHILD } } }],
    ["response", {}],
  ]);
});

test("list-sas: filters by name and number; what is connecting has no times, a pair that is not there yet no octets", async () => {
  const here = scene();
  const other = { ...SA, id: 4, connection: "lab", state: "connecting" as const, establishedAt: undefined, suite: "" };
  here.gateway.current = { ...DETAILS, sas: [SA, { ...other, children: [{ ...CHILD, id: 9 }] }] };
  const names = async (...parts: Message[]) =>
    (await ask(here, "list-sas", ...parts)).flatMap((said) => keysOf(within(said)));
  assert.deepEqual(await names(), ["hq", "lab"]);
  assert.deepEqual(await names(value("ike", "lab")), ["lab"]);
  assert.deepEqual(await names(value("ike-id", 3)), ["hq"]);
  assert.deepEqual(await names(value("ike", "lab"), value("ike-id", 3)), []);
  const [first] = await ask(here, "list-sas", value("ike", "lab"), value("child-id", 9));
  assert.equal(within(first, "lab", "state"), "CONNECTING");
  assert.equal(within(first, "lab", "established"), undefined);
  assert.equal(within(first, "lab", "encr-alg"), undefined);
  assert.equal(within(first, "lab", "child-sas", "net-9", "bytes-in"), "0");
  assert.equal(within(first, "lab", "child-sas", "net-9", "reqid"), "2");
  assert.deepEqual(await ask(here, "list-sas", value("ike-id", "x")), [
    ["response", { success: "no", errmsg: "the request's ike-id makes no sense" }],
  ]);
});

test("a gateway with manual keys has no IKE SAs and says so by an empty list", async () => {
  const here = scene();
  here.gateway.current = undefined;
  assert.deepEqual(await ask(here, "list-sas"), [["response", {}]]);
  assert.deepEqual(await ask(here, "list-policies", value("trap", "yes")), [["response", {}]]);
});

test("list-conns: the configuration, with 0 for never", async () => {
  const here = scene();
  const round = { groups: [], cert_policy: [] };
  assert.deepEqual(await ask(here, "list-conns"), [
    [
      "list-conn",
      {
        hq: {
          local_addrs: ["192.0.2.1"],
          remote_addrs: ["192.0.2.2"],
          local_port: "500",
          remote_port: "500",
          version: "IKEv2",
          reauth_time: "0",
          rekey_time: "14400",
          unique: "UNIQUE_REPLACE",
          dpd_delay: "30",
          "local-1": { id: "gw-a", class: "pre-shared key", ...round, certs: ["CN=gw-a"], cacerts: [] },
          "remote-1": { class: "pre-shared key", ...round, certs: [], cacerts: ["CN=CA"] },
          children: {
            net: {
              mode: "TUNNEL",
              rekey_time: "0",
              rekey_bytes: "1000000000",
              rekey_packets: "0",
              dpd_action: "start",
              close_action: "trap",
              "local-ts": ["10.1.0.0/16"],
              "remote-ts": ["10.2.0.0/16"],
              priority: "7",
            },
            out: {
              mode: "PASS",
              rekey_time: "0",
              rekey_bytes: "0",
              rekey_packets: "0",
              dpd_action: "none",
              close_action: "none",
              "local-ts": ["10.9.0.0/24"],
              "remote-ts": ["10.8.0.0/24"],
            },
          },
        },
      },
    ],
    ["response", {}],
  ]);
  assert.deepEqual(await ask(here, "list-conns", value("ike", "lab")), [["response", {}]]);
});

test("list-policies: traps that are set, and shunts, as far as they are asked for", async () => {
  const here = scene();
  const names = async (...parts: Message[]) =>
    (await ask(here, "list-policies", ...parts)).flatMap((said) => keysOf(within(said)));
  assert.deepEqual(await names(value("trap", "yes"), value("drop", "yes"), value("pass", "yes")), ["hq/net", "hq/out"]);
  assert.deepEqual(await names(value("drop", "yes")), []);
  assert.deepEqual(await names(value("pass", "yes"), value("child", "net")), []);
  here.gateway.current = { ...DETAILS, trapped: [] };
  assert.deepEqual(await names(value("trap", "yes")), []);
});

test("list-certs: ends, CAs and revocation lists in strongSwan's order; types in both spellings", async () => {
  const here = scene();
  const shown = async (...parts: Message[]) =>
    (await ask(here, "list-certs", ...parts)).slice(0, -1).map((said) => Object.values(said[1] ?? {}));
  const [gw, ca, crl] = [
    ["X509", "NONE", "yes", "\u0002"],
    ["X509", "CA", "\u0001"],
    ["X509_CRL", "\u0004"],
  ];
  assert.deepEqual(await shown(), [gw, ca, crl]);
  assert.deepEqual(await shown(value("type", "X509"), value("flag", "CA")), [ca]);
  assert.deepEqual(await shown(value("type", "x509ca")), [ca]);
  assert.deepEqual(await shown(value("type", "x509")), [gw]);
  assert.deepEqual(await shown(value("type", "X509_CRL")), [crl]);
  assert.deepEqual(await shown(value("subject", "CN=gw-a")), [gw]);
  assert.deepEqual(await shown(value("type", "X509_AC")), []);
});

test("version, stats and algorithms", async () => {
  const here = scene();
  assert.deepEqual(await ask(here, "version"), [
    ["response", { daemon: "esplanade", version: "0.1.0", sysname: "Linux", release: "6.1", machine: "x86_64" }],
  ]);
  const [stats] = await ask(here, "stats");
  assert.deepEqual(within(stats, "uptime"), { running: "3 hours", since: "Nov 22 04:35:44 2026" });
  assert.deepEqual(within(stats, "ikesas"), { total: "0", "half-open": "0" });
  const algorithms = ["AES_CBC", "3DES_CBC"].map((name) => [name, "esplanade"]);
  const [all] = await ask(here, "get-algorithms");
  assert.deepEqual(within(all, "encryption"), Object.fromEntries(algorithms));
  assert.deepEqual(within(all, "dh"), { CURVE_25519: "esplanade", MODP_2048: "esplanade" });
});

test("initiate: what is reported of the connection meanwhile goes to who asked, what is said of others does not", async () => {
  const here = scene();
  let finish: (outcome: { count: number } | { why: string }) => void = () => undefined;
  here.gateway.answer = () =>
    new Promise((resolve) => {
      finish = resolve;
    });
  assert.deepEqual(await ask(here, "initiate", value("child", "net")), []);
  assert.deepEqual(here.gateway.asked, [["initiate", { kind: "child", child: "net", connection: "hq" }]]);
  here.service.report({ kind: "child-up", connection: "hq", child: "net", id: 7 }, "hq/net: up");
  here.service.report({ kind: "child-up", connection: "lab", child: "net", id: 8 }, "lab/net: up");
  here.service.report({ kind: "warning", text: "the clock jumped" }, "the clock jumped");
  finish({ count: 1 });
  await new Promise(setImmediate);
  assert.deepEqual(here.output.said(), [
    ["control-log", { group: "CHD", level: "1", "ikesa-name": "hq", msg: "hq/net: up" }],
    ["control-log", { group: "DMN", level: "1", msg: "the clock jumped" }],
    ["response", { success: "yes" }],
  ]);
  here.service.report({ kind: "child-down", connection: "hq", child: "net", reason: "no more" }, "hq/net: down");
  assert.deepEqual(here.output.said(), []);
});

test("initiate: errors name what was meant, and what failed", async () => {
  const here = scene();
  const errmsg = async (...parts: Message[]) => {
    const [said] = await ask(here, "initiate", ...parts);
    assert.equal(within(said, "success"), "no");
    return within(said, "errmsg");
  };
  assert.equal(await errmsg(), "missing configuration name");
  assert.equal(await errmsg(value("child", "nett")), "CHILD_SA config 'nett' not found; did you mean 'net'?");
  assert.equal(
    await errmsg(value("child", "net"), value("ike", "hp")),
    "CHILD_SA config 'net' not found; did you mean 'hq'?",
  );
  assert.equal(await errmsg(value("ike", "hp")), "IKE_SA config 'hp' not found; did you mean 'hq'?");
  assert.deepEqual(here.gateway.asked, []);
  here.gateway.answer = async () => ({ why: "the peer says NO_PROPOSAL_CHOSEN" });
  const failed = "establishing CHILD_SA 'net' failed: the peer says NO_PROPOSAL_CHOSEN";
  assert.equal(await errmsg(value("child", "net"), value("ike", "hq")), failed);
});

test("initiate: a timeout is honoured, and none is left behind; -1 waits for nothing", async () => {
  const here = scene();
  here.gateway.answer = () => new Promise(() => undefined);
  assert.deepEqual(await ask(here, "initiate", value("child", "net"), value("timeout", 2000)), []);
  assert.deepEqual(
    here.timers.map(({ span }) => span),
    [2000],
  );
  here.timers[0]?.work();
  await new Promise(setImmediate);
  assert.deepEqual(here.output.said(), [
    ["response", { success: "no", errmsg: "CHILD_SA 'net' not established after 2000ms" }],
  ]);
  assert.deepEqual(await ask(here, "initiate", value("ike", "hq"), value("timeout", -1)), [
    ["response", { success: "yes" }],
  ]);
  await ask(here, "initiate", value("child", "net"), value("timeout", 999_999_999_999));
  assert.equal(here.timers[1]?.span, 2 ** 31 - 1, "longer ones would go off at once");
  here.timers[1]?.work();
  await new Promise(setImmediate);
  here.output.said();
  here.timers.length = 0;
  here.gateway.answer = async () => ({ count: 1 });
  await ask(here, "initiate", value("child", "net"), value("timeout", 2000));
  assert.deepEqual(here.timers, []);
});

test("terminate and rekey: by names and numbers, each SA once; what is not there is said", async () => {
  const here = scene();
  const answer = async (name: string, ...parts: Message[]) => (await ask(here, name, ...parts))[0];
  const asked = () => here.gateway.asked.splice(0);
  const spare = { ...CHILD, id: 8, state: "rekeyed" as const };
  here.gateway.current = { ...DETAILS, sas: [{ ...SA, children: [CHILD, spare] }] };

  assert.deepEqual(await answer("terminate"), ["response", { success: "no", errmsg: "missing terminate selector" }]);
  assert.deepEqual(await answer("terminate", value("ike", "no")), [
    "response",
    { success: "no", matches: "0", terminated: "0", errmsg: "no matching SAs to terminate found" },
  ]);
  assert.deepEqual(asked(), []);
  assert.deepEqual(await answer("terminate", value("child", "net")), [
    "response",
    { success: "yes", matches: "2", terminated: "2" },
  ]);
  assert.deepEqual(
    asked().map(([action, { kind, ...rest }]) => [action, kind, "id" in rest ? rest.id : undefined]),
    [
      ["terminate", "child-id", 7],
      ["terminate", "child-id", 8],
    ],
  );
  here.gateway.answer = async () => ({ why: "it took too long" });
  assert.deepEqual(await answer("terminate", value("ike-id", 3)), [
    "response",
    { success: "no", matches: "1", terminated: "0", errmsg: "terminating SA failed: it took too long" },
  ]);
  asked();

  here.gateway.answer = async () => ({ count: 1 });
  assert.deepEqual(await answer("rekey", value("child", "net")), ["response", { success: "yes", matches: "1" }]);
  assert.deepEqual(await answer("rekey", value("ike", "hq"), value("reauth", "yes")), [
    "response",
    { success: "yes", matches: "1" },
  ]);
  assert.deepEqual(
    asked().map(([action]) => action),
    ["rekey", "reauthenticate"],
  );
  assert.deepEqual(await answer("rekey", value("child-id", 8)), [
    "response",
    { success: "no", matches: "0", errmsg: "no matching SAs to rekey found" },
  ]);
});

test("terminate --force waits a second for a peer that does not answer, and a rekey five", async () => {
  const here = scene();
  here.gateway.answer = () => new Promise(() => undefined);
  assert.deepEqual(await ask(here, "terminate", value("ike", "hq"), value("force", "yes")), []);
  assert.deepEqual(
    here.timers.map(({ span }) => span),
    [1000],
  );
  here.timers.splice(0)[0]?.work();
  await new Promise(setImmediate);
  assert.deepEqual(here.output.said(), [["response", { success: "yes", matches: "1", terminated: "1" }]]);
  await ask(here, "rekey", value("ike", "hq"));
  here.timers.splice(0)[0]?.work();
  await new Promise(setImmediate);
  assert.deepEqual(here.output.said(), [["response", { success: "yes", matches: "1" }]]);
  await ask(here, "terminate", value("ike", "hq"), value("timeout", 300));
  here.timers.splice(0)[0]?.work();
  await new Promise(setImmediate);
  const late = "terminating SA failed: not within 300ms";
  assert.deepEqual(here.output.said(), [["response", { success: "no", matches: "1", terminated: "0", errmsg: late }]]);
});

test("install, uninstall and redirect", async () => {
  const here = scene();
  const answer = async (name: string, ...parts: Message[]) => {
    const [said] = await ask(here, name, ...parts);
    return within(said, "errmsg") ?? within(said, "success");
  };
  assert.equal(await answer("install", value("child", "net")), "yes");
  assert.equal(await answer("uninstall", value("child", "net"), value("ike", "hq")), "yes");
  assert.deepEqual(here.gateway.asked, [
    ["install", { kind: "child", child: "net", connection: undefined }],
    ["uninstall", { kind: "child", child: "net", connection: "hq" }],
  ]);
  assert.equal(await answer("install", value("child", "nat")), "configuration name not found; did you mean 'net'?");
  assert.equal(await answer("install"), "missing configuration name");
  assert.equal(await answer("install", value("child", "out")), "yes");
  assert.match(String(await answer("uninstall", value("child", "out"))), /in force as long as it is configured/);
  assert.match(String(await answer("redirect", value("ike", "hq"))), /not redirected here/);
});

test("counters: rekeys of all and of one connection, messages of all; a reset counts from there on", async () => {
  const here = scene();
  const counter = async (connection: string, name: string, ...parts: Message[]) =>
    within((await ask(here, "get-counters", ...parts))[0], "counters", connection, name);
  const rekeyed = { kind: "rekey", connection: "hq", child: "net", trigger: "time", result: "done" } as const;
  here.service.report(rekeyed, "");
  here.service.report({ ...rekeyed, result: "failed" }, "");
  here.service.report({ ...rekeyed, result: "done by KE", connection: "lab" }, "");
  here.service.report({ kind: "ike-rekeyed", ike: SA, former: 2, trigger: "peer" }, "");
  here.messages.set("ike_auth-out-req", 5);
  here.gateway.state = { ...here.gateway.state, ike: { drop_malformed: 2, drop_unknown_spi: 3 } };
  const hq = value("name", "hq");
  const [all] = await ask(here, "get-counters");
  assert.equal(keysOf(within(all, "counters", "")).length, 21);
  assert.equal(await counter("", "child-rekey"), "2");
  assert.equal(await counter("", "ike-rekey-resp"), "1");
  assert.equal(await counter("", "ike-auth-out-req"), "5");
  assert.equal(await counter("", "invalid"), "2");
  assert.equal(await counter("", "invalid-spi"), "3");
  assert.equal(await counter("hq", "child-rekey", hq), "1");
  const [unknown] = await ask(here, "get-counters", value("name", "no"));
  assert.equal(within(unknown, "errmsg"), "no counters found for this connection");
  assert.deepEqual(keysOf(within((await ask(here, "get-counters", value("all", "yes")))[0], "counters")), ["hq"]);
  await ask(here, "reset-counters");
  here.messages.set("ike_auth-out-req", 6);
  assert.equal(await counter("", "ike-auth-out-req"), "1");
  assert.equal(await counter("", "child-rekey"), "0");
  assert.equal(await counter("hq", "child-rekey", hq), "1");
});

test("loading: each command reaches the store in its words, and its refusal the client", async () => {
  const here = scene();
  const taken: StoreCommand[] = [];
  let outcome: StoreOutcome = { ok: true, changes: CHANGES, warnings: [], id: "ab12" };
  Object.assign(here.gateway.configuration.store, {
    take: async (command: StoreCommand) => {
      taken.push(structuredClone(command));
      return outcome;
    },
    names: (which: string) => [`of ${which}`],
  });
  const answer = async (name: string, ...parts: Message[]) => (await ask(here, name, ...parts)).at(-1);
  const text = (said: string) => new TextEncoder().encode(said);

  const children = section("children", section("net", list("local_ts", ["10.1.0.0/16"])));
  await answer("load-conn", section("hq", value("version", "2"), list("proposals", ["a", "b"]), children));
  assert.deepEqual(await answer("load-key", value("type", "ECDSA"), value("data", "key")), [
    "response",
    { success: "yes", id: "ab12" },
  ]);
  await answer(
    "load-shared",
    value("id", "ike-1"),
    value("type", "IKE"),
    value("data", "psk"),
    list("owners", ["gw-b"]),
  );
  await answer("load-cert", value("type", "X509"), value("flag", "CA"), value("data", "ca"));
  await answer("load-cert", value("type", "X509_CRL"), value("data", "crl"));
  await answer("unload-conn", value("name", "hq"));
  await answer("unload-shared", value("id", "ike-1"));
  await answer("clear-creds");
  const empty = { settings: new Map(), sections: new Map() };
  const net = { settings: new Map([["local_ts", [text("10.1.0.0/16")]]]), sections: new Map() };
  assert.deepEqual(taken, [
    {
      kind: "load-conn",
      name: "hq",
      section: {
        settings: new Map<string, unknown>([
          ["version", text("2")],
          ["proposals", [text("a"), text("b")]],
        ]),
        sections: new Map([["children", { ...empty, sections: new Map([["net", net]]) }]]),
      },
    },
    { kind: "load-key", type: "ecdsa", data: text("key") },
    { kind: "load-shared", id: "ike-1", type: "IKE", data: text("psk"), owners: ["gw-b"] },
    { kind: "load-cert", type: "x509ca", data: text("ca") },
    { kind: "load-cert", type: "x509crl", data: text("crl") },
    { kind: "unload-conn", name: "hq" },
    { kind: "unload-shared", id: "ike-1" },
    { kind: "clear-creds" },
  ]);

  assert.deepEqual(await answer("get-conns"), ["response", { conns: ["of connections"] }]);
  assert.deepEqual(await answer("get-keys"), ["response", { keys: ["of keys"] }]);
  assert.deepEqual(await answer("get-shared"), ["response", { keys: ["of shared"] }]);
  outcome = { ok: false, why: "unknown key 'remote_adrs'; did you mean 'remote_addrs'?" };
  assert.deepEqual(await answer("load-conn", section("hq")), ["response", { success: "no", errmsg: outcome.why }]);
  const refused: readonly (readonly [string, ...Message[]])[] = [
    ["load-conn"],
    ["load-conn", section("a"), section("b")],
    ["load-cert", value("type", "X509_AC"), value("data", "x")],
    ["load-cert", value("type", "X509")],
    ["load-key", value("type", "rsa")],
    ["load-shared", value("type", "IKE")],
    ["load-token", value("handle", "01")],
    ["unload-conn"],
  ];
  const before = taken.length;
  for (const [name, ...parts] of refused) {
    const said = await answer(name, ...parts);
    assert.equal(within(said, "success"), "no", name);
    assert.match(String(within(said, "errmsg")), /\w{3}/, name);
  }
  // The first of them had no section, and the store was asked for nothing more.
  assert.equal(taken.length, before);
});

test("authorities are listed with what they were loaded with, pools by name", async () => {
  const here = scene();
  Object.assign(here.gateway.configuration.store, { names: () => ["lab"] });
  await ask(here, "load-authority", section("lab", value("cacert", "der"), list("crl_uris", ["file:///a.crl"])));
  await ask(here, "load-pool", section("lab", value("addrs", "10.99.0.0/24"), list("dns", ["10.99.0.1"])));
  assert.deepEqual(await ask(here, "list-authorities"), [
    ["list-authority", { lab: { cacert: "CN=CA", crl_uris: ["file:///a.crl"], ocsp_uris: [] } }],
    ["response", {}],
  ]);
  assert.deepEqual(await ask(here, "list-authorities", value("name", "no")), [["response", {}]]);
  Object.assign(here.gateway.configuration.store, { take: async () => ({ ok: false, why: "no such CA" }) });
  await ask(here, "load-authority", section("lab", value("cacert", "other"), list("crl_uris", ["file:///b.crl"])));
  await ask(here, "load-pool", section("lab", value("addrs", "10.98.0.0/24")));
  const [event] = await ask(here, "list-authorities");
  assert.match(JSON.stringify(event), /a\.crl/, "what was refused is not remembered");
  assert.deepEqual(await ask(here, "get-pools"), [
    ["response", { lab: { base: "10.99.0.0/24", size: "0", online: "0", offline: "0" } }],
  ]);
});
