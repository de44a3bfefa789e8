/** Numbered packets through two gateways that key themselves. */
import assert from "node:assert/strict";
import type { IkePort } from "#gateway/control-doors";
import type { JoinedControls } from "./control-pair.ts";
import { packet } from "./packets.ts";
import { LEFT_4, lossesOf, RIGHT_4 } from "./traffic.ts";

/** A stream of numbered packets both ways, and what came of it. */
export class NumberedStream {
  readonly pair: JoinedControls<IkePort>;
  sent = 0;
  readonly arrived: number[] = [];
  readonly back: number[] = [];

  constructor(pair: JoinedControls<IkePort>) {
    this.pair = pair;
  }

  /** `each` packets a millisecond to the right, of 500 octets; one in ten comes back. */
  feed(each: number): void {
    for (let i = 0; i < each; i++) {
      this.pair.left.gateway.port.offerTun(numbered(this.sent, LEFT_4, RIGHT_4));
      if (this.sent % 10 === 0) this.pair.right.gateway.port.offerTun(numbered(this.sent, RIGHT_4, LEFT_4));
      this.sent++;
    }
  }

  take(): void {
    for (const octets of this.pair.right.gateway.port.written.splice(0)) this.arrived.push(numberOf(octets));
    for (const octets of this.pair.left.gateway.port.written.splice(0)) this.back.push(numberOf(octets));
  }

  run(span: number, each: number): void {
    this.pair.run(span, () => {
      this.take();
      this.feed(each);
    });
    this.pair.run(2);
    this.take();
  }

  assertWhole(): void {
    assert.deepEqual(
      this.arrived,
      Array.from({ length: this.sent }, (_, i) => i),
      "each once and in order",
    );
    assert.equal(this.back.length, Math.ceil(this.sent / 10));
    assert.deepEqual([lossesOf(this.pair.left.gateway), lossesOf(this.pair.right.gateway)], [{}, {}]);
    assert.equal(this.pair.clear, 0);
  }
}

export function numbered(i: number, source: string, destination: string): Uint8Array {
  const payload = new Uint8Array(472);
  new DataView(payload.buffer).setUint32(0, i);
  return packet({ source, destination, payload });
}

function numberOf(bytes: Uint8Array): number {
  return new DataView(bytes.buffer, bytes.byteOffset).getUint32(28);
}
