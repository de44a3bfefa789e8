/** A result of two rounds, three rows, made up. */
import type { CpuUse } from "#bench/netns/cpu";
import { parseOptions } from "#bench/netns/options";
import { conclude, type Measurement, type Results } from "#bench/report/results";

const QUIET: CpuUse = { wall: 10, busy: 15, steal: 0, daemons: 8, kernelThreads: 1, load: 6, foreign: 0 };

export function measurement(candidate: string, round: number, gbitPerSecond: number, disturbed = false): Measurement {
  const cpu = disturbed ? { ...QUIET, foreign: 0.31 } : QUIET;
  return { round, candidate, test: "tcp", values: { gbitPerSecond }, cpu, attempts: 1, disturbed };
}

export function results(measurements: readonly Measurement[], openvpnTitle = "OpenVPN"): Results {
  const { against: _, json: __, svg: ___, tests, ...settings } = parseOptions(["--tests", "tcp"]);
  return conclude({
    date: "2000-01-01T00:00:00.000Z",
    machine: {
      processor: "Test <CPU> & co",
      processors: 2,
      memoryMiB: 1024,
      kernel: "6.1",
      node: "20",
      openssl: "3",
      commit: "abc",
      dirty: false,
      version: "0",
    },
    options: { ...settings, tests: tests.map((t) => t.name) },
    rows: [
      { name: "link", title: "bare", version: "0" },
      { name: "esplanade", title: "ours", version: "0" },
      { name: "openvpn", title: openvpnTitle, version: "2.6" },
    ],
    absent: [{ name: "strongswan", why: "swanctl is missing", remedy: "npm run bench:peers" }],
    measurements,
    failures: [],
  });
}

export const TWO_ROUNDS: readonly Measurement[] = [
  measurement("link", 1, 40),
  measurement("esplanade", 1, 8),
  measurement("openvpn", 1, 1),
  measurement("openvpn", 2, 0.5, true),
  measurement("link", 2, 10),
  measurement("esplanade", 2, 6),
];
