/** One question to an HTTP server on this machine: our own gateway's. */
import { request } from "node:http";
import { SystemError } from "#core/errors";
import type { HttpPlace } from "./http-server.ts";

/** Milliseconds without an octet. */
const PATIENCE = 5000;

/** The body of `path`, at most `limit` octets of it. Rejects with SystemError where nobody answers, or not well. */
export function httpText(place: HttpPlace, path: string, limit: number): Promise<string> {
  const [where, name] =
    place.kind === "unix"
      ? [{ socketPath: place.path }, place.path]
      : [{ host: place.host, port: place.port }, `${place.host} port ${place.port}`];
  return new Promise((resolve, reject) => {
    const fail = (code: string) => reject(new SystemError(code, "GET", `${name}${path}`));
    const asked = request({ ...where, path, headers: { host: "localhost" }, agent: false }, (answer) => {
      const chunks: Buffer[] = [];
      let length = 0;
      answer.on("data", (chunk: Buffer) => {
        chunks.push(chunk);
        length += chunk.length;
        if (length > limit) answer.destroy();
      });
      answer.once("close", () => {
        if (answer.statusCode === 200) resolve(Buffer.concat(chunks).subarray(0, limit).toString("utf8"));
        else fail(`HTTP ${answer.statusCode ?? "?"}`);
      });
      answer.on("error", () => undefined);
    });
    asked.setTimeout(PATIENCE, () => asked.destroy());
    asked.once("error", (error: NodeJS.ErrnoException) => fail(error.code ?? "ETIMEDOUT"));
    asked.end();
  });
}
