/** The Worker's entry: IKE's slow work, one job after the other. */
import { parentPort } from "node:worker_threads";
import type { Job, JobResult } from "#core/ike-job";
import { runJob } from "#crypto/ike-jobs";
import { loadAddon } from "#io/native";
import { type KeyExchangeAddon, nativeKeyExchange } from "#io/native-key-exchange";
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

const keyExchange = nativeKeyExchange(loadAddon() as KeyExchangeAddon);

parentPort?.on("message", ({ id, work }: JobOrder) => {
  const result = withOwnMemory(runJob(work, { random: systemRandom, wallClock: Date.now(), keyExchange }));
  const answer: JobAnswer = { id, result };
  parentPort?.postMessage(
    answer,
    secretsOfResult(result).map(({ buffer }) => buffer),
  );
});
