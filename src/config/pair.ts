/** Both sides' files of a tunnel in the short form, with one fresh secret. */
import { wipe } from "#crypto/octets";

export interface PairSide {
  /** Address or name; `%any` where the other side is to wait for it. */
  readonly peer: string;
  /** Networks behind, with commas. */
  readonly networks: string;
}

/** Six lines: what one side says, `own` being it. */
export function tunnelText(name: string, own: PairSide, other: PairSide): string {
  return `tunnel ${name} {
  peer = ${other.peer}
  local = ${own.networks}
  remote = ${other.networks}
  psk = file:${pskFile(name)}
}
`;
}

export function pskFile(name: string): string {
  return `${name}.psk`;
}

/** Octets of a fresh secret: 256 bits, far beyond what can be tried (RFC 7296 §2.15). */
export const PSK_LENGTH = 32;

const DIGITS = new TextEncoder().encode("0123456789abcdef");

/** A file's content, `0x` and hex and a line end, as strongSwan reads it too; wipes `secret`. No string is made of it. */
export function pskText(secret: Uint8Array): Uint8Array {
  const text = new Uint8Array(2 * secret.length + 3);
  text.set([0x30, 0x78]);
  for (const [i, octet] of secret.entries()) {
    text[2 * i + 2] = DIGITS[octet >>> 4] ?? 0;
    text[2 * i + 3] = DIGITS[octet & 15] ?? 0;
  }
  text[text.length - 1] = 0x0a;
  wipe(secret);
  return text;
}
