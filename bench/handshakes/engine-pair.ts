/** Two engines without a network: what a handshake costs each of them, and what its slow work costs. */
import { type Spread, spread } from "#bench/report/statistics";
import type { Endpoint } from "#core/address";
import { assert } from "#core/errors";
import type { Job, JobResult } from "#core/ike-job";
import { type Millis, millis, spi } from "#core/units";
import type { IkeEffect, IkeInput, IkeWorld } from "#ike/effects";
import { IkeEngine } from "#ike/engine";
import { systemRandom } from "#io/system-random";
import { freshSecret } from "#lab/ike-config";
import {
  CONNECTION,
  initiatorConfig,
  initiatorNumber,
  responderAddress,
  responderConfig,
  sourceAddresses,
} from "./plan.ts";
import { slowWork } from "./slow-work.ts";

/** Microseconds of one handshake. */
export interface EngineFigures {
  /** Messages of each: codecs, keys, seals, AUTH. */
  readonly initiator: Spread;
  readonly responder: Spread;
  readonly generate: Spread;
  readonly respond: Spread;
  readonly agree: Spread;
  readonly whole: Spread;
  readonly perSecond: number;
}

const PARTS = ["initiator", "responder", "ke-generate", "ke-respond", "ke-agree"] as const;
type Part = (typeof PARTS)[number];
type Times = Record<Part, number>;

const WARM_UPS = 300;
const IKE_PORT = 500;
const MICROS = 1000;
/** Virtual time of one handshake: no budget of the responder's is met. */
const SPAN = 10;
const SPIS: IkeWorld["spis"] = { draw: () => spi(0x100), giveBack: () => undefined };

type Side = "initiator" | "responder";

class Handshake {
  readonly times: Times = { initiator: 0, responder: 0, "ke-generate": 0, "ke-respond": 0, "ke-agree": 0 };
  readonly #engines: Readonly<Record<Side, IkeEngine>>;
  readonly #ends: Readonly<Record<Side, Endpoint>>;
  readonly #now: Millis;
  readonly #work: (job: Job) => JobResult;
  readonly up = { initiator: false, responder: false };

  constructor(
    engines: Readonly<Record<Side, IkeEngine>>,
    ends: Readonly<Record<Side, Endpoint>>,
    now: Millis,
    work: (job: Job) => JobResult,
  ) {
    this.#engines = engines;
    this.#ends = ends;
    this.#now = now;
    this.#work = work;
  }

  run(): void {
    this.#give("initiator", { kind: "initiate", connection: CONNECTION, child: undefined, trigger: "start" });
    assert(this.up.initiator && this.up.responder, "a handshake without a network ends in one go");
  }

  #give(side: Side, input: IkeInput): void {
    const started = performance.now();
    const effects = this.#engines[side].handle(input, this.#now);
    this.times[side] += performance.now() - started;
    for (const effect of effects) this.#carryOut(side, effect);
  }

  #carryOut(side: Side, effect: IkeEffect): void {
    const other = side === "initiator" ? "responder" : "initiator";
    switch (effect.kind) {
      case "send": {
        const [local, remote] = [this.#ends[other], this.#ends[side]];
        this.#give(other, { kind: "datagram", octets: effect.octets, local, remote });
        break;
      }
      case "compute": {
        const started = performance.now();
        const result = this.#work(effect.work);
        const part = PARTS.find((name) => name === effect.work.kind);
        assert(part !== undefined, `${effect.work.kind} is no part of a handshake with a pre-shared key`);
        this.times[part] += performance.now() - started;
        this.#give(side, { kind: "computed", job: effect.job, result });
        break;
      }
      case "report":
        if (effect.report.kind === "ike-up") this.up[side] = true;
        break;
      default:
    }
  }
}

export function measureEngines(handshakes: number): EngineFigures {
  const secret = freshSecret();
  const [source] = sourceAddresses(1);
  assert(source !== undefined, "one was asked for");
  const ends = {
    initiator: { address: source, port: IKE_PORT },
    responder: { address: responderAddress(), port: IKE_PORT },
  };
  const config = initiatorConfig(secret);
  const work = slowWork();
  const responder = new IkeEngine({ random: systemRandom, spis: SPIS });
  responder.handle({ kind: "configure", config: responderConfig(secret) }, millis(0));
  responder.handle({ kind: "addresses", local: [ends.responder] }, millis(0));
  const all: Times[] = [];
  for (let number = 0; number < WARM_UPS + handshakes; number++) {
    const now = millis(number * SPAN);
    const initiator = new IkeEngine({ random: systemRandom, spis: SPIS });
    initiator.handle({ kind: "configure", config: initiatorNumber(config, number) }, now);
    initiator.handle({ kind: "addresses", local: [ends.initiator] }, now);
    const handshake = new Handshake({ initiator, responder }, ends, now, work);
    handshake.run();
    if (number >= WARM_UPS) all.push(handshake.times);
  }
  const of = (part: Part) => spread(all.map((times) => times[part] * MICROS));
  const whole = spread(all.map((times) => PARTS.reduce((sum, part) => sum + times[part] * MICROS, 0)));
  return {
    initiator: of("initiator"),
    responder: of("responder"),
    generate: of("ke-generate"),
    respond: of("ke-respond"),
    agree: of("ke-agree"),
    whole,
    perSecond: 1e6 / whole.median,
  };
}
