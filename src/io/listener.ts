/** Listening sockets that one process hands to the next: by the descriptor, so that nobody who connects meanwhile is refused. */
import type { Server } from "node:net";
import { nativeIo } from "./native.ts";
import { systemError } from "./system-error.ts";

/** undefined: it does not listen. */
export function listenerFd(server: Server): number | undefined {
  // Node has no public name for it; what is missing here is a listener that is not handed over.
  const handle: unknown = Reflect.get(server, "_handle");
  const fd = typeof handle === "object" && handle !== null && "fd" in handle ? handle.fd : undefined;
  return typeof fd === "number" && fd >= 0 ? fd : undefined;
}

/** On a socket that this process was born with. */
export function listenInherited(server: Server, fd: number): Promise<void> {
  const failure = nativeIo().closeOnExec(fd);
  if (failure !== undefined) throw systemError(failure, "inherited listener");
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen({ fd }, () => {
      server.off("error", reject);
      resolve();
    });
  });
}
