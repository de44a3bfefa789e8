/** What the benchmark measures: a metric's key is TEST.QUANTITY, e.g. `tcp.gbitPerSecond`. */

export interface Quantity {
  readonly label: string;
  readonly unit: string;
  /** Shown = stored × scale. */
  readonly scale: number;
  readonly better: "more" | "less";
  /** Whole things are shown without decimals. */
  readonly whole?: true;
}

const QUANTITIES: Readonly<Record<string, Quantity>> = {
  gbitPerSecond: { label: "", unit: "Gbit/s", scale: 1, better: "more" },
  packetsPerSecond: { label: "", unit: "kpps", scale: 1e-3, better: "more" },
  lossPercent: { label: "loss", unit: "%", scale: 1, better: "less" },
  retransmits: { label: "retransmits", unit: "segments", scale: 1, better: "less", whole: true },
  machineCpuPerGbit: { label: "processors, whole machine", unit: "CPU s/Gbit", scale: 1, better: "less" },
  daemonCpuPerGbit: { label: "processors, both daemons", unit: "CPU s/Gbit", scale: 1, better: "less" },
  p50Micros: { label: "p50", unit: "µs", scale: 1, better: "less", whole: true },
  p99Micros: { label: "p99", unit: "µs", scale: 1, better: "less", whole: true },
  idleMiB: { label: "at start", unit: "MiB", scale: 1, better: "less" },
  loadedMiB: { label: "after load", unit: "MiB", scale: 1, better: "less" },
  peakMiB: { label: "at its peak", unit: "MiB", scale: 1, better: "less" },
  cpuPercent: { label: "", unit: "% of one", scale: 1, better: "less" },
  duplicates: { label: "duplicates", unit: "packets", scale: 1, better: "less", whole: true },
  reordered: { label: "reordered", unit: "packets", scale: 1, better: "less", whole: true },
};

/** Where a quantity stands among those of one test. */
export function rank(key: string): number {
  return Object.keys(QUANTITIES).indexOf(key.split(".")[1] ?? "");
}

export interface Metric extends Quantity {
  readonly key: string;
  /** Test and quantity in words. */
  readonly title: string;
}

export function metric(key: string): Metric {
  const [test = "", name = ""] = key.split(".");
  const quantity = QUANTITIES[name];
  if (quantity === undefined) throw new Error(`bug: no quantity is called ${name}`);
  const title = quantity.label === "" ? testTitle(test) : `${testTitle(test)}: ${quantity.label}`;
  return { ...quantity, key, title };
}

/** Three significant digits, as far as a benchmark deserves them. */
export function shown(value: number, { scale, whole }: Quantity): string {
  const scaled = value * scale;
  if (!Number.isFinite(scaled)) return "–";
  if (whole || Math.abs(scaled) >= 100) return scaled.toFixed(0);
  return scaled.toFixed(Math.abs(scaled) >= 10 ? 1 : 2);
}

function testTitle(test: string): string {
  const [, kind = test, count = ""] = /^(tcp|ndr|udp)(\d*)$/.exec(test) ?? [];
  switch (kind) {
    case "tcp":
      return count === "" ? "TCP" : `TCP, ${count} streams`;
    case "ndr":
      return `${count}-octet packets, loss ≤ 0.5 %`;
    case "udp":
      return `UDP flood, ${count} octets`;
    case "ping":
      return "ping";
    case "pingload":
      return "ping under TCP";
    case "rss":
      return "resident memory";
    case "idle":
      return "idle processor time, both daemons";
    default:
      return test;
  }
}
