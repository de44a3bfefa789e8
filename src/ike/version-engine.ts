/** What the machine of one version of IKE is to the engine that joins them. */
import type { IkeSaSnapshot } from "#core/ike-state";
import type { Millis } from "#core/units";
import type { IkeEffect, IkeInput } from "./effects.ts";

export interface VersionEngine {
  /** Ids of IKE SAs and children that are not its own are no concern of its. */
  handle(input: IkeInput, now: Millis): IkeEffect[];
  readonly nextTimeout: Millis | undefined;
  /** Whether a job is its own: results that nobody waits for any more are wiped by version 2's. */
  isWaitingFor(job: number): boolean;
  readonly halfOpen: number;
  sas(): readonly IkeSaSnapshot[];
}

/** Numbers of IKE SAs, children and jobs: unique in the process, over both versions. */
export class Numbers {
  #lastId = 0;
  #lastJob = 0;

  nextId(): number {
    return ++this.#lastId;
  }

  nextJob(): number {
    return ++this.#lastJob;
  }
}
