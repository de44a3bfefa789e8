/**
 * The grammar of strongswan.conf(5), which swanctl.conf shares:
 *   section := name [":" reference {"," reference}] "{" { setting | section | include } "}"
 *   setting := name "=" { word | "quoted string" } end-of-line
 *   include := "include" pattern
 * and, at the top of a file, "tunnel" name … for "tunnel" "{" name … "}", whose settings may share a line.
 * Comments begin with # anywhere outside of quotes. Values stay octets.
 */
import type { Findings } from "./findings.ts";
import { directoryOf, pathIn } from "./paths.ts";
import { Scanner, SyntaxProblem } from "./scanner.ts";
import { SCHEMA } from "./schema.ts";
import { type Place, Source } from "./source.ts";
import { WrittenSection } from "./tree.ts";
import type { ConfigWorld } from "./world.ts";

const DEPTH_LIMIT = 32;
const INCLUDE_DEPTH_LIMIT = 16;
const FILE_COUNT_LIMIT = 10_000;
const FILE_LENGTH_LIMIT = 4 << 20;
const WHOLE_LENGTH_LIMIT = 64 << 20;
/** Sections of this name hold secrets wherever a forgotten brace may have put them. */
const SECRETS = "secrets";
/** The short form's secret. */
const PSK = "psk";
const TUNNEL = "tunnel";
/** A tunnel may stand on one line. */
const TUNNEL_KEYS: ReadonlySet<string> = new Set(SCHEMA.tunnel.keys);
const NO_KEYS: ReadonlySet<string> = new Set();

/** The first fault of the grammar ends the reading; it is in `findings` then. `keep` gets all octets that were read. */
export function parseSwanctl(
  main: Source,
  world: ConfigWorld,
  keep: (octets: Uint8Array) => void,
  findings: Findings,
): WrittenSection {
  const root = new WrittenSection("", { source: main, at: 0 });
  try {
    new Parser(world, keep, findings).file(main, root, 0, []);
  } catch (error) {
    if (!(error instanceof SyntaxProblem)) throw error;
    findings.error(error.place, error.problem, error.remedy);
  }
  return root;
}

class Parser {
  readonly #world: ConfigWorld;
  readonly #keep: (octets: Uint8Array) => void;
  readonly #findings: Findings;
  readonly #tunnels = new Set<WrittenSection>();
  #files = 0;
  #octets = 0;

  constructor(world: ConfigWorld, keep: (octets: Uint8Array) => void, findings: Findings) {
    this.#world = world;
    this.#keep = keep;
    this.#findings = findings;
  }

  /** `including`: the files that are open, the outermost first. */
  file(source: Source, into: WrittenSection, depth: number, including: readonly string[]): void {
    if (source.octets.length > FILE_LENGTH_LIMIT)
      throw new SyntaxProblem({ source, at: 0 }, "the file is longer than 4 MiB", "split it with include");
    this.#octets += source.octets.length;
    if (this.#octets > WHOLE_LENGTH_LIMIT)
      throw new SyntaxProblem({ source, at: 0 }, "all files together are longer than 64 MiB", "include fewer");
    const scanner = new Scanner(source);
    this.#body(scanner, into, depth, undefined, [...including, source.name]);
  }

  /** `open`: where the section's brace stands; undefined at the top of a file. */
  #body(
    scanner: Scanner,
    into: WrittenSection,
    depth: number,
    open: Place | undefined,
    including: readonly string[],
  ): void {
    for (;;) {
      scanner.skipBlank();
      if (scanner.atEnd) {
        if (open !== undefined)
          throw new SyntaxProblem(open, `section '${into.name}' is never closed`, "add the missing }");
        return;
      }
      if (scanner.take("}")) {
        if (open !== undefined) return;
        throw new SyntaxProblem(scanner.before, "} closes nothing", "remove it, or add the { that is missing before");
      }
      this.#statement(scanner, into, depth, including);
    }
  }

  #statement(scanner: Scanner, into: WrittenSection, depth: number, including: readonly string[]): void {
    const place = scanner.here;
    const name = scanner.name();
    if (name === "include" && !scanner.isSettingOrSection()) {
      this.#include(scanner, into, depth, place, including);
      return;
    }
    scanner.skipBlank();
    if (scanner.take("=")) {
      const former = into.settings.get(name);
      if (former?.value !== undefined && former.source === place.source && !place.source.isHidden(place.at))
        this.#findings.warn(
          place,
          `'${name}' is set twice in '${into.name}': this one counts`,
          "remove one of the two",
        );
      const reveal = name === PSK ? place.source.hideFrom(place.at) : undefined;
      const value = scanner.value(this.#tunnels.has(into) ? TUNNEL_KEYS : NO_KEYS);
      into.settings.set(name, { ...place, value });
      // Where nothing stands behind psk = the secret may stand on the next line.
      if (value !== undefined) reveal?.(scanner.here.at);
      return;
    }
    if (name === TUNNEL && into.name === "" && !scanner.isSettingOrSection()) {
      this.#section(scanner, into.section(name, place), depth + 1, scanner.here, scanner.name(), including);
      return;
    }
    this.#section(scanner, into, depth, place, name, including);
  }

  /** What follows a section's name. */
  #section(
    scanner: Scanner,
    into: WrittenSection,
    depth: number,
    place: Place,
    name: string,
    including: readonly string[],
  ): void {
    scanner.skipBlank();
    const section = into.section(name, place);
    if (into.name === TUNNEL && depth === 1) this.#tunnels.add(section);
    if (scanner.take(":")) section.references.push(...scanner.references());
    scanner.skipBlank();
    const open = scanner.here;
    if (!scanner.take("{")) {
      const word = scanner.quote(name, place);
      throw new SyntaxProblem(open, `= or { should follow ${word}`, "write NAME = VALUE, or NAME { … }");
    }
    if (depth + 1 > DEPTH_LIMIT)
      throw new SyntaxProblem(open, `sections are nested more than ${DEPTH_LIMIT} deep`, "close some with }");
    const reveal = name === SECRETS ? place.source.hideFrom(open.at) : undefined;
    this.#body(scanner, section, depth + 1, open, including);
    reveal?.(scanner.here.at);
  }

  #include(scanner: Scanner, into: WrittenSection, depth: number, place: Place, including: readonly string[]): void {
    const pattern = scanner.includePattern();
    if (pattern === "") throw new SyntaxProblem(place, "include names no file", "write include conf.d/*.conf");
    if (including.length > INCLUDE_DEPTH_LIMIT)
      throw new SyntaxProblem(place, `files include each other more than ${INCLUDE_DEPTH_LIMIT} deep`, "flatten them");
    const path = pathIn(directoryOf(place.source.name), pattern);
    const hidden = place.source.isHidden(place.at);
    for (const file of /[*?[]/.test(pattern) ? this.#world.glob(path) : [path]) {
      if (including.includes(file))
        throw new SyntaxProblem(place, `${file} includes itself`, "remove this include, or narrow its pattern");
      if (++this.#files > FILE_COUNT_LIMIT)
        throw new SyntaxProblem(place, `more than ${FILE_COUNT_LIMIT} files are included`, "narrow the pattern");
      const source = this.#read(file, place);
      if (source === undefined) continue;
      if (hidden) source.hideFrom(0);
      this.file(source, into, depth, including);
    }
  }

  #read(path: string, place: Place): Source | undefined {
    try {
      const { octets } = this.#world.read(path);
      this.#keep(octets);
      return new Source(path, octets);
    } catch (cause) {
      // The world's message names the file and the failure.
      const why = cause instanceof Error ? cause.message : "cannot be read";
      this.#findings.error(place, `cannot include ${path}: ${why}`, "check the path and the file's mode");
      return undefined;
    }
  }
}
