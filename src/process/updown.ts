/**
 * Programs that are told when tunnels come and go, with the environment that strongSwan's updown scripts know (PLUTO_*).
 * They are started directly, never by a shell: the words of the setting are the program and its arguments.
 */
import { execFile } from "node:child_process";
import { addressToString, type Endpoint, prefixToString, rangeToPrefixes } from "#core/address";
import type { TrafficSelector } from "#core/selector";

/** Milliseconds a program may take. */
const PATIENCE = 10_000;
/** Octets of its output; more ends it. */
const OUTPUT = 65_536;
/** Programs that wait for those of the same tunnel before them. */
const WAITING = 256;

export interface TunnelNews {
  readonly state: "up" | "down";
  readonly connection: string;
  readonly child: string;
  readonly updown: string;
  readonly local: Endpoint;
  readonly remote: Endpoint;
  readonly localSelectors: readonly TrafficSelector[];
  readonly remoteSelectors: readonly TrafficSelector[];
}

export interface UpdownContext {
  /** The TUN device. */
  readonly interface: string;
  readonly localIdentity: string;
  readonly remoteIdentity: string;
}

/** One environment for each pair of selectors, as the program is called once for each. */
export function updownEnvironments(news: TunnelNews, context: UpdownContext): Record<string, string>[] {
  const pairs = news.localSelectors.flatMap((local) =>
    news.remoteSelectors
      .filter(({ first }) => first.family === local.first.family)
      .map((remote) => environment(news, context, local, remote)),
  );
  return pairs;
}

function environment(
  news: TunnelNews,
  context: UpdownContext,
  local: TrafficSelector,
  remote: TrafficSelector,
): Record<string, string> {
  const host = news.local.address.octets.every(
    (octet, i) => local.first.octets[i] === octet && local.last.octets[i] === octet,
  );
  const family = local.first.family === 6 ? "-v6" : "";
  const { PATH } = process.env;
  return {
    // Without it a program finds no others. Nothing else of ours is its business.
    PATH: PATH ?? "/usr/sbin:/usr/bin:/sbin:/bin",
    PLUTO_VERSION: "1.1",
    PLUTO_VERB: `${news.state}-${host ? "host" : "client"}${family}`,
    PLUTO_CONNECTION: news.child,
    PLUTO_INTERFACE: context.interface,
    PLUTO_ME: addressToString(news.local.address),
    PLUTO_MY_ID: context.localIdentity,
    PLUTO_MY_CLIENT: clientOf(local),
    PLUTO_MY_PORT: String(local.firstPort),
    PLUTO_MY_PROTOCOL: String(local.protocol),
    PLUTO_PEER: addressToString(news.remote.address),
    PLUTO_PEER_ID: context.remoteIdentity,
    PLUTO_PEER_CLIENT: clientOf(remote),
    PLUTO_PEER_PORT: String(remote.firstPort),
    PLUTO_PEER_PROTOCOL: String(remote.protocol),
  };
}

/** A range that is no prefix is told by the first of those that cover it, as the scripts know only prefixes. */
function clientOf({ first, last }: TrafficSelector): string {
  const [prefix] = rangeToPrefixes(first, last);
  return prefix === undefined ? addressToString(first) : prefixToString(prefix);
}

export class UpdownPrograms {
  readonly #warn: (text: string) => void;
  /** The last program of each tunnel: down never overtakes up. */
  readonly #last = new Map<string, Promise<void>>();
  #waiting = 0;

  constructor(warn: (text: string) => void) {
    this.#warn = warn;
  }

  tell(news: TunnelNews, context: UpdownContext): void {
    const [program, ...words] = news.updown.split(/\s+/).filter((word) => word !== "");
    if (program === undefined) return;
    const tunnel = `${news.connection}/${news.child}`;
    for (const env of updownEnvironments(news, context)) {
      if (this.#waiting >= WAITING) {
        this.#warn(
          `${tunnel}: updown was not told of '${news.state}': ${WAITING} programs wait; look why they take so long`,
        );
        return;
      }
      this.#waiting++;
      const former = this.#last.get(tunnel) ?? Promise.resolve();
      const ended = former.then(() => this.#run(tunnel, program, words, env));
      this.#last.set(tunnel, ended);
      void ended.then(() => {
        this.#waiting--;
        if (this.#last.get(tunnel) === ended) this.#last.delete(tunnel);
      });
    }
  }

  get isIdle(): boolean {
    return this.#waiting === 0;
  }

  /** Resolves when every program has ended. */
  async idle(): Promise<void> {
    await Promise.all(this.#last.values());
  }

  #run(tunnel: string, program: string, words: readonly string[], env: Record<string, string>): Promise<void> {
    const { PLUTO_VERB: verb } = env;
    return new Promise((resolve) => {
      const options = { env, timeout: PATIENCE, killSignal: "SIGKILL", maxBuffer: OUTPUT, cwd: "/" } as const;
      execFile(program, words, options, (error, _stdout, stderr) => {
        if (error !== null) this.#warn(`${tunnel}: updown ${verb ?? ""}: ${reasonOf(error, program, stderr)}`);
        resolve();
      });
    });
  }
}

function reasonOf(
  error: Error & { readonly killed?: boolean; readonly code?: unknown },
  program: string,
  stderr: string,
): string {
  if (error.code === "ENOENT") return `there is no program ${program}: give its whole path`;
  if (error.code === "EACCES") return `${program} may not be run: chmod +x`;
  if (error.killed === true) return `${program} did not end within ${PATIENCE / 1000} s and was ended`;
  const said = stderr.split("\n")[0]?.slice(0, 200) ?? "";
  return `${program} failed with ${String(error.code)}${said === "" ? "" : `: ${said}`}`;
}
