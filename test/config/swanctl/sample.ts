/** A world of files in memory, a small swanctl.conf that is right, and what reading it or a changed one gives. */
import type { ReadConfig } from "#config/gateway";
import { readSwanctl } from "#config/swanctl/read";
import type { ConfigWorld } from "#config/swanctl/world";
import type { Connection } from "#core/connection";
import { ConfigError, complaintToString } from "#core/errors";

export type Files = Readonly<Record<string, string | Uint8Array>>;

export function octetsOf(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

/** A file is a text, which is private, or octets; `modes` are for those that are not private. */
export class VirtualWorld implements ConfigWorld {
  /** Everything that was handed out, to see whether it was wiped. */
  readonly handedOut: Uint8Array[] = [];
  readonly #files: Files;
  readonly #modes: Readonly<Record<string, number>>;

  constructor(files: Files, modes: Readonly<Record<string, number>> = {}) {
    this.#files = files;
    this.#modes = modes;
  }

  read(path: string): { octets: Uint8Array; mode: number } {
    const file = Object.hasOwn(this.#files, path) ? this.#files[path] : undefined;
    if (file === undefined) throw new Error(`${path}: no such file`);
    const octets = typeof file === "string" ? octetsOf(file) : file.slice();
    this.handedOut.push(octets);
    return { octets, mode: this.#modes[path] ?? 0o600 };
  }

  glob(pattern: string): string[] {
    const expression = pattern
      .replaceAll(/[.+^${}()|[\]\\]/g, "\\$&")
      .replaceAll("*", "[^/]*")
      .replaceAll("?", "[^/]");
    return Object.keys(this.#files)
      .filter((path) => new RegExp(`^${expression}$`).test(path))
      .sort();
  }
}

export function readText(text: string, world: ConfigWorld = new VirtualWorld({}), mode = 0o600): ReadConfig {
  return readSwanctl({ name: "hq.conf", octets: octetsOf(text), mode }, world);
}

/** Complaints, one line each. */
export function complaintsOf(text: string, files: Files = {}): string[] {
  try {
    readText(text, new VirtualWorld(files));
    return [];
  } catch (error) {
    if (error instanceof ConfigError) return error.message.split("\n");
    throw error;
  }
}

export function warningsOf(text: string, files: Files = {}, mode = 0o600): string[] {
  return readText(text, new VirtualWorld(files), mode).warnings.map(complaintToString);
}

/** Extra lines for the connection, for its child and for the file; the rest is right. */
export interface Lines {
  readonly connection?: string;
  readonly child?: string;
  readonly local?: string;
  readonly remote?: string;
  readonly file?: string;
}

/** The connection's lines begin on line 4, the local one is 6, the child's 10, the remote one 12, the file's 16. */
export function sample({ connection = "", child = "", local = "", remote = "", file = "" }: Lines = {}): string {
  return `connections {
  hq {
    remote_addrs = 192.0.2.2
    ${connection}
    local { auth = psk
      ${local} }
    children { net {
        remote_ts = 10.2.0.0/24
        local_ts = 10.1.0.0/24
        ${child} } }
    remote { auth = psk
      ${remote} }
  }
}
secrets { ike-hq { secret = "correct horse battery staple" } }
${file}
`;
}

export function connectionOf(lines: Lines, files: Files = {}): Connection {
  const { config } = readText(sample(lines), new VirtualWorld(files));
  const [connection] = config.ike?.connections ?? [];
  if (connection === undefined) throw new Error("no connection");
  return connection;
}
