/** Looks for octets in another process's memory. */
import { closeSync, openSync, readFileSync, readSync } from "node:fs";

const PART = 4 << 20;

/** How often each of `wanted` stands in memory the process can write. Needs CAP_SYS_PTRACE. */
export function countInMemory(pid: number, wanted: readonly Uint8Array[]): number[] {
  const counts = wanted.map(() => 0);
  const overlap = Math.max(...wanted.map(({ length }) => length)) - 1;
  const buffer = Buffer.alloc(PART + overlap);
  const memory = openSync(`/proc/${pid}/mem`, "r");
  try {
    for (const [start, end] of writableRanges(pid))
      for (let at = start; at < end; at += PART) {
        const length = readPart(memory, buffer, at, Math.min(end - at, PART + overlap));
        for (const [index, octets] of wanted.entries())
          counts[index] = (counts[index] ?? 0) + count(buffer, length, octets);
      }
  } finally {
    closeSync(memory);
  }
  return counts;
}

/** A match that begins behind `PART` is the next part's. */
function count(buffer: Buffer, length: number, octets: Uint8Array): number {
  let found = 0;
  for (let at = buffer.indexOf(octets); at >= 0 && at < PART; at = buffer.indexOf(octets, at + 1))
    if (at + octets.length <= length) found++;
  return found;
}

/** 0 for what cannot be read, as memory of devices. */
function readPart(memory: number, buffer: Buffer, at: number, length: number): number {
  try {
    return readSync(memory, buffer, 0, length, at);
  } catch {
    return 0;
  }
}

function writableRanges(pid: number): [number, number][] {
  return readFileSync(`/proc/${pid}/maps`, "utf8")
    .split("\n")
    .map((line) => /^([0-9a-f]+)-([0-9a-f]+) rw/.exec(line))
    .filter((match) => match !== null)
    .map(([, start = "", end = ""]) => [Number.parseInt(start, 16), Number.parseInt(end, 16)]);
}
