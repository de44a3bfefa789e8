// A line a test on the standard output; at the end, on descriptor 3, what was counted and what the file cost, its children too.
import { readFileSync, writeSync } from "node:fs";
import { inspect } from "node:util";

const TICKS = 100;

/** Seconds of this process and of the children that it has seen end (proc(5): utime, stime, cutime, cstime). */
function processorSeconds() {
  const stat = readFileSync("/proc/self/stat", "utf8");
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return fields.slice(11, 15).reduce((sum, ticks) => sum + Number(ticks), 0) / TICKS;
}

/** What was added to the message after the stack was taken is not in the stack. */
function explained(error) {
  const text = inspect(error, { depth: 6 });
  const message = error instanceof Error && !text.includes(error.message) ? `${error.message}\n` : "";
  return `${message}${text}\n`;
}

export default async function* report(events) {
  const counts = { pass: 0, fail: 0, skip: 0 };
  for await (const { type, data } of events) {
    if (type !== "test:pass" && type !== "test:fail") continue;
    if (data.details.type === "suite") continue;
    const verdict = type === "test:fail" ? "fail" : data.skip === undefined ? "pass" : "skip";
    counts[verdict]++;
    const reason = verdict === "skip" && typeof data.skip === "string" ? ` # ${data.skip}` : "";
    yield `${"  ".repeat(data.nesting)}${verdict} ${data.name} (${data.details.duration_ms.toFixed(0)} ms)${reason}\n`;
    if (verdict === "fail") yield explained(data.details.error.cause ?? data.details.error);
  }
  try {
    writeSync(3, JSON.stringify({ ...counts, cpu: processorSeconds(), seconds: process.uptime() }));
  } catch {
    // Nobody listens: it was started by hand.
  }
}
