/** load-*, unload-*, get-* of a configuration that comes in pieces: vici's words for the configuration store. */
import type { ConfigSection, ConfigStore, StoreCommand, StoreList } from "#core/config-store";
import type { Command, Reply } from "./command.ts";
import {
  isYes,
  itemsOf,
  list,
  type Message,
  octetsOf,
  type Section,
  section,
  sectionsOf,
  textOf,
  value,
} from "./message.ts";
import { refusal, success } from "./outcome.ts";
import type { ViciWorld } from "./world.ts";

const DECODER = new TextDecoder();

/** What of a section is listed later, and the store does not tell. */
interface LoadedAuthority {
  readonly subject: string | undefined;
  readonly crlUris: readonly string[];
}

const CERTIFICATES = new Set(["x509", "x509ca", "x509crl", "pubkey"] as const);
type CertificateKind = typeof CERTIFICATES extends Set<infer Kind> ? Kind : never;

export class Loading {
  readonly #world: ViciWorld;
  readonly #authorities = new Map<string, LoadedAuthority>();
  readonly #pools = new Map<string, string>();

  constructor(world: ViciWorld) {
    this.#world = world;
  }

  get commands(): Readonly<Record<string, Command>> {
    return {
      "load-conn": (request) => this.#section(request, (name, one) => ({ kind: "load-conn", name, section: one })),
      "unload-conn": (request) => this.#unload(request, "name", (name) => ({ kind: "unload-conn", name })),
      "get-conns": () => ({ response: list("conns", this.#names("connections")) }),
      "load-authority": (request) => this.#loadAuthority(request),
      "unload-authority": (request) => this.#unload(request, "name", (name) => ({ kind: "unload-authority", name })),
      "get-authorities": () => ({ response: list("authorities", this.#names("authorities")) }),
      "list-authorities": (request) => this.#listAuthorities(request),
      "load-pool": (request) => this.#loadPool(request),
      "unload-pool": (request) => this.#unload(request, "name", (name) => ({ kind: "unload-pool", name })),
      "get-pools": (request) => ({ response: this.#getPools(request) }),
      "load-cert": (request) => this.#loadCertificate(request),
      "load-key": (request) => this.#loadKey(request),
      "unload-key": (request) => this.#unload(request, "id", (id) => ({ kind: "unload-key", id })),
      "get-keys": () => ({ response: list("keys", this.#names("keys")) }),
      "load-token": () => ({
        response: refusal("keys on tokens (PKCS #11) are not used here; load the key from a file"),
      }),
      "load-shared": (request) => this.#loadShared(request),
      "unload-shared": (request) => this.#unload(request, "id", (id) => ({ kind: "unload-shared", id })),
      "get-shared": () => ({ response: list("keys", this.#names("shared")) }),
      "clear-creds": () => this.#take({ kind: "clear-creds" }),
    };
  }

  get #store(): ConfigStore {
    return this.#world.gateway.configuration.store;
  }

  #names(which: StoreList): readonly string[] {
    return this.#store.names(which);
  }

  async #take(command: StoreCommand): Promise<Reply> {
    const outcome = await this.#store.take(command);
    if (!outcome.ok) return { response: refusal(withoutExcerpts(outcome.why)) };
    return { response: success(value("id", outcome.id), warningKeys(outcome.warnings)) };
  }

  #section(request: Message, command: (name: string, section: ConfigSection) => StoreCommand): Promise<Reply> {
    const [only, ...more] = sectionsOf(request);
    if (only === undefined || more.length > 0)
      return Promise.resolve({ response: refusal("one section with its name is needed") });
    return this.#take(command(only.key, configSection(only)));
  }

  #unload(request: Message, key: "name" | "id", command: (name: string) => StoreCommand): Promise<Reply> {
    const name = textOf(request, key);
    if (name === undefined) return Promise.resolve({ response: refusal(`missing ${key}`) });
    return this.#take(command(name));
  }

  /** What is refused is not remembered. */
  async #loadAuthority(request: Message): Promise<Reply> {
    const loaded = sectionsOf(request).map(({ key, entries }): [string, LoadedAuthority] => {
      const cacert = octetsOf(entries, "cacert");
      const subject = cacert === undefined ? undefined : this.#world.inventory.subjects(cacert)[0];
      return [key, { subject, crlUris: itemsOf(entries, "crl_uris").map((item) => DECODER.decode(item)) }];
    });
    const reply = await this.#section(request, (name, one) => ({ kind: "load-authority", name, section: one }));
    if (isYes(reply.response, "success")) this.#remember(this.#authorities, loaded, "authorities");
    return reply;
  }

  /** Besides what is known of those that the store still has. */
  #remember<T>(known: Map<string, T>, fresh: readonly (readonly [string, T])[], which: StoreList): void {
    const names = new Set(this.#names(which));
    for (const name of known.keys()) if (!names.has(name)) known.delete(name);
    for (const [name, one] of fresh) known.set(name, one);
  }

  #listAuthorities(request: Message): Reply {
    const wanted = textOf(request, "name");
    const names = this.#names("authorities").filter((name) => (wanted ?? name) === name);
    const events = names.map((name) => {
      const { subject, crlUris = [] } = this.#authorities.get(name) ?? { subject: undefined };
      const keys = [value("cacert", subject), list("crl_uris", crlUris), list("ocsp_uris", [])];
      return { event: "list-authority", message: section(name, ...keys) };
    });
    return { events, response: [] };
  }

  async #loadPool(request: Message): Promise<Reply> {
    const loaded = sectionsOf(request).map(({ key, entries }) => [key, textOf(entries, "addrs") ?? ""] as const);
    const reply = await this.#section(request, (name, one) => ({ kind: "load-pool", name, section: one }));
    if (isYes(reply.response, "success")) this.#remember(this.#pools, loaded, "pools");
    return reply;
  }

  /** Nobody is given addresses here: pools are known by name. */
  #getPools(request: Message): Message {
    const wanted = textOf(request, "name");
    return this.#names("pools")
      .filter((name) => (wanted ?? name) === name)
      .flatMap((name) =>
        section(
          name,
          value("base", this.#pools.get(name) ?? ""),
          value("size", 0),
          value("online", 0),
          value("offline", 0),
        ),
      );
  }

  #loadCertificate(request: Message): Promise<Reply> {
    const kind = certificateKind(textOf(request, "type") ?? "", textOf(request, "flag") ?? "");
    const data = octetsOf(request, "data");
    if (kind === undefined)
      return Promise.resolve({
        response: refusal("only certificates (X509) of ends and CAs, X509_CRL and PUBKEY have an effect here"),
      });
    if (data === undefined) return Promise.resolve({ response: refusal("missing data") });
    return this.#take({ kind: "load-cert", type: kind, data });
  }

  #loadKey(request: Message): Promise<Reply> {
    const data = octetsOf(request, "data");
    if (data === undefined) return Promise.resolve({ response: refusal("missing data") });
    return this.#take({ kind: "load-key", type: (textOf(request, "type") ?? "any").toLowerCase(), data });
  }

  #loadShared(request: Message): Promise<Reply> {
    const [id, type] = [textOf(request, "id"), textOf(request, "type")];
    const data = octetsOf(request, "data");
    if (type === undefined || data === undefined)
      return Promise.resolve({ response: refusal(type === undefined ? "missing type" : "missing data") });
    const owners = itemsOf(request, "owners").map((item) => DECODER.decode(item));
    return this.#take({ kind: "load-shared", id, type, data, owners });
  }
}

/** Complaints are shown in one line: the excerpts below them have their own indented ones. */
function withoutExcerpts(why: string): string {
  const lines = why.split("\n");
  return lines.filter((line, at) => at === 0 || !line.startsWith(" ")).join("; ");
}

/** swanctl shows nothing of them; who asks with --raw sees them. */
function warningKeys(warnings: readonly string[]): Message {
  return warnings.length === 0 ? [] : list("warnings", warnings);
}

/** vici's types and flags, and those that older clients say in one word. */
function certificateKind(type: string, flag: string): CertificateKind | undefined {
  const plain = type.toLowerCase();
  switch (plain) {
    case "x509":
      return flag === "" || flag === "NONE" ? "x509" : flag === "CA" ? "x509ca" : undefined;
    case "x509_crl":
      return "x509crl";
    default:
      return [...CERTIFICATES].find((kind) => kind === plain);
  }
}

/** Of two keys of one name the last is in force, as in a file. */
function configSection({ entries }: Section): ConfigSection {
  const settings = new Map<string, Uint8Array | readonly Uint8Array[]>();
  const sections = new Map<string, ConfigSection>();
  for (const entry of entries)
    if (entry.kind === "section") sections.set(entry.key, configSection(entry));
    else settings.set(entry.key, entry.kind === "list" ? entry.items : entry.value);
  return { settings, sections };
}
