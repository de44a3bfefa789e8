/** The Internet checksum (RFC 1071) and its incremental update (RFC 1624), on one slab's DataView. */

/** Sum of big-endian 16-bit words, not folded; an odd last octet counts as its word's high half. */
export function sumWords(view: DataView, offset: number, length: number, start: number): number {
  let sum = start;
  const end = offset + (length & ~1);
  // 65,535 octets sum to less than 2^31: no folding inside the loop.
  for (let at = offset; at < end; at += 2) sum += view.getUint16(at);
  if ((length & 1) !== 0) sum += view.getUint8(end) << 8;
  return sum;
}

/** Sum → 16 bits, end-around carry added. */
export function fold(sum: number): number {
  let folded = (sum & 0xffff) + (sum >>> 16);
  folded = (folded & 0xffff) + (folded >>> 16);
  return folded;
}

/** The checksum field's value over octets whose own checksum field is zero; 0 when the field is right as it stands. */
export function checksum(view: DataView, offset: number, length: number): number {
  return ~fold(sumWords(view, offset, length, 0)) & 0xffff;
}

/** Start sum of the IPv4 pseudo-header (RFC 9293 §3.1); addresses are read from the IPv4 header at `ip`. */
export function pseudoSum4(view: DataView, ip: number, protocol: number, length: number): number {
  return sumWords(view, ip + 12, 8, protocol + length);
}

/** Start sum of the IPv6 pseudo-header (RFC 8200 §8.1); addresses are read from the IPv6 header at `ip`. */
export function pseudoSum6(view: DataView, ip: number, protocol: number, length: number): number {
  return sumWords(view, ip + 8, 32, protocol + (length >>> 16) + (length & 0xffff));
}

// RFC 1624 §3 (eqn. 3): HC' = ~(~HC + ~m + m')
export function adjustChecksum(field: number, before: number, after: number): number {
  return ~fold((~field & 0xffff) + (~before & 0xffff) + (after & 0xffff)) & 0xffff;
}
