/** One command of the store → the sections and credentials there are then, or why it is refused. Pure but for what it parses. */
import type { ConfigSection, StoreCommand } from "#core/config-store";
import type { PrivateKey, SharedSecret } from "#core/connection";
import type { Identity } from "#core/identity";
import type { GatewayConfig } from "#core/policy";
import { sameValue } from "#core/same-value";
import { readIdentity } from "#crypto/identity";
import { equalOctets, wipe } from "#crypto/octets";
import { CredentialError } from "#crypto/x509/credential-error";
import { keyIdOf, readCertificates, readCrls, readPrivateKey, readPublicKey } from "#crypto/x509/private-key";
import { distinct } from "./credentials.ts";
import { MAKE_SECRET, SHORT_SECRET } from "./secrets.ts";
import type { Stored } from "./stored.ts";

/** What is refused before anything is read: one line, with its remedy. */
export class CommandError extends Error {
  constructor(problem: string, remedy: string) {
    super(`${problem}; ${remedy}`);
    this.name = "CommandError";
  }
}

export interface StoredChange {
  readonly stored: Stored;
  /** What the file says, without what was unloaded. */
  readonly base: GatewayConfig;
  readonly id: string | undefined;
  readonly warnings: readonly string[];
  /** Secrets that are new: to be wiped if it comes to nothing. */
  readonly fresh: readonly Uint8Array[];
  /** Secrets that nobody needs once it is in force. */
  readonly gone: readonly Uint8Array[];
}

const NO_POOLS = "virtual IPs are not there yet: the pool has no effect";

/** Throws CommandError. */
export function applyCommand(command: StoreCommand, stored: Stored, base: GatewayConfig): StoredChange {
  const unchanged = { stored, base, id: undefined, warnings: [], fresh: [], gone: [] };
  const change = (part: Partial<Stored>): StoredChange => ({ ...unchanged, stored: { ...stored, ...part } });
  switch (command.kind) {
    case "load-conn":
      return change({ connections: withSection(stored.connections, command) });
    case "unload-conn":
      return unloadConnection(command.name, unchanged);
    case "load-authority":
      return change({ authorities: withSection(stored.authorities, command) });
    case "unload-authority":
      return change({ authorities: without(stored.authorities, command.name, "authority") });
    case "load-pool":
      return { ...change({ pools: withSection(stored.pools, command) }), warnings: [`${command.name}: ${NO_POOLS}`] };
    case "unload-pool":
      return change({ pools: without(stored.pools, command.name, "pool") });
    case "load-cert":
      return loadCertificate(command, unchanged);
    case "load-key":
      return loadKey(command.data, unchanged);
    case "unload-key":
      return { ...change({ keys: without(stored.keys, command.id, "key") }), gone: keyOf(stored.keys.get(command.id)) };
    case "load-shared":
      return loadShared(command, unchanged);
    case "unload-shared":
      return {
        ...change({ secrets: without(stored.secrets, command.id, "secret") }),
        gone: secretOf(stored.secrets.get(command.id)),
      };
    case "clear-creds":
      return {
        ...change({ certificates: [], trusted: [], crls: [], keys: new Map(), secrets: new Map() }),
        gone: [...[...stored.keys.values()].flatMap(keyOf), ...[...stored.secrets.values()].flatMap(secretOf)],
      };
    default:
      return command satisfies never;
  }
}

function keyOf(key: PrivateKey | undefined): Uint8Array[] {
  return key === undefined ? [] : [key.pkcs8];
}

function secretOf(secret: SharedSecret | undefined): Uint8Array[] {
  return secret === undefined ? [] : [secret.secret];
}

/** The same again is the same: nothing is read anew for it. */
function withSection(
  sections: ReadonlyMap<string, ConfigSection>,
  { name, section }: { readonly name: string; readonly section: ConfigSection },
): ReadonlyMap<string, ConfigSection> {
  const known = sections.get(name);
  const next = known !== undefined && sameSection(known, section) ? known : copyOf(section);
  return new Map([...sections, [name, next]]);
}

function copyOf({ settings, sections }: ConfigSection): ConfigSection {
  const copy = (value: Uint8Array | readonly Uint8Array[]) =>
    value instanceof Uint8Array ? value.slice() : value.map((item) => item.slice());
  return {
    settings: new Map([...settings].map(([key, value]) => [key, copy(value)])),
    sections: new Map([...sections].map(([name, section]) => [name, copyOf(section)])),
  };
}

function sameSection(a: ConfigSection, b: ConfigSection): boolean {
  const [own, other] = [[...a.sections], [...b.sections]];
  return (
    sameValue([...a.settings], [...b.settings]) &&
    own.length === other.length &&
    own.every(([name, section], at) => {
      const [otherName, otherSection] = other[at] ?? [];
      return name === otherName && otherSection !== undefined && sameSection(section, otherSection);
    })
  );
}

function without<T>(all: ReadonlyMap<string, T>, name: string, what: string): ReadonlyMap<string, T> {
  if (!all.has(name)) throw new CommandError(`no ${what} '${name}' is loaded`, "list what is loaded");
  return new Map([...all].filter(([known]) => known !== name));
}

/** The file's too: it is there again after the next reload of the file. */
function unloadConnection(name: string, { stored, base, ...rest }: StoredChange): StoredChange {
  const { ike } = base;
  const isOfFile = ike?.connections.some((connection) => connection.name === name) === true;
  const connections = isOfFile
    ? new Map([...stored.connections].filter(([known]) => known !== name))
    : without(stored.connections, name, "connection");
  const left =
    ike === undefined || !isOfFile
      ? base
      : { ...base, ike: { ...ike, connections: ike.connections.filter((connection) => connection.name !== name) } };
  const policies = isOfFile ? left.policies.filter((policy) => !policy.name.startsWith(`${name}/`)) : left.policies;
  return { ...rest, stored: { ...stored, connections }, base: { ...left, policies } };
}

function loadCertificate(
  { type, data }: Extract<StoreCommand, { kind: "load-cert" }>,
  unchanged: StoredChange,
): StoredChange {
  const { stored } = unchanged;
  switch (type) {
    case "x509":
      return withStored(unchanged, { certificates: added(stored.certificates, parsed(readCertificates, data)) });
    case "x509ca":
      return withStored(unchanged, { trusted: added(stored.trusted, parsed(readCertificates, data)) });
    case "x509crl":
      return withStored(unchanged, { crls: added(stored.crls, parsed(readCrls, data)) });
    case "pubkey":
      parsed(readPublicKey, data);
      return { ...unchanged, warnings: ["a raw public key has an effect only where a connection names it: pubkeys"] };
    default:
      return type satisfies never;
  }
}

function withStored(unchanged: StoredChange, part: Partial<Stored>): StoredChange {
  return { ...unchanged, stored: { ...unchanged.stored, ...part } };
}

/** The same list where nothing is new. */
function added(known: readonly Uint8Array[], more: readonly Uint8Array[]): readonly Uint8Array[] {
  const all = distinct([...known, ...more]);
  return all.length === known.length ? known : all;
}

/** `parse` may keep parts of what it gets: a copy. */
function parsed<T>(parse: (octets: Uint8Array) => T, data: Uint8Array): T {
  try {
    return parse(data.slice());
  } catch (error) {
    if (!(error instanceof CredentialError)) throw error;
    throw new CommandError(error.problem, error.remedy);
  }
}

function loadKey(data: Uint8Array, unchanged: StoredChange): StoredChange {
  const octets = data.slice();
  let key: PrivateKey;
  try {
    key = readPrivateKey(octets);
  } catch (error) {
    if (!(error instanceof CredentialError)) throw error;
    throw new CommandError(error.problem, error.remedy);
  } finally {
    wipe(octets);
  }
  const id = keyIdOf(key.spki);
  const { keys } = unchanged.stored;
  const known = keys.get(id);
  if (known !== undefined && equalOctets(known.pkcs8, key.pkcs8)) {
    wipe(key.pkcs8);
    return { ...unchanged, id };
  }
  const stored = { ...unchanged.stored, keys: new Map([...keys, [id, key] as const]) };
  return { ...unchanged, stored, id, fresh: [key.pkcs8], gone: keyOf(known) };
}

function loadShared(
  { id: given, type, data, owners }: Extract<StoreCommand, { kind: "load-shared" }>,
  unchanged: StoredChange,
): StoredChange {
  const { secrets } = unchanged.stored;
  const id = given ?? ` ${secrets.size}`;
  if (type.toLowerCase() !== "ike") {
    const stored = { ...unchanged.stored, secrets: new Map([...secrets, [id, undefined] as const]) };
    const warnings = [
      `a secret of type ${shown(type)} is known, has no effect here: EAP, XAuth and PPK are not there yet`,
    ];
    return { ...unchanged, stored, warnings, gone: secretOf(secrets.get(id)) };
  }
  if (data.length === 0) throw new CommandError("the secret is empty", MAKE_SECRET);
  const secret: SharedSecret = { owners: ownersOf(owners), secret: data.slice() };
  const same = [...secrets].find(([known, one]) => (given === undefined || known === given) && sameValue(one, secret));
  if (same !== undefined) {
    wipe(secret.secret);
    return unchanged;
  }
  const stored = { ...unchanged.stored, secrets: new Map([...secrets, [id, secret] as const]) };
  const short =
    data.length < SHORT_SECRET
      ? [`the secret is short: whoever plays the peer can find it by trying; ${MAKE_SECRET}`]
      : [];
  return { ...unchanged, stored, warnings: short, fresh: [secret.secret], gone: secretOf(secrets.get(id)) };
}

/** Empty when anybody is meant. */
function ownersOf(owners: readonly string[]): Identity[] {
  const identities: Identity[] = [];
  for (const owner of owners) {
    const read = readIdentity(owner);
    if (read.kind === "any") return [];
    if (read.kind === "wrong") throw new CommandError(`'${shown(owner)}' is no identity: ${read.problem}`, read.remedy);
    identities.push(read.identity);
  }
  return identities;
}

function shown(text: string): string {
  return text.slice(0, 100).replaceAll(/\p{Cc}/gu, "\u{fffd}");
}
