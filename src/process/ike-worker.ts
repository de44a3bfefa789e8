/** The Worker's entry: IKE's slow work, one job after the other; answers to quick ones go back together. */
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

/** Milliseconds an answer waits for others. */
const PATIENCE = 1;

function work(orders: readonly JobOrder[]): void {
  let answers: JobAnswer[] = [];
  let since = performance.now();
  const tell = () => {
    const secrets = answers.flatMap(({ result }) => secretsOfResult(result).map(({ buffer }) => buffer));
    if (answers.length > 0) parentPort?.postMessage(answers, secrets);
    answers = [];
    since = performance.now();
  };
  for (const { id, work } of orders) {
    const result = withOwnMemory(runJob(work, { random: systemRandom, wallClock: Date.now(), keyExchange }));
    answers.push({ id, result });
    if (performance.now() - since >= PATIENCE) tell();
  }
  tell();
}

parentPort?.on("message", work);
