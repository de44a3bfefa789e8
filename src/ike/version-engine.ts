/** What the machine of one version of IKE is to the engine that joins them. */
import type { IkeSaSnapshot } from "#core/ike-state";
import type { Millis } from "#core/units";
import type { IkeEffect, IkeInput } from "./effects.ts";

/** `Frozen`: what of it goes over into another process, as plain data. */
export interface VersionEngine<Frozen> {
  /** Ids of IKE SAs and children that are not its own are no concern of its. */
  handle(input: IkeInput, now: Millis): IkeEffect[];
  readonly nextTimeout: Millis | undefined;
  /** Whether a job is its own: results that nobody waits for any more are wiped by version 2's. */
  isWaitingFor(job: number): boolean;
  readonly halfOpen: number;
  sas(): readonly IkeSaSnapshot[];
  /** IKE SAs being set up: a freeze leaves them out, and a thaw begins ours again. */
  readonly settingUp: number;
  /** Established IKE SAs that have something under way which a freeze cannot carry. */
  readonly unsettled: number;
  /** What is established and what waits, shares no keys with the engine and changes nothing in it. */
  freeze(): Frozen;
  /** On an engine that was configured as the frozen one and has nothing yet; keys in `frozen` stay the caller's to wipe. */
  thaw(frozen: Frozen, now: Millis): void;
}

export interface FrozenNumbers {
  readonly lastId: number;
  readonly lastJob: number;
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

  freeze(): FrozenNumbers {
    return { lastId: this.#lastId, lastJob: this.#lastJob };
  }

  thaw({ lastId, lastJob }: FrozenNumbers): void {
    this.#lastId = Math.max(this.#lastId, lastId);
    this.#lastJob = Math.max(this.#lastJob, lastJob);
  }
}
