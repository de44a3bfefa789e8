/** Seeded changes of valid packets: each differs from its original in an octet that matters. */
import { seededRandom } from "#test/sim/gateway-pair";

export interface Mutator {
  /** A changed copy of one of `originals`; octets before `from` stay as they are. */
  change(originals: readonly Uint8Array[], index: number, from: number): Uint8Array;
  below(limit: number): number;
}

const EDGES: readonly number[] = [0, 1, 2, 0x7f, 0x80, 0xff, 0x100, 0x7fffffff, 0x80000000, 0xfffffffe, 0xffffffff];

export function mutator(seed: number): Mutator {
  const random = seededRandom(seed);
  const below = (limit: number) => random.next() % Math.max(1, limit);
  const changes: readonly ((bytes: Uint8Array, from: number, other: Uint8Array) => Uint8Array)[] = [
    function flipBits(bytes, from) {
      for (let i = 1 + below(8); i > 0; i--) {
        const at = from + below(bytes.length - from);
        bytes[at] = (bytes[at] ?? 0) ^ (1 << below(8));
      }
      return bytes;
    },
    function replaceOctet(bytes, from) {
      bytes[from + below(bytes.length - from)] = below(256);
      return bytes;
    },
    function cut(bytes, from) {
      return bytes.slice(0, from + below(bytes.length - from));
    },
    function extend(bytes) {
      const longer = new Uint8Array(bytes.length + 1 + below(80));
      random.fill(longer);
      longer.set(bytes);
      return longer;
    },
    function removeMiddle(bytes, from) {
      const at = from + below(bytes.length - from);
      const gone = Math.min(bytes.length - at, 1 + below(20));
      const shorter = new Uint8Array(bytes.length - gone);
      shorter.set(bytes.subarray(0, at));
      shorter.set(bytes.subarray(at + gone), at);
      return shorter;
    },
    function splice(bytes, from, other) {
      const at = from + below(bytes.length - from);
      const length = Math.min(1 + below(64), bytes.length - at, Math.max(0, other.length - at));
      bytes.set(other.subarray(at, at + length), at);
      return bytes;
    },
    function headOfAnother(bytes, from, other) {
      const length = Math.min(4 + below(20), bytes.length - from, Math.max(0, other.length - from));
      bytes.set(other.subarray(from, from + length), from);
      return bytes;
    },
    function word(bytes, from) {
      const at = from + 4 * below(4);
      if (at + 4 > bytes.length) return bytes;
      const value = below(2) === 0 ? (EDGES[below(EDGES.length)] ?? 0) : random.next();
      new DataView(bytes.buffer, bytes.byteOffset).setUint32(at, value);
      return bytes;
    },
    function noise(bytes, from) {
      random.fill(bytes.subarray(from));
      return bytes;
    },
  ];
  return {
    below,
    change(originals, index, from) {
      const original = originals[index] ?? new Uint8Array(1);
      const other = originals[below(originals.length)] ?? original;
      for (;;) {
        const kind = changes[below(changes.length)];
        const changed = kind?.(Uint8Array.from(original), from, other) ?? original;
        if (!originals.some((one) => same(one, changed))) return changed;
      }
    },
  };
}

function same(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false;
  // From the end: the ICV tells most packets apart at once.
  for (let i = a.length - 1; i >= 0; i--) if (a[i] !== b[i]) return false;
  return true;
}

/** The seed of a run: printed, and given again by ESPLANADE_SEED to replay it. */
export function seedOfRun(report: (line: string) => void): number {
  const { ESPLANADE_SEED } = process.env;
  const seed = Number(ESPLANADE_SEED ?? Date.now() & 0x7fffffff);
  report(`seed ${seed}: replay with ESPLANADE_SEED=${seed}`);
  return seed;
}

export interface Footprint {
  readonly heap: number;
  readonly buffers: number;
  readonly resident: number;
}

/** Memory in octets after a collection. */
export function footprint(): Footprint {
  globalThis.gc?.();
  globalThis.gc?.();
  const { heapUsed, arrayBuffers, rss } = process.memoryUsage();
  return { heap: heapUsed, buffers: arrayBuffers, resident: rss };
}
