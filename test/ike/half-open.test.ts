// Half-open IKE SAs and budgets of unproven sources, rows 5–7, on a virtual clock.
import assert from "node:assert/strict";
import { test } from "node:test";
import { addressOf, type IpAddress, parseAddress } from "#core/address";
import { millis } from "#core/units";
import { DEFAULT_HALF_OPEN_LIMITS, HalfOpen, MAX_BUDGETED_SOURCES } from "#ike/half-open";

const T0 = millis(1000);
const LIMITS = DEFAULT_HALF_OPEN_LIMITS;

function address(text: string): IpAddress {
  const parsed = parseAddress(text);
  assert.ok(parsed);
  return parsed;
}

function source(n: number): IpAddress {
  return addressOf(Uint8Array.of(10, n >>> 16, n >>> 8, n));
}

const A = address("192.0.2.1");
const B = address("192.0.2.2");

test("row 5: three half-open SAs of a source are free, then it needs a cookie, at 20 it is refused; others are not", () => {
  const halfOpen = new HalfOpen();
  const verdicts: string[] = [];
  for (let id = 0; id < 21; id++) {
    const verdict = halfOpen.judge(A, T0);
    verdicts.push(verdict);
    if (verdict !== "refuse") halfOpen.open(id, A, T0);
  }
  const expected = [...Array(3).fill("accept"), ...Array(17).fill("demand-cookie"), "refuse"];
  assert.deepEqual(verdicts, expected);
  assert.equal(halfOpen.judge(B, T0), "accept");
  assert.equal(halfOpen.count, 20);
});

test("row 5: at 100 half-open SAs everybody needs a cookie, at the total all are refused", () => {
  const halfOpen = new HalfOpen();
  for (let id = 0; id < LIMITS.cookieTotal; id++) {
    assert.equal(halfOpen.judge(source(id), T0), "accept");
    halfOpen.open(id, source(id), T0);
  }
  assert.equal(halfOpen.judge(A, T0), "demand-cookie");
  for (let id = LIMITS.cookieTotal; id < LIMITS.total; id++) halfOpen.open(id, source(id), T0);
  assert.equal(halfOpen.judge(A, T0), "refuse");
  halfOpen.close(5);
  assert.equal(halfOpen.judge(A, T0), "demand-cookie");
});

test("row 5: what stays half-open ends after 30 s, oldest first; what was established does not", () => {
  const halfOpen = new HalfOpen();
  for (const id of [1, 2, 3]) halfOpen.open(id, A, millis(T0 + id * 1000));
  halfOpen.close(2);
  halfOpen.close(77);
  assert.equal(halfOpen.nextTimeout, T0 + 31_000);
  assert.deepEqual(halfOpen.expire(millis(T0 + 30_999)), []);
  assert.deepEqual(halfOpen.expire(millis(T0 + 40_000), 1), [1]);
  assert.equal(halfOpen.nextTimeout, T0 + 33_000, "what a limit leaves is still due");
  assert.deepEqual(halfOpen.expire(millis(T0 + 40_000)), [3]);
  assert.equal(halfOpen.nextTimeout, undefined);
  assert.equal(halfOpen.count, 0);
  assert.equal(halfOpen.judge(A, T0), "accept", "its count went down with them");
});

test("an IPv6 source is its /64", () => {
  const halfOpen = new HalfOpen();
  for (let id = 0; id < 3; id++) halfOpen.open(id, address(`2001:db8:0:1::${id + 1}`), T0);
  assert.equal(halfOpen.judge(address("2001:db8:0:1:ffff::9"), T0), "demand-cookie");
  assert.equal(halfOpen.judge(address("2001:db8:0:2::1"), T0), "accept");
});

test("row 7: a source gets its burst of key exchanges, then its rate, and does not spend what others may", () => {
  const halfOpen = new HalfOpen({ ...LIMITS, ratePerSource: 10, burstPerSource: 5 });
  const granted = (who: IpAddress, at: number) =>
    Array.from({ length: 20 }, () => halfOpen.spend(who, millis(at))).filter((one) => one).length;
  assert.equal(granted(A, T0), 5);
  assert.equal(granted(A, T0), 0);
  assert.equal(granted(B, T0), 5);
  assert.equal(granted(A, T0 + 99), 0);
  assert.equal(granted(A, T0 + 100), 1);
  assert.equal(granted(A, T0 + 10_000), 5, "never more than the burst");
});

test("row 7: 2,000 requests a second from random sources cost the global rate, and cookies are demanded meanwhile", () => {
  const limits = { ...LIMITS, rate: 100, burst: 200 };
  const halfOpen = new HalfOpen(limits);
  let granted = 0;
  let demanded = 0;
  for (let i = 0; i < 20_000; i++) {
    const now = millis(T0 + i / 2);
    if (halfOpen.judge(source(i), now) === "demand-cookie") demanded++;
    if (halfOpen.spend(source(i), now)) granted++;
  }
  // 10 s: the burst and 100 a second.
  assert.ok(granted >= 1150 && granted <= 1200, `${granted}`);
  assert.ok(demanded > 19_000, `${demanded}`);
  assert.equal(halfOpen.judge(A, millis(T0 + 12_000)), "accept", "two quiet seconds later");
});

test("row 5: an attacker with 50,000 sources makes no memory grow", () => {
  const halfOpen = new HalfOpen();
  let id = 0;
  for (let i = 0; i < 50_000; i++) {
    const from = source(i * 7919);
    halfOpen.spend(from, T0);
    if (halfOpen.judge(from, T0) !== "refuse") halfOpen.open(id++, from, T0);
  }
  assert.equal(halfOpen.count, LIMITS.total);
  assert.ok(halfOpen.rememberedSources <= LIMITS.total + MAX_BUDGETED_SOURCES);
  halfOpen.expire(millis(T0 + 30_000));
  assert.equal(halfOpen.rememberedSources, MAX_BUDGETED_SOURCES);
});

test("a clock that stands still or an unknown id changes nothing; the same id opened twice counts once", () => {
  const halfOpen = new HalfOpen();
  halfOpen.open(1, A, T0);
  halfOpen.open(1, A, T0);
  assert.equal(halfOpen.count, 1);
  halfOpen.close(1);
  assert.equal(halfOpen.rememberedSources, 0);
});

test("row 7: what proposes without a cookie is looked at 200 times a second, whoever sends it", () => {
  const halfOpen = new HalfOpen();
  const looked = (from: number, count: number) =>
    Array.from({ length: count }, (_, i) => halfOpen.look(millis(from + (i * 1000) / count))).filter(Boolean).length;
  assert.equal(looked(0, 20_000), LIMITS.burstUnproven + LIMITS.rateUnproven - 1);
  assert.equal(looked(1000, 20_000), LIMITS.rateUnproven);
});

test("who has most is known however they come and go; nobody is it while each source has one", () => {
  const halfOpen = new HalfOpen();
  halfOpen.open(1, A, T0);
  halfOpen.open(2, B, T0);
  assert.equal(halfOpen.crowd(), undefined);
  assert.deepEqual([...halfOpen.all()], [1, 2]);
  halfOpen.open(3, B, T0);
  halfOpen.open(4, A, T0);
  halfOpen.open(5, B, T0);
  assert.deepEqual(halfOpen.crowd(), [2, 3, 5]);
  assert.deepEqual([halfOpen.ofSource(A), halfOpen.ofSource(source(7))], [[1, 4], []]);
  halfOpen.close(3);
  halfOpen.close(2);
  assert.deepEqual(halfOpen.crowd(), [1, 4]);
  halfOpen.expire(millis(T0 + 30_000));
  assert.deepEqual([halfOpen.crowd(), halfOpen.ofSource(B), halfOpen.rememberedSources], [undefined, [], 0]);
});

test("a source's own budget stays its own when strangers have spent everybody's", () => {
  const halfOpen = new HalfOpen({ ...LIMITS, rate: 10, burst: 10, ratePerSource: 10, burstPerSource: 5 });
  for (let i = 0; i < 10; i++) assert.ok(halfOpen.spend(source(i), T0));
  assert.ok(!halfOpen.spend(A, T0));
  assert.deepEqual(
    Array.from({ length: 7 }, () => halfOpen.spendOwn(A, T0)),
    [true, true, true, true, true, false, false],
  );
});
