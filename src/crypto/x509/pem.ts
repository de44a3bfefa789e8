/** PEM (RFC 7468) from octets to octets: what it wraps may be secret, so nothing becomes a string on the way. */

export interface PemBlock {
  /** "CERTIFICATE", "PRIVATE KEY", … */
  readonly label: string;
  readonly octets: Uint8Array;
}

const LINE_OCTETS = 48;
const ALPHABET = new TextEncoder().encode("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/");
const PAD = 0x3d;
const NEWLINE = 0x0a;

/** One block, with lines of 64 characters. */
export function encodePem(block: PemBlock): Uint8Array {
  const { label, octets } = block;
  const begin = new TextEncoder().encode(`-----BEGIN ${label}-----\n`);
  const end = new TextEncoder().encode(`-----END ${label}-----\n`);
  const lines = Math.ceil(octets.length / LINE_OCTETS);
  const out = new Uint8Array(begin.length + Math.ceil(octets.length / 3) * 4 + lines + end.length);
  out.set(begin);
  let at = begin.length;
  for (let i = 0; i < octets.length; i += 3) {
    const triple = ((octets[i] ?? 0) << 16) | ((octets[i + 1] ?? 0) << 8) | (octets[i + 2] ?? 0);
    out[at++] = ALPHABET[triple >>> 18] ?? 0;
    out[at++] = ALPHABET[(triple >>> 12) & 63] ?? 0;
    out[at++] = i + 1 < octets.length ? (ALPHABET[(triple >>> 6) & 63] ?? 0) : PAD;
    out[at++] = i + 2 < octets.length ? (ALPHABET[triple & 63] ?? 0) : PAD;
    if (i % LINE_OCTETS === LINE_OCTETS - 3 || i + 3 >= octets.length) out[at++] = NEWLINE;
  }
  out.set(end, at);
  return out;
}
