import assert from "node:assert/strict";
import { linkSync, mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { connect, createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { listenVici, type StreamClient, type StreamOutput } from "#io/vici-socket";

async function inDirectory(run: (path: string) => Promise<void>): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), "esplanade-"));
  try {
    await run(join(directory, "deep", "charon.vici"));
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

/** Says what it hears, and remembers what became of it. */
class Echo implements StreamClient {
  readonly output: StreamOutput;
  drains = 0;
  closed = false;
  heard = 0;
  constructor(output: StreamOutput) {
    this.output = output;
  }
  receive(octets: Uint8Array): void {
    this.heard += octets.length;
    this.output.write(octets.slice());
  }
  drained(): void {
    this.drains++;
  }
  close(): void {
    this.closed = true;
  }
}

function connected(path: string): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect(path, () => resolve(socket));
    socket.once("error", reject);
  });
}

function heard(socket: Socket, length: number): Promise<string> {
  return new Promise((resolve) => {
    let text = "";
    socket.on("data", (chunk: Buffer) => {
      text += chunk.toString("latin1");
      if (text.length >= length) resolve(text);
    });
  });
}

async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await new Promise(setImmediate);
}

test("octets go both ways, in any pieces, for many clients at once; only the owner may connect", () =>
  inDirectory(async (path) => {
    const echoes: Echo[] = [];
    const server = await listenVici(path, (output) => {
      const echo = new Echo(output);
      echoes.push(echo);
      return echo;
    });
    assert.equal(statSync(path).mode & 0o777, 0o600);
    const clients = await Promise.all(Array.from({ length: 20 }, () => connected(path)));
    const answers = clients.map((client) => heard(client, 4));
    for (const client of clients) client.write("ab");
    for (const client of clients) client.write("cd");
    assert.deepEqual(
      await Promise.all(answers),
      clients.map(() => "abcd"),
    );
    clients[0]?.destroy();
    await until(() => echoes.some(({ closed }) => closed));
    assert.equal(echoes.filter(({ closed }) => closed).length, 1);
    await server.close();
    await until(() => echoes.every(({ closed }) => closed));
    await assert.rejects(connected(path));
  }));

test("what a client has not read is told, and that it has read it", () =>
  inDirectory(async (path) => {
    let echo: Echo | undefined;
    const server = await listenVici(path, (output) => {
      echo = new Echo(output);
      return echo;
    });
    const client = await connected(path);
    client.pause();
    await until(() => echo !== undefined);
    for (let i = 0; i < 64; i++) echo?.output.write(new Uint8Array(65_536));
    assert.ok((echo?.output.queued ?? 0) > 1_000_000);
    client.resume();
    await until(() => echo?.drains === 1);
    assert.equal(echo?.output.queued, 0);
    await server.close();
  }));

test("the sixty-fifth client is turned away, and the others stay", () =>
  inDirectory(async (path) => {
    const server = await listenVici(path, (output) => new Echo(output));
    const clients = await Promise.all(Array.from({ length: 64 }, () => connected(path)));
    const late = await connected(path);
    await new Promise<void>((resolve) => late.resume().once("close", () => resolve()));
    const answer = heard(clients[63] ?? late, 2);
    clients[63]?.write("ok");
    assert.equal(await answer, "ok");
    await server.close();
  }));

test("a socket that somebody answers on is his, one that a dead charon left is replaced, a file is neither", () =>
  inDirectory(async (path) => {
    const first = await listenVici(path, (output) => new Echo(output));
    const taken = /EADDRINUSE; charon or another gateway answers there: stop it, or name another path with --vici/;
    await assert.rejects(
      listenVici(path, (output) => new Echo(output)),
      taken,
    );
    await first.close();

    const dead = createServer();
    await new Promise<void>((resolve) => dead.listen(path, resolve));
    // Its file stays, and nobody listens: as after kill -9.
    const copy = `${path}.left`;
    linkSync(path, copy);
    await new Promise<void>((resolve) => dead.close(() => resolve()));
    const second = await listenVici(copy, (output) => new Echo(output));
    const client = await connected(copy);
    client.destroy();
    await second.close();

    writeFileSync(path, "notes");
    await assert.rejects(
      listenVici(path, (output) => new Echo(output)),
      /EEXIST; it is no socket/,
    );
  }));

test("its owner may end a connection", () =>
  inDirectory(async (path) => {
    const server = await listenVici(path, (output) => ({
      receive: () => output.close(),
      drained: () => undefined,
      close: () => undefined,
    }));
    const client = await connected(path);
    const closed = new Promise<void>((resolve) => client.resume().once("close", () => resolve()));
    client.write("x");
    await closed;
    await server.close();
  }));
