/** What the exchanges of both versions may ask of the engine they run in. */
import type { Endpoint } from "#core/address";
import type { Connection, Credentials } from "#core/connection";
import type { JobResult } from "#core/ike-job";
import type { IkeReport } from "#core/ike-state";
import type { Millis } from "#core/units";
import { wipe } from "#crypto/octets";
import type { Counter } from "./counters.ts";
import type { IkeEffect, IkeWorld } from "./effects.ts";
import { endpointText, failureDetails, type Known } from "./failure-details.ts";

/** From where to where a message goes. */
export interface Way {
  readonly local: Endpoint;
  readonly remote: Endpoint;
}

/** Why an attempt failed, in words: `IkeReport` "failed" without the names. */
export interface Failure {
  readonly child: string | undefined;
  readonly stage: string;
  readonly notify: string | undefined;
  readonly from: "us" | "peer" | "nobody";
  readonly reason: string;
  readonly remedy: string;
  /** What its place knows beyond the configuration. */
  readonly known?: Known;
}

export interface IkeHost {
  readonly now: Millis;
  readonly world: IkeWorld;
  readonly connections: readonly Connection[];
  readonly credentials: Credentials;
  emit(effect: IkeEffect): void;
  count(counter: Counter): void;
  /** For all that has a number: unique in the process. */
  nextId(): number;
  /** Endpoints of ours, as far as they were told. */
  readonly localEndpoints: readonly Endpoint[];
  /** Where the message that is being handled came from; undefined outside of that. */
  readonly way: Way | undefined;
}

export function report(host: IkeHost, what: IkeReport): void {
  host.emit({ kind: "report", report: what });
}

type Failed = Extract<IkeReport, { readonly kind: "failed" }>;

/** A failure with the names and what was asked for. `way`: undefined where nothing was sent. */
export function reportFailure(
  host: IkeHost,
  connection: Connection,
  { known = {}, ...failure }: Failure,
  way: Way | undefined,
  attempt: Pick<Failed, "asked" | "retryAt">,
): void {
  const details = failureDetails(connection, failure.child, way, known);
  report(host, { ...failure, ...attempt, kind: "failed", connection: connection.name, details });
}

/** What was proven came from elsewhere: traffic may have been lost meanwhile. */
export function reportMove(host: IkeHost, connection: string, from: Endpoint, to: Endpoint): void {
  const text = `${connection}: the peer is at ${endpointText(to)} now, it was at ${endpointText(from)}: its NAT has a new mapping; if that happens often, shorten dpd_delay there or lengthen the NAT's UDP timeout`;
  report(host, { kind: "warning", text });
}

/** A job's result that nobody waits for any more. */
export function discard(host: IkeHost, result: JobResult): void {
  host.count("jobs_late");
  if ("shared" in result) wipe(result.shared);
  if ("privateKey" in result) wipe(result.privateKey);
}

export function randomOctets(host: IkeHost, length: number): Uint8Array {
  const octets = new Uint8Array(length);
  host.world.random.fill(octets);
  return octets;
}

/** 32 octets: at least half the key of every PRF (RFC 7296 §2.10), within 8 to 256 (RFC 2409 §5). */
export function freshNonce(host: IkeHost): Uint8Array {
  return randomOctets(host, 32);
}

/** A number from 0 up to but not with `span`. */
export function randomBelow(host: IkeHost, span: number): number {
  const draw = new DataView(randomOctets(host, 4).buffer).getUint32(0) / 2 ** 32;
  return Number.isFinite(span) ? draw * span : 0;
}
