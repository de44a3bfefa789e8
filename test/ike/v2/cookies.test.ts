// Stateless cookies (RFC 7296 §2.6) on a virtual clock.
import assert from "node:assert/strict";
import { test } from "node:test";
import { type IpAddress, parseAddress } from "#core/address";
import { millis } from "#core/units";
import { type CookieRequest, Cookies, SECRET_LIFETIME } from "#ike/v2/cookies";
import { countingRandom, ramp } from "#test/ike/counting-random";
import { toHex } from "#test/vectors/load";

const T0 = millis(5_000_000);

function address(text: string): IpAddress {
  const parsed = parseAddress(text);
  assert.ok(parsed);
  return parsed;
}

const REQUEST: CookieRequest = { nonce: ramp(32), address: address("192.0.2.1"), initiatorSpi: 0x1122334455667788n };

test("row 5: a cookie proves this nonce, address and SPI, and no other", () => {
  const cookies = new Cookies(countingRandom());
  const cookie = cookies.make(REQUEST, T0);
  assert.equal(cookie.length, 17);
  assert.equal(cookies.check(cookie, REQUEST, T0), true);
  assert.equal(toHex(cookies.make(REQUEST, T0)), toHex(cookie), "nothing is kept: the same again");
  const others: CookieRequest[] = [
    { ...REQUEST, nonce: ramp(32, 1) },
    { ...REQUEST, nonce: ramp(31) },
    { ...REQUEST, address: address("192.0.2.2") },
    { ...REQUEST, address: address("2001:db8::1") },
    { ...REQUEST, initiatorSpi: 0x1122334455667789n },
  ];
  for (const other of others) assert.equal(cookies.check(cookie, other, T0), false);
  for (let at = 0; at < cookie.length; at++) {
    const forged = cookie.slice();
    forged[at] = (forged[at] ?? 0) ^ 1;
    assert.equal(cookies.check(forged, REQUEST, T0), false);
  }
  for (const length of [0, 1, 16]) assert.equal(cookies.check(cookie.subarray(0, length), REQUEST, T0), false);
  assert.equal(cookies.check(new Uint8Array(64), REQUEST, T0), false);
});

test("row 5: a cookie holds into the next secret's time and not beyond; the secret changes after 120 s", () => {
  for (const [age, holds] of [
    [0, true],
    [119_999, true],
    [120_000, true],
    [239_999, true],
    [240_000, false],
    [10_000_000, false],
  ] as const) {
    const cookies = new Cookies(countingRandom());
    const cookie = cookies.make(REQUEST, T0);
    assert.equal(cookies.check(cookie, REQUEST, millis(T0 + age)), holds, `${age} ms`);
    const fresh = cookies.make(REQUEST, millis(T0 + age));
    assert.equal(toHex(fresh) === toHex(cookie), age < SECRET_LIFETIME, `${age} ms`);
    assert.equal(cookies.check(fresh, REQUEST, millis(T0 + age)), true);
  }
});

test("row 5: with steady requests no cookie lives longer than two lifetimes of a secret", () => {
  const cookies = new Cookies(countingRandom());
  const made = new Map<number, Uint8Array>();
  for (let at = 0; at <= 1_000_000; at += 7_000) {
    made.set(at, cookies.make(REQUEST, millis(T0 + at)));
    for (const [since, cookie] of made) {
      const age = at - since;
      const holds = cookies.check(cookie, REQUEST, millis(T0 + at));
      if (age < SECRET_LIFETIME) assert.equal(holds, true, `${since} at ${at}`);
      if (age >= 2 * SECRET_LIFETIME) assert.equal(holds, false, `${since} at ${at}`);
    }
  }
});

test("another gateway's cookies prove nothing, nor does one that came before any was made", () => {
  const cookie = new Cookies(countingRandom()).make(REQUEST, T0);
  const random = countingRandom();
  random.fill(new Uint8Array(1));
  const other = new Cookies(random);
  assert.equal(other.check(cookie, REQUEST, T0), false);
  other.make(REQUEST, T0);
  assert.equal(other.check(cookie, REQUEST, T0), false);
});

test("who was asked for a cookie is remembered, and not more than the last 4096 of them", () => {
  const cookies = new Cookies(countingRandom());
  assert.equal(cookies.hasAsked(1n), false);
  for (let number = 1n; number <= 4096n; number++) cookies.make({ ...REQUEST, initiatorSpi: number }, T0);
  assert.ok(cookies.hasAsked(1n) && cookies.hasAsked(4096n));
  cookies.make({ ...REQUEST, initiatorSpi: 4097n }, T0);
  assert.ok(!cookies.hasAsked(1n) && cookies.hasAsked(2n) && cookies.hasAsked(4097n));
});
