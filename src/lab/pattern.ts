/** Octets that look random and are the same in every process: what arrives can be compared with what was sent. */

/** A stream repeats after this many octets. */
export const PATTERN_PERIOD = 262_144;

/** Twice the period, so that any piece up to one period is in one place. */
export const PATTERN: Buffer = makePattern();

function makePattern(): Buffer {
  const pattern = Buffer.alloc(2 * PATTERN_PERIOD);
  let state = 0x45535021;
  for (let i = 0; i < PATTERN_PERIOD; i += 4) {
    // Xorshift (Marsaglia 2003).
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    pattern.writeInt32LE(state | 0, i);
  }
  pattern.copyWithin(PATTERN_PERIOD, 0, PATTERN_PERIOD);
  return pattern;
}

/** The piece of the stream that begins `offset` octets after its start. */
export function patternAt(offset: number, length: number): Buffer {
  const start = offset % PATTERN_PERIOD;
  return PATTERN.subarray(start, start + length);
}
