import assert from "node:assert/strict";
import { test } from "node:test";
import { parseOptions, parseTest } from "#bench/netns/options";
import { candidates } from "#bench/netns/peers/roster";
import { OptionError } from "#bench/report/command-line";

test("without options the defaults measure everything once per round", () => {
  const { tests, rounds, seconds, mtu, suite, topology, congestion } = parseOptions([]);
  assert.deepEqual(
    tests.map((t) => t.name),
    ["tcp", "ndr64", "udp1400", "ping", "pingload", "rss", "idle"],
  );
  assert.deepEqual(
    [rounds, seconds, mtu, suite, topology, congestion],
    [3, 10, 1500, "aes128gcm16", "gateways", "reno"],
  );
});

test("a test's name carries its packet length or its number of streams", () => {
  assert.deepEqual(parseTest("ndr512"), { kind: "ndr", name: "ndr512", length: 512 });
  assert.deepEqual(parseTest("udp1400"), { kind: "udp", name: "udp1400", length: 1400 });
  assert.deepEqual(parseTest("tcp"), { kind: "tcp", name: "tcp", streams: 1 });
  assert.deepEqual(parseTest("tcp4"), { kind: "tcp", name: "tcp4", streams: 4 });
});

for (const name of ["ndr", "ndr51", "udp9001", "tcp0", "tcp65", "ping4", "http", ""])
  test(`"${name}" is no test: it would be measured wrongly or not at all`, () => {
    assert.throws(() => parseTest(name), OptionError);
  });

for (const args of [
  ["--rounds", "0"],
  ["--rounds", ""],
  ["--seconds", "ten"],
  ["--mtu", "1279"],
  ["--topology", "ring"],
  ["--crypto", "noble"],
  ["--tests", "tcp,ndr"],
  ["--unknown", "1"],
  ["stray"],
])
  test(`"${args.join(" ")}" is refused in one line`, () => {
    assert.throws(
      () => parseOptions(args),
      (error) => error instanceof OptionError && !error.message.includes("\n"),
    );
  });

test("link and esplanade are always rows, first, and once", () => {
  const rows = candidates(parseOptions(["--against", "openvpn,link,openvpn,esplanade,bound"]), "/nowhere", "0");
  assert.deepEqual(
    rows.map((row) => row.name),
    ["link", "esplanade", "openvpn", "bound"],
  );
});

test("an unknown row or suite is named before anything is started", () => {
  assert.throws(() => candidates(parseOptions(["--against", "openswan"]), "/nowhere", "0"), /openswan/);
  assert.throws(() => candidates(parseOptions(["--suite", "aes128"]), "/nowhere", "0"), OptionError);
  assert.throws(() => candidates(parseOptions(["--suite", "aes128gcm16-sha256"]), "/nowhere", "0"), OptionError);
});
