/** Bar charts as SVG, without a library: one panel a metric, one bar a candidate, a whisker from lowest to highest. */
import { type Metric, metric, shown } from "./metrics.ts";
import { BASELINE, metricsIn, OURS, type Results, type Summary } from "./results.ts";

/** Metrics worth a picture, in this order, where they were measured. */
const DRAWN =
  /^(tcp\d*\.(gbitPerSecond|machineCpuPerGbit)|ndr\d+\.packetsPerSecond|udp\d+\.gbitPerSecond|ping(load)?\.p99Micros|rss\.loadedMiB|idle\.cpuPercent)$/;

const COLUMNS = 2;
const PANEL_WIDTH = 560;
const MARGIN = 24;
const HEAD = 84;
const TITLE = 34;
const BAR = 18;
const GAP = 8;
const NAMES = 138;
const VALUES = 150;
const COLOURS: Readonly<Record<string, string>> = { [BASELINE]: "#b8bec6", [OURS]: "#d9541e" };
const OTHERS = "#5b87b5";
/** A bar this much longer than the next one is cut, so that the others can be told apart. */
const OUTLIER = 3;

interface Bar {
  readonly name: string;
  readonly summary: Summary;
}

export function barCharts(results: Results): string {
  const keys = metricsIn(results).filter((key) => DRAWN.test(key));
  const panels = keys.map((key) => ({ of: metric(key), bars: barsOf(results, key) }));
  const lines = Math.max(1, ...panels.map((panel) => panel.bars.length));
  const panelHeight = TITLE + lines * (BAR + GAP) + 26;
  const width = MARGIN + COLUMNS * (PANEL_WIDTH + MARGIN);
  const height = HEAD + Math.ceil(panels.length / COLUMNS) * panelHeight + MARGIN;
  const drawn = panels.map(({ of, bars }, index) => {
    const x = MARGIN + (index % COLUMNS) * (PANEL_WIDTH + MARGIN);
    const y = HEAD + Math.floor(index / COLUMNS) * panelHeight;
    return `<g transform="translate(${x} ${y})">\n${panel(of, bars)}\n</g>`;
  });
  const head = [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}"`,
    ` font-family="DejaVu Sans, Helvetica, Arial, sans-serif">`,
  ].join("");
  const frame = `<rect width="${width}" height="${height}" fill="#ffffff"/>`;
  return [head, frame, ...caption(results), ...drawn, "</svg>", ""].join("\n");
}

function barsOf(results: Results, key: string): Bar[] {
  return Object.entries(results.summary).flatMap(([name, metrics]) => {
    const summary = metrics[key];
    return summary === undefined ? [] : [{ name, summary }];
  });
}

function caption({ machine, options, date }: Results): string[] {
  const where = `${machine.processors} × ${machine.processor}, Linux ${machine.kernel}, Node ${machine.node}`;
  const how = `MTU ${options.mtu}, suite ${options.suite}, ${options.rounds} rounds`;
  return [
    text(MARGIN, 34, "Esplanade between two gateways, and its peers in the same run", 'font-size="20" fill="#1c2733"'),
    text(MARGIN, 56, `${where} · ${how} · ${date} · commit ${machine.commit}`, 'font-size="12" fill="#5a6673"'),
    text(
      MARGIN,
      73,
      "Bars: medians. Whiskers: lowest and highest round. In brackets: ratio to the bare link.",
      'font-size="12" fill="#5a6673"',
    ),
  ];
}

function panel(of: Metric, bars: readonly Bar[]): string {
  const full = PANEL_WIDTH - NAMES - VALUES;
  const limit = axisWithWhiskers(bars.map((bar) => bar.summary));
  const pixels = (value: number) => (limit === 0 ? 0 : Math.min(1, value / limit) * full);
  const heading = `${of.title} [${of.unit}], ${of.better} is better`;
  const parts = [text(0, 18, heading, 'font-size="14" font-weight="bold" fill="#1c2733"')];
  bars.forEach(({ name, summary }, index) => {
    const y = TITLE + index * (BAR + GAP);
    const middle = y + BAR / 2;
    const length = pixels(summary.median);
    const colour = COLOURS[name] ?? OTHERS;
    const weight = name === OURS ? ' font-weight="bold"' : "";
    parts.push(text(NAMES - 8, middle + 4, name, `font-size="12" text-anchor="end" fill="#1c2733"${weight}`));
    parts.push(rect(NAMES, y, Math.max(1, length), BAR, colour));
    const cut = summary.median > limit;
    if (cut) parts.push(cutMark(NAMES + full - 22, y));
    else if (summary.count > 1) parts.push(whisker(NAMES + pixels(summary.min), NAMES + pixels(summary.max), middle));
    const after = cut ? full : Math.max(length, summary.count > 1 ? pixels(summary.max) : 0);
    const ratio = summary.toLink === undefined ? "" : ` (×${Number(summary.toLink.toPrecision(2))})`;
    const label = `${shown(summary.median, of)}${ratio}`;
    parts.push(text(NAMES + after + 6, middle + 4, label, `font-size="12" fill="#1c2733"${weight}`));
  });
  const bottom = TITLE + bars.length * (BAR + GAP) - GAP + 4;
  parts.push(`<path d="M${NAMES} ${TITLE - 4}V${bottom}" stroke="#8a95a1" fill="none"/>`);
  return parts.join("\n");
}

/** The largest value, or somewhat above the second largest where the largest leaves all others behind. */
export function axisEnd(values: readonly number[]): number {
  const [first = 0, second = 0] = values.toSorted((x, y) => y - x);
  return second > 0 && first > OUTLIER * second ? second * 1.5 : first;
}

/** Whiskers of bars that are not cut fit too. */
function axisWithWhiskers(summaries: readonly Summary[]): number {
  const end = axisEnd(summaries.map(({ median }) => median));
  return Math.max(end, ...summaries.filter(({ median }) => median <= end).map(({ max }) => max));
}

function whisker(from: number, to: number, y: number): string {
  const d = `M${f(from)} ${y}H${f(to)}M${f(from)} ${y - 4}V${y + 4}M${f(to)} ${y - 4}V${y + 4}`;
  return `<path d="${d}" stroke="#1c2733" fill="none"/>`;
}

/** A slanted white gap: the bar goes on beyond the panel. */
function cutMark(x: number, y: number): string {
  return `<path d="M${x} ${y + BAR + 1}l6 ${-BAR - 2}h6l-6 ${BAR + 2}z" fill="#ffffff"/>`;
}

function rect(x: number, y: number, width: number, height: number, colour: string): string {
  return `<rect x="${f(x)}" y="${f(y)}" width="${f(width)}" height="${height}" rx="2" fill="${colour}"/>`;
}

function text(x: number, y: number, content: string, attributes: string): string {
  return `<text x="${f(x)}" y="${f(y)}" ${attributes}>${escaped(content)}</text>`;
}

function escaped(content: string): string {
  return content.replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;").replace(/"/g, "&quot;");
}

function f(value: number): string {
  return String(Math.round(value * 10) / 10);
}
