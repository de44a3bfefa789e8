/** A Worker for the pool's tests: KE methods say what it does. */
import { parentPort } from "node:worker_threads";
import type { JobOrder } from "#process/ike-worker";

const DIE = 1;
const HANG = 2;

parentPort?.on("message", (orders: readonly JobOrder[]) => {
  for (const { id, work } of orders) {
    if (!("method" in work)) continue;
    if (work.method === DIE) process.exit(3);
    if (work.method === HANG) continue;
    const shared = work.kind === "ke-agree" ? Uint8Array.from(work.privateKey) : new Uint8Array(1);
    parentPort?.postMessage([{ id, result: { kind: "ke-agree", shared } }]);
  }
});
