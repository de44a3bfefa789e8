/** Collects what is wrong with a configuration of several files, so that all of it is told at once. */
import { type Complaint, ConfigError } from "#core/errors";
import { type Place, placeToString } from "./source.ts";

/** More are counted, not told: a file that is no configuration at all should not fill the screen. */
const TOLD = 200;

/** Characters of one problem or remedy. */
const SHOWN = 400;

interface Entry extends Place {
  readonly file: number;
  readonly complaint: Complaint;
}

export class Findings {
  readonly #errors: Entry[] = [];
  readonly #warnings: Entry[] = [];
  readonly #files: Place["source"][] = [];
  readonly #pieces: boolean;
  #untold = 0;

  /** `lenient`: pieces come one by one, and what is missing may still come. */
  constructor(kind: "whole" | "lenient" = "whole") {
    this.#pieces = kind === "lenient";
  }

  /** Something that is to be there: an error in a whole configuration, a warning while its pieces come. */
  missing(place: Place, problem: string, remedy: string): void {
    if (this.#pieces) this.warn(place, problem, remedy);
    else this.error(place, problem, remedy);
  }

  error(place: Place, problem: string, remedy: string): void {
    this.#add(this.#errors, place, problem, remedy);
  }

  warn(place: Place, problem: string, remedy: string): void {
    this.#add(this.#warnings, place, problem, remedy);
  }

  /** True when more would not be told. */
  get full(): boolean {
    return this.#errors.length >= TOLD;
  }

  /** One more that is not worth the work of wording it. */
  countUntold(): void {
    this.#untold++;
  }

  warnings(): readonly Complaint[] {
    return sorted(this.#warnings);
  }

  errors(): readonly Complaint[] {
    return sorted(this.#errors);
  }

  throwIfAny(): void {
    if (this.#errors.length === 0) return;
    const complaints = sorted(this.#errors);
    if (this.#untold > 0)
      complaints.push({ path: "", problem: `${this.#untold} more complaints`, remedy: "mend these first" });
    throw new ConfigError(complaints);
  }

  #add(entries: Entry[], place: Place, problem: string, remedy: string): void {
    if (entries.length >= TOLD) {
      this.#untold += entries === this.#errors ? 1 : 0;
      return;
    }
    // Files in the order in which they were first complained about.
    if (!this.#files.includes(place.source)) this.#files.push(place.source);
    const excerpt = place.source.excerpt(place.at);
    const complaint = {
      path: "",
      place: placeToString(place),
      problem: printable(problem),
      remedy: printable(remedy),
      ...(excerpt === undefined ? {} : { excerpt }),
    };
    if (entries.some((entry) => entry.at === place.at && isSame(entry.complaint, complaint))) return;
    entries.push({ ...place, file: this.#files.indexOf(place.source), complaint });
  }
}

function sorted(entries: readonly Entry[]): Complaint[] {
  return entries.toSorted((a, b) => a.file - b.file || a.at - b.at).map(({ complaint }) => complaint);
}

/** A section that others refer to is read more than once. */
function isSame(a: Complaint, b: Complaint): boolean {
  return a.place === b.place && a.problem === b.problem && a.remedy === b.remedy;
}

/** What a file says must not steer a terminal, nor fill it. */
function printable(text: string): string {
  const shown = text.length > SHOWN ? `${text.slice(0, SHOWN)}…` : text;
  return shown.replaceAll(/\p{Cc}/gu, "\u{fffd}");
}
