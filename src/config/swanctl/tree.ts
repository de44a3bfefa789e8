/** Sections as they are written: merged by name, with references to other sections not yet followed. */
import type { Place } from "./source.ts";
import type { Value } from "./value.ts";

export interface Setting extends Place {
  /** undefined: `NAME =`, which takes away what was set before or inherited. */
  readonly value: Value | undefined;
}

/** `name : this.section, that.section { … }`. */
export interface Reference extends Place {
  readonly path: readonly string[];
}

export class WrittenSection {
  readonly name: string;
  /** Of the name, where the section first stands. */
  readonly place: Place;
  readonly settings: Map<string, Setting> = new Map();
  readonly sections: Map<string, WrittenSection> = new Map();
  readonly references: Reference[] = [];

  constructor(name: string, place: Place) {
    this.name = name;
    this.place = place;
  }

  /** The section of that name: a later one of the same name adds to the first. */
  section(name: string, place: Place): WrittenSection {
    const former = this.sections.get(name);
    if (former !== undefined) return former;
    const made = new WrittenSection(name, place);
    this.sections.set(name, made);
    return made;
  }
}
