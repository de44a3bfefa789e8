/**
 * An IKE engine under attack, an honest peer of it with an IKE SA and a pair, and an intruder who may or may not be a
 * peer. After every datagram the answer is measured; at the end both honest sides must be as they were.
 */
import assert from "node:assert/strict";
import { compareAddresses, type Endpoint } from "#core/address";
import { attackedConfig } from "#test/sim/ike-attacked";
import { A, mirrored } from "#test/sim/ike-config";
import { assertSettled, type EstablishedPair, initiate, twoNodes } from "#test/sim/ike-established";
import { INTRUDER, Intruder } from "#test/sim/ike-intruder";
import { type Datagram, endpoint } from "#test/sim/ike-pair";
import { type Footprint, footprint } from "./mutation.ts";

const LONGEST_MICROS = 200_000;
const SLOW_MICROS = 3000;
const SLOW_LIMIT = 200;

function isIntruder({ address }: Endpoint): boolean {
  return compareAddresses(endpoint(INTRUDER, 0).address, address) === 0;
}

export class IkeSiege {
  readonly pair: EstablishedPair;
  readonly intruder: Intruder;
  /** How many datagrams took so many microseconds of processor time: what others do on this machine does not count. */
  readonly #times = new Uint32Array(LONGEST_MICROS + 1);
  /** Those of strangers that took long; the machine's own housekeeping is in it. */
  readonly #slow: { readonly octets: Uint8Array; readonly from: Endpoint }[] = [];
  /** Sealed messages of the honest peer, as an eavesdropper has them. */
  readonly overheard: readonly Uint8Array[];
  /** Octets that strangers sent, and got. */
  asked = 0;
  answered = 0;
  mostAnswers = 0;

  constructor(seed: number) {
    const config = mirrored();
    this.pair = twoNodes({ seed }, { a: config.a, b: attackedConfig(config.b) });
    const { sim, a, b } = this.pair;
    initiate(a);
    sim.driveFor(5000);
    for (const node of [a, b])
      for (const [child] of node.installed) node.give({ kind: "rekey-child", id: child, trigger: "time" });
    sim.driveFor(5000);
    this.overheard = sim.sent.filter(({ octets }) => octets[16] === 46).map(({ octets }) => octets);
    assert.ok(this.overheard.length >= 8);
    sim.sent.length = 0;
    this.intruder = new Intruder(sim, b);
    // A hint in clear may make one ask whether the honest other is there: those two still hear each other.
    sim.translate = (datagram) => ([datagram.from, datagram.to].some(isIntruder) ? undefined : datagram);
  }

  /** One datagram of a source that has proven nothing: at most one answer, not longer than the question. */
  throw(octets: Uint8Array, from: Endpoint): void {
    const answers = this.#timed(octets, from);
    const length = answers.reduce((sum, answer) => sum + answer.octets.length, 0);
    this.mostAnswers = Math.max(this.mostAnswers, answers.length);
    this.asked += octets.length;
    this.answered += length;
    if (answers.length > 1 || length > octets.length)
      assert.fail(`${answers.length} answers of ${length} octets to ${Buffer.from(octets).toString("hex")}`);
  }

  /** One datagram of the intruder. */
  say(octets: Uint8Array): Datagram[] {
    return this.#timed(octets, this.intruder.at);
  }

  #timed(octets: Uint8Array, from: Endpoint): Datagram[] {
    const { sim, b } = this.pair;
    const start = process.cpuUsage();
    const answers = this.intruder.throw(octets, from);
    const { user, system } = process.cpuUsage(start);
    const micros = Math.min(LONGEST_MICROS, user + system);
    this.#times[micros] = (this.#times[micros] ?? 0) + 1;
    if (micros > SLOW_MICROS && this.#slow.length < SLOW_LIMIT) this.#slow.push({ octets, from });
    // Nobody else is spoken to.
    assert.ok(sim.sent.length === answers.length || sim.sent.every(({ to }) => this.#knows(to)));
    sim.sent.length = 0;
    if (b.reports.length > 1000) b.reports.length = 0;
    return answers;
  }

  #knows({ address }: Endpoint): boolean {
    return [INTRUDER, A].some((known) => compareAddresses(endpoint(known, 0).address, address) === 0);
  }

  /** Time passes; nothing is sent by itself to those who came unasked. */
  pause(span: number): void {
    this.pair.sim.driveFor(span);
    this.pair.sim.sent.length = 0;
  }

  /** After all half-open ones are forgotten: one IKE SA, one pair, the same keys, no timer, no lost SPI. */
  assertUnharmed(): void {
    this.pair.sim.translate = (datagram) => datagram;
    assertSettled(this.pair);
    const { b } = this.pair;
    assert.equal(b.engine.snapshot().halfOpen, 0);
  }

  /** Memory without what this harness keeps. */
  footprint(): Footprint {
    for (const node of [this.pair.a, this.pair.b]) node.reports.length = 0;
    this.pair.sim.sent.length = 0;
    return footprint();
  }

  /** The least milliseconds of five that any of the slow ones takes: what it costs by itself. */
  slowest(): number {
    const costs = this.#slow.splice(0).map(({ octets, from }) => {
      const tries = Array.from({ length: 5 }, () => {
        const start = process.cpuUsage();
        this.intruder.throw(octets, from);
        const { user, system } = process.cpuUsage(start);
        return (user + system) / 1000;
      });
      return Math.min(...tries);
    });
    this.pause(0);
    return Math.max(0, ...costs);
  }

  /** "12,000 datagrams, p99 0.1 ms, at most 3.2 ms". */
  summary(): string {
    const total = this.#times.reduce((sum, count) => sum + count, 0);
    const at = (part: number) => {
      let seen = 0;
      const micros = this.#times.findIndex((count) => {
        seen += count;
        return seen >= total * part && seen > 0;
      });
      return (micros / 1000).toFixed(3);
    };
    return `${total} datagrams, p50 ${at(0.5)} ms, p99 ${at(0.99)} ms, at most ${at(1)} ms`;
  }
}
