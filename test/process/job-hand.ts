/** A Worker for the pool's tests: KE methods say what it does. */
import { parentPort } from "node:worker_threads";
import type { JobOrder } from "#process/ike-worker";

const DIE = 1;
const HANG = 2;

parentPort?.on("message", ({ id, work }: JobOrder) => {
  if (!("method" in work)) return;
  if (work.method === DIE) process.exit(3);
  if (work.method === HANG) return;
  const shared = work.kind === "ke-agree" ? Uint8Array.from(work.privateKey) : new Uint8Array(1);
  parentPort?.postMessage({ id, result: { kind: "ke-agree", shared } });
});
