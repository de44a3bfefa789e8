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

export class IkeSiege {
  readonly pair: EstablishedPair;
  readonly intruder: Intruder;
  /** Milliseconds of processor time of each datagram: what others do on this machine does not count. */
  readonly times: number[] = [];
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
    sim.translate = () => undefined;
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
    this.times.push((user + system) / 1000);
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

  /** "12,000 datagrams, p99 0.1 ms, at most 3.2 ms". */
  summary(): string {
    const sorted = this.times.toSorted((x, y) => x - y);
    const at = (part: number) =>
      (sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] ?? 0).toFixed(3);
    return `${sorted.length} datagrams, p50 ${at(0.5)} ms, p99 ${at(0.99)} ms, at most ${at(1)} ms`;
  }
}
