/** The system's random octets. */
import { randomFillSync } from "node:crypto";
import type { RandomSource } from "#core/ports";

/**
 * Drawn ahead for short wants: a draw of eight octets costs 3 to 4 µs, however few they are, and an IKE handshake wants
 * five (4.5 % of the control thread's time in bench:handshakes). What was given out is wiped here.
 */
const shelf = new Uint8Array(4096);
const SHORT = 64;
let given = shelf.length;

export const systemRandom: RandomSource = {
  fill(target: Uint8Array): void {
    const { length } = target;
    if (length > SHORT) {
      randomFillSync(target);
      return;
    }
    if (given + length > shelf.length) {
      randomFillSync(shelf);
      given = 0;
    }
    target.set(shelf.subarray(given, given + length));
    shelf.fill(0, given, given + length);
    given += length;
  },
};
