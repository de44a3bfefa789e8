/**
 * The unix socket operators' commands come by: a line in, a line out. Only its owner may connect (mode 0600); a socket
 * that a dead gateway left is replaced, one that answers is somebody else's.
 */
import { chmodSync, lstatSync, mkdirSync, renameSync, rmSync } from "node:fs";
import { connect, createServer, type Server, type Socket } from "node:net";
import { dirname } from "node:path";
import { SystemError } from "#core/errors";
import { listenerFd, listenInherited } from "./listener.ts";

/** Where a gateway listens when nobody says otherwise. */
export const CONTROL_SOCKET = "/run/esplanade/control.sock";
/** Operators at the same time; more wait in the kernel's queue or are refused. */
const CONNECTIONS = 32;
const NEWLINE = 10;
const ANOTHER_PATH = "name another path (--socket, --vici, esplanade.http.socket)";
/** An answer to a request that takes long, in milliseconds. */
const PATIENCE = 60_000;

export interface ControlServer {
  /** For a process that takes over. */
  readonly fd: number | undefined;
  close(): Promise<void>;
  /** Takes nobody in any more; the socket is another process's now. Resolves when the last has left. */
  release(): Promise<void>;
}

/** Octets are sent as they are and wiped. */
export type ControlAnswer = string | Uint8Array;

/**
 * `limit`: octets of a request's line. `inherited`: the socket is there, and this process was born with it. Throws
 * SystemError when the path is taken or cannot be made.
 */
export async function listenControl(
  path: string,
  limit: number,
  answer: (line: string) => Promise<ControlAnswer>,
  inherited?: number,
): Promise<ControlServer> {
  if (inherited === undefined) await removeStale(path);
  const open = new Set<Socket>();
  // Who asks says at once that he has no more to say; the answer may take its time.
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    open.add(socket);
    socket.once("close", () => open.delete(socket));
    serve(socket, limit, answer);
  });
  server.maxConnections = CONNECTIONS;
  if (inherited === undefined) await listenPrivately(server, path);
  else await listenInherited(server, inherited);
  return serverAt(path, server, open);
}

/** `open`: who is connected. */
export function serverAt(path: string, server: Server, open: ReadonlySet<Socket>): ControlServer {
  server.on("error", () => undefined);
  return {
    get fd() {
      return listenerFd(server);
    },
    close: () =>
      new Promise((resolve) => {
        rmSync(path, { force: true });
        server.close(() => resolve());
        for (const socket of open) socket.destroy();
      }),
    release: () => new Promise((resolve) => void server.close(() => resolve())),
  };
}

/** Sends one line and returns the answer's. Throws SystemError when no gateway is there. */
export async function askControl(path: string, line: string): Promise<string> {
  return Buffer.from(await askControlOctets(path, line)).toString("utf8");
}

/** The same without a string of it: for what is wiped. */
export function askControlOctets(path: string, line: string): Promise<Uint8Array> {
  return new Promise((resolve, reject) => {
    const socket = connect(path);
    const chunks: Buffer[] = [];
    socket.setTimeout(PATIENCE, () => socket.destroy(failure("ETIMEDOUT", path)));
    socket.once("error", (error: NodeJS.ErrnoException) => reject(failure(error.code ?? "EIO", path)));
    socket.once("connect", () => socket.end(`${line}\n`));
    socket.on("data", (chunk: Buffer) => chunks.push(chunk));
    socket.once("close", () => {
      const octets = new Uint8Array(Buffer.concat(chunks));
      for (const chunk of chunks) chunk.fill(0);
      if (octets.at(-1) === NEWLINE) resolve(octets.subarray(0, -1));
      else reject(failure("EPIPE", path));
    });
  });
}

function serve(socket: Socket, limit: number, answer: (line: string) => Promise<ControlAnswer>): void {
  let pending = Buffer.alloc(0);
  let asked = false;
  socket.on("error", () => undefined);
  socket.setTimeout(PATIENCE, () => socket.destroy());
  socket.on("data", (chunk: Buffer) => {
    if (asked) return;
    pending = Buffer.concat([pending, chunk]);
    const end = pending.indexOf(10);
    if (end < 0 && pending.length <= limit) return;
    asked = true;
    const line = end < 0 || end > limit ? "" : pending.subarray(0, end).toString("utf8");
    void answer(line).then((given) => {
      if (typeof given === "string") socket.end(`${given}\n`);
      else {
        socket.write(given, () => given.fill(0));
        socket.end("\n");
      }
    });
  });
  socket.on("end", () => {
    if (!asked) socket.end();
  });
}

const CHECK_PATH = "check the socket's path, and who may write there";

function tried<T>(syscall: string, path: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    const code = error instanceof Error && "code" in error && typeof error.code === "string" ? error.code : "EIO";
    throw new SystemError(code, syscall, path, CHECK_PATH);
  }
}

/** On a unix socket that only its owner may connect to. Throws SystemError. */
export async function listenPrivately(server: Server, path: string): Promise<void> {
  const folder = dirname(path);
  tried("mkdir", folder, () => mkdirSync(folder, { recursive: true, mode: 0o700 }));
  // Node takes away what it has bound when it closes it, also where another process listens there by now.
  const bound = `${path}.new`;
  rmSync(bound, { force: true });
  // Until chmod nobody else may connect either.
  const mask = process.umask(0o177);
  return new Promise<void>((resolve, reject) => {
    server.once("error", ({ code = "EIO" }: NodeJS.ErrnoException) =>
      reject(code === "EADDRINUSE" ? failure(code, path) : new SystemError(code, "bind", path, CHECK_PATH)),
    );
    server.listen(bound, () => {
      chmodSync(bound, 0o600);
      renameSync(bound, path);
      resolve();
    });
  }).finally(() => process.umask(mask));
}

/** A socket that a dead process left goes; throws SystemError where somebody answers, or where it is no socket. */
export async function removeStale(path: string): Promise<void> {
  const found = tried("lstat", path, () => lstatSync(path, { throwIfNoEntry: false }));
  if (found === undefined) return;
  if (!found.isSocket()) throw new SystemError("EEXIST", "bind", path, `it is no socket: ${ANOTHER_PATH}`);
  const code = await new Promise<string | undefined>((resolve) => {
    const socket = connect(path, () => {
      socket.destroy();
      resolve(undefined);
    });
    socket.once("error", ({ code: why = "EIO" }: NodeJS.ErrnoException) => resolve(why));
  });
  // Whoever is too busy to answer (EAGAIN), or is asked in another way (EPROTOTYPE), is alive.
  if (code !== "ECONNREFUSED" && code !== "ENOENT") throw failure("EADDRINUSE", path);
  rmSync(path, { force: true });
}

const REMEDIES: Readonly<Record<string, string>> = {
  ENOENT: "no gateway runs there: start one with `esplanade up FILE`, or name its socket with --socket",
  ECONNREFUSED: "no gateway runs there: start one with `esplanade up FILE`, or name its socket with --socket",
  EACCES: "only the user who runs the gateway may ask it: use sudo",
  EADDRINUSE: `another gateway answers there: stop it, or ${ANOTHER_PATH}`,
  EPIPE: "the gateway ended in the middle: look at its log",
  ETIMEDOUT: "the gateway did not answer in time: look at its log",
};

function failure(code: string, path: string): SystemError {
  const syscall = code === "EADDRINUSE" ? "bind" : "connect";
  return new SystemError(code, syscall, path, REMEDIES[code] ?? "check the path");
}
