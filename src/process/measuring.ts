/** The running gateway as `Measures`: what /metrics shows. Counters are read in place; no lane is asked. */
import type { IkeConfig } from "#core/connection";
import type { RunningConfiguration } from "#core/operator";
import type { Clock } from "#core/ports";
import type { Millis } from "#core/units";
import { parseCertificate } from "#crypto/x509/certificate";
import { nameToString } from "#crypto/x509/distinguished-name";
import type { ChildTotals } from "#gateway/child-totals";
import type { TunnelSnapshot } from "#gateway/control-doors";
import type { HistogramReading } from "#gateway/lane-telemetry";
import { exposition } from "#metrics/exposition";
import type { IkeEventMetrics } from "#metrics/ike-events";
import type { ChildMeasures, HistogramMeasures, Measures } from "#metrics/measures";
import type { Gateway } from "#src/main";
import type { LoopDelay } from "./loop-delay.ts";

/** What SAs with manual keys belong to. */
const MANUAL = "manual";
/** Milliseconds: many who scrape at once cost one look. */
const FRESH = 100;

export interface MeasuringParts {
  readonly gateway: Gateway;
  readonly configuration: RunningConfiguration;
  readonly events: IkeEventMetrics;
  readonly delay: LoopDelay;
  readonly clock: Clock;
  /** Milliseconds since 1970. */
  readonly wall: () => number;
  readonly version: string;
  readonly node: string;
}

export class Measuring {
  readonly #parts: MeasuringParts;
  /** Certificates are parsed once a configuration. */
  #certificatesOf: IkeConfig | undefined;
  #certificates: Measures["certificates"] = [];
  #last: { readonly at: Millis; readonly measures: Measures } | undefined;

  constructor(parts: MeasuringParts) {
    this.#parts = parts;
  }

  /** The text in pieces, of one moment. Who asks again at once gets the same moment. */
  async *text(): AsyncGenerator<string> {
    const now = this.#parts.clock.now();
    if (this.#last === undefined || now - this.#last.at > FRESH) this.#last = { at: now, measures: this.measure() };
    yield* exposition(this.#last.measures);
    yield await this.#parts.events.text();
  }

  measure(): Measures {
    const { gateway, configuration, events, clock, wall, version, node } = this.#parts;
    const readings = gateway.readings();
    const ike = gateway.ike?.snapshot();
    /** Monotonic milliseconds → seconds since 1970. */
    const offset = wall() - clock.now();
    const at = (millis: number) => (Number.isFinite(millis) ? Math.round(offset + millis) / 1000 : millis);
    const children = [
      ...childrenOf(gateway.ike?.totals() ?? [], ike?.tunnels ?? [], at),
      ...manualChildren(gateway, ike === undefined),
    ];
    const delay = this.#parts.delay.report;
    const { ok, successTime } = configuration.lastReload;
    return {
      version,
      node,
      backend: gateway.description.split(";")[0] ?? "",
      implementations: [...readings.implementations].map(([suite, impl]) => ({ suite, impl })),
      children,
      ikeSas: ike?.ike.sas ?? [],
      halfOpen: ike?.ike.halfOpen ?? 0,
      childSas: ike?.ike.sas.flatMap((sa) => sa.children) ?? [],
      peers: peersOf(gateway.ike?.totals() ?? [], at),
      drops: readings.drops,
      rekeys: { child: ike?.rekeys ?? {}, ike: events.ikeRekeys },
      ike: ike?.ike.counters ?? {},
      messages: ike?.messages ?? { in: {}, out: {} },
      fallbacks: ike?.fallbacks.total ?? 0,
      certificates: this.#certificatesFor(configuration.current().ike),
      lastReload: { successful: ok, successAt: successTime / 1000 },
      roundPackets: readings.packets,
      roundSeconds: inSeconds(readings.millis),
      threads: readings.threads,
      controlDelay: { p50: delay.p50 / 1000, p99: delay.p99 / 1000, max: delay.max / 1000 },
    };
  }

  #certificatesFor(ike: IkeConfig | undefined): Measures["certificates"] {
    if (ike !== this.#certificatesOf) {
      this.#certificatesOf = ike;
      this.#certificates = ike === undefined ? [] : certificatesOf(ike);
    }
    return this.#certificates;
  }
}

function childrenOf(
  totals: readonly ChildTotals[],
  tunnels: readonly TunnelSnapshot[],
  at: (millis: number) => number,
): ChildMeasures[] {
  const byName = new Map<string, TunnelSnapshot[]>();
  for (const tunnel of tunnels) {
    const name = `${tunnel.connection}\n${tunnel.child}`;
    const known = byName.get(name);
    if (known === undefined) byName.set(name, [tunnel]);
    else known.push(tunnel);
  }
  return totals.map(({ connection, child, inbound, outbound }) => {
    const own = byName.get(`${connection}\n${child}`) ?? [];
    const lives = own.flatMap(({ life }) => life ?? []);
    const first = lives.toSorted((a, b) => a.expiresAt - b.expiresAt)[0];
    return {
      connection,
      child,
      up: own.some(({ state, current }) => current !== undefined && (state === "up" || state === "rekeying")),
      clear: own.some(({ state }) => state === "clear"),
      inbound,
      outbound,
      established: first === undefined ? 0 : at(first.installedAt),
      rekey: first === undefined ? 0 : at(first.rekeyAt),
      expiry: first === undefined ? 0 : at(first.expiresAt),
      remainingOctets:
        first === undefined ? 0 : Math.max(0, Math.min(...lives.map((life) => life.lifeOctets - life.octets))),
    };
  });
}

/** Keys that nobody negotiates: each policy's SAs are one child. */
function manualChildren(gateway: Gateway, all: boolean): ChildMeasures[] {
  if (!all) return [];
  return gateway.snapshot().children.map(({ policy, inbound, outbound }) => ({
    connection: MANUAL,
    child: policy,
    up: outbound.state === "mature" || outbound.state === "dying",
    clear: false,
    inbound,
    outbound,
    established: 0,
    rekey: 0,
    expiry: 0,
    remainingOctets: 0,
  }));
}

function peersOf(totals: readonly ChildTotals[], at: (millis: number) => number): Measures["peers"] {
  const last = new Map<string, number>();
  for (const { connection, lastInbound } of totals)
    last.set(connection, Math.max(last.get(connection) ?? 0, lastInbound));
  return [...last].map(([connection, millis]) => ({ connection, lastInbound: millis === 0 ? 0 : at(millis) }));
}

function inSeconds({ bounds, counts, sum }: HistogramReading): HistogramMeasures {
  return { bounds: bounds.map((bound) => bound / 1000), counts, sum: sum / 1000 };
}

/** One a connection, use and subject: of several with the same the one that ends first. */
function certificatesOf({ connections, credentials }: IkeConfig): Measures["certificates"] {
  const found = new Map<string, Measures["certificates"][number]>();
  const add = (connection: string, use: "local" | "remote" | "authority", ders: readonly Uint8Array[]) => {
    for (const der of ders) {
      const read = readCertificate(der);
      if (read === undefined) continue;
      const key = `${connection}\n${use}\n${read.subject}`;
      const before = found.get(key);
      if (before === undefined || read.notAfter < before.notAfter) found.set(key, { connection, use, ...read });
    }
  };
  for (const { name, local, remote } of connections) {
    add(name, "local", local.certificates);
    add(name, "remote", remote.certificates);
  }
  // Of no connection alone.
  add("", "authority", credentials.authorities);
  return [...found.values()];
}

function readCertificate(der: Uint8Array): { readonly subject: string; readonly notAfter: number } | undefined {
  try {
    const { subject, notAfter } = parseCertificate(der);
    return { subject: nameToString(subject), notAfter: notAfter / 1000 };
  } catch {
    // The reader of the configuration has complained of it already.
    return undefined;
  }
}
