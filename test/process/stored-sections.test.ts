import assert from "node:assert/strict";
import { generateKeyPairSync } from "node:crypto";
import { test } from "node:test";
import type { ConfigSection, StoreCommand, StoreOutcome } from "#core/config-store";
import type { GatewayConfig } from "#core/policy";
import { ConfigurationExchange } from "#process/configuration-exchange";
import { FileConfiguration } from "#process/file-configuration";
import { type Lines, octetsOf, readText, sample, VirtualWorld } from "#test/config/swanctl/sample";

const SECRET = "a secret that is long enough";

/** A configuration whose gateway takes everything, and what it was told to take. */
class Scene {
  text: string;
  readonly taken: GatewayConfig[] = [];
  refuses: string | undefined;
  files: Readonly<Record<string, string>> = {};
  readonly exchange: ConfigurationExchange;
  readonly configuration: FileConfiguration;

  constructor(text = "esplanade { }") {
    this.text = text;
    this.exchange = new ConfigurationExchange(readText(text).config, {
      network: { extend: () => () => undefined },
      guard: { extend: () => this.refuses ?? (() => undefined), listen: () => undefined },
      ike: { extendPorts: () => () => undefined, reconfigure: () => void this.taken.push(this.exchange.running) },
      resize: () => undefined,
    });
    this.configuration = new FileConfiguration({
      exchange: this.exchange,
      file: "hq.conf",
      load: () => readText(this.text, new VirtualWorld(this.files)),
      world: new VirtualWorld({}),
      wallClock: () => 1_700_000_000_000,
      told: () => undefined,
    });
  }

  take(command: StoreCommand): Promise<StoreOutcome> {
    return this.configuration.store.take(command);
  }

  get connections(): readonly string[] {
    return (this.exchange.running.ike?.connections ?? []).map(({ name }) => name);
  }

  get secrets(): readonly string[] {
    return (this.exchange.running.ike?.credentials.secrets ?? []).map(({ secret }) => Buffer.from(secret).toString());
  }
}

type Tree = { readonly [key: string]: string | readonly string[] | Tree };

const isTree = (value: string | readonly string[] | Tree): value is Tree =>
  typeof value === "object" && !Array.isArray(value);

function section(tree: Tree): ConfigSection {
  const settings = new Map<string, Uint8Array | readonly Uint8Array[]>();
  const sections = new Map<string, ConfigSection>();
  for (const [key, value] of Object.entries(tree))
    if (isTree(value)) sections.set(key, section(value));
    else settings.set(key, typeof value === "string" ? octetsOf(value) : value.map(octetsOf));
  return { settings, sections };
}

/** As swanctl sends it: lists are lists. */
const LAB: Tree = {
  version: "2",
  local_addrs: ["192.0.2.1"],
  remote_addrs: ["192.0.2.7"],
  proposals: ["aes256-sha256-x25519", "aes128-sha256-x25519"],
  local: { auth: "psk", id: "gw-a" },
  remote: { auth: "psk", id: "gw-b" },
  children: { net: { local_ts: ["10.1.0.0/16"], remote_ts: ["10.2.0.0/16", "10.3.0.0/16"], start_action: "trap" } },
};
const load = (name: string, tree: Tree): StoreCommand => ({ kind: "load-conn", name, section: section(tree) });
const shared = (text: string, id = "ike-lab"): StoreCommand => ({
  kind: "load-shared",
  id,
  type: "IKE",
  data: octetsOf(text),
  owners: ["gw-b"],
});

test("a gateway without connections is loaded piece by piece, in any order: what is missing yet is a warning", async () => {
  const scene = new Scene();
  const first = await scene.take(load("lab", LAB));
  assert.ok(first.ok);
  assert.deepEqual(first.changes.added, ["lab"]);
  assert.match(first.warnings.join(), /^load-conn lab:\d+:\d+: no secret for 'lab' \(id gw-b\)/);
  assert.ok((await scene.take(shared(SECRET))).ok);
  assert.deepEqual([scene.connections, scene.secrets], [["lab"], [SECRET]]);
  const again = await scene.take(load("lab", LAB));
  assert.ok(again.ok);
  assert.deepEqual([again.changes.unchanged, again.warnings], [["lab"], []]);
  const [lab] = scene.exchange.running.ike?.connections ?? [];
  assert.deepEqual([lab?.proposals.length, lab?.children[0]?.remote.length], [2, 2]);
  assert.deepEqual(
    scene.exchange.running.policies.map(({ name }) => name),
    ["lab/net"],
  );
});

test("complaints are those of a file, point into what came, and change nothing", async () => {
  const scene = new Scene();
  const { remote_addrs: _, ...rest } = LAB;
  const outcome = await scene.take(load("lab", { remote_adrs: ["192.0.2.7"], ...rest }));
  assert.ok(!outcome.ok);
  assert.equal(
    outcome.why,
    "load-conn lab:2:3: unknown key 'remote_adrs' in connection 'lab'; did you mean 'remote_addrs'?",
  );
  assert.deepEqual([scene.connections, scene.taken.length], [[], 0]);
});

test("the same commands again, as swanctl sends them, change nothing and keep secrets as they are", async () => {
  const scene = new Scene();
  for (let i = 0; i < 3; i++) {
    assert.ok((await scene.take(shared(SECRET))).ok);
    assert.ok((await scene.take(load("lab", LAB))).ok);
  }
  assert.deepEqual([scene.secrets, scene.taken.length], [[SECRET], 2]);
});

test("unloading and clearing take away what came so, and its octets are wiped", async () => {
  const scene = new Scene();
  await scene.take(shared(SECRET));
  const buffer = scene.exchange.running.ike?.credentials.secrets[0]?.secret;
  assert.deepEqual(scene.configuration.store.names("shared"), ["ike-lab"]);
  assert.ok((await scene.take({ kind: "unload-shared", id: "ike-lab" })).ok);
  assert.deepEqual(scene.secrets, []);
  assert.ok(buffer?.every((octet) => octet === 0));
  await scene.take(shared(SECRET));
  assert.ok((await scene.take({ kind: "clear-creds" })).ok);
  assert.deepEqual([scene.secrets, scene.configuration.store.names("shared")], [[], []]);
  const unknown = await scene.take({ kind: "unload-conn", name: "nobody" });
  assert.ok(!unknown.ok);
  assert.match(unknown.why, /^no connection 'nobody' is loaded; /);
});

test("beside a file: its connection is shadowed and unloaded by name, and its next reload has the last word", async () => {
  const scene = new Scene(sample());
  assert.deepEqual(scene.configuration.store.names("connections"), ["hq"]);
  await scene.take(shared(SECRET));
  assert.ok((await scene.take(load("lab", LAB))).ok);
  assert.ok((await scene.take(load("hq", LAB))).ok);
  assert.equal(scene.exchange.running.ike?.connections[0]?.children[0]?.remote.length, 2, "hq is what was loaded");
  assert.ok((await scene.take({ kind: "unload-conn", name: "hq" })).ok);
  assert.deepEqual(scene.connections, ["lab"]);
  const reloaded = await scene.configuration.reload(undefined);
  assert.ok(!("why" in reloaded));
  assert.deepEqual([scene.connections, reloaded.changes.added], [["hq", "lab"], ["hq"]]);
  assert.deepEqual(scene.secrets, ["correct horse battery staple", SECRET]);
});

test("reloads of a file with equal secrets go on with the buffers in force; those that are gone are wiped", async () => {
  const lines: Lines = { file: `secrets { ike-more { id = nobody\nsecret = "${SECRET}" } }` };
  const scene = new Scene(sample(lines));
  const [kept, gone] = scene.exchange.running.ike?.credentials.secrets ?? [];
  scene.text = sample({ child: "replay_window = 64" });
  for (let i = 0; i < 2; i++) assert.ok(!("why" in (await scene.configuration.reload(undefined))));
  assert.equal(scene.exchange.running.ike?.credentials.secrets[0]?.secret, kept?.secret);
  assert.deepEqual(scene.secrets, ["correct horse battery staple"]);
  assert.ok(gone?.secret.every((octet) => octet === 0));
});

test("a key that was loaded, and that the file names later too, is the running one's whatever is loaded and unloaded then", async () => {
  const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const pem = privateKey.export({ format: "pem", type: "pkcs8" }).toString();
  const scene = new Scene();
  const loaded = await scene.take({ kind: "load-key", type: "any", data: octetsOf(pem) });
  assert.ok(loaded.ok && loaded.id !== undefined);
  const isWhole = () => {
    const keys = scene.exchange.running.ike?.credentials.keys ?? [];
    return keys.length > 0 && keys.every(({ pkcs8 }) => pkcs8.some((octet) => octet !== 0));
  };
  assert.ok(isWhole());
  scene.files = { "private/a.key": pem };
  assert.ok(!("why" in (await scene.configuration.reload(undefined))));
  assert.ok(isWhole(), "reloaded");
  assert.ok((await scene.take(shared(SECRET))).ok);
  assert.ok(isWhole(), "something else was loaded");
  assert.ok((await scene.take({ kind: "unload-key", id: loaded.id })).ok);
  assert.ok(isWhole(), "the file's key is still there");
});

test("what the system refuses changes nothing, wipes what is new, and is told as the last reload's why", async () => {
  const scene = new Scene(sample());
  scene.text = sample({ file: `secrets { ike-more { id = nobody\nsecret = "${SECRET}" } }` });
  scene.refuses = "nft: no room";
  const outcome = await scene.configuration.reload(undefined);
  assert.ok("why" in outcome);
  assert.match(outcome.why, /nft: no room/);
  assert.deepEqual([scene.secrets, scene.taken.length], [["correct horse battery staple"], 0]);
  assert.equal(scene.configuration.lastReload.ok, false);
  assert.equal((await scene.take(shared(SECRET))).ok, false);
  scene.refuses = undefined;
  assert.ok((await scene.take(shared(SECRET))).ok);
  assert.deepEqual(scene.secrets, ["correct horse battery staple", SECRET]);
});

test("what runs is shown without secrets and keys", () => {
  const shown = new Scene(sample()).configuration.current();
  assert.deepEqual([shown.ike?.credentials.secrets, shown.ike?.credentials.keys, shown.sas], [[], [], []]);
  assert.equal(shown.ike?.connections.length, 1);
});
