/** For what nothing tells. */
import { setTimeout as after } from "node:timers/promises";
import { LabError } from "./children.ts";

const LOOK_MILLIS = 20;

/** Looks until it holds; throws after so many seconds. */
export async function eventually(
  what: string,
  seconds: number,
  holds: () => boolean | Promise<boolean>,
): Promise<void> {
  const deadline = performance.now() + seconds * 1000;
  while (!(await holds())) {
    if (performance.now() > deadline) throw new LabError(`${what}: not within ${seconds} s`);
    await after(LOOK_MILLIS);
  }
}
