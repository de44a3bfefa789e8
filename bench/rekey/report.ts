/** The table people read. */

import type { MachineFacts } from "#bench/netns/machine";
import { grid } from "#bench/report/grid";
import { allPass, missed, type Target } from "#bench/report/targets";
import type { RekeyOptions } from "./options.ts";
import type { Run } from "./scenarios.ts";

export interface Scenario {
  readonly name: string;
  readonly runs: readonly Run[];
  /** Throughput beside the runs without rekeys. */
  readonly share: number | undefined;
  /** None for what is only compared with. */
  readonly targets: readonly Target[];
  /** Why there is no run. */
  readonly failure: string | undefined;
  readonly pass: boolean;
}

export interface RekeyResults {
  readonly kind: "esplanade-bench-rekey";
  readonly date: string;
  readonly machine: MachineFacts;
  readonly options: Omit<RekeyOptions, "json">;
  readonly scenarios: readonly Scenario[];
  readonly absent: readonly { readonly name: string; readonly why: string; readonly remedy: string }[];
  readonly pass: boolean;
}

export function scenario(name: string, runs: readonly Run[], targets: readonly Target[], share?: number): Scenario {
  return { name, runs, targets, share, failure: undefined, pass: allPass(targets) };
}

export function failedScenario(name: string, failure: string): Scenario {
  return { name, runs: [], targets: [], share: undefined, failure, pass: false };
}

const HEAD = ["run", "s", "Gbit/s", "× base", "sent", "lost", "dup", "gap ms", "pairs", "fullest SPI", "verdict"];

export function markdown({ machine, options, scenarios, absent, date }: RekeyResults): string {
  const { processor, processors, kernel, node, commit, dirty, version } = machine;
  const rows = scenarios.flatMap((of) =>
    of.runs.length === 0
      ? [[of.name, ...HEAD.slice(2).map(() => "–"), "failed"]]
      : of.runs.map((run) => row(of, run, run === of.runs.at(-1) ? of.share : undefined)),
  );
  const remarks = [
    ...scenarios.flatMap(({ name, targets }) => missed(targets).map((line) => `- missed by ${name}: ${line}`)),
    ...scenarios.flatMap(({ name, failure }) => (failure === undefined ? [] : [`- ${name} failed: ${failure}`])),
    ...scenarios.flatMap(({ runs }) => runs.flatMap(drops)),
    ...absent.map(({ name, why, remedy }) => `- left out: ${name}: ${why}; remedy: ${remedy}`),
  ];
  return [
    "## Rekeys under load",
    "",
    `${processors} × ${processor}, Linux ${kernel}, Node ${node}; Esplanade ${version} at ${commit}` +
      `${dirty ? " with changes" : ""}; ${date}`,
    `IKEv${options.version}, life_bytes ${options.limit}, PFS ${options.version === 1 ? "ecp256" : "x25519"}, ${options.rate} numbered datagrams a second each way beside one TCP stream`,
    "",
    ...grid(HEAD, rows),
    ...(remarks.length === 0 ? [] : ["", ...remarks]),
  ].join("\n");
}

function row(of: Scenario, { name, load, tunnel, accounts }: Run, share: number | undefined): string[] {
  return [
    name,
    load.seconds.toFixed(0),
    load.gbitPerSecond.toFixed(2),
    share === undefined ? "–" : share.toFixed(3),
    String(load.sent),
    String(load.lost),
    String(load.duplicated),
    load.longestGap.toFixed(0),
    String(tunnel.childSas),
    accounts === undefined || Number.isNaN(accounts.largest.keyOctets) ? "–" : String(accounts.largest.keyOctets),
    of.targets.length === 0 ? "–" : of.pass ? "pass" : "MISSED",
  ];
}

function drops({ name, tunnel, load, ikeLoss }: Run): string[] {
  const words = (counts: Readonly<Record<string, number>>) =>
    Object.entries(counts)
      .map(([reason, count]) => `${reason} ${count}`)
      .join(", ");
  const all = [words(tunnel.gatewayDrops), words(tunnel.kernelDrops)].filter((text) => text !== "").join("; ");
  return [
    ...(load.lost > 0 && all !== "" ? [`- dropped in ${name}: ${all}`] : []),
    ...(ikeLoss === undefined ? [] : [`- ${name}: ${ikeLoss.lost} of ${ikeLoss.messages} IKE messages were lost`]),
  ];
}
