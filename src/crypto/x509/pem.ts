/** PEM (RFC 7468) from octets to octets: what it wraps may be secret, so nothing becomes a string on the way. */
import { wipe } from "#crypto/octets";
import { CredentialError } from "./credential-error.ts";

export interface PemBlock {
  /** "CERTIFICATE", "PRIVATE KEY", … */
  readonly label: string;
  readonly octets: Uint8Array;
  /** It has headers as of RFC 1421, which only old encrypted keys do; `octets` is empty then. */
  readonly encrypted?: boolean;
}

const BLOCK_LIMIT = 10_000;
const DASHES = new TextEncoder().encode("-----");
const BEGIN = new TextEncoder().encode("-----BEGIN ");
const END = new TextEncoder().encode("-----END ");

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

/** All blocks of a file; what stands around them is skipped, none at all gives []. Throws CredentialError. */
export function decodePem(file: Uint8Array): PemBlock[] {
  const blocks: PemBlock[] = [];
  for (let at = find(file, BEGIN, 0); at >= 0; at = find(file, BEGIN, at)) {
    if (blocks.length === BLOCK_LIMIT) throw broken(`more than ${BLOCK_LIMIT} blocks`);
    const labelEnd = find(file, DASHES, at + BEGIN.length);
    const label = labelEnd < 0 ? "" : labelOf(file.subarray(at + BEGIN.length, labelEnd));
    const end = find(file, END, at);
    if (label === "" || end < labelEnd) throw broken("a BEGIN without its END");
    const body = file.subarray(labelEnd + DASHES.length, end);
    blocks.push(
      body.includes(0x3a) ? { label, octets: new Uint8Array(0), encrypted: true } : { label, octets: decode(body) },
    );
    at = end + END.length;
  }
  return blocks;
}

function broken(what: string): CredentialError {
  return new CredentialError(`the PEM file is broken: ${what}`, "copy it again, whole");
}

function find(octets: Uint8Array, wanted: Uint8Array, from: number): number {
  const first = wanted[0] ?? 0;
  for (let at = octets.indexOf(first, from); at >= 0; at = octets.indexOf(first, at + 1)) {
    if (wanted.every((octet, i) => octets[at + i] === octet)) return at;
  }
  return -1;
}

function labelOf(octets: Uint8Array): string {
  return octets.length <= 64 && octets.every((octet) => octet >= 0x20 && octet < 0x7f)
    ? String.fromCharCode(...octets)
    : "";
}

function base64Value(octet: number): number {
  if (octet >= 0x41 && octet <= 0x5a) return octet - 0x41;
  if (octet >= 0x61 && octet <= 0x7a) return octet - 0x61 + 26;
  if (octet >= 0x30 && octet <= 0x39) return octet - 0x30 + 52;
  if (octet === 0x2b) return 62;
  return octet === 0x2f ? 63 : -1;
}

function decode(body: Uint8Array): Uint8Array {
  const out = new Uint8Array(Math.ceil((body.length * 3) / 4));
  let length = 0;
  let bits = 0;
  let held = 0;
  let digits = 0;
  let pads = 0;
  for (const octet of body) {
    if (octet === 0x20 || (octet >= 0x09 && octet <= 0x0d)) continue;
    const value = base64Value(octet);
    if (octet === PAD) pads++;
    if (octet !== PAD && (value < 0 || pads > 0)) throw broken("octets that are no base64");
    if (octet === PAD) continue;
    digits++;
    held = ((held << 6) | value) & 0xffff;
    bits += 6;
    if (bits >= 8) {
      bits -= 8;
      out[length++] = (held >>> bits) & 0xff;
    }
  }
  if ((digits + pads) % 4 !== 0 || pads > 2) throw broken("base64 that is cut short");
  const octets = out.slice(0, length);
  wipe(out);
  return octets;
}
