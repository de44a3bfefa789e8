/** What an exchange may ask of the engine it runs in, and how it sends. */
import type { Job } from "#core/ike-job";
import type { Failure, IkeHost, Way } from "#ike/host";
import type { Payload } from "#wire/ike/chain";
import type { ExchangeType } from "#wire/ike/numbers";
import type { Plain } from "./channel.ts";
import type { IkeSa } from "./ike-sa.ts";
import type { Peers } from "./peers.ts";
import type { Session } from "./session.ts";
import type { Datagrams } from "./window.ts";

/** Which of an IKE SA's three roads a job's result goes: setting up, an exchange of ours, one of the peer's. */
export type JobRoad = "setup" | "own" | "peer";

export interface Host extends IkeHost {
  /** The authenticated sessions. */
  readonly peers: Peers;
  /** All IKE SAs of a session, its rekeyed ones too. */
  sasOf(session: Session): readonly IkeSa[];
  /** Gives work away; its result comes to the IKE SA's road, if that still waits for it. */
  compute(sa: IkeSa, road: JobRoad, work: Job): number;
  /** Not 0 and nobody's yet. */
  drawIkeSpi(): bigint;
  /** From now on datagrams find it. */
  add(sa: IkeSa): void;
  /** It is gone: no datagram and no job finds it. */
  remove(sa: IkeSa): void;
  /** Something happened to it: its next exchange may start. */
  touch(session: Session): void;
  /** Nobody can mean this Child SA any more. */
  forgetChild(id: number): void;
  /** It is half-open no longer. */
  settled(sa: IkeSa): void;
  /** An attempt ended without what was asked; the engine tells it, and tries again later where that makes sense. */
  failed(session: Session, failure: Failure): void;
  /** The peer asked for something that it does not get; the session goes on. */
  refused(session: Session, failure: Failure): void;
  /** IKE SAs are rekeyed from this message ID on, in whichever direction (RFC 7296 §2.2). */
  readonly rekeyAtMessageId: number;
}

export function sendDatagrams(host: Host, datagrams: Datagrams, way: Way): void {
  for (const octets of datagrams) {
    host.count("datagrams_out");
    host.emit({ kind: "send", octets, local: way.local, remote: way.remote });
  }
}

export function sendRequest(host: Host, sa: IkeSa, exchangeType: ExchangeType, payloads: readonly Payload[]): Plain {
  const { path } = sa.session;
  const { datagrams, plain } = sa.channel.sendRequest(sa.spis, exchangeType, payloads, path.remote, host.now);
  sendDatagrams(host, datagrams, path);
  return plain;
}

/** RFC 7296 §2.11: to where the request came from, as far as we are still in its handling. */
export function sendResponse(host: Host, sa: IkeSa, payloads: readonly Payload[]): Plain {
  const way = host.way ?? sa.session.path;
  const { datagrams, plain } = sa.channel.sendResponse(payloads, way.remote);
  host.count("requests_answered");
  sendDatagrams(host, datagrams, way);
  return plain;
}
