/** One row of the pipeline benchmark: two gateways, packets through both, nanoseconds a packet by stage. */
import { randomFillSync } from "node:crypto";
import { type Spread, spread } from "#bench/report/statistics";
import { assert } from "#core/errors";
import type { Suite } from "#crypto/suite";
import { BenchGateway, type CipherMaker, type KeyPair } from "./gateway.ts";
import { Stage, Stopwatch } from "./stopwatch.ts";
import { inBatch, outBatches, type Traffic } from "./traffic.ts";

export type StageColumn =
  | "outBefore"
  | "outAfter"
  | "outTypeScript"
  | "seal"
  | "inBefore"
  | "inAfter"
  | "inTypeScript"
  | "open";

/** Stages whose sum a column is. */
const STAGES_OF: Readonly<Record<StageColumn, readonly Stage[]>> = {
  outBefore: [Stage.OUT_BEFORE],
  outAfter: [Stage.OUT_AFTER],
  outTypeScript: [Stage.OUT_BEFORE, Stage.OUT_AFTER],
  seal: [Stage.SEAL],
  inBefore: [Stage.IN_BEFORE],
  inAfter: [Stage.IN_AFTER],
  inTypeScript: [Stage.IN_BEFORE, Stage.IN_AFTER],
  open: [Stage.OPEN],
};

/** Nanoseconds a packet: median and spread of the repeats. */
export type StageTimes = Readonly<Record<StageColumn, Spread>>;

export interface Workload {
  readonly traffic: Traffic;
  readonly suite: Suite;
  readonly makeCipher: CipherMaker;
}

export interface Effort {
  readonly repeats: number;
  /** Packets of each repeat and direction, at least. */
  readonly packets: number;
  /** Packets in each direction before the first that count. */
  readonly warmUp: number;
}

/** The optimising compiler has then seen everything. */
export const WARM_UP = 100_000;

/** Both gateways of a workload, `a` with inner packets to send, `b` with what `a` made of them to receive. */
export class Pipeline {
  readonly watch: Stopwatch = new Stopwatch();
  readonly a: BenchGateway;
  readonly b: BenchGateway;
  readonly traffic: Traffic;

  constructor({ traffic, suite, makeCipher }: Workload) {
    this.traffic = traffic;
    this.a = new BenchGateway(makeCipher, traffic.pairs, this.watch);
    this.b = new BenchGateway(makeCipher, traffic.pairs, this.watch);
    const towardsB = Array.from({ length: traffic.pairs }, () => ({ spi: this.b.drawSpi(), ...freshKeys(suite) }));
    const towardsA = towardsB.map(() => ({ spi: this.a.drawSpi(), ...freshKeys(suite) }));
    const pairs = towardsB.map((outbound, i): KeyPair => ({ outbound, inbound: towardsA[i] ?? outbound }));
    this.a.install(suite, pairs, 1, 2);
    this.b.install(
      suite,
      pairs.map(({ inbound, outbound }) => ({ inbound: outbound, outbound: inbound })),
      2,
      1,
    );
    this.a.port.out = outBatches(traffic);
    this.b.port.in = this.a.port.out.map(() => {
      const count = this.a.outbound();
      return inBatch(this.a.datagrams(count), traffic.size);
    });
    this.#checkAllArrive();
  }

  /** What does not arrive would make the numbers small. */
  #checkAllArrive(): void {
    for (const _ of this.b.port.in) this.b.inbound();
    assert(this.a.dropped === 0 && this.b.dropped === 0, "every packet is sealed and delivered");
  }

  /** At least this many packets in each direction; returns how many it were. */
  run(packets: number): number {
    const { a, b, watch } = this;
    let sent = 0;
    while (sent < packets) {
      sent += a.outbound();
      watch.lap(Stage.OUT_AFTER);
    }
    watch.lap(Stage.PORT);
    let received = 0;
    while (received < sent) {
      received += b.inbound();
      watch.lap(Stage.IN_AFTER);
    }
    return sent;
  }

  close(): void {
    this.a.cipher.destroy();
    this.b.cipher.destroy();
  }
}

function freshKeys({ encryption, integrity }: Suite) {
  const random = (octets: number) => randomFillSync(new Uint8Array(octets));
  return {
    encryptionKey: random(encryption?.keyOctets ?? 0),
    integrityKey: random(integrity?.keyOctets ?? 0),
  };
}

export function measure(workload: Workload, effort: Effort): StageTimes {
  const pipeline = new Pipeline(workload);
  const { watch } = pipeline;
  watch.calibrate();
  pipeline.run(effort.warmUp);
  const samples: Record<StageColumn, number>[] = [];
  // Short repeats: most of them end before another process is given the processor.
  for (let i = 0; i < effort.repeats; i++) {
    watch.reset();
    const packets = pipeline.run(effort.packets);
    samples.push(perPacket(watch, packets));
  }
  assert(pipeline.a.dropped === 0 && pipeline.b.dropped === 0, "no packet was dropped while times were taken");
  pipeline.close();
  return byColumn((column) => spread(samples.map((sample) => sample[column])));
}

function perPacket(watch: Stopwatch, packets: number): Record<StageColumn, number> {
  return byColumn((column) => {
    let nanos = 0;
    for (const stage of STAGES_OF[column]) nanos += watch.nanos(stage);
    return nanos / packets;
  });
}

function byColumn<Value>(of: (column: StageColumn) => Value): Record<StageColumn, Value> {
  return {
    outBefore: of("outBefore"),
    outAfter: of("outAfter"),
    outTypeScript: of("outTypeScript"),
    seal: of("seal"),
    inBefore: of("inBefore"),
    inAfter: of("inAfter"),
    inTypeScript: of("inTypeScript"),
    open: of("open"),
  };
}
