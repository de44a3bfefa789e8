/** Prometheus' text format 0.0.4: lines of families, in pieces that are short enough for one turn of an event loop. */
import type { HistogramMeasures } from "./measures.ts";

/** Characters of a piece, about. */
const PIECE = 64 * 1024;

export type Labels = Readonly<Record<string, string>>;
export type MetricType = "gauge" | "counter" | "histogram";

/** Collects lines; whole pieces are taken out as they fill. */
export class MetricText {
  #text = "";
  readonly #full: string[] = [];

  family(name: string, type: MetricType, help: string): void {
    this.#text += `# HELP ${name} ${help}\n# TYPE ${name} ${type}\n`;
  }

  /** `labels`: as `labelText` gives them. */
  sample(name: string, labels: string, value: number): void {
    this.#text += `${name}${labels} ${numberText(value)}\n`;
    if (this.#text.length < PIECE) return;
    this.#full.push(this.#text);
    this.#text = "";
  }

  histogram(name: string, { bounds, counts, sum }: HistogramMeasures, labels: Labels = {}): void {
    let count = 0;
    for (const [i, bound] of [...bounds, Number.POSITIVE_INFINITY].entries()) {
      count += counts[i] ?? 0;
      this.sample(`${name}_bucket`, labelText({ ...labels, le: numberText(bound) }), count);
    }
    const own = labelText(labels);
    this.sample(`${name}_sum`, own, sum);
    this.sample(`${name}_count`, own, count);
  }

  /** Something whole can be taken. */
  get isFull(): boolean {
    return this.#full.length > 0;
  }

  /** What is whole, or all of it at the end. */
  *take(end: boolean): Generator<string> {
    yield* this.#full.splice(0);
    if (!end || this.#text === "") return;
    yield this.#text;
    this.#text = "";
  }
}

/** `{connection="hq",child="net"}`; "" for none. */
export function labelText(labels: Labels): string {
  const inner = Object.entries(labels).map(([name, value]) => `${name}="${escapeValue(value)}"`);
  return inner.length === 0 ? "" : `{${inner.join(",")}}`;
}

/** Names of connections are an operator's: nothing in them may begin a line or end the quotes. */
export function escapeValue(value: string): string {
  return /[\\"\n]/.test(value) ? value.replaceAll("\\", "\\\\").replaceAll('"', '\\"').replaceAll("\n", "\\n") : value;
}

function numberText(value: number): string {
  if (value === Number.POSITIVE_INFINITY) return "+Inf";
  return Number.isFinite(value) ? `${value}` : "NaN";
}
