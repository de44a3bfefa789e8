/** The running gateway as `Measures`: what /metrics shows. Counters are read in place; no lane is asked. */
import { setImmediate as nextTurn } from "node:timers/promises";
import type { IkeConfig } from "#core/connection";
import type { RunningConfiguration } from "#core/operator";
import type { Clock } from "#core/ports";
import type { Millis } from "#core/units";
import { parseCertificate } from "#crypto/x509/certificate";
import { nameToString } from "#crypto/x509/distinguished-name";
import type { ChildReading } from "#gateway/child-readings";
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
/** Children that are read in one turn of the event loop: about two milliseconds. */
const AT_ONCE = 500;

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
  #last: { readonly at: Millis; readonly measures: Promise<Measures> } | undefined;

  constructor(parts: MeasuringParts) {
    this.#parts = parts;
  }

  /** The text in pieces, of about one moment. Who asks again at once, or meanwhile, gets the same. */
  async *text(): AsyncGenerator<string> {
    const now = this.#parts.clock.now();
    if (this.#last === undefined || now - this.#last.at > FRESH) this.#last = { at: now, measures: this.#measure() };
    yield* exposition(await this.#last.measures);
    yield await this.#parts.events.text();
  }

  async #measure(): Promise<Measures> {
    const { gateway, configuration, events, clock, wall, version, node } = this.#parts;
    /** Monotonic milliseconds → seconds since 1970. */
    const offset = wall() - clock.now();
    const at = (millis: number) => (Number.isFinite(millis) ? Math.round(offset + millis) / 1000 : millis);
    const children: ChildMeasures[] = gateway.ike === undefined ? manualChildren(gateway) : [];
    const heard = new Map<string, number>();
    for (const reading of gateway.ike?.readings() ?? []) {
      children.push(childOf(reading, at));
      heard.set(reading.connection, Math.max(heard.get(reading.connection) ?? 0, reading.lastInbound));
      if (children.length % AT_ONCE === 0) await nextTurn();
    }
    const readings = gateway.readings();
    const ike = gateway.ike?.summary();
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
      peers: [...heard].map(([connection, millis]) => ({ connection, lastInbound: millis === 0 ? 0 : at(millis) })),
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

function childOf(reading: ChildReading, at: (millis: number) => number): ChildMeasures {
  const { connection, child, up, clear, inbound, outbound, life, remainingOctets } = reading;
  return {
    connection,
    child,
    up,
    clear,
    inbound,
    outbound,
    established: life === undefined ? 0 : at(life.installedAt),
    rekey: life === undefined ? 0 : at(life.rekeyAt),
    expiry: life === undefined ? 0 : at(life.expiresAt),
    remainingOctets,
  };
}

/** Keys that nobody negotiates: each policy's SAs are one child. */
function manualChildren(gateway: Gateway): ChildMeasures[] {
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
