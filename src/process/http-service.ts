/** The HTTP interface of a running gateway: its places, its page, its streams. */
import { readFileSync } from "node:fs";
import { BODY_LIMIT, COMMON_HEADERS, faultAnswer } from "#control/http/message";
import { answerQuestion, type HttpFile, type HttpWorld } from "#control/http/routes";
import { addressToString } from "#core/address";
import type { OperatedGateway } from "#core/operator";
import type { HttpConfig } from "#core/policy";
import { type HttpPlace, type HttpServer, listenHttp } from "#io/http-server";
import { packageFile } from "#io/package-file";
import { EventStreams } from "./event-streams.ts";
import { RecentStatus } from "./recent-status.ts";

/** Path → file of page/, and what it is. */
const FILES = [
  ["/", "index.html", "text/html; charset=utf-8"],
  ["/page.css", "page.css", "text/css; charset=utf-8"],
  ["/page.js", "page.js", "text/javascript; charset=utf-8"],
  ["/plots.js", "plots.js", "text/javascript; charset=utf-8"],
  ["/icon.svg", "icon.svg", "image/svg+xml"],
  ["/v1/openapi.json", "openapi.json", "application/json; charset=utf-8"],
] as const;

export interface HttpServiceParts {
  readonly gateway: OperatedGateway;
  metrics(): AsyncIterable<string>;
  /** Why not, or undefined. */
  ready(): Promise<string | undefined>;
}

export interface HttpDoor {
  /** One a place, for a process that takes over. */
  readonly fds: readonly number[];
  close(): Promise<void>;
  /** Takes nobody in any more: the sockets are another process's now. */
  release(): Promise<void>;
}

/** `inherited`: sockets that are there, one a place. Throws SystemError when a place cannot be had; then none is left open. */
export async function openHttp(
  config: HttpConfig,
  parts: HttpServiceParts,
  inherited: readonly number[] = [],
): Promise<HttpDoor> {
  const recent = new RecentStatus(
    () => parts.gateway.gatherStatus(),
    () => performance.now(),
  );
  const status = () => recent.status();
  const { journal } = parts.gateway;
  const streams = new EventStreams({ journal, gatherStatus: status });
  const world: HttpWorld = {
    gateway: parts.gateway,
    status,
    metrics: () => parts.metrics(),
    ready: () => parts.ready(),
    stream: (after, status) => streams.open(after, status),
    files: readPage(),
    hosts: config.hosts,
  };
  const servers: HttpServer[] = [];
  const close = async () => {
    streams[Symbol.dispose]();
    await Promise.all(servers.map((server) => server.close()));
  };
  try {
    for (const [index, place] of placesOf(config).entries()) {
      const via = place.kind;
      const answer: Parameters<typeof listenHttp>[1]["answer"] = async (request) => {
        const answered = await answerQuestion({ ...request, via }, world);
        if (request.method === "POST") recent.forget();
        return answered;
      };
      const options = { headers: COMMON_HEADERS, bodyLimit: BODY_LIMIT, answer, fault: faultAnswer };
      servers.push(await listenHttp(place, options, inherited[index]));
    }
  } catch (error) {
    await close();
    throw error;
  }
  return {
    get fds() {
      return servers.flatMap(({ fd }) => fd ?? []);
    },
    close,
    release: async () => {
      // Who follows the events comes back to the next process with the number of the last one.
      streams[Symbol.dispose]();
      await Promise.all(servers.map((server) => server.release()));
    },
  };
}

function placesOf({ listen, socket }: HttpConfig): readonly HttpPlace[] {
  return [
    ...listen.map(({ address, port }): HttpPlace => ({ kind: "tcp", host: addressToString(address), port })),
    ...(socket === undefined ? [] : [{ kind: "unix", path: socket } as const]),
  ];
}

/** Read once: nothing that is asked for names a file. */
function readPage(): ReadonlyMap<string, HttpFile> {
  return new Map(
    FILES.map(([path, name, type]) => {
      return [path, { type, body: readFileSync(packageFile(`page/${name}`), "utf8") }] as const;
    }),
  );
}
