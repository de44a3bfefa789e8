/** Runs IKE's slow work, on whatever thread. */
import type { Job, JobResult } from "#core/ike-job";
import type { RandomSource } from "#core/ports";

export interface JobWorld {
  readonly random: RandomSource;
  /** Epoch milliseconds. */
  readonly wallClock: number;
}

/** Never throws: what goes wrong comes back as `failed`. Wipes the secrets that came with the job. */
export function runJob(job: Job, world: JobWorld): JobResult {
  return { kind: "failed", why: `${job.kind} at ${world.wallClock} cannot be done yet` };
}
