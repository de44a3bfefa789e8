/** Counts and times as people write them: "90M" is 90,000,000, "50m" is 3,000,000 ms. */

const MULTIPLES: Readonly<Record<string, number>> = { "": 1, k: 1e3, K: 1e3, M: 1e6, G: 1e9, T: 1e12 };
const TIMES: Readonly<Record<string, number>> = { ms: 1, "": 1e3, s: 1e3, m: 60e3, h: 3600e3, d: 86400e3 };

/** Decimal multiples: the 100 MB of a key are 100,000,000 octets. Undefined when it is no such text. */
export function parseCount(text: string): number | undefined {
  return scaled(/^(\d+(?:\.\d+)?)([kKMGT]?)$/.exec(text), MULTIPLES);
}

/** Milliseconds; a number without a unit is seconds. Undefined when it is no such text. */
export function parseTime(text: string): number | undefined {
  return scaled(/^(\d+(?:\.\d+)?)(ms|s|m|h|d|)$/.exec(text), TIMES);
}

function scaled(match: RegExpExecArray | null, units: Readonly<Record<string, number>>): number | undefined {
  const factor = units[match?.[2] ?? ""];
  if (match === null || factor === undefined) return undefined;
  // 0.1 × 1e6 must be 100,000 and not a hair beside it.
  const value = Math.round(Number(match[1]) * factor * 1e3) / 1e3;
  return Number.isSafeInteger(value) ? value : undefined;
}

/** "80" or "80-90", both ends within the limit and in order. */
export function parseNumberRange(text: string, limit: number): readonly [number, number] | undefined {
  const match = /^(\d{1,5})(?:-(\d{1,5}))?$/.exec(text);
  if (match === null) return undefined;
  const first = Number(match[1]);
  const last = Number(match[2] ?? match[1]);
  return first <= last && last <= limit ? [first, last] : undefined;
}
