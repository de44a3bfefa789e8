/**
 * The unix socket that swanctl and other clients of vici come by: a stream of octets each way, any number of clients, for its
 * owner alone (mode 0600). A socket that a dead charon or gateway left is replaced; a living one's stays.
 */
import { createServer, type Socket } from "node:net";
import { SystemError } from "#core/errors";
import { type ControlServer, listenPrivately, removeStale, serverAt } from "./control-socket.ts";
import { listenInherited } from "./listener.ts";

/** strongSwan's, which clients ask when nobody says otherwise. */
export const VICI_SOCKET = "/var/run/charon.vici";
/** Clients at the same time; more are turned away. */
const CONNECTIONS = 64;

/** Where octets for one client go. */
export interface StreamOutput {
  write(octets: Uint8Array): void;
  /** Octets that were written and not yet taken by the client. */
  readonly queued: number;
  /** `drained` is called in another turn of the event loop. */
  pause(): void;
  /** The connection ends, what is queued with it. */
  close(): void;
}

/** One client, as its owner sees it. */
export interface StreamClient {
  /** Valid during the call. */
  receive(octets: Uint8Array): void;
  /** The client has taken all that was queued. */
  drained(): void;
  close(): void;
}

/** Throws SystemError when the path is taken or cannot be made. */
export async function listenVici(
  path: string,
  accept: (output: StreamOutput) => StreamClient,
  inherited?: number,
): Promise<ControlServer> {
  const free = inherited === undefined ? removeStale(path) : Promise.resolve();
  await free.catch((error) => {
    if (!(error instanceof SystemError) || error.code !== "EADDRINUSE") throw error;
    const remedy = "charon or another gateway answers there: stop it, or name another path with --vici (none: no vici)";
    throw new SystemError(error.code, error.syscall, path, remedy);
  });
  const open = new Set<Socket>();
  const server = createServer((socket) => {
    open.add(socket);
    socket.once("close", () => open.delete(socket));
    serve(socket, accept);
  });
  server.maxConnections = CONNECTIONS;
  if (inherited === undefined) await listenPrivately(server, path);
  else await listenInherited(server, inherited);
  return serverAt(path, server, open);
}

function serve(socket: Socket, accept: (output: StreamOutput) => StreamClient): void {
  const client = accept({
    write: (octets) => void socket.write(octets),
    get queued() {
      return socket.writableLength;
    },
    pause: () => void setImmediate(() => client.drained()),
    close: () => void socket.destroy(),
  });
  socket.on("error", () => undefined);
  socket.on("data", (chunk: Buffer) => {
    client.receive(chunk);
    // It may have been a key.
    chunk.fill(0);
  });
  socket.on("drain", () => client.drained());
  socket.once("close", () => client.close());
}
