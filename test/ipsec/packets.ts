/** Packets and a slab for the data plane's tests; written from the RFCs' diagrams, not with the code under test. */

export const SLAB_OCTETS: number = 512 * 1024;

export interface Slab {
  readonly bytes: Uint8Array;
  readonly view: DataView;
}

export function slab(length: number = SLAB_OCTETS): Slab {
  const bytes = new Uint8Array(new SharedArrayBuffer(length));
  return { bytes, view: new DataView(bytes.buffer) };
}

/** Octets of "0a 00 00 01" and the like. */
export function hex(text: string): Uint8Array {
  return Uint8Array.from(text.match(/[0-9a-f]{2}/gi) ?? [], (pair) => Number.parseInt(pair, 16));
}

export function u16(value: number): number[] {
  return [(value >>> 8) & 0xff, value & 0xff];
}

export function u32(value: number): number[] {
  return [...u16(value >>> 16), ...u16(value)];
}

/** A 16-bit ones' complement sum the slow way: big numbers, one end-around carry at a time. */
export function slowChecksum(octets: readonly number[] | Uint8Array): number {
  let sum = 0;
  for (let i = 0; i < octets.length; i += 2) {
    sum += (octets[i] ?? 0) * 256 + (octets[i + 1] ?? 0);
    if (sum > 0xffff) sum -= 0xffff;
  }
  return 0xffff - sum;
}

export interface Ipv4Fields {
  readonly source?: readonly number[];
  readonly destination?: readonly number[];
  readonly protocol?: number;
  readonly tos?: number;
  readonly id?: number;
  /** Flags and offset. */
  readonly fragment?: number;
  readonly ttl?: number;
  readonly options?: readonly number[];
  readonly payload?: readonly number[] | Uint8Array;
}

export function ipv4(fields: Ipv4Fields = {}): Uint8Array {
  const options = fields.options ?? [];
  const payload = fields.payload ?? [];
  const header = [
    0x45 + options.length / 4,
    fields.tos ?? 0,
    ...u16(20 + options.length + payload.length),
    ...u16(fields.id ?? 0x1234),
    ...u16(fields.fragment ?? 0),
    fields.ttl ?? 64,
    fields.protocol ?? 17,
    0,
    0,
    ...(fields.source ?? [10, 1, 0, 1]),
    ...(fields.destination ?? [10, 2, 0, 1]),
    ...options,
  ];
  header.splice(10, 2, ...u16(slowChecksum(header)));
  return Uint8Array.from([...header, ...payload]);
}

export interface Ipv6Fields {
  readonly source?: readonly number[];
  readonly destination?: readonly number[];
  readonly next?: number;
  readonly trafficClass?: number;
  readonly hopLimit?: number;
  readonly payload?: readonly number[] | Uint8Array;
}

/** fd00::`last`. */
export function host6(last: number): number[] {
  return [0xfd, ...new Array<number>(14).fill(0), last];
}

export function ipv6(fields: Ipv6Fields = {}): Uint8Array {
  const payload = fields.payload ?? [];
  const trafficClass = fields.trafficClass ?? 0;
  return Uint8Array.from([
    0x60 | (trafficClass >>> 4),
    (trafficClass & 15) << 4,
    0,
    0,
    ...u16(payload.length),
    fields.next ?? 17,
    fields.hopLimit ?? 64,
    ...(fields.source ?? host6(1)),
    ...(fields.destination ?? host6(2)),
    ...payload,
  ]);
}

/** Source and destination port, length and a zero checksum, then data. */
export function udp(source: number, destination: number, data: readonly number[] | Uint8Array = []): number[] {
  return [...u16(source), ...u16(destination), ...u16(8 + data.length), 0, 0, ...data];
}

/** A generator of uniform 32-bit numbers from a seed (xorshift32): the same test on every run. */
export function seeded(seed: number): () => number {
  let state = seed | 0 || 1;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return state >>> 0;
  };
}

/** A RandomSource of `seeded`. */
export function seededRandom(seed: number): { fill(target: Uint8Array): void } {
  const next = seeded(seed);
  return {
    fill(target: Uint8Array): void {
      for (let i = 0; i < target.length; i++) target[i] = next() >>> 24;
    },
  };
}
