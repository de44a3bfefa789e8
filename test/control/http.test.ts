import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { isOurHost } from "#control/http/host";
import { COMMON_HEADERS, faultAnswer, type HttpAnswer, type HttpQuestion } from "#control/http/message";
import { answerQuestion, type HttpWorld, ROUTES } from "#control/http/routes";
import { reportLine } from "#control/report-text";
import type { IkeReport, IkeSaSnapshot } from "#core/ike-state";
import type { OperatedGateway } from "#core/operator";
import { millis, spi } from "#core/units";
import { EventJournal } from "#gateway/journal";
import { packageFile } from "#io/package-file";
import { faultsOf, type Schema } from "./json-schema.ts";
import { CHANGES, SampleConfiguration, STATUS } from "./sample.ts";

interface Operation {
  readonly parameters?: readonly { readonly name: string; readonly in: string }[];
  readonly requestBody?: object;
  readonly responses: Readonly<
    Record<string, { readonly content?: Readonly<Record<string, { readonly schema: Schema }>> }>
  >;
}
const DOCUMENT: {
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
  readonly components: { readonly schemas: Readonly<Record<string, Schema>> };
} = JSON.parse(readFileSync(packageFile("page/openapi.json"), "utf8"));

const JOURNAL = new EventJournal({ wall: () => 1_800_000_000_000, now: () => millis(1000) });

class Sample implements OperatedGateway {
  readonly configuration: SampleConfiguration = new SampleConfiguration();
  readonly journal: EventJournal = JOURNAL;
  outcome: { readonly count: number } | { readonly why: string } = { count: 1 };
  readonly asked: string[] = [];
  status() {
    return STATUS;
  }
  async gatherStatus() {
    return STATUS;
  }
  tunnelNames() {
    return STATUS.tunnels;
  }
  details() {
    return undefined;
  }
  explainPacket(): string {
    return "no question of this protocol";
  }
  async act(action: string, target: object) {
    this.asked.push(`${action} ${JSON.stringify(target)}`);
    return this.outcome;
  }
}

async function* pieces(...texts: readonly string[]): AsyncGenerator<string> {
  yield* texts;
}

function world(gateway: OperatedGateway = new Sample()): HttpWorld {
  return {
    gateway,
    status: () => gateway.gatherStatus(),
    metrics: () => pieces("ipsec_tunnel_up 1\n", "rest\n"),
    stream: () => pieces("event: status\ndata: {}\n\n"),
    ready: async () => undefined,
    files: new Map([["/", { type: "text/html", body: "<html>" }]]),
    hosts: ["gw.example.org"],
  };
}

function ask(target: string, more: Partial<HttpQuestion> = {}, at: HttpWorld = world()): Promise<HttpAnswer> {
  const question = {
    method: "GET",
    target,
    host: "127.0.0.1:9850",
    via: "tcp",
    lastEvent: undefined,
    body: "",
  } as const;
  return answerQuestion({ ...question, ...more }, at);
}

function json(answer: HttpAnswer): { readonly error: { readonly code: string; readonly why: string } } {
  return JSON.parse(String(answer.body));
}

/** One of each kind, so that the journal's schema is held against all of them. */
function remember(): void {
  const ike: IkeSaSnapshot = {
    id: 1,
    connection: "hq",
    version: 2,
    state: "established",
    initiator: true,
    initiatorSpi: "0",
    responderSpi: "0",
    local: { address: { family: 4, octets: Uint8Array.of(192, 0, 2, 1) }, port: 500 },
    remote: { address: { family: 4, octets: Uint8Array.of(192, 0, 2, 2) }, port: 500 },
    localIdentity: "a",
    remoteIdentity: "b",
    suite: "aes",
    natLocal: false,
    natRemote: false,
    udpForced: "none",
    establishedAt: undefined,
    rekeyAt: undefined,
    reauthAt: undefined,
    expiresAt: undefined,
    children: [],
  };
  const names = { connection: "hq", child: "net" };
  const failed = {
    kind: "failed",
    ...names,
    asked: "us",
    stage: "IKE_AUTH",
    from: "us",
    reason: "r",
    remedy: "m",
  } as const;
  const reports: readonly IkeReport[] = [
    { kind: "ike-up", ike, took: millis(3) },
    { kind: "ike-rekeyed", ike, former: 1, trigger: "time" },
    { kind: "ike-down", ike: 1, connection: "hq", reason: "gone" },
    { kind: "child-up", ...names, id: 3 },
    { kind: "child-down", ...names, reason: "gone" },
    { kind: "rekey", ...names, trigger: "octets", result: "done" },
    { kind: "rekey", connection: "hq", child: undefined, trigger: "peer", result: "failed" },
    { ...failed, notify: "TS_UNACCEPTABLE", retryAt: millis(2000) },
    { ...failed, child: undefined, notify: undefined, retryAt: undefined },
    {
      kind: "sa-retired",
      ...names,
      inboundSpi: spi(4097),
      outboundSpi: spi(4098),
      keyOctetsIn: 1,
      keyOctetsOut: 2,
      packetsIn: 1,
      packetsOut: 1,
    },
    { kind: "fallback", policy: "hq/net", inClear: true, because: "nobody answers" },
    { kind: "warning", text: "w" },
  ];
  for (const report of reports) JOURNAL.report(report, reportLine(report, millis(1000)));
  JOURNAL.add({ kind: "reload", done: false, why: "hq.conf:1:1" }, { level: "warn", text: "reload" });
}
remember();

test("openapi.json describes every route of the server, with its query and its body, and no other", () => {
  const described = Object.entries(DOCUMENT.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, { parameters = [], requestBody }]) => ({
      method: method.toUpperCase(),
      path,
      query: parameters.filter((one) => one.in === "query").map(({ name }) => name),
      parts: parameters.filter((one) => one.in === "path").map(({ name }) => `{${name}}`),
      body: requestBody !== undefined,
    })),
  );
  const served = ROUTES.map(({ method, path, query }) => ({
    method,
    path,
    query: [...query],
    parts: path.match(/\{\w+\}/g) ?? [],
    body: method === "POST",
  }));
  const order = (a: { readonly path: string }, b: { readonly path: string }) => (a.path < b.path ? -1 : 1);
  assert.deepEqual(described.toSorted(order), served.toSorted(order));
});

for (const { method, path } of ROUTES) {
  const target = path.replace("{connection}", "hq").replace("{child}", "net");
  test(`${method} ${path} answers as openapi.json says, with no field more and none less`, async () => {
    const body = method === "POST" ? '{"target":"hq"}' : "";
    const answer = await ask(target, { method, body, via: "unix" });
    const response = DOCUMENT.paths[path]?.[method.toLowerCase()]?.responses[`${answer.status}`];
    assert.equal(answer.status, 200);
    const [[type, { schema }] = ["", { schema: undefined }]] = Object.entries(response?.content ?? {});
    assert.equal(answer.type.split(";")[0], type);
    if (type !== "application/json") return;
    assert.ok(schema);
    assert.deepEqual(faultsOf(JSON.parse(String(answer.body)), schema, DOCUMENT.components.schemas), []);
  });
}

test("the schemas refuse what the server does not send", () => {
  const { schemas } = DOCUMENT.components;
  const status = schemas["Status"];
  assert.ok(status);
  const sent = JSON.parse(JSON.stringify(STATUS));
  assert.deepEqual(faultsOf(sent, status, schemas), []);
  assert.notDeepEqual(faultsOf({ ...sent, more: 1 }, status, schemas), []);
  assert.notDeepEqual(faultsOf({ ...sent, pid: "1" }, status, schemas), []);
  const { pid: _, ...less } = sent;
  assert.notDeepEqual(faultsOf(less, status, schemas), []);
});

test("errors are told as openapi.json says: what is not there, what may not be done, what is no request", async () => {
  const schema = DOCUMENT.components.schemas["Error"];
  assert.ok(schema);
  for (const [target, more, status, code] of [
    ["/v1/nothing", {}, 404, "not-found"],
    ["/v1/tunnels/hq/nett", {}, 404, "no-tunnel"],
    ["/v1/tunnels/%ff/net", {}, 404, "not-found"],
    ["/v1/status", { method: "DELETE" }, 405, "method"],
    ["/", { method: "POST", via: "unix" }, 405, "method"],
    ["/v1/actions/rekey", {}, 405, "method"],
    ["/v1/actions/rekey", { method: "POST", body: '{"target":"hq"}' }, 403, "read-only"],
    ["/v1/actions/rekey", { method: "POST", via: "unix", body: "[" }, 400, "body"],
    ["/v1/actions/rekey", { method: "POST", via: "unix", body: '{"target":7}' }, 400, "body"],
    ["/v1/actions/rekey", { method: "POST", via: "unix", body: '{"target":"paris"}' }, 409, "refused"],
    ["/v1/actions/reload", { method: "POST", via: "unix", body: '{"file":"hq.conf"}' }, 400, "body"],
  ] as const) {
    const answer = await ask(target, more);
    assert.equal(answer.status, status, target);
    assert.equal(json(answer).error.code, code);
    assert.deepEqual(faultsOf(json(answer), schema, {}), []);
  }
  assert.match(json(await ask("/v1/tunnels/hq/nett")).error.why, /did you mean 'hq\/net'/);
});

test("actions are done on the unix socket, and say how many SAs or why not", async () => {
  const gateway = new Sample();
  const post = (path: string, body: string) =>
    ask(path, { method: "POST", via: "unix", body, host: undefined }, world(gateway));
  assert.equal((await post("/v1/actions/rekey", '{"target":"hq/net"}')).status, 200);
  assert.equal((await post("/v1/actions/rekey", '{"target":"hq","ike":true}')).status, 200);
  assert.deepEqual(gateway.asked, [
    'rekey {"kind":"child","child":"net","connection":"hq"}',
    'rekey {"kind":"ike","connection":"hq"}',
  ]);
  gateway.outcome = { why: "no answer" };
  assert.equal(json(await post("/v1/actions/terminate", '{"target":"hq"}')).error.why, "no answer");
  const reload = await post("/v1/actions/reload", "");
  assert.deepEqual(JSON.parse(String(reload.body)).changes, JSON.parse(JSON.stringify(CHANGES)));
  gateway.configuration.outcome = { why: "hq.conf:4:5: unknown key" };
  assert.equal((await post("/v1/actions/reload", "{}")).status, 409);
});

test("a name that somebody made to point here is not served: DNS rebinding", async () => {
  for (const host of ["127.0.0.1", "127.0.0.1:9850", "localhost:9850", "[::1]:9850", "192.0.2.1", "GW.example.org:80"])
    assert.equal((await ask("/v1/status", { host })).status, 200, host);
  for (const host of [
    "evil.example",
    "127.0.0.1.evil.example",
    "localhost.evil.example:9850",
    "",
    "a b",
    "[::1",
    undefined,
  ]) {
    const answer = await ask("/v1/status", { host });
    assert.equal(answer.status, 421, host);
  }
  assert.equal(isOurHost("x".repeat(10_000), []), false);
});

test("nothing of elsewhere is loaded, nothing is framed, nothing is kept", () => {
  const policy = COMMON_HEADERS["Content-Security-Policy"] ?? "";
  assert.match(policy, /^default-src 'none'; /);
  assert.doesNotMatch(policy, /unsafe|https?:|\*/);
  const page = readFileSync(packageFile("page/index.html"), "utf8");
  assert.doesNotMatch(page, /(src|href)="(?!\/)/);
  assert.doesNotMatch(page, /<style|<script(?! type="module" src=)|\son\w+=|style=/);
  for (const name of ["page.js", "plots.js", "page.css"]) {
    const text = readFileSync(packageFile(`page/${name}`), "utf8").replaceAll("http://www.w3.org/2000/svg", "");
    assert.doesNotMatch(text, /https?:|innerHTML|insertAdjacentHTML|document\.write|eval\(|@import|url\(/, name);
  }
});

test("status, tunnels and SAs of many leave in pieces, and say the same as in one", async () => {
  const [tunnel] = STATUS.tunnels;
  assert.ok(tunnel !== undefined);
  const many = { ...STATUS, tunnels: Array.from({ length: 1234 }, (_, i) => ({ ...tunnel, child: `net${i}` })) };
  const at = { ...world(), status: async () => many };
  const read = async (target: string) => {
    const { body } = await ask(target, {}, at);
    assert.ok(typeof body !== "string", target);
    const texts: string[] = [];
    for await (const text of body) texts.push(text);
    assert.ok(texts.length > 12 && texts.every((text) => text.length < 200_000));
    return JSON.parse(texts.join(""));
  };
  const plain = (value: unknown) => JSON.parse(JSON.stringify(value));
  assert.deepEqual(await read("/v1/status"), plain(many));
  assert.deepEqual(await read("/v1/tunnels"), plain({ tunnels: many.tunnels }));
  assert.equal((await read("/v1/sas")).childSas.length, 1234 * tunnel.sas.length);
  // A few are one text.
  assert.equal(typeof (await ask("/v1/status")).body, "string");
});

test("a fault of ours is told as what it is", () => {
  const { status, body } = faultAnswer(new Error("no such row"));
  assert.equal(status, 500);
  assert.deepEqual(JSON.parse(body), {
    error: {
      code: "fault",
      why: "a fault of this program, not of the request: no such row; report it with what was asked",
    },
  });
});
