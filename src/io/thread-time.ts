/** Processor time of single threads, from Linux' own accounts: Node 20 tells it of the whole process alone. */
import { readFileSync, readlinkSync } from "node:fs";

const NANOS = 1e9;

/** Of the calling thread; undefined where /proc is not mounted. */
export function ownThreadId(): number | undefined {
  try {
    // "4711/task/4712"
    const id = Number(readlinkSync("/proc/thread-self").split("/").at(-1));
    return Number.isInteger(id) ? id : undefined;
  } catch {
    return undefined;
  }
}

/** Seconds on a processor since the thread began; undefined when it has ended or the kernel keeps no account. */
export function threadSeconds(id: number): number | undefined {
  try {
    // proc(5): time on a processor, time waiting for one, time slices; nanoseconds.
    const [nanos = ""] = readFileSync(`/proc/self/task/${id}/schedstat`, "latin1").split(" ");
    const value = Number(nanos);
    return nanos !== "" && Number.isFinite(value) ? value / NANOS : undefined;
  } catch {
    return undefined;
  }
}
