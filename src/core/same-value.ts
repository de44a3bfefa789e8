/** Equality of plain data: configurations, of which a reload brings new ones that may say the same. */

/** Numbers, texts, octets, lists and records; a key that is undefined is as good as absent. */
export function sameValue(a: unknown, b: unknown): boolean {
  if (Object.is(a, b)) return true;
  if (typeof a !== "object" || typeof b !== "object" || a === null || b === null) return false;
  if (a instanceof Uint8Array || b instanceof Uint8Array)
    return a instanceof Uint8Array && b instanceof Uint8Array && sameOctets(a, b);
  if (Array.isArray(a) !== Array.isArray(b)) return false;
  if (Array.isArray(a) && Array.isArray(b)) return a.length === b.length && a.every((one, at) => sameValue(one, b[at]));
  return sameRecord(a, b);
}

/** Most of a configuration is compared again and again: no key is looked at more often than it takes. */
function sameRecord(a: object, b: object): boolean {
  let count = 0;
  for (const [key, value] of Object.entries(a)) {
    if (value === undefined) continue;
    if (!sameValue(value, Object.hasOwn(b, key) ? Reflect.get(b, key) : undefined)) return false;
    count++;
  }
  for (const value of Object.values(b)) if (value !== undefined) count--;
  return count === 0;
}

/** Without telling by its time where they differ: some are secrets. */
function sameOctets(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false;
  let difference = 0;
  for (let i = 0; i < a.length; i++) difference |= (a[i] ?? 0) ^ (b[i] ?? 0);
  return difference === 0;
}
