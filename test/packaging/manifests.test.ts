// Containerfile, compose file and Kubernetes manifests, as far as they can be judged without an engine: what they name is there.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { test } from "node:test";
import { readArguments } from "#cli/command";
import { COMMANDS } from "#cli/commands";
import { readSwanctl } from "#config/swanctl/read";
import { ROUTES } from "#control/http/routes";
import type { GatewayConfig } from "#core/policy";
import { packageFile, packageVersion } from "#io/package-file";

const KUBERNETES = packageFile("packaging/kubernetes");
const CONTAINER = packageFile("packaging/container");
const RIGHTS = ["NET_ADMIN", "NET_RAW", "NET_BIND_SERVICE"];
const TUN = "/dev/net/tun";
const CREDENTIALS = "/run/secrets/esplanade";

const TO_JSON = "import json, sys, yaml; print(json.dumps(list(yaml.safe_load_all(sys.stdin))))";
const HAS_YAML = spawnSync("python3", ["-c", "import yaml"]).status === 0;
const SKIP = HAS_YAML ? false : "no PyYAML: apt-get install python3-yaml";
if (SKIP !== false) console.error(`SKIPPED: ${SKIP}`);

type Node = Readonly<Record<string, unknown>>;

function isNode(value: unknown): value is Node {
  return typeof value === "object" && value !== null;
}

/** What is there by this path: "spec.template.spec". */
function at(node: unknown, path: string): unknown {
  return path.split(".").reduce((found, key) => (isNode(found) ? found[key] : undefined), node);
}

function listAt(node: unknown, path: string): readonly unknown[] {
  const found = at(node, path);
  assert.ok(Array.isArray(found), `${path} is no list`);
  return found;
}

function documents(path: string): readonly unknown[] {
  const { status, stdout, stderr } = spawnSync("python3", ["-c", TO_JSON], {
    input: readFileSync(path, "utf8"),
    encoding: "utf8",
  });
  assert.equal(status, 0, `${path}: ${stderr}`);
  const found: unknown = JSON.parse(stdout);
  assert.ok(Array.isArray(found));
  return found;
}

const manifests = (name: string) => documents(`${KUBERNETES}/${name}`);
const kind = (list: readonly unknown[], wanted: string) => list.filter((one) => at(one, "kind") === wanted);

/** A configuration as a gateway reads it, with the credentials that it names. */
function configured(text: string): { readonly config: GatewayConfig; readonly credentials: readonly string[] } {
  const credentials: string[] = [];
  const world = {
    read: (path: string) => {
      assert.match(path, /^credential:/);
      credentials.push(path.slice("credential:".length));
      return { octets: new TextEncoder().encode("a secret that is long enough"), mode: 0o400 };
    },
    glob: () => [],
  };
  const octets = new TextEncoder().encode(text);
  const { config, warnings } = readSwanctl({ name: "esplanade.conf", octets, mode: 0o600 }, world);
  assert.deepEqual(warnings, []);
  return { config, credentials };
}

async function mustBeCommandLine(words: unknown): Promise<void> {
  assert.ok(Array.isArray(words));
  const [name = "", ...rest] = words.map(String);
  const command = await COMMANDS[name]?.();
  assert.ok(command, `there is no command ${name}`);
  readArguments(rest, command);
}

const GET = ROUTES.filter(({ method }) => method === "GET").map(({ path }) => path);

for (const [file, workload] of [
  ["esplanade.yaml", "Deployment"],
  ["daemonset.yaml", "DaemonSet"],
] as const)
  test(`${workload}: command line, rights, device, probes and mounts are what a gateway has and needs`, {
    skip: SKIP,
  }, async () => {
    const [found, ...more] = kind(manifests(file), workload);
    assert.equal(more.length, 0);
    assert.deepEqual(at(found, "spec.selector.matchLabels"), at(found, "spec.template.metadata.labels"));
    const pod = at(found, "spec.template.spec");
    const [container] = listAt(pod, "containers");
    assert.equal(at(container, "image"), `esplanade:${packageVersion()}`);
    await mustBeCommandLine(at(container, "args"));
    assert.deepEqual(at(container, "securityContext.capabilities"), { drop: ["ALL"], add: RIGHTS });
    assert.equal(at(container, "securityContext.allowPrivilegeEscalation"), false);
    assert.equal(at(container, "livenessProbe.httpGet.path"), "/healthz");
    assert.equal(at(container, "readinessProbe.httpGet.path"), "/readyz");
    const names = listAt(container, "ports").map((port) => at(port, "name"));
    for (const probe of ["livenessProbe", "readinessProbe", "startupProbe"]) {
      const get = at(container, `${probe}.httpGet`);
      if (get === undefined) continue;
      assert.ok(GET.includes(String(at(get, "path"))), String(at(get, "path")));
      assert.ok(names.includes(at(get, "port")));
    }
    const volumes = new Map(listAt(pod, "volumes").map((volume) => [at(volume, "name"), volume]));
    const mounts = new Map(
      listAt(container, "volumeMounts").map((mount) => [at(mount, "mountPath"), at(mount, "name")]),
    );
    assert.deepEqual([...mounts.values()].sort(), [...volumes.keys()].sort());
    assert.equal(at(volumes.get(mounts.get(TUN)), "hostPath.path"), TUN);
    assert.equal(at(volumes.get(mounts.get(CREDENTIALS)), "secret.secretName"), "esplanade");
    assert.equal(at(volumes.get(mounts.get("/etc/esplanade")), "configMap.name"), "esplanade");
    assert.ok(mounts.has("/run/esplanade"));
  });

test("the ConfigMap's configuration is good, its credentials are the Secret's, and its port is the probes'", {
  skip: SKIP,
}, () => {
  const all = manifests("esplanade.yaml");
  const [map] = kind(all, "ConfigMap");
  const [secret] = kind(all, "Secret");
  const { config, credentials } = configured(String(Object.values(Object(at(map, "data")))[0]));
  assert.deepEqual(Object.keys(Object(at(map, "data"))), ["esplanade.conf"]);
  assert.deepEqual(credentials, Object.keys(Object(at(secret, "stringData"))));
  const [container] = listAt(kind(all, "Deployment")[0], "spec.template.spec.containers");
  const ports = new Map(listAt(container, "ports").map((port) => [at(port, "name"), at(port, "containerPort")]));
  assert.deepEqual(
    config.http?.listen.map(({ port }) => port),
    [ports.get("http")],
  );
  assert.deepEqual([ports.get("ike"), config.listen.map(({ port }) => port)], [500, [ports.get("nat-t")]]);
  // An empty secret is refused, so that nobody goes on with it unawares.
  assert.deepEqual(Object.values(Object(at(secret, "stringData"))), [""]);
});

test("Services and the ServiceMonitor lead to ports of the Deployment, and to /metrics", { skip: SKIP }, () => {
  const all = manifests("esplanade.yaml");
  const [workload] = kind(all, "Deployment");
  const [container] = listAt(workload, "spec.template.spec.containers");
  const names = listAt(container, "ports").map((port) => at(port, "name"));
  const services = kind(all, "Service");
  assert.equal(services.length, 2);
  for (const service of services) {
    assert.deepEqual(at(service, "spec.selector"), at(workload, "spec.template.metadata.labels"));
    for (const port of listAt(service, "spec.ports")) assert.ok(names.includes(at(port, "targetPort")));
  }
  const [monitor] = manifests("servicemonitor.yaml");
  const wanted = Object.entries(Object(at(monitor, "spec.selector.matchLabels")));
  const meant = services.filter((one) =>
    wanted.every(([key, value]) => Object(at(one, "metadata.labels"))[key] === value),
  );
  assert.equal(meant.length, 1);
  const [endpoint] = listAt(monitor, "spec.endpoints");
  assert.ok(listAt(meant[0], "spec.ports").some((port) => at(port, "name") === at(endpoint, "port")));
  assert.ok(GET.includes(String(at(endpoint, "path"))));
  const [custom] = manifests("kustomization.yaml");
  for (const resource of listAt(custom, "resources"))
    assert.ok(existsSync(`${KUBERNETES}/${resource}`), String(resource));
});

test("kubectl takes the manifests", { skip: SKIP }, (t) => {
  const { error, status, stdout, stderr } = spawnSync("kubectl", ["kustomize", KUBERNETES], { encoding: "utf8" });
  if (error !== undefined) return t.skip("no kubectl");
  assert.equal(status, 0, stderr);
  assert.match(stdout, /^kind: Deployment$/m);
});

test("the compose file has the three rights, the device, and files that are there", { skip: SKIP }, () => {
  const [compose] = documents(`${CONTAINER}/compose.yaml`);
  const service = at(compose, "services.esplanade");
  assert.deepEqual([at(service, "cap_drop"), at(service, "cap_add")], [["ALL"], RIGHTS]);
  assert.deepEqual(at(service, "devices"), [`${TUN}:${TUN}`]);
  assert.equal(at(service, "image"), `esplanade:${packageVersion()}`);
  assert.equal(packageFile(String(at(service, "build.dockerfile"))), `${CONTAINER}/Containerfile`);
  const { credentials } = configured(readFileSync(`${CONTAINER}/esplanade.conf`, "utf8"));
  const targets = listAt(service, "secrets").map((secret) => at(secret, "target"));
  assert.deepEqual(
    targets,
    credentials.map((name) => `${CREDENTIALS}/${name}`),
  );
  assert.deepEqual(Object.keys(Object(at(compose, "secrets"))), credentials);
});

test("the image holds the package and nothing else of ours, and starts its program", async () => {
  const text = readFileSync(`${CONTAINER}/Containerfile`, "utf8");
  const lines = (word: string) => [...text.matchAll(new RegExp(`^${word} (.*)$`, "gm"))].map(([, rest = ""]) => rest);
  const description: unknown = JSON.parse(readFileSync(packageFile("package.json"), "utf8"));
  const folder = "/usr/local/lib/node_modules/esplanade";
  // What scripts/package.mjs makes is the only thing of this directory that comes in.
  assert.deepEqual(lines("COPY"), ["packages/esplanade-*.tgz /tmp/", `--from=package ${folder} ${folder}`]);
  assert.ok(
    text.includes(`../lib/node_modules/esplanade/${at(description, "bin.esplanade")} /usr/local/bin/esplanade`),
  );
  assert.match(readFileSync(packageFile("scripts/package.mjs"), "utf8"), /default: join\(root, "packages"\)/);
  assert.deepEqual(lines("EXPOSE"), ["500/udp 4500/udp 9850/tcp"]);
  assert.deepEqual(lines("ENTRYPOINT"), ['["esplanade"]']);
  assert.match(lines("ENV").join(), new RegExp(`CREDENTIALS_DIRECTORY=${CREDENTIALS}\\b`));
  await mustBeCommandLine(JSON.parse(lines("CMD").at(-1) ?? ""));
  assert.equal(readFileSync(`${CONTAINER}/Containerfile.dockerignore`, "utf8"), "*\n!packages/*.tgz\n");
  assert.deepEqual(readdirSync(CONTAINER).sort(), [
    "Containerfile",
    "Containerfile.dockerignore",
    "compose.yaml",
    "esplanade.conf",
  ]);
});
