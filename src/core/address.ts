/** IPv4 and IPv6 addresses as octets in network order, with their text forms (RFC 4291 §2.2, RFC 5952). */

export type Family = 4 | 6;

export interface IpAddress {
  readonly family: Family;
  /** 4 or 16 octets in network order. */
  readonly octets: Uint8Array;
}

/** A prefix; `octets` beyond `length` bits are zero. */
export interface Prefix {
  readonly address: IpAddress;
  /** 0–32 or 0–128. */
  readonly length: number;
}

/** Where datagrams go to or come from. Port 0 where there are no ports (raw ESP and AH). */
export interface Endpoint {
  readonly address: IpAddress;
  readonly port: number;
}

export function addressOf(octets: Uint8Array): IpAddress {
  return { family: octets.length === 4 ? 4 : 6, octets };
}

/** Returns undefined when the text is no address: the caller knows the place to complain about. */
export function parseAddress(text: string): IpAddress | undefined {
  return text.includes(":") ? parseIpv6(text) : parseIpv4(text);
}

function parseIpv4(text: string): IpAddress | undefined {
  const parts = text.split(".");
  if (parts.length !== 4) return undefined;
  const octets = new Uint8Array(4);
  for (let i = 0; i < 4; i++) {
    const part = parts[i] ?? "";
    if (!/^(0|[1-9]\d{0,2})$/.test(part) || Number(part) > 255) return undefined;
    octets[i] = Number(part);
  }
  return { family: 4, octets };
}

function parseIpv6(text: string): IpAddress | undefined {
  const halves = text.split("::");
  if (halves.length > 2) return undefined;
  const head = groups(halves[0] ?? "");
  const tail = halves.length === 2 ? groups(halves[1] ?? "") : [];
  if (head === undefined || tail === undefined) return undefined;
  const missing = 8 - head.length - tail.length;
  if (halves.length === 2 ? missing < 1 : missing !== 0) return undefined;
  const all = [...head, ...new Array<number>(missing).fill(0), ...tail];
  const octets = new Uint8Array(16);
  for (let i = 0; i < 8; i++) {
    const group = all[i] ?? 0;
    octets[2 * i] = group >>> 8;
    octets[2 * i + 1] = group & 0xff;
  }
  return { family: 6, octets };
}

function groups(text: string): number[] | undefined {
  if (text === "") return [];
  const out: number[] = [];
  const parts = text.split(":");
  for (let i = 0; i < parts.length; i++) {
    const part = parts[i] ?? "";
    if (i === parts.length - 1 && part.includes(".")) {
      const v4 = parseIpv4(part)?.octets;
      if (v4 === undefined) return undefined;
      out.push(((v4[0] ?? 0) << 8) | (v4[1] ?? 0), ((v4[2] ?? 0) << 8) | (v4[3] ?? 0));
    } else {
      if (!/^[0-9a-fA-F]{1,4}$/.test(part)) return undefined;
      out.push(Number.parseInt(part, 16));
    }
  }
  return out;
}

/** RFC 5952: lower case, the longest run of two or more zero groups as `::`. */
export function addressToString(address: IpAddress): string {
  if (address.family === 4) return address.octets.join(".");
  const words = addressWords16(address);
  let bestStart = -1;
  let bestLength = 1;
  for (let i = 0; i < 8; i++) {
    let run = 0;
    while (i + run < 8 && words[i + run] === 0) run++;
    if (run > bestLength) {
      bestStart = i;
      bestLength = run;
    }
  }
  const hex = (from: number, to: number) =>
    words
      .slice(from, to)
      .map((w) => w.toString(16))
      .join(":");
  if (bestStart < 0) return hex(0, 8);
  return `${hex(0, bestStart)}::${hex(bestStart + bestLength, 8)}`;
}

function addressWords16(address: IpAddress): number[] {
  const words: number[] = [];
  for (let i = 0; i < 16; i += 2) words.push(((address.octets[i] ?? 0) << 8) | (address.octets[i + 1] ?? 0));
  return words;
}

/** The address as big-endian 32-bit words, signed; IPv4 fills only the first. This is the form of the shared tables. */
export function addressWords(address: IpAddress): readonly [number, number, number, number] {
  const view = new DataView(address.octets.buffer, address.octets.byteOffset, address.octets.byteLength);
  if (address.family === 4) return [view.getInt32(0), 0, 0, 0];
  return [view.getInt32(0), view.getInt32(4), view.getInt32(8), view.getInt32(12)];
}

export function addressFromWords(family: Family, words: ArrayLike<number>, at = 0): IpAddress {
  const octets = new Uint8Array(family === 4 ? 4 : 16);
  const view = new DataView(octets.buffer);
  for (let i = 0; i < octets.length / 4; i++) view.setInt32(4 * i, words[at + i] ?? 0);
  return { family, octets };
}

export function parsePrefix(text: string): Prefix | undefined {
  const slash = text.indexOf("/");
  const address = parseAddress(slash < 0 ? text : text.slice(0, slash));
  if (address === undefined) return undefined;
  const bits = address.octets.length * 8;
  const lengthText = slash < 0 ? String(bits) : text.slice(slash + 1);
  if (!/^\d{1,3}$/.test(lengthText) || Number(lengthText) > bits) return undefined;
  const length = Number(lengthText);
  return { address: { family: address.family, octets: fillHostBits(address.octets, length, 0) }, length };
}

export function prefixToString(prefix: Prefix): string {
  return `${addressToString(prefix.address)}/${prefix.length}`;
}

/** First and last address of a prefix. */
export function prefixRange(prefix: Prefix): { readonly first: IpAddress; readonly last: IpAddress } {
  const { family, octets } = prefix.address;
  return {
    first: { family, octets: fillHostBits(octets, prefix.length, 0) },
    last: { family, octets: fillHostBits(octets, prefix.length, 1) },
  };
}

function fillHostBits(octets: Uint8Array, length: number, bit: 0 | 1): Uint8Array {
  const out = Uint8Array.from(octets);
  for (let i = 0; i < out.length; i++) {
    const kept = Math.min(8, Math.max(0, length - 8 * i));
    const hostMask = 0xff >>> kept;
    out[i] = bit === 1 ? (out[i] ?? 0) | hostMask : (out[i] ?? 0) & ~hostMask;
  }
  return out;
}

/** Negative, zero or positive; IPv4 sorts before IPv6. */
export function compareAddresses(a: IpAddress, b: IpAddress): number {
  if (a.family !== b.family) return a.family - b.family;
  for (let i = 0; i < a.octets.length; i++) {
    const d = (a.octets[i] ?? 0) - (b.octets[i] ?? 0);
    if (d !== 0) return d;
  }
  return 0;
}

/** The prefix that is exactly first–last; undefined: it takes several. */
export function rangeToPrefix(first: IpAddress, last: IpAddress): Prefix | undefined {
  let length = 0;
  for (let i = 0; i < first.octets.length; i++) {
    const differing = (first.octets[i] ?? 0) ^ (last.octets[i] ?? 0);
    length += Math.clz32(differing) - 24;
    if (differing !== 0) break;
  }
  const whole = prefixRange({ address: first, length });
  const isWhole = compareAddresses(whole.first, first) === 0 && compareAddresses(whole.last, last) === 0;
  return isWhole ? { address: first, length } : undefined;
}

/** The fewest prefixes that together cover first–last (for routes). */
export function rangeToPrefixes(first: IpAddress, last: IpAddress): Prefix[] {
  const bits = first.octets.length * 8;
  const toBig = (a: IpAddress) => a.octets.reduce((n, o) => (n << 8n) | BigInt(o), 0n);
  const fromBig = (n: bigint): IpAddress => {
    const octets = new Uint8Array(bits / 8);
    for (let i = octets.length - 1, rest = n; i >= 0; i--, rest >>= 8n) octets[i] = Number(rest & 0xffn);
    return { family: first.family, octets };
  };
  const out: Prefix[] = [];
  const end = toBig(last);
  for (let at = toBig(first); at <= end; ) {
    let host = 0;
    while (host < bits && (at & (1n << BigInt(host))) === 0n && at + (1n << BigInt(host + 1)) - 1n <= end) host++;
    out.push({ address: fromBig(at), length: bits - host });
    at += 1n << BigInt(host);
  }
  return out;
}
