/** A datagram to a unix socket, which Node's dgram cannot send: what service managers are told by (sd_notify(3)). */
import { nativeIo } from "./native.ts";
import { systemError } from "./system-error.ts";

/** `socket`: a path, or a name of the abstract namespace with "@" in front. Throws SystemError; never waits. */
export function sendNotice(socket: string, text: string): void {
  const failure = nativeIo().sendNotice(socket, text);
  if (failure !== undefined) throw systemError(failure, socket, "the service manager is not told how the gateway is");
}
