/** Numbers as people read them. */

export function count(value: number): string {
  return value.toLocaleString("en-US");
}

export function gigabits(value: number): string {
  return `${value.toFixed(2)} Gbit/s`;
}

export function millis(value: number): string {
  return `${value.toFixed(2)} ms`;
}

/** Without digits nobody needs. */
export function span(value: number): string {
  return `${value < 10 ? value.toFixed(1) : Math.round(value)} ms`;
}

/** Decimal units. */
export function size(octets: number): string {
  if (octets >= 1e12) return `${(octets / 1e12).toFixed(2)} TB`;
  if (octets >= 1e9) return `${(octets / 1e9).toFixed(2)} GB`;
  if (octets >= 1e6) return `${(octets / 1e6).toFixed(1)} MB`;
  return `${(octets / 1e3).toFixed(1)} kB`;
}

/** Nearest rank; 0 of nothing. */
export function percentile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? 0;
}

/** Keeps `digits` behind the point: measurements are no better. */
export function rounded(value: number, digits: number): number {
  return Number(value.toFixed(digits));
}
