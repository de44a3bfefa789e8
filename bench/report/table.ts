/** The report people read: Markdown. */
import { grid } from "./grid.ts";
import { metric, shown } from "./metrics.ts";
import { BASELINE, type Measurement, metricsIn, OURS, type Results, type Summary } from "./results.ts";
import type { Spread } from "./statistics.ts";

export function markdown(results: Results): string {
  return [facts(results), measured(results), compared(results), remarks(results)]
    .filter((part) => part !== "")
    .join("\n\n");
}

function facts({ machine, options, date, rows }: Results): string {
  const { processor, processors, memoryMiB, kernel, node, openssl, commit, dirty, version } = machine;
  return [
    "## Two gateways, real TUN devices",
    "",
    `${processors} × ${processor}, ${memoryMiB} MiB, Linux ${kernel}, Node ${node}, OpenSSL ${openssl}; ` +
      `Esplanade ${version} at ${commit}${dirty ? " with changes" : ""}; ${date}`,
    "",
    `Options: ${Object.entries(options)
      .map(([name, value]) => `${name} ${Array.isArray(value) ? value.join(",") : String(value)}`)
      .join(" · ")}`,
    "",
    ...rows.map((row) => `- **${row.name}**: ${row.title} (${row.version})`),
  ].join("\n");
}

/** One line a metric, one column a candidate: median, lowest and highest round, ratio to the bare link. */
function measured(results: Results): string {
  const names = Object.keys(results.summary);
  if (names.length === 0) return "";
  const lines = metricsIn(results).map((key) => {
    const { title, unit, better } = metric(key);
    const cells = names.map((name) => measuredCell(results.summary[name]?.[key], key));
    return [`${title} [${unit}] ${better === "more" ? "↑" : "↓"}`, ...cells];
  });
  const head = ["median (lowest–highest), × bare link", ...names];
  return [`### Measured (↑ more is better, ↓ less is better)`, "", ...grid(head, lines)].join("\n");
}

function measuredCell(summary: Summary | undefined, key: string): string {
  if (summary === undefined) return "–";
  const of = metric(key);
  const span = summary.count > 1 ? ` (${shown(summary.min, of)}–${shown(summary.max, of)})` : "";
  const ratio = summary.toLink === undefined ? "" : `, ×${ratioText(summary.toLink)}`;
  return `${shown(summary.median, of)}${span}${ratio}`;
}

function compared(results: Results): string {
  const peers = Object.keys(results.against);
  if (peers.length === 0) return "";
  const lines = metricsIn(results)
    .filter((key) => peers.some((peer) => results.against[peer]?.[key] !== undefined))
    .map((key) => {
      const { title, better } = metric(key);
      return [
        `${title} ${better === "more" ? "↑" : "↓"}`,
        ...peers.map((peer) => comparedCell(results.against[peer]?.[key])),
      ];
    });
  const head = [`${OURS} ÷`, ...peers];
  return [`### ${OURS} as a ratio to each peer, median of the rounds' ratios`, "", ...grid(head, lines)].join("\n");
}

function comparedCell(ratio: Spread | undefined): string {
  if (ratio === undefined) return "–";
  const span = ratio.count > 1 ? ` (${ratioText(ratio.min)}–${ratioText(ratio.max)})` : "";
  return `${ratioText(ratio.median)}${span}`;
}

function remarks({ absent, failures, machine, measurements, rows }: Results): string {
  const disturbed = measurements.filter((m) => m.disturbed);
  const lines = [
    ...absent.map((a) => `- Left out: **${a.name}**: ${a.why}; remedy: ${a.remedy}`),
    ...failures.map((f) => `- Failed: ${f.candidate}, round ${f.round}${f.test ? `, ${f.test}` : ""}: ${f.message}`),
    ...rows.flatMap(({ name }) => {
      const tests = disturbed.filter((m) => m.candidate === name).map(disturbance);
      return tests.length === 0
        ? []
        : [
            `- Disturbed: ${name}: other processes took a part of the machine even in the best attempt: ${tests.join(", ")}`,
          ];
    }),
  ];
  const stolen = Math.max(0, ...measurements.map((m) => m.cpu.steal / (machine.processors * m.cpu.wall)));
  if (stolen > 0.02) lines.push(`- The hypervisor took up to ${(stolen * 100).toFixed(0)} % of the machine (steal)`);
  if (!rows.some((row) => row.name === BASELINE)) lines.push(`- No row ${BASELINE}: no ratios to it`);
  return lines.length === 0 ? "" : ["### Remarks", "", ...lines].join("\n");
}

function disturbance({ round, test, cpu, attempts }: Measurement): string {
  return `${(cpu.foreign * 100).toFixed(0)} % of round ${round}'s ${test} (${attempts} attempts)`;
}

function ratioText(ratio: number): string {
  return ratio >= 100 ? ratio.toFixed(0) : ratio >= 10 ? ratio.toFixed(1) : ratio.toPrecision(3);
}
