/** Connections, authorities and credentials that came one by one, beside those of a file → what IKE is configured by. */
import type { ConfigSection } from "#core/config-store";
import type { Connection, Credentials, IkeConfig, PrivateKey, SharedSecret } from "#core/connection";
import { type Complaint, ConfigError } from "#core/errors";
import { checkConnection } from "./checks.ts";
import { type PlacedConnection, readConnection } from "./connection.ts";
import { CredentialFiles } from "./credential-files.ts";
import { distinct, readAuthority } from "./credentials.ts";
import { Findings } from "./findings.ts";
import { inherit, type Section } from "./inherit.ts";
import { assemblePolicies } from "./policies.ts";
import type { ConfigWorld, WorldFile } from "./world.ts";
import { type Contents, writtenSection } from "./written.ts";

export interface Stored {
  readonly connections: ReadonlyMap<string, ConfigSection>;
  readonly authorities: ReadonlyMap<string, ConfigSection>;
  readonly pools: ReadonlyMap<string, ConfigSection>;
  /** DER each. */
  readonly certificates: readonly Uint8Array[];
  readonly trusted: readonly Uint8Array[];
  readonly crls: readonly Uint8Array[];
  readonly keys: ReadonlyMap<string, PrivateKey>;
  /** Of types that nobody uses here: without secret. */
  readonly secrets: ReadonlyMap<string, SharedSecret | undefined>;
}

export const NOTHING_STORED: Stored = {
  connections: new Map(),
  authorities: new Map(),
  pools: new Map(),
  certificates: [],
  trusted: [],
  crls: [],
  keys: new Map(),
  secrets: new Map(),
};

export interface StoredConfig {
  readonly ike: IkeConfig;
  readonly warnings: readonly Complaint[];
}

interface Known {
  readonly section: ConfigSection;
  readonly credentials: string;
  readonly connection: PlacedConnection;
  readonly warnings: readonly Complaint[];
}

export class StoredReader {
  readonly #world: ConfigWorld;
  /** What was read before and has not changed: a thousand connections that come one by one are read once each. */
  #known: ReadonlyMap<string, Known> = new Map();
  /** The credentials that `#known` was read with. */
  #around: readonly unknown[] = [];
  #rounds = 0;

  constructor(world: ConfigWorld) {
    this.#world = world;
  }

  /** `base`: of the file. Throws ConfigError with all that is wrong. */
  read(stored: Stored, base: IkeConfig): StoredConfig {
    // One that came twice stands twice: each has its own octets, and its own end.
    const keys = [...base.credentials.keys, ...stored.keys.values()];
    const secrets = [...base.credentials.secrets, ...[...stored.secrets.values()].filter((one) => one !== undefined)];
    const certificates = distinct([...base.credentials.intermediates, ...stored.certificates]);
    const complaints: Complaint[] = [];
    const warnings: Complaint[] = [];
    const gather = (findings: Findings) => {
      warnings.push(...findings.warnings());
      complaints.push(...findings.errors());
    };
    const round = this.#round([base.credentials, stored.keys, stored.certificates, stored.secrets]);
    const known = new Map<string, Known>();
    for (const [name, section] of stored.connections) {
      const before = this.#known.get(name);
      const one =
        before?.section === section && before.credentials === round
          ? before
          : this.#connection(name, section, { keys, certificates, secrets, round }, gather);
      if (one === undefined) continue;
      known.set(name, one);
      if (one === before) warnings.push(...one.warnings);
    }
    const authorities = this.#authorities(stored.authorities, gather);
    const placed = [...known.values()].map(({ connection }) => connection);
    const together = new Findings();
    assemblePolicies(placed, together);
    gather(together);
    if (complaints.length > 0) throw new ConfigError(complaints);
    this.#known = known;
    const credentials: Credentials = {
      secrets,
      keys,
      authorities: distinct([
        ...base.credentials.authorities,
        ...stored.trusted,
        ...authorities.authorities,
        ...placed.flatMap(({ config }) => config.remote.authorities),
      ]),
      intermediates: certificates,
      crls: distinct([...base.credentials.crls, ...stored.crls, ...authorities.crls]),
    };
    const own = new Map(placed.map(({ config }) => [config.name, config]));
    return { ike: { connections: merged(base.connections, own), credentials }, warnings };
  }

  /** Another word for each set of credentials that connections are read with. */
  #round(around: readonly unknown[]): string {
    if (around.some((one, at) => one !== this.#around[at])) this.#rounds++;
    this.#around = around;
    return String(this.#rounds);
  }

  #connection(
    name: string,
    section: ConfigSection,
    around: {
      readonly keys: readonly PrivateKey[];
      readonly certificates: readonly Uint8Array[];
      readonly secrets: readonly SharedSecret[];
      readonly round: string;
    },
    gather: (findings: Findings) => void,
  ): Known | undefined {
    const findings = new Findings("lenient");
    const world = new ContentsWorld(this.#world);
    for (const certificate of around.certificates) world.directory("x509", certificate);
    const files = new CredentialFiles(MAIN, world, findings);
    files.keys.push(...around.keys);
    const written = writtenSection(`load-conn ${name}`, name, section, world);
    const inherited = inherit(written, findings).root;
    const connection = readConnection({ ...inherited, name }, files, new Set(), findings);
    checkConnection(connection, around.secrets, findings);
    gather(findings);
    if (findings.errors().length > 0) return undefined;
    return { section, credentials: around.round, connection, warnings: findings.warnings() };
  }

  #authorities(
    sections: ReadonlyMap<string, ConfigSection>,
    gather: (findings: Findings) => void,
  ): { readonly authorities: Uint8Array[]; readonly crls: Uint8Array[] } {
    const all = { authorities: [] as Uint8Array[], crls: [] as Uint8Array[] };
    for (const [name, section] of sections) {
      const findings = new Findings("lenient");
      const world = new ContentsWorld(this.#world);
      const read: Section = inherit(writtenSection(`load-authority ${name}`, name, section, world), findings).root;
      const own = readAuthority(read, new CredentialFiles(MAIN, world, findings), findings);
      all.authorities.push(...own.authorities);
      all.crls.push(...own.crls);
      gather(findings);
    }
    return all;
  }
}

const MAIN = "/vici/main";

/** Octets that have names, and the files of the system by their absolute paths. */
class ContentsWorld implements ConfigWorld, Contents {
  readonly #world: ConfigWorld;
  readonly #contents = new Map<string, Uint8Array>();

  constructor(world: ConfigWorld) {
    this.#world = world;
  }

  name(key: string, octets: Uint8Array): string {
    return this.#add(`/vici/contents/${key}`, octets);
  }

  directory(name: string, octets: Uint8Array): void {
    this.#add(`/vici/${name}/`, octets);
  }

  #add(prefix: string, octets: Uint8Array): string {
    const path = `${prefix}${this.#contents.size + 1}`;
    this.#contents.set(path, octets);
    return path;
  }

  read(path: string): WorldFile {
    const octets = this.#contents.get(path);
    return octets === undefined ? this.#world.read(path) : { octets: octets.slice(), mode: 0o600 };
  }

  glob(pattern: string): readonly string[] {
    const folder = pattern.slice(0, pattern.lastIndexOf("/") + 1);
    return [...this.#contents.keys()].filter((path) => path.startsWith(folder));
  }
}

/** A connection that was loaded stands where the file's of the same name stood. */
function merged(base: readonly Connection[], own: ReadonlyMap<string, Connection>): Connection[] {
  const names = new Set(base.map(({ name }) => name));
  return [...base.map((one) => own.get(one.name) ?? one), ...[...own.values()].filter(({ name }) => !names.has(name))];
}
