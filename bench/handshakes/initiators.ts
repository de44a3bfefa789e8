/**
 * Many initiators in one process: an IkeEngine each, with SPIs and an identity of its own. As soon as one has finished, the
 * next begins. Sans-IO; generator.ts has the sockets.
 */
import type { Endpoint, IpAddress } from "#core/address";
import type { IkeConfig } from "#core/connection";
import type { Job, JobResult } from "#core/ike-job";
import type { RandomSource } from "#core/ports";
import { type Millis, spi } from "#core/units";
import type { IkeEffect, IkeWorld } from "#ike/effects";
import { IkeEngine } from "#ike/engine";
import { CONNECTION, initiatorNumber } from "./plan.ts";

const IKE_PORT = 500;
const SPI_OCTETS = 8;

export interface InitiatorsWorld {
  readonly random: RandomSource;
  readonly config: IkeConfig;
  readonly sources: readonly IpAddress[];
  work(job: Job): JobResult;
  /** `source` is an index. */
  send(octets: Uint8Array, source: number): void;
}

interface Handshake {
  readonly engine: IkeEngine;
  readonly source: number;
  readonly startedAt: Millis;
}

export interface Tally {
  readonly established: number;
  readonly failed: number;
  /** Milliseconds from the first message to the last, of those that were established. */
  readonly took: readonly number[];
}

/** Childless: none is ever drawn. */
const SPIS: IkeWorld["spis"] = { draw: () => spi(0x100), giveBack: () => undefined };

export class Initiators {
  readonly #world: InitiatorsWorld;
  readonly #remote: Endpoint;
  /** By the initiator's SPI, as text. */
  readonly #underWay = new Map<string, Handshake>();
  /** Key pairs by method, made once: a generator that spends its time on them would be the limit. */
  readonly #keys = new Map<number, Extract<JobResult, { kind: "ke-generate" }>>();
  #numbers = 0;
  #wanted = 0;
  #established = 0;
  #failed = 0;
  #took: number[] = [];

  constructor(world: InitiatorsWorld, responder: IpAddress) {
    this.#world = world;
    this.#remote = { address: responder, port: IKE_PORT };
  }

  get underWay(): number {
    return this.#underWay.size;
  }

  /** So many are under way from now on. */
  keep(count: number, now: Millis): void {
    this.#wanted = count;
    while (this.#underWay.size < this.#wanted) this.#begin(now);
  }

  datagram(octets: Uint8Array, source: number, now: Millis): void {
    const key = keyOf(octets);
    const handshake = this.#underWay.get(key);
    if (handshake === undefined) return;
    const local = this.#local(source);
    const effects = handshake.engine.handle({ kind: "datagram", octets, local, remote: this.#remote }, now);
    this.#carryOut(key, handshake, effects, now);
  }

  /** Retransmissions; every few milliseconds. */
  tick(now: Millis): void {
    for (const [key, handshake] of this.#underWay) {
      const { engine } = handshake;
      if ((engine.nextTimeout ?? Number.POSITIVE_INFINITY) > now) continue;
      this.#carryOut(key, handshake, engine.handle({ kind: "timeout" }, now), now);
    }
  }

  /** Since the last time. */
  take(): Tally {
    const tally = { established: this.#established, failed: this.#failed, took: this.#took };
    this.#established = 0;
    this.#failed = 0;
    this.#took = [];
    return tally;
  }

  #local(source: number): Endpoint {
    const address = this.#world.sources[source];
    if (address === undefined) throw new Error(`bug: no source ${source}`);
    return { address, port: IKE_PORT };
  }

  #begin(now: Millis): void {
    const number = this.#numbers++;
    const source = number % this.#world.sources.length;
    const engine = new IkeEngine({ random: this.#world.random, spis: SPIS });
    const handshake = { engine, source, startedAt: now };
    engine.handle({ kind: "configure", config: initiatorNumber(this.#world.config, number) }, now);
    engine.handle({ kind: "addresses", local: [this.#local(source)] }, now);
    let effects = engine.handle({ kind: "initiate", connection: CONNECTION, child: undefined, trigger: "start" }, now);
    // The SPI is known from the first message on, which may wait for the key.
    for (;;) {
      const job = effects.find((effect) => effect.kind === "compute");
      if (job === undefined) break;
      const rest = effects.filter((effect) => effect !== job);
      effects = [...rest, ...engine.handle({ kind: "computed", job: job.job, result: this.#compute(job.work) }, now)];
    }
    const first = effects.find((effect) => effect.kind === "send");
    if (first === undefined) {
      this.#failed++;
      return;
    }
    const key = keyOf(first.octets);
    this.#underWay.set(key, handshake);
    this.#carryOut(key, handshake, effects, now);
  }

  #carryOut(key: string, handshake: Handshake, effects: readonly IkeEffect[], now: Millis): void {
    for (const effect of effects)
      switch (effect.kind) {
        case "send":
          this.#world.send(effect.octets, handshake.source);
          break;
        case "compute": {
          const result = this.#compute(effect.work);
          const more = handshake.engine.handle({ kind: "computed", job: effect.job, result }, now);
          this.#carryOut(key, handshake, more, now);
          break;
        }
        case "report":
          if (effect.report.kind === "ike-up") this.#end(key, handshake, now, "established");
          if (effect.report.kind === "failed") this.#end(key, handshake, now, "failed");
          break;
        default:
      }
  }

  #end(key: string, { startedAt }: Handshake, now: Millis, how: "established" | "failed"): void {
    if (!this.#underWay.delete(key)) return;
    if (how === "failed") this.#failed++;
    else {
      this.#established++;
      this.#took.push(now - startedAt);
    }
    if (this.#underWay.size < this.#wanted) this.#begin(now);
  }

  #compute(work: Job): JobResult {
    if (work.kind === "ke-generate") {
      const known = this.#keys.get(work.method) ?? this.#world.work(work);
      if (known.kind !== "ke-generate") return known;
      this.#keys.set(work.method, known);
      return { kind: "ke-generate", publicKey: known.publicKey.slice(), privateKey: known.privateKey.slice() };
    }
    return this.#world.work(work);
  }
}

function keyOf(message: Uint8Array): string {
  return Buffer.from(message.buffer, message.byteOffset, Math.min(SPI_OCTETS, message.length)).toString("latin1");
}
