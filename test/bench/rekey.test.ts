import assert from "node:assert/strict";
import { test } from "node:test";
import { countersOf } from "#bench/rekey/ike-loss";
import { parseOptions, SCENARIOS } from "#bench/rekey/options";
import { SaAccounts, summary } from "#bench/rekey/sa-accounts";
import {
  fewestRekeys,
  octetTargets,
  orders,
  type Run,
  shareOf,
  strongswanOrders,
  timeOrders,
  timeSeconds,
  timeTargets,
} from "#bench/rekey/scenarios";
import { childRekeys } from "#bench/rekey/tunnels";
import { OptionError } from "#bench/report/command-line";
import { allPass, atLeast, atMost, exactly, missed } from "#bench/report/targets";
import type { GatewayStatus } from "#core/operator";
import { spi } from "#core/units";
import { deviceDrops } from "#lab/device-drops";

test("without options the issue's run: 100,000,000 octets for 300 s, 200 rekeys by time, everything else a part of it", () => {
  const { scenarios, seconds, baselineSeconds, lossSeconds, peerSeconds, limit, rekeys } = parseOptions([]);
  assert.deepEqual(scenarios, SCENARIOS);
  assert.deepEqual([seconds, baselineSeconds, lossSeconds, peerSeconds], [300, 60, 120, 30]);
  assert.deepEqual([limit, rekeys], [100_000_000, 200]);
});

test("short runs have parts that are not shorter than they can be, and not longer than themselves", () => {
  const parts = (seconds: string) => {
    const { baselineSeconds, lossSeconds, peerSeconds } = parseOptions(["--seconds", seconds]);
    return [baselineSeconds, lossSeconds, peerSeconds];
  };
  assert.deepEqual(parts("20"), [10, 10, 10]);
  assert.deepEqual(parts("5"), [5, 5, 5]);
});

test("scenarios run in their own order, each once", () => {
  assert.deepEqual(parseOptions(["--scenarios", "time,octets,time"]).scenarios, ["octets", "time"]);
});

test("--ikev1 is another version of IKE for every run, and nothing else", () => {
  const versions = (args: readonly string[]) => {
    const options = parseOptions(args);
    const all = [...Object.values(orders(options)), ...timeOrders(options), ...strongswanOrders(options)];
    return new Set(all.map(({ plan }) => plan.version));
  };
  assert.deepEqual([...versions([]), ...versions(["--ikev1"])], [2, 1]);
  const { version: _1, ...first } = parseOptions(["--ikev1"]);
  const { version: _2, ...second } = parseOptions([]);
  assert.deepEqual(first, second);
});

for (const args of [
  ["--seconds", "0"],
  ["--limit", "1.5e6.1"],
  ["--limit", "1000000.5"],
  ["--rekeys", "3"],
  ["--scenarios", "octets,storm"],
  ["--rate", ""],
  ["stray"],
])
  test(`"${args.join(" ")}" is refused in one line`, () => {
    assert.throws(
      () => parseOptions(args),
      (error) => error instanceof OptionError && !error.message.includes("\n"),
    );
  });

test("a figure that was not measured meets no target", () => {
  for (const target of [atMost("x", Number.NaN, 1), atLeast("x", Number.NaN, 1), exactly("x", Number.NaN, 0)])
    assert.equal(target.pass, false);
  assert.deepEqual(missed([atLeast("share", Number.NaN, 0.9)]), ["share: not measured, wanted ≥ 0.9"]);
  assert.ok(allPass([atMost("x", 1, 1), atLeast("x", 1, 1), exactly("x", 0, 0)]));
});

function retired(inboundSpi: number, keyOctetsIn: number, outboundSpi: number, keyOctetsOut: number) {
  return {
    kind: "sa-retired",
    connection: "s2s",
    child: "net",
    inboundSpi: spi(inboundSpi),
    outboundSpi: spi(outboundSpi),
    keyOctetsIn,
    keyOctetsOut,
    packetsIn: 1,
    packetsOut: 1,
  } as const;
}

test("every SPI that ever lived is accounted for, at both gateways: one octet too many is found", () => {
  const [a, b] = [new SaAccounts("A"), new SaAccounts("B")];
  a.report(retired(0x1001, 10, 0x2001, 100));
  a.report({ kind: "child-up", connection: "s2s", child: "net", id: 1 });
  b.report(retired(0x2001, 101, 0x1001, 10));
  const found = summary([a, b], 100);
  assert.equal(found.count, 4);
  assert.deepEqual(found.largest, { name: "B in 0x00002001", keyOctets: 101 });
  assert.deepEqual(found.beyond, [found.largest]);
  assert.equal(found.meanRetiredOut, 55);
  assert.deepEqual(summary([a], 100).beyond, []);
});

const WHOLE = { sent: 1000, lost: 0, duplicated: 0, reordered: 0, damaged: 0, longestGap: 1 };

function run(gbitPerSecond: number, change: Partial<Run> = {}): Run {
  return {
    name: "octets",
    configured: "",
    load: { ...WHOLE, seconds: 10, gbitPerSecond },
    tunnel: {
      rekeys: {
        a: { child: { octets: 12 }, ike: {}, failed: 0 },
        b: { child: { octets: 1, peer: 12 }, ike: {}, failed: 0 },
      },
      childSas: 14,
      gatewayDrops: {},
      kernelDrops: {},
    },
    accounts: { count: 28, largest: { name: "A out", keyOctets: 1e8 }, beyond: [], meanRetiredOut: 1e8 },
    ikeLoss: undefined,
    ...change,
  };
}

test("the octet scenario passes at its limits, and fails by one octet, one datagram, one rekey or a slower stream", () => {
  const baselines = [run(1), run(1.2)];
  const verdict = (of: Run) =>
    octetTargets(of, baselines, 1e8)
      .filter(({ pass }) => !pass)
      .map(({ name }) => name);
  // 1.04 Gbit/s for 10 s are 13 limits of 100 MB.
  assert.deepEqual(verdict(run(1.04)), []);
  assert.deepEqual(verdict(run(0.98)), ["throughput, of baseline"]);
  const beyond = { name: "A out", keyOctets: 1e8 + 1 };
  assert.deepEqual(
    verdict(run(1.04, { accounts: { count: 1, largest: beyond, beyond: [beyond], meanRetiredOut: 0 } })),
    ["octets of the fullest SPI", "SPIs beyond the limit"],
  );
  assert.deepEqual(verdict(run(1.04, { accounts: undefined })), ["octets of the fullest SPI", "SPIs beyond the limit"]);
  const load = { ...WHOLE, seconds: 10, gbitPerSecond: 1.04 };
  assert.deepEqual(verdict(run(1.04, { load: { ...load, lost: 1 } })), ["datagrams lost"]);
  assert.deepEqual(verdict(run(1.04, { load: { ...load, duplicated: 1 } })), ["datagrams duplicated"]);
  assert.deepEqual(verdict(run(1.2)), ["rekeys by octets"]);
  assert.deepEqual(verdict(run(1.04, { ikeLoss: { messages: 400, lost: 0 } })), ["IKE messages lost"]);
});

test("the ratio uses the baselines before and after", () => {
  assert.equal(shareOf(run(1.1), [run(1), run(1.2)]), 1);
});

test("as many limits as the load has filled are the fewest rekeys that can have carried it", () => {
  assert.equal(fewestRekeys({ ...WHOLE, seconds: 10, gbitPerSecond: 0.8 }, 1e8), 10);
});

test("by time: each kind at each side has its share, and nothing else may have caused a rekey", () => {
  const side = (child: number, ike: number) => ({ child: { time: child }, ike: { time: ike }, failed: 0 });
  const runs = (others: Readonly<Record<string, number>>) =>
    [
      { a: side(50, 0), b: { ...side(0, 50), child: others } },
      { a: side(0, 50), b: side(49, 0) },
    ].map((rekeys) => run(1, { tunnel: { ...run(1).tunnel, rekeys } }));
  const names = (of: readonly Run[]) =>
    timeTargets(of, 200)
      .filter(({ pass }) => !pass)
      .map(({ name }) => name);
  assert.deepEqual(names(runs({ peer: 50, start: 1 })), ["rekeys of the child by B's time"]);
  assert.deepEqual(names(runs({ octets: 1 })), ["rekeys of the child by B's time", "rekeys by anything but time"]);
  assert.ok(timeSeconds(100) >= 50, "two timers, a second each");
});

test("of a status only what was done is a rekey; failures are told apart", () => {
  const table: GatewayStatus["rekeys"] = { time: { done: 3, failed: 1, overtaken: 2 }, peer: { done: 5 } };
  assert.deepEqual(childRekeys(table), { child: { time: 3, peer: 5 }, failed: 1 });
});

test("what nftables counted: messages, and those of them that were dropped", () => {
  const listing = `table inet ike-loss {
	chain in {
		type filter hook input priority filter; policy accept;
		udp dport 500 counter packets 12 bytes 3000 numgen random mod 100 < 1 counter packets 0 bytes 0 drop
		udp dport 4500 @th,64,32 0x0 counter packets 988 bytes 90000 numgen random mod 100 < 1 counter packets 11 bytes 1200 drop
	}
}`;
  assert.deepEqual(countersOf(listing), { messages: 1000, lost: 11 });
});

test("devices' drops are read from their columns", () => {
  const table = `Inter-|   Receive                                                |  Transmit
 face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed
  esp0:    1000      10    0    3    0     0          0         0     2000      20    0    7    0     0       0          0
`;
  assert.deepEqual(deviceDrops(table), [
    ["esp0 rx", 3],
    ["esp0 tx", 7],
  ]);
});
