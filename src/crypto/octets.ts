/** What every algorithm needs of octets, and nothing of algorithms. */

/** Takes as long for different octets as for equal ones. */
export function equalOctets(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false;
  let difference = 0;
  for (let i = 0; i < a.length; i++) difference |= (a[i] ?? 0) ^ (b[i] ?? 0);
  return difference === 0;
}

export function joinOctets(parts: readonly Uint8Array[]): Uint8Array {
  let length = 0;
  for (const part of parts) length += part.length;
  const whole = new Uint8Array(length);
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

/** Also of a Buffer, whose `slice` shares its octets. */
export function copyOctets(octets: Uint8Array): Uint8Array {
  return new Uint8Array(octets);
}

/** Of constants: two digits an octet, nothing else. */
export function fromHex(digits: string): Uint8Array {
  return Uint8Array.from(digits.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16));
}

/** Overwrites keys that are no longer needed. Copies that the JavaScript engine made while moving them stay unknown. */
export function wipe(...secrets: readonly Uint8Array[]): void {
  for (const secret of secrets) secret.fill(0);
}
