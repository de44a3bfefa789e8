/** The Worker's entry: IKE's slow work, one job after the other. */
import { parentPort } from "node:worker_threads";
import type { Job, JobResult } from "#core/ike-job";
import { runJob } from "#crypto/ike-jobs";
import { systemRandom } from "#io/system-random";
import { secretsOfResult, withOwnMemory } from "./job-secrets.ts";

export interface JobOrder {
  readonly id: number;
  readonly work: Job;
}

export interface JobAnswer {
  readonly id: number;
  readonly result: JobResult;
}

parentPort?.on("message", ({ id, work }: JobOrder) => {
  const result = withOwnMemory(runJob(work, { random: systemRandom, wallClock: Date.now() }));
  const answer: JobAnswer = { id, result };
  parentPort?.postMessage(
    answer,
    secretsOfResult(result).map(({ buffer }) => buffer),
  );
});
