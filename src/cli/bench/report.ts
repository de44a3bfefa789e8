/** What the benchmark found, as a program reads it and as people do. */
import { count, gigabits, rounded } from "#cli/demo/figures";
import { type CipherSpeed, PROVIDERS } from "./cipher-speed.ts";
import type { PathFigures } from "./path-speed.ts";

export interface BenchReport {
  readonly ok: boolean;
  readonly version: string;
  readonly capacity: { readonly pairs: number; readonly binds: string };
  readonly machine: { readonly processor: string; readonly processors: number; readonly node: string };
  /** Of the tunnel. */
  readonly suite: string;
  readonly ciphers: readonly CipherSpeed[];
  /** The same topology without gateways: forwarded by the kernel, in clear. Absent where no namespaces can be made. */
  readonly bare?: PathFigures;
  readonly tunnel?: PathFigures;
  readonly error?: string;
  readonly seconds: number;
}

const FIGURE = 14;

/** Digits that a benchmark deserves. */
function speed(value: number): string {
  return value >= 10 ? value.toFixed(0) : value >= 1 ? value.toFixed(1) : value.toFixed(2);
}

/** One row a suite, one column a provider: Gbit/s, and below what it is that serves "native". */
export function cipherTable(ciphers: readonly CipherSpeed[]): string {
  const suites = [...new Set(ciphers.map(({ suite }) => suite))];
  const head = `  ${"Gbit/s of one core".padEnd(20)}${PROVIDERS.map((name) => name.padStart(9)).join("")}  native is`;
  const rows = suites.map((suite) => {
    const of = PROVIDERS.map((provider) => ciphers.find((one) => one.suite === suite && one.provider === provider));
    const cells = of.map((found) => (found === undefined ? "–" : speed(found.gbps)).padStart(9)).join("");
    return `  ${suite.padEnd(20)}${cells}  ${of[0]?.implementation ?? "–"}`;
  });
  return [head, ...rows].join("\n");
}

export function pathTable(bare: PathFigures, tunnel: PathFigures): string {
  const row = (title: string, left: string, right: string, part: string) =>
    `  ${title.padEnd(26)}${left.padStart(FIGURE)}${right.padStart(FIGURE)}${part.padStart(8)}`;
  const packets = ({ packetsPerSecond, senderBound }: PathFigures) =>
    `${senderBound ? "≥ " : ""}${count(packetsPerSecond)}`;
  const ratio = (part: number, whole: number, known = true) => (known && whole > 0 ? (part / whole).toFixed(2) : "");
  const millis = ({ roundTripMs: { p50, p99 } }: PathFigures) => `${p50.toFixed(2)} / ${p99.toFixed(1)}`;
  return [
    row("", "without IPsec", "tunnel", "part"),
    row("TCP, one stream", gigabits(bare.tcpGbps), gigabits(tunnel.tcpGbps), ratio(tunnel.tcpGbps, bare.tcpGbps)),
    row(
      "64-octet packets a second",
      packets(bare),
      packets(tunnel),
      ratio(tunnel.packetsPerSecond, bare.packetsPerSecond, !tunnel.senderBound && !bare.senderBound),
    ),
    row("round trip beside TCP, ms", millis(bare), millis(tunnel), ""),
  ].join("\n");
}

/** What the figures say, and what they do not. */
export function meaning({ ciphers, suite, machine, capacity, bare, tunnel }: BenchReport): string {
  const own = ciphers.find((one) => one.suite === suite && one.provider === "native");
  const best = ciphers.filter(({ provider }) => provider === "native").toSorted((a, b) => b.gbps - a.gbps)[0];
  const lines: string[] = [];
  if (own !== undefined)
    lines.push(`One core of yours does ${speed(own.gbps)} Gbit/s with ${suite} (${own.implementation}).`);
  if (own !== undefined && best !== undefined && best.gbps > 1.5 * own.gbps)
    lines.push(`The fastest here is ${best.suite}, ${speed(best.gbps)} Gbit/s.`);
  if (own?.implementation.startsWith("openssl") === true && suite.includes("gcm"))
    lines.push("AES-GCM goes faster with Intel's ipsec-mb built in, or on a processor with VAES.");
  if (tunnel !== undefined && bare !== undefined) {
    lines.push(
      `The tunnel carries ${gigabits(tunnel.tcpGbps)} while sender, receiver and both gateways share ${machine.processors} processors:`,
      "a gateway that has a machine for itself carries more.",
    );
    if (tunnel.senderBound || bare.senderBound)
      lines.push("≥: the sender could not send more small packets; the path may carry more.");
  }
  lines.push(
    `Memory and tables bear ${count(capacity.pairs)} pairs of SAs (${capacity.binds} binds): see esplanade capacity.`,
    "Beside other implementations: npm run bench:netns, in the repository.",
  );
  return lines.map((line) => `  ${line}`).join("\n");
}

/** As JSON has it: no more digits than mean something. */
export function asJson({ ciphers, ...rest }: BenchReport): object {
  const short = (value: number) => rounded(value, 3);
  return {
    ...rest,
    ciphers: ciphers.map(({ sealGbps, openGbps, gbps, ...one }) => ({
      ...one,
      sealGbps: short(sealGbps),
      openGbps: short(openGbps),
      gbps: short(gbps),
    })),
  };
}
