import assert from "node:assert/strict";
import { test } from "node:test";
import { measureEngines } from "#bench/handshakes/engine-pair";
import { Initiators } from "#bench/handshakes/initiators";
import { PARTS, parseOptions } from "#bench/handshakes/options";
import { initiatorConfig, responderAddress, responderConfig, SOURCES, sourceAddresses } from "#bench/handshakes/plan";
import { type ResponderRun, stallTargets, summaryOf } from "#bench/handshakes/report";
import { slowWork } from "#bench/handshakes/slow-work";
import { OptionError } from "#bench/report/command-line";
import { missed } from "#bench/report/targets";
import { addressToString } from "#core/address";
import { millis, spi } from "#core/units";
import { IkeEngine } from "#ike/engine";
import { systemRandom } from "#io/system-random";

test("without options everything is measured, the stall with a thousand under way", () => {
  const { parts, rounds, crowd, concurrency } = parseOptions([]);
  assert.deepEqual([parts, rounds, crowd, concurrency], [PARTS, 3, 1000, 64]);
});

for (const args of [
  ["--parts", "engine,kernel"],
  ["--crowd", "0"],
  ["--rounds", "1.5"],
  ["--seconds", "soon"],
])
  test(`"${args.join(" ")}" is refused in one line`, () => {
    assert.throws(
      () => parseOptions(args),
      (error) => error instanceof OptionError && !error.message.includes("\n"),
    );
  });

const LOAD = { seconds: 5, established: 500, failed: 0, p50: 10, p99: 20, underWay: 1000, cpuSeconds: 1 };

test("a control thread that keeps others waiting, an idle crowd and a lost datagram are missed targets", () => {
  const good = {
    load: LOAD,
    stall: { p50: 1, p99: 20, max: 300, samples: 1000 },
    sent: 10_000,
    lost: 0,
    duplicated: 0,
    longestGap: 5,
  };
  assert.deepEqual(missed(stallTargets(good, 1000)), []);
  const bad = {
    ...good,
    load: { ...LOAD, underWay: 10, established: 0 },
    stall: { ...good.stall, p99: 20.1 },
    lost: 1,
  };
  assert.deepEqual(missed(stallTargets(bad, 1000)), [
    "control thread's stall p99 in ms: 20.1, wanted ≤ 20",
    "handshakes under way: 10, wanted ≥ 900",
    "handshakes done meanwhile: 0, wanted ≥ 1",
    "datagrams lost beside them: 1, wanted = 0",
  ]);
});

test("a responder's rounds become its median rate and what a handshake costs it", () => {
  const round = (established: number): ResponderRun => ({
    responder: "esplanade",
    round: 1,
    load: { ...LOAD, established, failed: 1 },
    cpuSeconds: 2,
  });
  const runs = [round(500), round(1000), round(2000)];
  const found = summaryOf(runs, "esplanade");
  assert.deepEqual([found?.perSecond.median, found?.cpuMillis.median, found?.failed], [200, 2, 3]);
  assert.equal(summaryOf(runs, "strongswan"), undefined);
});

test("two engines of the plan finish their handshakes, each with its parts timed", () => {
  const { whole, initiator, responder, respond } = measureEngines(10);
  assert.equal(whole.count, 10);
  for (const part of [initiator, responder, respond]) assert.ok(part.min > 0);
});

test("initiators keep so many handshakes under way, each from its source and of its own identity", () => {
  const secret = `0x${"5a".repeat(32)}`;
  const sources = sourceAddresses(3);
  const remote = { address: responderAddress(), port: 500 };
  const responder = new IkeEngine({
    random: systemRandom,
    spis: { draw: () => spi(0x100), giveBack: () => undefined },
  });
  const now = millis(1000);
  const identities = new Set<string>();
  const work = slowWork();
  const toResponder: { readonly octets: Uint8Array; readonly source: number }[] = [];
  const initiators = new Initiators(
    {
      random: systemRandom,
      config: initiatorConfig(secret),
      sources,
      work,
      send: (octets, source) => void toResponder.push({ octets, source }),
    },
    remote.address,
  );
  const give = (input: Parameters<IkeEngine["handle"]>[0]): void => {
    for (const effect of responder.handle(input, now)) {
      if (effect.kind === "compute") give({ kind: "computed", job: effect.job, result: work(effect.work) });
      if (effect.kind === "report" && effect.report.kind === "ike-up") identities.add(effect.report.ike.remoteIdentity);
      if (effect.kind !== "send") continue;
      const to = addressToString(effect.remote.address);
      const source = sources.findIndex((address) => addressToString(address) === to);
      initiators.datagram(effect.octets, source, now);
    }
  };
  give({ kind: "configure", config: responderConfig(secret) });
  give({ kind: "addresses", local: [remote] });
  initiators.keep(5, now);
  for (let i = 0; i < 40; i++) {
    const next = toResponder.shift();
    const address = sources[next?.source ?? -1];
    assert.ok(next !== undefined && address !== undefined);
    give({ kind: "datagram", octets: next.octets, local: remote, remote: { address, port: 500 } });
    assert.equal(initiators.underWay, 5);
  }
  const { established, failed } = initiators.take();
  assert.equal(failed, 0);
  assert.ok(established >= 15, `${established}`);
  assert.equal(identities.size, established);
});

test("enough sources that no limit of half-open IKE SAs for one of them is met by a thousand", () => {
  assert.ok(1000 / SOURCES <= 5);
  assert.equal(new Set(sourceAddresses().map(addressToString)).size, SOURCES);
});
