// Over unix sockets: no port of the machine is used.
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, test } from "node:test";
import { setImmediate as nextTurn } from "node:timers/promises";
import { type HttpServer, listenHttp, type ServedAnswer, type ServedRequest } from "#io/http-server";

const home = mkdtempSync(join(tmpdir(), "esplanade-http-"));
const path = join(home, "http.sock");
process.once("exit", () => rmSync(home, { recursive: true, force: true }));
let server: HttpServer | undefined;
afterEach(async () => {
  await server?.close();
  server = undefined;
});

const fault = (error: unknown) => ({ status: 500, type: "text/plain", body: `fault: ${String(error)}` });
const OK: ServedAnswer = { status: 200, type: "text/plain", body: "fine" };

async function serve(answer: (request: ServedRequest) => ServedAnswer): Promise<void> {
  const headers = { "X-Content-Type-Options": "nosniff" };
  server = await listenHttp(
    { kind: "unix", path },
    { headers, bodyLimit: 100, answer: async (request) => answer(request), fault },
  );
}

function open(): Socket {
  const socket = connect(path);
  socket.on("error", () => undefined);
  return socket;
}

/** All that comes back until the server has no more to say. */
function talk(text: string): Promise<string> {
  const socket = open();
  const chunks: string[] = [];
  socket.setEncoding("utf8").on("data", (chunk: string) => chunks.push(chunk));
  socket.end(text);
  return new Promise((resolve) => socket.once("close", () => resolve(chunks.join(""))));
}

const GET = "GET /v1/status HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";

test("an answer has its headers, and the socket is its owner's alone", async () => {
  const asked: ServedRequest[] = [];
  await serve((request) => {
    asked.push(request);
    return OK;
  });
  const said = await talk(GET);
  assert.match(said, /^HTTP\/1\.1 200 OK\r\nX-Content-Type-Options: nosniff\r\nContent-Type: text\/plain\r\n/);
  assert.match(said, /\r\n\r\nfine$/);
  assert.deepEqual(asked, [{ method: "GET", target: "/v1/status", host: "localhost", lastEvent: undefined, body: "" }]);
  assert.equal(statSync(path).mode & 0o777, 0o600);
});

test("HEAD gets headers alone, of streams too", async () => {
  let pulled = 0;
  async function* stream(): AsyncGenerator<string> {
    pulled++;
    yield "never";
  }
  await serve(() => ({ ...OK, body: stream() }));
  assert.match(await talk(GET.replace("GET", "HEAD")), /\r\n\r\n$/);
  assert.equal(pulled, 0);
});

test("a fault in an answer or in its first piece is a 500, one further on ends the connection, and the next is answered", async () => {
  const broken = new Error("broken");
  let answer: () => ServedAnswer = () => {
    throw broken;
  };
  await serve(() => answer());
  assert.match(await talk(GET), /^HTTP\/1\.1 500 [\s\S]*\r\n\r\nfault: Error: broken$/);
  async function* breaking(...before: readonly string[]): AsyncGenerator<string> {
    yield* before;
    throw broken;
  }
  answer = () => ({ ...OK, body: breaking() });
  assert.match(await talk(GET), /^HTTP\/1\.1 500 [\s\S]*\r\n\r\nfault: Error: broken$/);
  answer = () => ({ ...OK, body: breaking("first") });
  const cut = await talk(GET);
  assert.match(cut, /^HTTP\/1\.1 200 [\s\S]*first/);
  // RFC 9112 §8: no last chunk, so its client knows.
  assert.doesNotMatch(cut, /\r\n0\r\n\r\n$/);
  answer = () => OK;
  assert.match(await talk(GET), /fine$/);
});

test("a stream that HEAD asked for is told that nobody reads it: it would count as open for ever", async () => {
  let returned = 0;
  const body: AsyncIterable<string> = {
    [Symbol.asyncIterator]: () => ({
      next: async () => ({ done: false, value: "never" }),
      return: async () => {
        returned++;
        return { done: true, value: undefined };
      },
    }),
  };
  await serve(() => ({ ...OK, body }));
  await talk(GET.replace("GET", "HEAD"));
  assert.equal(returned, 1);
});

test("headers that are too long, too large a body and what is no HTTP are refused, and nobody is asked", async () => {
  let asked = 0;
  await serve(() => {
    asked++;
    return OK;
  });
  const long = GET.replace("\r\n\r\n", `\r\nX: ${"x".repeat(9000)}\r\n\r\n`);
  assert.match(await talk(long), /^HTTP\/1\.1 431 /);
  const body = "y".repeat(101);
  assert.match(await talk(`POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 101\r\n\r\n${body}`), /^HTTP\/1\.1 413 /);
  assert.match(await talk("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n"), /^HTTP\/1\.1 400 /);
  assert.match(
    await talk("GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n"),
    /^HTTP\/1\.1 400 /,
  );
  assert.match(await talk("GET / HTTP/1.1\r\n\r\n"), /^HTTP\/1\.1 400 /, "RFC 9112 §3.2: without Host");
  assert.equal(asked, 0);
});

test("several Host headers are none (RFC 9112 §3.2)", async () => {
  const hosts: (string | undefined)[] = [];
  await serve(({ host }) => {
    hosts.push(host);
    return OK;
  });
  await talk(GET.replace("Host: localhost", "Host: localhost\r\nHost: evil.example"));
  assert.deepEqual(hosts, [undefined]);
});

test("who does not read is not written to, and who goes ends the stream that it asked for", async () => {
  let pulled = 0;
  let ended: () => void = () => undefined;
  const end = new Promise<void>((resolve) => {
    ended = resolve;
  });
  const piece = "z".repeat(64 * 1024);
  const body: AsyncIterable<string> = {
    [Symbol.asyncIterator]: () => ({
      next: async () => {
        pulled++;
        return { done: false, value: piece };
      },
      return: async () => {
        ended();
        return { done: true, value: undefined };
      },
    }),
  };
  await serve(() => ({ ...OK, body }));
  const socket = open();
  socket.pause();
  socket.write(GET);
  let before = -1;
  // Until nothing more is asked for in many turns.
  for (let still = 0; still < 200; still = pulled === before ? still + 1 : 0) {
    before = pulled;
    await nextTurn();
  }
  assert.ok(pulled > 0 && pulled < 64, `${pulled} pieces of 64 KiB wait for one who does not read`);
  socket.destroy();
  await end;
});

test("a socket that a dead process left is replaced, one that lives or is none is not", async () => {
  await serve(() => OK);
  await assert.rejects(
    listenHttp({ kind: "unix", path }, { headers: {}, bodyLimit: 1, answer: async () => OK, fault }),
    /EADDRINUSE|another gateway/,
  );
  const file = join(home, "file");
  writeFileSync(file, "mine");
  await assert.rejects(
    listenHttp({ kind: "unix", path: file }, { headers: {}, bodyLimit: 1, answer: async () => OK, fault }),
    /no socket/,
  );
});
