/** What the HTTP interface answers: one table of methods and paths. page/openapi.json describes the same; a test compares. */
import { configView } from "#config/view";
import { answerRequest, findTargets } from "#control/answer";
import type { GatewayStatus, OperatedGateway, OperatorAction } from "#core/operator";
import { isOurHost } from "./host.ts";
import { errorAnswer, type HttpAnswer, type HttpQuestion, jsonAnswer, longJsonAnswer } from "./message.ts";

export interface HttpFile {
  readonly type: string;
  readonly body: string;
}

/** What the routes reach. */
export interface HttpWorld {
  readonly gateway: OperatedGateway;
  /** The gateway's status, perhaps of a moment ago: as many as like may ask for it. */
  status(): Promise<GatewayStatus>;
  /** Prometheus' text. */
  metrics(): AsyncIterable<string>;
  /** Server-sent events after this number, with the status every second or not; undefined: too many streams are open. */
  stream(after: number, status: boolean): AsyncIterable<string> | undefined;
  /** Why it carries no packets, or undefined. */
  ready(): Promise<string | undefined>;
  /** Files of the page and the description of the interface, by path. */
  readonly files: ReadonlyMap<string, HttpFile>;
  /** Names by which browsers may ask. */
  readonly hosts: readonly string[];
}

interface Call {
  readonly question: HttpQuestion;
  readonly world: HttpWorld;
  /** Parts of the path that the route leaves open, decoded. */
  readonly parts: readonly string[];
  readonly query: ReadonlyMap<string, string>;
}

type Answerer = (call: Call) => HttpAnswer | Promise<HttpAnswer>;

export interface Route {
  readonly method: "GET" | "POST";
  /** As in OpenAPI: "/v1/tunnels/{connection}/{child}". */
  readonly path: string;
  /** Names in the query that mean something. */
  readonly query: readonly string[];
  readonly answer: Answerer;
}

/** Events in one answer. */
const EVENTS = 1000;

export const ROUTES: readonly Route[] = [
  get("/healthz", () => text("ok\n")),
  get("/readyz", ready),
  get("/metrics", ({ world }) => ({
    status: 200,
    type: "text/plain; version=0.0.4; charset=utf-8",
    body: world.metrics(),
  })),
  get("/v1/status", async ({ world }) => longJsonAnswer(await world.status())),
  get("/v1/tunnels", async ({ world }) => longJsonAnswer({ tunnels: (await world.status()).tunnels })),
  get("/v1/tunnels/{connection}/{child}", tunnel),
  get("/v1/sas", async ({ world }) => {
    const { ikeSas, tunnels } = await world.status();
    const childSas = tunnels.flatMap(({ connection, child, sas }) => sas.map((sa) => ({ connection, child, ...sa })));
    return longJsonAnswer({ ikeSas, childSas });
  }),
  get("/v1/journal", ({ world, query }) => jsonAnswer(page(world, query)), ["after", "limit"]),
  get("/v1/events", stream, ["after", "status"]),
  get("/v1/config", ({ world }) => {
    const { configuration } = world.gateway;
    return jsonAnswer({ lastReload: configuration.lastReload, config: configView(configuration.current()) });
  }),
  ...(["initiate", "terminate", "rekey", "reauthenticate"] as const).map((action) =>
    post(`/v1/actions/${action}`, (call) => act(call, action)),
  ),
  post("/v1/actions/reload", reload),
];

function get(path: string, answer: Answerer, query: readonly string[] = []): Route {
  return { method: "GET", path, query, answer };
}

async function ready({ world }: Call): Promise<HttpAnswer> {
  const why = await world.ready();
  return why === undefined ? text("ready\n") : text(`not ready: ${why}\n`, 503);
}

function post(path: string, answer: Answerer): Route {
  return { method: "POST", path, query: [], answer };
}

/** Never rejects by what was asked. */
export async function answerQuestion(question: HttpQuestion, world: HttpWorld): Promise<HttpAnswer> {
  if (question.via === "tcp" && !isOurHost(question.host, world.hosts))
    return errorAnswer(
      421,
      "wrong-host",
      "the Host header is neither an address nor localhost; name it in esplanade.http.hosts",
    );
  const [path = "", queryText = ""] = splitOnce(question.target, "?");
  const file = world.files.get(path);
  if (file !== undefined) return isReading(question) ? { status: 200, ...file } : notAllowed("GET");
  const found = ROUTES.flatMap((route) => {
    const parts = partsOf(route.path, path);
    return parts === undefined ? [] : [{ route, parts }];
  });
  const [first] = found;
  if (first === undefined)
    return errorAnswer(404, "not-found", "there is nothing at this path; /v1/openapi.json describes what there is");
  const { route, parts } = first;
  if (route.method === "GET" ? !isReading(question) : question.method !== route.method) return notAllowed(route.method);
  if (route.method === "POST" && question.via !== "unix")
    return errorAnswer(403, "read-only", "actions are taken on the unix socket alone: set esplanade.http.socket");
  return route.answer({ question, world, parts, query: new Map(new URLSearchParams(queryText)) });
}

function isReading({ method }: HttpQuestion): boolean {
  return method === "GET" || method === "HEAD";
}

function notAllowed(allowed: string): HttpAnswer {
  return errorAnswer(405, "method", `this path takes ${allowed}`, { Allow: allowed === "GET" ? "GET, HEAD" : allowed });
}

function splitOnce(text: string, at: string): readonly string[] {
  const index = text.indexOf(at);
  return index < 0 ? [text] : [text.slice(0, index), text.slice(index + 1)];
}

/** What stands for the names in braces; undefined: the path is another one. */
function partsOf(pattern: string, path: string): readonly string[] | undefined {
  const wanted = pattern.split("/");
  const given = path.split("/");
  if (wanted.length !== given.length) return undefined;
  const parts: string[] = [];
  for (const [i, piece] of wanted.entries()) {
    const own = given[i] ?? "";
    if (!piece.startsWith("{")) {
      if (piece !== own) return undefined;
      continue;
    }
    const decoded = decode(own);
    if (decoded === undefined || decoded === "") return undefined;
    parts.push(decoded);
  }
  return parts;
}

function decode(text: string): string | undefined {
  try {
    return decodeURIComponent(text);
  } catch {
    return undefined;
  }
}

function text(body: string, status = 200): HttpAnswer {
  return { status, type: "text/plain; charset=utf-8", body };
}

async function tunnel({ world, parts }: Call): Promise<HttpAnswer> {
  const [connection = "", child = ""] = parts;
  const status = await world.status();
  const own = status.tunnels.filter((one) => one.connection === connection && one.child === child);
  if (own.length > 0) return jsonAnswer({ tunnels: own });
  return errorAnswer(404, "no-tunnel", whyUnknown(`${connection}/${child}`, status));
}

function whyUnknown(name: string, status: GatewayStatus): string {
  const found = findTargets(name, false, status.tunnels);
  return typeof found === "string" ? found : `no tunnel is called '${name}'`;
}

function page(world: HttpWorld, query: ReadonlyMap<string, string>) {
  return world.gateway.journal.after(count(query.get("after"), 0), Math.min(EVENTS, count(query.get("limit"), EVENTS)));
}

function count(value: string | undefined, otherwise: number): number {
  return value !== undefined && /^\d{1,15}$/.test(value) ? Number(value) : otherwise;
}

function stream({ question, world, query }: Call): HttpAnswer {
  const after = count(question.lastEvent ?? query.get("after"), 0);
  const body = world.stream(after, query.get("status") === "1");
  if (body === undefined)
    return errorAnswer(503, "busy", "too many streams are open; close one or ask /v1/journal", { "Retry-After": "10" });
  return { status: 200, type: "text/event-stream; charset=utf-8", body };
}

async function act({ question, world }: Call, action: OperatorAction): Promise<HttpAnswer> {
  const body = objectOf(question.body);
  const target = body === undefined || !("target" in body) ? undefined : body.target;
  if (typeof target !== "string" || body === undefined)
    return errorAnswer(400, "body", 'the body is an object of JSON with the tunnel\'s name: {"target":"hq/net"}');
  const ike = action === "reauthenticate" || ("ike" in body && body.ike === true);
  const answer = await answerRequest({ kind: action, target, ike }, world.gateway);
  return answer.ok && "count" in answer
    ? jsonAnswer({ count: answer.count })
    : errorAnswer(409, "refused", answer.ok ? "no answer" : answer.why);
}

async function reload({ question, world }: Call): Promise<HttpAnswer> {
  const body = question.body === "" ? {} : objectOf(question.body);
  const file = body !== undefined && "file" in body ? body.file : undefined;
  if (body === undefined || (file !== undefined && (typeof file !== "string" || !file.startsWith("/"))))
    return errorAnswer(400, "body", 'the body is empty or {"file":"/etc/swanctl/swanctl.conf"}');
  const outcome = await world.gateway.configuration.reload(file);
  return "why" in outcome
    ? errorAnswer(409, "refused", outcome.why)
    : jsonAnswer({ changes: outcome.changes, warnings: outcome.warnings });
}

function objectOf(body: string): object | undefined {
  try {
    const value: unknown = JSON.parse(body);
    return typeof value === "object" && value !== null && !Array.isArray(value) ? value : undefined;
  } catch {
    return undefined;
  }
}
