import assert from "node:assert/strict";
import { test } from "node:test";
import { type Millis, millis } from "#core/units";
import type { ChildUsage } from "#gateway/child-usage";
import { Deadlines } from "#gateway/deadlines";
import type { DirectorEffect, DirectorInput } from "#gateway/director-doors";
import { RekeyDirector } from "#gateway/rekey-director";
import { backOff, followerLimit, leadTime, pairLimits, softLimit, sparesFor } from "#gateway/rekey-timing";
import { SaState } from "#ipsec/sa";
import { childConfig } from "#test/sim/control-pair";
import { seededRandom } from "#test/sim/gateway-pair";

const NEVER = Number.POSITIVE_INFINITY;

function usageOf(keyOctets: number, packets = 0, state: number = SaState.MATURE, lastUsed = 0): ChildUsage {
  const direction = { keyOctets, octets: keyOctets, packets, lastUsed, state };
  return { inbound: direction, outbound: direction };
}

type Installed = Extract<DirectorInput, { kind: "installed" }>;

interface Rig {
  readonly director: RekeyDirector;
  readonly usage: Map<number, ChildUsage>;
  install(id: number, change?: Partial<Installed>, now?: number): DirectorEffect[];
}

function rig(lifetime: Parameters<typeof childConfig>[1], esn = true): Rig {
  const random = seededRandom(9);
  const usage = new Map<number, ChildUsage>();
  const director = new RekeyDirector({ random, usage: (id) => usage.get(id) ?? usageOf(0) });
  const { lifetime: full } = childConfig({}, lifetime);
  return {
    director,
    usage,
    install: (id, change = {}, now = 0) =>
      director.handle(
        {
          kind: "installed",
          id,
          family: "net",
          replaces: undefined,
          use: true,
          initiator: true,
          outbound: "later",
          took: millis(100),
          limits: pairLimits(full, esn, random, millis(now)),
          trigger: "start",
          probeAfter: millis(0),
          ...change,
        },
        millis(now),
      ),
  };
}

function until(director: RekeyDirector, end: number, answer: (effect: DirectorEffect, now: Millis) => void): void {
  for (let at = director.nextTimeout; at !== undefined && at <= end; at = director.nextTimeout)
    for (const effect of director.handle({ kind: "timeout" }, at)) answer(effect, at);
}

test("soft limits: hard less rate times lead, never before half, never after what is configured", () => {
  const lead = leadTime(millis(100), millis(50));
  assert.equal(lead, 100 + 2 * 50 + 2000);
  const rows: readonly (readonly [rate: number, rekey: number, soft: number])[] = [
    [0, NEVER, 100_000_000],
    [1000, NEVER, 100_000_000 - 2_200_000],
    [125_000, NEVER, 50_000_000],
    [1000, 90_000_000, 90_000_000],
    [125_000, 30_000_000, 30_000_000],
  ];
  for (const [rate, rekey, soft] of rows)
    assert.equal(softLimit(0, rekey, 100_000_000, rate, lead, 0), soft, `${rate} ${rekey}`);
  assert.ok(softLimit(0, NEVER, 100_000_000, 1000, lead, 0.05) < 93_000_000, "jitter comes on top");
  assert.equal(followerLimit(80, 100), 90);
});

test("spares: none where half a life is longer than the lead, else as many as live through it, bounded", () => {
  const lead = millis(2000);
  for (const [life, spares] of [
    [NEVER, 0],
    [4000, 0],
    [3999, 1],
    [1000, 2],
    [800, 3],
    [200, 10],
    [1, 16],
  ] as const)
    assert.equal(sparesFor(life, lead), spares, `${life} ms`);
});

test("back-off grows to half a minute, is drawn a little earlier, and hurries while a pair still lives", () => {
  const random = seededRandom(4);
  for (const [failures, left, most] of [
    [1, 100_000, 500],
    [3, 100_000, 2000],
    [20, NEVER, 30_000],
    [20, 8000, 2000],
    [20, 0, 30_000],
  ] as const) {
    const wait = backOff(failures, left, random);
    assert.ok(wait <= most && wait >= most * 0.75, `${failures} ${left}: ${wait}`);
  }
});

test("limits of swanctl.conf: the hard one is a tenth above a rekey limit alone; without ESN numbers end (RFC 4303 §3.3.3)", () => {
  const random = seededRandom(2);
  const { lifetime } = childConfig({}, { rekeyTime: millis(1000), rekeyPackets: 500, lifePackets: 900 });
  const { rekey, hard } = pairLimits(lifetime, false, random, millis(50));
  assert.deepEqual([rekey.time, hard.time], [1050, 50 + 1100]);
  assert.deepEqual([rekey.packets, hard.packets], [500, 900]);
  assert.equal(hard.octets, NEVER);
  assert.equal(pairLimits(childConfig().lifetime, false, random, millis(0)).hard.packets, 2 ** 32 - 1);
});

test("an hour's life of 10,000 tunnels set up in one second: their rekeys are spread over the whole of rand_time", () => {
  const { director, install } = rig({
    rekeyTime: millis(3_600_000),
    lifeTime: millis(3_960_000),
    randTime: millis(360_000),
  });
  for (let i = 0; i < 10_000; i++) install(i, { family: `net${i}` }, i / 10);
  const perSecond = new Map<number, number>();
  let first = NEVER;
  let last = 0;
  const asked = new Set<number>();
  until(director, 3_601_000, (effect, now) => {
    // Nobody answers here, so each is asked for again later.
    if (effect.kind !== "rekey" || asked.has(effect.id)) return;
    asked.add(effect.id);
    first = Math.min(first, now);
    last = Math.max(last, now);
    const second = Math.floor(now / 1000);
    perSecond.set(second, (perSecond.get(second) ?? 0) + 1);
  });
  const counts = [...perSecond.values()];
  assert.equal(
    counts.reduce((a, b) => a + b, 0),
    10_000,
  );
  assert.ok(last - first > 355_000, `${first} to ${last}`);
  assert.ok(Math.max(...counts) < 60, `${Math.max(...counts)} in one second, 28 on average`);
});

test("one side leads: who did not make the pair waits till half of what is left", () => {
  const times: number[] = [];
  for (const initiator of [true, false]) {
    const { director, install } = rig({ rekeyTime: millis(10_000), lifeTime: millis(20_000) });
    install(1, { initiator });
    until(director, 30_000, (effect, now) => {
      if (effect.kind === "rekey" && times.length < (initiator ? 1 : 2)) times.push(now);
    });
  }
  assert.deepEqual(times, [10_000, 15_000]);
});

test("rekey: the new pair is used, the old one deleted at the peer two round trips later, and discarded after five quiet seconds", () => {
  const { director, usage, install } = rig({ rekeyTime: millis(10_000), lifeTime: millis(20_000) });
  install(1);
  const seen: string[] = [];
  const note = (effects: readonly DirectorEffect[], now: number) => {
    for (const effect of effects) seen.push(`${now} ${effect.kind} ${"id" in effect ? effect.id : ""}`);
  };
  until(director, 10_000, (effect, now) => note([effect], now));
  note(install(2, { replaces: 1, use: false }, 10_100), 10_100);
  until(director, 10_399, (effect, now) => note([effect], now));
  note(director.handle({ kind: "removed", id: 1, drain: true }, millis(10_400)), 10_400);
  // Packets under way still come for three seconds.
  usage.set(1, usageOf(1000, 5));
  until(director, 13_000, (effect, now) => note([effect], now));
  usage.set(1, usageOf(1100, 6, SaState.MATURE, 13_100));
  until(director, 19_999, (effect, now) => note([effect], now));
  assert.deepEqual(seen.slice(0, 4), ["10000 rekey 1", "10100 prove 2", "10100 succeed 1", "10100 use 2"]);
  const [deleted, discard] = seen.slice(4);
  // Packets that left by the old one are at the peer before the delete is.
  assert.equal(deleted, "10300 delete 1");
  assert.match(discard ?? "", /^18\d{3} discard 1$/);
  assert.deepEqual(director.counts.table, { time: { done: 1, failed: 0, overtaken: 0 } });
});

test("a refused rekey is tried again with back-off until the pair ends; then the pair is given up", () => {
  const { director, usage, install } = rig({ rekeyTime: millis(60_000), lifeTime: millis(120_000) });
  install(1);
  const asked: number[] = [];
  const deleted: number[] = [];
  const answer = (effect: DirectorEffect, now: Millis) => {
    if (effect.kind === "delete") deleted.push(now);
    if (effect.kind !== "rekey") return;
    asked.push(now);
    if (now >= 120_000) usage.set(1, usageOf(0, 0, SaState.DEAD));
    for (const next of director.handle({ kind: "failed", family: "net" }, millis(now + 5))) answer(next, now);
  };
  until(director, 121_000, answer);
  const gaps = asked.slice(1).map((at, i) => at - (asked[i] ?? 0));
  assert.equal(asked[0], 60_000);
  assert.ok((gaps[0] ?? 0) < 600 && (gaps[3] ?? 0) > 2000, `${gaps}`);
  assert.ok(asked.length > 8 && asked.length < 60, `${asked.length} attempts`);
  assert.ok(deleted.length >= 1, "it carries nothing: a new beginning");
  assert.equal(director.counts.table.time?.["failed"], asked.length);
});

test("the peer's rekey of the same pair makes ours void, and is no failure", () => {
  const { director, install } = rig({ rekeyTime: millis(10_000), lifeTime: millis(20_000) });
  install(1);
  until(director, 10_000, () => undefined);
  install(2, { replaces: 1, use: false, initiator: false }, 10_010);
  director.handle({ kind: "use", id: 2 }, millis(10_020));
  director.handle({ kind: "removed", id: 1, drain: true }, millis(10_020));
  assert.deepEqual(director.counts.table, {
    peer: { done: 1, failed: 0, overtaken: 0 },
    time: { done: 0, failed: 0, overtaken: 1 },
  });
  assert.equal(director.family("net")?.current?.id, 2);
});

/** Pair 2 is the peer's, who may have got our answer at time 1000 or not. */
function unproven(): Rig & { readonly seen: string[]; note(effects: readonly DirectorEffect[], now: number): void } {
  const parts = rig({ lifeTime: millis(60_000) });
  parts.install(1);
  assert.deepEqual(parts.install(2, { replaces: 1, use: false, initiator: false }, 1000), []);
  const seen: string[] = [];
  const note = (effects: readonly DirectorEffect[], now: number) => {
    for (const effect of effects) seen.push(`${now} ${effect.kind} ${"id" in effect ? effect.id : ""}`);
  };
  return { ...parts, seen, note };
}

test("an answer that the peer may not have got: its pair becomes a successor when the peer proves to have it", () => {
  const { director, seen, note } = unproven();
  until(director, 1500, (effect, now) => note([effect], now));
  assert.deepEqual(seen, []);
  assert.deepEqual(director.handle({ kind: "proven", id: 2 }, millis(1500)), [
    { kind: "succeed", id: 1, successor: 2 },
  ]);
  assert.equal(director.family("net")?.current?.id, 1, "a proof is not a use");
});

test("what the peer makes of a pair, or its use, proves it too", () => {
  const { director, install } = unproven();
  const effects = install(3, { replaces: 2, use: false, initiator: false }, 1400);
  assert.deepEqual(effects, [{ kind: "succeed", id: 1, successor: 2 }], "3 itself is not proven");
  const used = unproven();
  used.note(used.director.handle({ kind: "use", id: 2 }, millis(1300)), 1300);
  assert.deepEqual(used.seen, ["1300 use 2"]);
  assert.equal(director.family("net")?.current?.id, 1);
});

test("a peer that proves nothing: its pair is used when repeats of a lost answer must have come", () => {
  const { director, seen, note } = unproven();
  until(director, 20_000, (effect, now) => note([effect], now));
  assert.deepEqual(seen, ["6000 succeed 1"]);
});

test("at the hard limit packets wait for the proof, and take the risk before they would be dropped", () => {
  const waiting = unproven();
  const dead = usageOf(10, 1, SaState.DEAD);
  waiting.usage.set(1, dead);
  const { director, seen, note } = waiting;
  note(director.handle({ kind: "limit", id: 1, hard: true }, millis(1100)), 1100);
  until(director, 2000, (effect, now) => note([effect], now));
  assert.deepEqual(seen, []);
  until(director, 10_000, (effect, now) => note([effect], now));
  const [first = ""] = seen;
  assert.match(first, /^4600 (use|succeed) /);
});

test("a pair of ours is proven to the peer by one dummy packet; a rival in front of it that is not holds nothing up", () => {
  const { director, install } = rig({ lifeTime: millis(60_000) });
  install(1);
  assert.deepEqual(install(2, { replaces: 1, use: false, initiator: false }, 1000), []);
  const effects = install(3, { replaces: 1, use: false }, 1010);
  assert.deepEqual(effects.slice(0, 3), [
    { kind: "prove", id: 3 },
    { kind: "succeed", id: 1, successor: 3 },
    { kind: "use", id: 3 },
  ]);
  assert.equal(director.family("net")?.current?.id, 3);
});

test("S30: a rekey of ours whose peer sets the commit bit is used when the peer said CONNECTED, or sends by it (RFC 2408 §3.1)", () => {
  for (const kind of ["proven", "use"] as const) {
    const { director, install, usage } = rig({ lifeTime: millis(60_000) });
    install(1);
    assert.deepEqual(install(2, { replaces: 1, use: false, outbound: "when-confirmed" }, 1000), []);
    // Not even when the former one has ended, and packets wait.
    usage.set(1, usageOf(0, 0, SaState.DEAD));
    assert.deepEqual(director.handle({ kind: "limit", id: 1, hard: true }, millis(2000)), []);
    const early: string[] = [];
    until(director, 20_000, ({ kind: effect }) => early.push(effect));
    assert.deepEqual(
      early.filter((effect) => effect === "use" || effect === "succeed" || effect === "prove"),
      [],
    );
    const effects = director.handle({ kind, id: 2 }, millis(20_100));
    assert.deepEqual(effects[0], { kind: "use", id: 2 });
    assert.equal(director.family("net")?.current?.id, 2);
  }
});

test("a rekey of ours whose last message nobody answers is used after twice an exchange, or when the peer sends by it (RFC 2409 §5.5)", () => {
  const { director, install } = rig({ lifeTime: millis(60_000) });
  install(1);
  assert.deepEqual(install(2, { replaces: 1, use: false, outbound: "when-settled" }, 1000), []);
  const used: Millis[] = [];
  until(director, 5000, ({ kind }, now) => {
    if (kind === "use") used.push(now);
  });
  assert.deepEqual(used, [1200]);
  assert.deepEqual(install(3, { replaces: 2, use: false, outbound: "when-settled" }, 6000), []);
  const [effect] = director.handle({ kind: "use", id: 3 }, millis(6010));
  assert.deepEqual(effect, { kind: "use", id: 3 });
});

test("a deadline that moved is due once, at its last time; the order is that of time", () => {
  const deadlines = new Deadlines();
  const random = seededRandom(3);
  const due = new Map<string, number>();
  for (let i = 0; i < 2000; i++) {
    const name = `n${random.next() % 300}`;
    const at = random.next() % 10_000;
    due.set(name, at);
    deadlines.set(name, millis(at));
  }
  deadlines.set("n1", undefined);
  due.delete("n1");
  const taken: [string, number][] = [];
  for (let now = 0; now <= 10_000; now += 10)
    for (let name = deadlines.take(millis(now)); name !== undefined; name = deadlines.take(millis(now))) {
      assert.ok((due.get(name) ?? NEVER) <= now && (due.get(name) ?? 0) > now - 10);
      taken.push([name, now]);
    }
  assert.equal(taken.length, due.size);
  assert.equal(deadlines.next, undefined);
});

test("a preflight is counted as start by who made it, and as peer by the other", () => {
  const ours = rig({});
  ours.install(1);
  ours.install(2, { replaces: 1, use: false });
  assert.deepEqual(Object.keys(ours.director.counts.table), ["start"]);
  const theirs = rig({});
  theirs.install(1, { initiator: false });
  theirs.install(2, { replaces: 1, use: false, initiator: false, trigger: "peer" });
  assert.deepEqual(Object.keys(theirs.director.counts.table), ["peer"]);
});

test("a first pair that the peer asked for waits for the proof that the peer has it (IKEv1's message 3, RFC 2409 §5.5)", () => {
  const { director, install } = rig({});
  assert.deepEqual(install(1, { use: false, initiator: false, trigger: "peer" }), []);
  assert.equal(director.family("net")?.current, undefined);
  assert.deepEqual(director.handle({ kind: "use", id: 1 }, millis(20)), [{ kind: "use", id: 1 }]);
  assert.equal(director.family("net")?.current?.id, 1);
});
