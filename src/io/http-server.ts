/**
 * HTTP/1.1 on TCP and unix sockets for a few clients who may be hostile: headers, bodies, connections and time are bounded,
 * and a client who does not read what it asked for is cut off. What is answered is the caller's.
 */
import { rmSync } from "node:fs";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { setImmediate as nextTurn } from "node:timers/promises";
import { SystemError } from "#core/errors";
import { listenPrivately, removeStale } from "./control-socket.ts";
import { listenerFd, listenInherited } from "./listener.ts";

/** Octets of a request's line and headers. */
const HEADERS_LIMIT = 8192;
const HEADER_COUNT = 64;
const CONNECTIONS = 64;
const REQUESTS_A_CONNECTION = 1000;
// Milliseconds.
const HEADERS_TIME = 5000;
const REQUEST_TIME = 10_000;
const IDLE_TIME = 5000;
/** Nobody reads and nothing is to be written. */
const SILENCE = 30_000;
const LOOK = 1000;

export type HttpPlace =
  | { readonly kind: "tcp"; readonly host: string; readonly port: number }
  /** Mode 0600. */
  | { readonly kind: "unix"; readonly path: string };

export interface ServedRequest {
  readonly method: string;
  readonly target: string;
  readonly host: string | undefined;
  readonly lastEvent: string | undefined;
  readonly body: string;
}

export interface ServedAnswer {
  readonly status: number;
  readonly type: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body: string | AsyncIterable<string>;
}

export interface HttpServerOptions {
  /** Of every answer. */
  readonly headers: Readonly<Record<string, string>>;
  /** Octets of a body; longer ones get 413. */
  readonly bodyLimit: number;
  answer(request: ServedRequest): Promise<ServedAnswer>;
  /** Where there is none, or not even its first piece. */
  fault(error: unknown): ServedAnswer & { readonly body: string };
}

export interface HttpServer {
  /** The port that it listens on; of a unix socket undefined. */
  readonly port: number | undefined;
  /** For a process that takes over. */
  readonly fd: number | undefined;
  close(): Promise<void>;
  /** Takes nobody in any more; the socket is another process's now. Resolves when the last has left. */
  release(): Promise<void>;
}

/** `inherited`: the socket is there, and this process was born with it. Throws SystemError when the place cannot be had. */
export async function listenHttp(
  place: HttpPlace,
  options: HttpServerOptions,
  inherited?: number,
): Promise<HttpServer> {
  const server = createServer(
    {
      maxHeaderSize: HEADERS_LIMIT,
      headersTimeout: HEADERS_TIME,
      requestTimeout: REQUEST_TIME,
      keepAliveTimeout: IDLE_TIME,
      connectionsCheckingInterval: LOOK,
      insecureHTTPParser: false,
    },
    (request, response) => {
      serve(request, response, options).catch(() => request.socket.destroy());
    },
  );
  server.maxConnections = CONNECTIONS;
  server.maxHeadersCount = HEADER_COUNT;
  server.maxRequestsPerSocket = REQUESTS_A_CONNECTION;
  server.setTimeout(SILENCE, (socket) => socket.destroy());
  if (inherited !== undefined) await listenInherited(server, inherited);
  else if (place.kind === "unix") {
    await removeStale(place.path);
    await listenPrivately(server, place.path);
  } else await listening(server, place.host, place.port);
  server.on("error", () => undefined);
  const address = server.address();
  return {
    port: typeof address === "object" ? address?.port : undefined,
    get fd() {
      return listenerFd(server);
    },
    close: () =>
      new Promise((resolve) => {
        if (place.kind === "unix") rmSync(place.path, { force: true });
        server.close(() => resolve());
        server.closeAllConnections();
      }),
    release: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeIdleConnections();
      }),
  };
}

const REMEDIES: Readonly<Record<string, string>> = {
  EADDRINUSE: "another program listens there: stop it, or set another port in esplanade.http.listen",
  EADDRNOTAVAIL: "no interface has that address: set another one in esplanade.http.listen",
  EACCES: "ports below 1024 need CAP_NET_BIND_SERVICE: set another one in esplanade.http.listen",
};

function listening(server: Server, host: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", ({ code = "EIO" }: NodeJS.ErrnoException) =>
      reject(new SystemError(code, "bind", `${host}:${port}`, REMEDIES[code] ?? "check esplanade.http.listen")),
    );
    server.listen(port, host, resolve);
  });
}

async function serve(request: IncomingMessage, response: ServerResponse, options: HttpServerOptions): Promise<void> {
  const body = request.method === "POST" ? await bodyOf(request, options.bodyLimit) : "";
  if (body === undefined) {
    response.writeHead(413, { ...options.headers, Connection: "close" });
    response.end();
    return;
  }
  const lastEvent = request.headers["last-event-id"];
  const question = {
    method: request.method ?? "",
    target: request.url ?? "",
    host: hostOf(request),
    lastEvent: typeof lastEvent === "string" ? lastEvent : undefined,
    body,
  };
  const answer = await options.answer(question).catch(options.fault);
  const { body: content } = answer;
  if (typeof content === "string") {
    sendWhole(request, response, options, answer, content);
    return;
  }
  const pieces = content[Symbol.asyncIterator]();
  try {
    // Before the head is sent: where not even the first piece can be made, its client is told.
    const first = request.method === "HEAD" ? undefined : await pieces.next();
    response.writeHead(answer.status, headOf(options, answer));
    if (first !== undefined) await writePieces(response, first, pieces);
    response.end();
  } catch (error) {
    if (response.headersSent) throw error;
    const fault = options.fault(error);
    sendWhole(request, response, options, fault, fault.body);
  } finally {
    // Also of a stream that nobody took a piece of: it counts as open until it is told.
    void pieces.return?.();
  }
}

function headOf(options: HttpServerOptions, { headers, type }: ServedAnswer): Readonly<Record<string, string>> {
  return { ...options.headers, ...headers, "Content-Type": type };
}

function sendWhole(
  request: IncomingMessage,
  response: ServerResponse,
  options: HttpServerOptions,
  answer: ServedAnswer,
  content: string,
): void {
  response.writeHead(answer.status, { ...headOf(options, answer), "Content-Length": Buffer.byteLength(content) });
  response.end(request.method === "HEAD" ? "" : content);
}

/** Several Host headers are none (RFC 9112 §3.2). */
function hostOf({ rawHeaders }: IncomingMessage): string | undefined {
  const found = rawHeaders.flatMap((name, i) =>
    i % 2 === 0 && name.toLowerCase() === "host" ? [rawHeaders[i + 1]] : [],
  );
  return found.length === 1 ? found[0] : undefined;
}

/** One piece a turn of the event loop: nobody else waits for a long answer. A client that goes ends it. */
async function writePieces(
  response: ServerResponse,
  first: IteratorResult<string>,
  pieces: AsyncIterator<string>,
): Promise<void> {
  // Whoever waits for the next piece of a stream that never ends is told too.
  const gone = new Promise<void>((resolve) => void response.once("close", resolve));
  void gone.then(() => pieces.return?.());
  for (let next = first; next.done !== true; ) {
    if (!response.write(next.value))
      await Promise.race([new Promise((resolve) => response.once("drain", resolve)), gone]);
    await nextTurn();
    const more = await Promise.race([pieces.next(), gone]);
    if (more === undefined || response.destroyed) return;
    next = more;
  }
}

/** undefined: longer than allowed. */
async function bodyOf(request: IncomingMessage, limit: number): Promise<string | undefined> {
  const chunks: Buffer[] = [];
  let octets = 0;
  for await (const chunk of request) {
    if (!(chunk instanceof Buffer)) continue;
    octets += chunk.length;
    if (octets > limit) return undefined;
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString("utf8");
}
