// Lifetimes as attributes, and RESPONDER-LIFETIME (RFC 2409 appendix A, RFC 2407 §4.5, §4.6.3.1).
import assert from "node:assert/strict";
import { test } from "node:test";
import { millis, octets } from "#core/units";
import {
  IPSEC_LIFE,
  ISAKMP_LIFE,
  isShorter,
  type Lifetime,
  lifetimeAttributes,
  readLifetime,
  readResponderLifetime,
  responderLifetime,
  shorterLifetime,
  UNLIMITED,
} from "#ike/v1/lifetimes";
import { hex, toHex } from "#test/vectors/load";
import { attribute } from "#wire/ike/v1/attributes";

function life(seconds: number, count: number = Number.POSITIVE_INFINITY): Lifetime {
  return { time: millis(seconds * 1000), octets: octets(count) };
}

test("S16: seconds and kilobytes of both phases go out and come back; what has no limit is not named", () => {
  for (const numbers of [ISAKMP_LIFE, IPSEC_LIFE]) {
    for (const lifetime of [life(28_800), life(3600, 100_000_000), life(86_400, 4000), UNLIMITED]) {
      assert.deepEqual(readLifetime(numbers, lifetimeAttributes(numbers, lifetime)), lifetime);
    }
    assert.deepEqual(lifetimeAttributes(numbers, UNLIMITED), []);
  }
  assert.deepEqual(lifetimeAttributes(ISAKMP_LIFE, life(86_400)), [
    { type: 11, short: true, value: hex("0001") },
    { type: 12, short: false, value: hex("00015180") },
  ]);
});

test("S18: 100,000,000 octets are told as 100,000 kilobytes, and a peer's kilobyte is never more than 1,000 octets here", () => {
  const attributes = lifetimeAttributes(IPSEC_LIFE, life(3600, 100_000_000));
  assert.deepEqual(attributes.slice(2), [attribute(1, 2), attribute(2, 100_000)]);
  assert.deepEqual(readLifetime(IPSEC_LIFE, [attribute(1, 2), attribute(2, 102_400)]), life(Infinity, 102_400_000));
});

test("a life is told in whole units, one at least, as much as four octets hold at most", () => {
  const told = (lifetime: Lifetime) => readLifetime(ISAKMP_LIFE, lifetimeAttributes(ISAKMP_LIFE, lifetime));
  assert.deepEqual(told(life(0.5, 10)), life(1, 1000));
  assert.deepEqual(told(life(90.9, 1999)), life(90, 1000));
  assert.deepEqual(told(life(2 ** 40, 2 ** 50)), life(2 ** 32 - 1, (2 ** 32 - 1) * 1000));
});

test("lives that say nothing, or two things, are refused (RFC 2407 §4.5)", () => {
  const [type, duration] = [11, 12];
  const read = (...pairs: readonly (readonly [number, number])[]) =>
    readLifetime(
      ISAKMP_LIFE,
      pairs.map(([one, value]) => attribute(one, value)),
    );
  assert.equal(read([duration, 5]), "a life duration without a type");
  assert.equal(read([type, 1]), "a life type without a duration");
  assert.equal(read([type, 1], [type, 2], [duration, 5]), "a life type without a duration");
  assert.equal(read([type, 1], [duration, 5], [duration, 6]), "a life duration without a type");
  assert.equal(read([type, 1], [duration, 5], [type, 1], [duration, 6]), "a life type twice");
  assert.equal(read([type, 3], [duration, 5]), "an unknown life type");
  assert.equal(read([type, 1], [duration, 0]), "a life duration of 0");
  const empty = { type: duration, short: false, value: new Uint8Array(0) };
  assert.equal(readLifetime(ISAKMP_LIFE, [attribute(type, 1), empty]), "a life duration of 0");
  // Of any length (RFC 2407 §4.5): more than anybody lives is no limit.
  const endless = { type: duration, short: false, value: hex("ff".repeat(20)) };
  assert.deepEqual(readLifetime(ISAKMP_LIFE, [attribute(type, 1), endless]), UNLIMITED);
});

test("the shorter of each counts, and is told to whoever offered longer", () => {
  assert.deepEqual(shorterLifetime(life(100, 5000), life(200, 4000)), life(100, 4000));
  assert.equal(isShorter(life(100), life(200)), true);
  assert.equal(isShorter(life(200, 4000), life(200)), true);
  assert.equal(isShorter(life(200), life(200)), false);
  assert.equal(isShorter(life(300), life(200, 1)), false);
});

test("RESPONDER-LIFETIME carries the attributes of its phase (RFC 2407 §4.6.3.1)", () => {
  const payload = responderLifetime(IPSEC_LIFE, 3, hex("01020304"), life(3600, 50_000_000));
  assert.deepEqual([payload.type, payload.protocol, toHex(payload.spi)], [24576, 3, "01020304"]);
  assert.equal(toHex(payload.data), "8001000180020e10800100028002c350");
  assert.deepEqual(readResponderLifetime(IPSEC_LIFE, payload), life(3600, 50_000_000));
  for (const data of ["80", "80020e10", "800100018002"]) {
    assert.equal(readResponderLifetime(IPSEC_LIFE, { ...payload, data: hex(data) }), undefined);
  }
});
