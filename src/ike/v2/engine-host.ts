/** The engine as its exchanges see it: effects, counters, jobs and the registry behind one door. */
import type { Endpoint } from "#core/address";
import type { Connection, Credentials } from "#core/connection";
import type { Job } from "#core/ike-job";
import { type Millis, millis } from "#core/units";
import type { Attempts } from "#ike/attempts";
import type { Counter, Counters } from "#ike/counters";
import type { IkeEffect, IkeWorld } from "#ike/effects";
import type { HalfOpen } from "#ike/half-open";
import { type Failure, reportFailure, type Way } from "#ike/host";
import type { Numbers } from "#ike/version-engine";
import { IKE_SPI_LENGTH, ikeSpiOf } from "#wire/ike/spi";
import { isAlive } from "./heirs.ts";
import type { Host, JobRoad } from "./host.ts";
import type { IkeSa } from "./ike-sa.ts";
import type { Peers } from "./peers.ts";
import type { Registry } from "./registry.ts";
import type { Session } from "./session.ts";
import { Trickle } from "./strangers.ts";

export class EngineHost implements Host {
  readonly world: IkeWorld;
  readonly rekeyAtMessageId: number;
  readonly #registry: Registry;
  readonly #counters: Counters;
  readonly #numbers: Numbers;
  readonly #jobs: Map<number, { readonly sa: IkeSa; readonly road: JobRoad }>;
  readonly #attempts: Attempts;
  readonly #halfOpen: HalfOpen;
  readonly #touched: Set<Session>;
  /** One a second, and 50 at once: all peers of a gateway that starts with a wrong secret. */
  readonly #refusals = new Trickle(1, 50);
  #effects: IkeEffect[] = [];
  #removed: IkeSa[] = [];
  now: Millis = millis(0);
  way: Way | undefined = undefined;
  held = false;
  connections: readonly Connection[] = [];
  credentials: Credentials = { secrets: [], keys: [], authorities: [], intermediates: [], crls: [] };
  localEndpoints: readonly Endpoint[] = [];

  constructor(
    world: IkeWorld,
    registry: Registry,
    counters: Counters,
    numbers: Numbers,
    jobs: Map<number, { readonly sa: IkeSa; readonly road: JobRoad }>,
    attempts: Attempts,
    halfOpen: HalfOpen,
    touched: Set<Session>,
    rekeyAtMessageId: number,
  ) {
    this.rekeyAtMessageId = rekeyAtMessageId;
    this.world = world;
    this.#registry = registry;
    this.#counters = counters;
    this.#numbers = numbers;
    this.#jobs = jobs;
    this.#attempts = attempts;
    this.#halfOpen = halfOpen;
    this.#touched = touched;
  }

  get peers(): Peers {
    return this.#registry.peers;
  }

  sasOf(session: Session): readonly IkeSa[] {
    return this.#registry.sasOf(session);
  }

  emit(effect: IkeEffect): void {
    if (effect.kind === "install-child-sa") {
      const session = this.#registry.byId(effect.child.ike)?.session;
      if (session !== undefined) this.#registry.own(effect.child.id, session);
    }
    this.#effects.push(effect);
  }

  takeEffects(): IkeEffect[] {
    const effects = this.#effects;
    this.#effects = [];
    return effects;
  }

  send(octets: Uint8Array, way: Way): void {
    this.count("datagrams_out");
    this.emit({ kind: "send", octets, local: way.local, remote: way.remote });
  }

  count(counter: Counter): void {
    this.#counters.count(counter);
  }

  compute(sa: IkeSa, road: JobRoad, work: Job): number {
    const job = this.#numbers.nextJob();
    this.#jobs.set(job, { sa, road });
    this.count("jobs_started");
    this.emit({ kind: "compute", job, work });
    return job;
  }

  nextId(): number {
    return this.#numbers.nextId();
  }

  drawIkeSpi(): bigint {
    const octets = new Uint8Array(IKE_SPI_LENGTH);
    for (;;) {
      this.world.random.fill(octets);
      const spi = ikeSpiOf(octets);
      if (spi !== undefined && this.#registry.bySpi(spi) === undefined) return spi;
    }
  }

  add(sa: IkeSa): void {
    this.#registry.add(sa);
    this.#touched.add(sa.session);
  }

  remove(sa: IkeSa): void {
    this.#registry.remove(sa);
    this.#halfOpen.close(sa.id);
    this.#removed.push(sa);
    this.#touched.add(sa.session);
  }

  takeRemoved(): readonly IkeSa[] {
    const removed = this.#removed;
    this.#removed = [];
    return removed;
  }

  touch(session: Session): void {
    this.#touched.add(session);
  }

  forgetChild(id: number): void {
    this.#registry.disown(id);
  }

  settled(sa: IkeSa): void {
    this.#halfOpen.close(sa.id);
    if (sa.session.attempt !== undefined) this.#attempts.done(sa.session.attempt);
    this.#touched.add(sa.session);
  }

  failed(session: Session, failure: Failure): void {
    const { connection, attempt, peer, formers } = session;
    let retryAt: Millis | undefined;
    if (attempt !== undefined && peer.kind === "unknown") {
      const draw = new Uint8Array(1);
      this.world.random.fill(draw);
      retryAt = this.#attempts.failed(attempt, connection.keyingTries, this.now, (draw[0] ?? 0) / 256);
    }
    // One that is gone, or about to, is not reauthenticated again.
    for (const former of peer.kind === "unknown" ? formers : []) {
      if (!isAlive(former) || former.peer.kind !== "authenticated") continue;
      retryAt = millis(this.now + 30_000);
      former.peer = { ...former.peer, reauthAt: retryAt };
      this.#touched.add(former);
    }
    if (session.trigger === "peer" && peer.kind === "unknown") this.refusedStranger(connection, failure);
    else reportFailure(this, connection, failure, session.path, { asked: "us", retryAt });
  }

  /** Somebody tried to set up an IKE SA in vain: whoever does so without end fills no log. */
  refusedStranger(connection: Connection, failure: Failure): void {
    if (this.#refusals.spend(this.now))
      reportFailure(this, connection, failure, this.way, { asked: "peer", retryAt: undefined });
    else this.count("refusals_untold");
  }

  refused({ connection, path }: Session, failure: Failure): void {
    reportFailure(this, connection, failure, path, { asked: "peer", retryAt: undefined });
  }
}
