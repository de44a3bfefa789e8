/** The last look at what is about to leave: every secret of the configuration, in every spelling, is taken out. */
import type { GatewayConfig } from "#core/policy";
import { wipe } from "#crypto/octets";

/** Shorter ones stand in words everywhere; they are kept out by what is written at all. */
const SHORTEST = 4;
/** Octets of a line of PEM (RFC 7468 §2): 64 characters. */
const PEM_LINE = 48;
const STAR = 0x2a;

/** Overwrites with stars, in place; how often. */
export function scrub(text: Uint8Array, config: GatewayConfig | undefined): number {
  let count = 0;
  for (const secret of secretsOf(config))
    for (const spelling of spellingsOf(secret)) {
      count += strike(text, spelling);
      wipe(spelling);
    }
  return count;
}

/** Those of the configuration itself, not copies. */
function secretsOf(config: GatewayConfig | undefined): readonly Uint8Array[] {
  const { secrets = [], keys = [] } = config?.ike?.credentials ?? {};
  const manual = (config?.sas ?? []).flatMap(({ inbound, outbound, outerAh }) =>
    [inbound, outbound, outerAh?.inbound, outerAh?.outbound].flatMap((one) =>
      one === undefined ? [] : [one.encryptionKey, one.integrityKey],
    ),
  );
  return [...secrets.map(({ secret }) => secret), ...keys.map(({ pkcs8 }) => pkcs8), ...manual];
}

/** As text, hex and base64, and as the lines of a PEM file. */
function spellingsOf(secret: Uint8Array): Uint8Array[] {
  if (secret.length < SHORTEST) return [];
  const lines = [];
  for (let at = 0; at + PEM_LINE <= secret.length; at += PEM_LINE)
    lines.push(base64Of(secret.subarray(at, at + PEM_LINE)));
  return [secret.slice(), hexOf(secret, LOWER), hexOf(secret, UPPER), withoutPadding(base64Of(secret)), ...lines];
}

const LOWER = new TextEncoder().encode("0123456789abcdef");
const UPPER = new TextEncoder().encode("0123456789ABCDEF");
const BASE64 = new TextEncoder().encode("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/");

function hexOf(octets: Uint8Array, digits: Uint8Array): Uint8Array {
  const text = new Uint8Array(octets.length * 2);
  for (const [i, octet] of octets.entries()) {
    text[2 * i] = digits[octet >>> 4] ?? 0;
    text[2 * i + 1] = digits[octet & 15] ?? 0;
  }
  return text;
}

function base64Of(octets: Uint8Array): Uint8Array {
  const text = new Uint8Array(Math.ceil(octets.length / 3) * 4).fill(0x3d);
  const digits = Math.ceil((octets.length * 8) / 6);
  for (let i = 0; i < digits; i++) {
    const bit = i * 6;
    const pair = ((octets[bit >>> 3] ?? 0) << 8) | (octets[(bit >>> 3) + 1] ?? 0);
    text[i] = BASE64[(pair >>> (10 - (bit & 7))) & 63] ?? 0;
  }
  return text;
}

function withoutPadding(text: Uint8Array): Uint8Array {
  const end = text.indexOf(0x3d);
  return end < 0 ? text : text.subarray(0, end);
}

function strike(text: Uint8Array, wanted: Uint8Array): number {
  const [first] = wanted;
  if (first === undefined) return 0;
  let count = 0;
  for (let at = text.indexOf(first); at >= 0; at = text.indexOf(first, at + 1)) {
    if (!wanted.every((octet, i) => text[at + i] === octet)) continue;
    text.fill(STAR, at, at + wanted.length);
    count++;
  }
  return count;
}
