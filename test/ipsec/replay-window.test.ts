import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { Drop } from "#core/drop";
import { ReplayWindow, windowWords } from "#ipsec/replay-window";
import { sharedJson, skipShared } from "#test/vectors/load";
import { type SaRow, SLOT, saTable } from "./sa-row.ts";

const TWO_32 = 2 ** 32;
const LAST = TWO_32 - 1;
const WINDOWS = [32, 64, 128, 256, 512, 1024, 2048, 4096, 8192, 16384, 32768, 65536, 131072];

/** What a receiver does with a packet that verifies: its high half, or the drop code. */
type Receiver = (sequence: number) => number;

/** The packet's ICV vouches for the whole number: a wrong guess of the high half is an ICV mismatch. */
function receiver(row: SaRow): Receiver {
  const window = new ReplayWindow(saTable(row));
  return (sequence) => {
    const low = sequence % TWO_32;
    const high = window.check(SLOT, low);
    if (high < 0) return high;
    if (high !== Math.floor(sequence / TWO_32)) return Drop.ICV_MISMATCH;
    const code = window.accept(SLOT, high, low);
    return code < 0 ? code : high;
  };
}

/** The slow way: all that was accepted, and the highest. */
function model(window: number): Receiver {
  const seen = new Set<number>();
  let top = 0;
  return (sequence) => {
    if (sequence === 0) return Drop.SEQUENCE_ZERO;
    if (top - sequence >= window) return Drop.OUTSIDE_WINDOW;
    if (seen.has(sequence)) return Drop.REPLAYED;
    seen.add(sequence);
    top = Math.max(top, sequence);
    return Math.floor(sequence / TWO_32);
  };
}

test("both edges of every window: the oldest that fits is taken once, one older is not (RFC 4303 §3.4.3)", () => {
  for (const esn of [false, true])
    for (const window of WINDOWS) {
      const top = 3 * window + 17;
      // With ESN an older number is read as one of the next cycle, and its ICV does not hold.
      const tooOld = esn ? Drop.ICV_MISMATCH : Drop.OUTSIDE_WINDOW;
      const receive = receiver({ window, esn });
      assert.equal(receive(top), 0);
      assert.equal(receive(top - window), tooOld);
      assert.equal(receive(top - window + 1), 0);
      assert.equal(receive(top - window + 1), Drop.REPLAYED);
      assert.equal(receive(top), Drop.REPLAYED);
      assert.equal(receive(top + 1), 0);
      assert.equal(receive(top - window + 1), tooOld);
      assert.equal(receive(top - window + 2), 0);
    }
});

test("sequence number 0 is never taken without ESN, nor before the first cycle's end with it", () => {
  for (const esn of [false, true]) assert.equal(receiver({ window: 64, esn })(0), Drop.SEQUENCE_ZERO);
  assert.equal(receiver({ window: 64, esn: false, sequence: LAST })(0), Drop.SEQUENCE_ZERO);
});

test("without ESN the numbers end at 2^32 - 1 and do not begin anew", () => {
  const receive = receiver({ window: 64, sequence: LAST - 5 });
  assert.equal(receive(LAST), 0);
  assert.equal(receive(LAST), Drop.REPLAYED);
  assert.equal(receive(1), Drop.OUTSIDE_WINDOW);
  assert.equal(receive(LAST - 63), 0);
  assert.equal(receive(LAST - 64), Drop.OUTSIDE_WINDOW);
});

test("ESN: the window lies across 2^32, 2^33 and 3·2^32 like anywhere else (RFC 4303 Appendix A2)", () => {
  for (const cycle of [1, 2, 3])
    for (const window of WINDOWS) {
      const edge = cycle * TWO_32;
      const receive = receiver({ window, esn: true, sequence: edge - 2 * window });
      assert.equal(receive(edge - 2), cycle - 1);
      assert.equal(receive(edge), cycle);
      assert.equal(receive(edge - 1), cycle - 1);
      assert.equal(receive(edge - 1), Drop.REPLAYED);
      assert.equal(receive(edge), Drop.REPLAYED);
      assert.equal(receive(edge + window - 2), cycle);
      assert.equal(receive(edge - 1), Drop.REPLAYED, "the oldest of the window, in the former cycle");
      assert.equal(receive(edge + 1), cycle);
      assert.equal(receive(edge + window), cycle);
      assert.equal(receive(edge - 1) < 0, true);
    }
});

test("ESN without replay protection: order does not matter for the guess of the high half", () => {
  const receive = receiver({ window: 0, esn: true, sequence: TWO_32 + 1000 });
  for (const back of [0, 1, 500, 1000, 1001, 5000]) assert.ok(receive(TWO_32 + 1000 - back) >= 0, `${back} back`);
  assert.equal(receive(TWO_32 + 2_000_000), 1);
  assert.equal(receive(2 * TWO_32 - 1), Drop.ICV_MISMATCH, "half a cycle ahead is the former cycle's");
});

test("check changes nothing, however often and whatever it is asked", () => {
  const table = saTable({ window: 128, esn: true, sequence: TWO_32 + 5 });
  const window = new ReplayWindow(table);
  window.accept(SLOT, 1, 7);
  const before = [Array.from(table.columns), Array.from(table.numbers), Array.from(table.windows)];
  for (const low of [0, 1, 7, 8, 100, 1000, 2 ** 31, LAST, LAST - 200]) window.check(SLOT, low);
  assert.deepEqual([Array.from(table.columns), Array.from(table.numbers), Array.from(table.windows)], before);
});

test("accept writes inside its own bitmap only", () => {
  for (const packets of WINDOWS) {
    const table = saTable({ window: packets });
    const window = new ReplayWindow(table);
    for (let i = 1; i < 4 * packets; i += 13) window.accept(SLOT, 0, i);
    window.accept(SLOT, 0, LAST);
    const end = 64 + windowWords(packets);
    assert.ok(table.windows.subarray(0, 64).every((word) => word === 0));
    assert.ok(table.windows.subarray(end).every((word) => word === 0));
  }
});

test("a bitmap has at least a word more than its window and is a power of two", () => {
  for (const window of WINDOWS) {
    const words = windowWords(window);
    assert.ok((words - 1) * 32 >= window && words <= 2 * (window / 32 + 1));
    assert.equal(Math.log2(words) % 1, 0);
  }
  assert.equal(windowWords(0), 0);
});

const step = fc.oneof(
  fc.record({ kind: fc.constant("near"), by: fc.integer({ min: -80, max: 80 }) }),
  fc.record({ kind: fc.constant("back"), by: fc.integer({ min: -3, max: 3 }) }),
  fc.record({ kind: fc.constant("jump"), by: fc.integer({ min: 1, max: 6 }) }),
  fc.record({ kind: fc.constant("start"), by: fc.integer({ min: 0, max: 40 }) }),
);

test("any order, repeats and jumps beyond the window: the same verdicts as a set of all that was seen", () => {
  fc.assert(
    fc.property(
      fc.constantFrom(32, 64, 128, 1024),
      fc.boolean(),
      fc.constantFrom(0, 30, TWO_32 - 300, 2 * TWO_32 - 33),
      fc.array(step, { minLength: 1, maxLength: 200 }),
      (window, esn, from, steps) => {
        const start = esn ? from : from % (LAST - 3000);
        const receive = receiver({ window, esn });
        const expected = model(window);
        const agree = (sequence: number) => {
          const wanted = expected(sequence);
          const got = receive(sequence);
          // With ESN an older number is read as one of the next cycle: refused as well, for its ICV or as that one's copy.
          const same = got === wanted || (esn && got < 0 && wanted < 0 && wanted !== Drop.REPLAYED);
          assert.ok(same, `${sequence} gives ${got}, not ${wanted}`);
        };
        // A receiver follows cycles one by one: it must hear something at least every half of one.
        let top = 0;
        while (top < start) {
          top = Math.min(start, top + TWO_32 / 2 - 1);
          agree(top);
        }
        for (const { kind, by } of steps) {
          const base = kind === "back" ? top - window + by : kind === "jump" ? top + by * window : top + by;
          const sequence = kind === "start" ? by : base;
          if (sequence < 0 || (!esn && sequence > LAST)) continue;
          agree(sequence);
          if (sequence > top) top = sequence;
        }
      },
    ),
    { numRuns: 600 },
  );
});

test("reordering by up to window - 1 loses nothing, and a second pass gives nothing", () => {
  for (const window of [32, 2048]) {
    const receive = receiver({ window });
    const block = Array.from({ length: window }, (_, i) => window - i);
    for (let base = 0; base < 5 * window; base += window)
      for (const offset of block) assert.equal(receive(base + offset), 0);
    for (let sequence = 1; sequence <= 5 * window; sequence++) assert.ok(receive(sequence) < 0);
  }
});

interface DpdkReplay {
  readonly cases: readonly {
    readonly window: number;
    readonly esn: boolean;
    readonly steps: readonly (readonly [number, boolean])[];
  }[];
}

const DPDK = "replay/dpdk-antireplay.json";
test("DPDK's anti-replay sequences", { skip: skipShared(DPDK) }, () => {
  const cases = sharedJson<DpdkReplay>(DPDK)?.cases ?? [];
  assert.ok(cases.length >= 10);
  for (const { window, esn, steps } of cases) {
    const receive = receiver({ window, esn });
    for (const [sequence, accepted] of steps)
      assert.equal(receive(sequence) >= 0, accepted, `window ${window}${esn ? " ESN" : ""}: ${sequence}`);
  }
});

interface WireGuardReplay {
  readonly sequence: readonly { readonly n: string; readonly accept: boolean }[];
}

/** Sums and products of numbers and names, with parentheses. */
function evaluate(expression: string, names: Readonly<Record<string, number>>): number {
  const tokens = expression.match(/\w+|[-+*()]/g) ?? [];
  const atom = (): number => {
    const token = tokens.shift() ?? "";
    if (token !== "(") return names[token] ?? Number(token);
    const value = sum();
    tokens.shift();
    return value;
  };
  const product = (): number => {
    let value = atom();
    for (; tokens[0] === "*"; value *= atom()) tokens.shift();
    return value;
  };
  const sum = (): number => {
    let value = product();
    while (tokens[0] === "+" || tokens[0] === "-") value += tokens.shift() === "+" ? product() : -product();
    return value;
  };
  return sum();
}

const WIREGUARD = "replay/wireguard-replay.json";
test("WireGuard's replay sequence, counted from 1 and ended at 2^32 - 1", { skip: skipShared(WIREGUARD) }, () => {
  const steps = sharedJson<WireGuardReplay>(WIREGUARD)?.sequence ?? [];
  assert.ok(steps.length >= 30);
  for (const window of WINDOWS) {
    // WireGuard's window holds T_LIM numbers beside the newest; ours `window` with it: T_LIM = window.
    const receive = receiver({ window });
    let last = 0;
    for (const { n, accept } of steps) {
      const names = { T_LIM: window, RejectAfterMessages: LAST };
      const number = evaluate(n, names) + (n.includes("Reject") ? 0 : 1);
      // Past the end there is no number to send; RejectAfterMessages itself is our last one and the first that is refused there.
      if (n.startsWith("RejectAfterMessages") && number >= LAST) continue;
      assert.equal(receive(number) >= 0, accept, `window ${window}: ${n} = ${number} after ${last}`);
      last = number;
    }
  }
});
