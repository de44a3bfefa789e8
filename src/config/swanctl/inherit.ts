/**
 * References followed: what a section has by itself comes first, then what it refers to, in the order of its references,
 * and so on for the sections within (strongswan.conf(5), "Referencing other sections").
 */
import { nearest } from "#core/nearest";
import type { Findings } from "./findings.ts";
import type { Place } from "./source.ts";
import type { Reference, Setting, WrittenSection } from "./tree.ts";
import type { Value } from "./value.ts";

/** A setting with its value. */
export interface Assigned extends Place {
  readonly value: Value;
}

/** A section with everything it has or inherits. */
export interface Section {
  readonly name: string;
  readonly place: Place;
  readonly settings: ReadonlyMap<string, Assigned>;
  readonly sections: ReadonlyMap<string, Section>;
}

export interface Inherited {
  readonly root: Section;
  /** Names of top-level sections that somebody refers to. */
  readonly referred: ReadonlySet<string>;
}

/** Settings and sections that are looked at: far beyond what people write. */
const WORK_LIMIT = 5_000_000;
/** More than the parser lets people write. */
const DEPTH_LIMIT = 64;
const CHAIN_LIMIT = 64;

export function inherit(root: WrittenSection, findings: Findings): Inherited {
  const heir = new Heir(root, findings);
  return { root: heir.section([root], 0), referred: heir.referred };
}

class Heir {
  readonly referred: Set<string> = new Set();
  readonly #root: WrittenSection;
  readonly #findings: Findings;
  readonly #found = new Map<string, readonly WrittenSection[]>();
  readonly #open = new Set<string>();
  #work = 0;

  constructor(root: WrittenSection, findings: Findings) {
    this.#root = root;
    this.#findings = findings;
  }

  /** `layers`: the sections that are one, the strongest first. */
  section(layers: readonly WrittenSection[], depth: number): Section {
    const all = this.#expand(layers);
    const settings = new Map<string, Setting>();
    const children = new Map<string, WrittenSection[]>();
    const first = all[0] ?? this.#root;
    for (const layer of depth < DEPTH_LIMIT ? all : []) {
      if (!this.#affordable(layer, 1 + layer.settings.size + layer.sections.size)) break;
      for (const [name, setting] of layer.settings) if (!settings.has(name)) settings.set(name, setting);
      for (const [name, child] of layer.sections) {
        const former = children.get(name);
        if (former === undefined) children.set(name, [child]);
        else former.push(child);
      }
    }
    if (depth === DEPTH_LIMIT)
      this.#findings.error(first.place, `'${first.name}' inherits itself without end`, "refer to a section beside it");
    const assigned = new Map<string, Assigned>();
    for (const [name, { source, at, value }] of settings)
      if (value !== undefined) assigned.set(name, { source, at, value });
    const sections = new Map<string, Section>();
    for (const [name, child] of children) sections.set(name, this.section(child, depth + 1));
    return { name: first.name, place: first.place, settings: assigned, sections };
  }

  /** The layers with all they refer to, each once. */
  #expand(layers: readonly WrittenSection[]): readonly WrittenSection[] {
    const all = new Set<WrittenSection>();
    const open = new Set<WrittenSection>();
    const add = (layer: WrittenSection, reference: Reference | undefined) => {
      if (open.has(layer) && reference !== undefined) this.#complainCircle(reference);
      if (all.has(layer) || !this.#affordable(layer, 1)) return;
      all.add(layer);
      open.add(layer);
      if (open.size + this.#open.size > CHAIN_LIMIT) this.#complainChain(layer);
      else for (const next of layer.references) for (const other of this.#lookUp(next)) add(other, next);
      open.delete(layer);
    };
    for (const layer of layers) add(layer, undefined);
    return [...all];
  }

  #lookUp(reference: Reference): readonly WrittenSection[] {
    const key = reference.path.join(".");
    const known = this.#found.get(key);
    if (known !== undefined) return known;
    if (this.#open.has(key)) {
      this.#complainCircle(reference);
      return [];
    }
    this.#open.add(key);
    this.referred.add(reference.path[0] ?? "");
    let layers: readonly WrittenSection[] = [this.#root];
    for (const name of reference.path) {
      const around = this.#expand(layers);
      layers = around.flatMap((layer) => layer.sections.get(name) ?? []);
      if (layers.length > 0) continue;
      this.#complainMissing(reference, name, around);
      break;
    }
    this.#open.delete(key);
    this.#found.set(key, layers);
    return layers;
  }

  #complainCircle(reference: Reference): void {
    const remedy = "remove one of the references of the circle";
    this.#findings.error(reference, `'${reference.path.join(".")}' refers to itself`, remedy);
  }

  #complainChain({ place, name }: WrittenSection): void {
    const problem = `references are followed more than ${CHAIN_LIMIT} times on the way to '${name}'`;
    this.#findings.error(place, problem, "refer to it directly");
  }

  #complainMissing(reference: Reference, name: string, around: readonly WrittenSection[]): void {
    if (this.#findings.full || reference.source.isHidden(reference.at)) return;
    const meant = nearest(
      name,
      around.flatMap((layer) => [...layer.sections.keys()]),
    );
    this.#findings.error(
      reference,
      `there is no section '${reference.path.join(".")}' to refer to`,
      meant === undefined
        ? "give the whole path from the top of the file, for example connections.defaults"
        : `did you mean '${meant}'?`,
    );
  }

  /** False, and a complaint, when references multiply beyond measure. */
  #affordable(section: WrittenSection, work: number): boolean {
    const before = this.#work;
    this.#work += work;
    if (this.#work < WORK_LIMIT) return true;
    if (before < WORK_LIMIT)
      this.#findings.error(section.place, "references multiply beyond measure", "refer to fewer sections");
    return false;
  }
}
