import assert from "node:assert/strict";
import { test } from "node:test";
import { readArguments } from "#cli/command";
import { top, watch } from "#cli/top";
import { topLines } from "#control/top-text";
import type { GatewayStatus } from "#core/operator";
import { STATUS, TUNNEL } from "#test/control/sample";

const WIDE = { columns: 200, rows: 50 };

/** A gateway `seconds` later, with so much more traffic a second. */
function later(status: GatewayStatus, seconds: number, octets: number): GatewayStatus {
  const [tunnel = TUNNEL] = status.tunnels;
  const grown = {
    ...tunnel,
    octetsIn: tunnel.octetsIn + octets * seconds,
    packetsIn: tunnel.packetsIn + 1000 * seconds,
  };
  const drops = { ...status.drops, "no-sa": (status.drops["no-sa"] ?? 0) + 2 * seconds };
  return { ...status, upMillis: status.upMillis + 1000 * seconds, tunnels: [grown, ...status.tunnels.slice(1)], drops };
}

test("top shows rates, SAs with the budget that ends first, and drops with what came since the last look", () => {
  const life = {
    ageMillis: 10,
    rekeyMillis: 5,
    expiryMillis: 90,
    packets: 1,
    rekeyPackets: undefined,
    lifePackets: undefined,
  };
  const spent = { ...TUNNEL, life: { ...life, octets: 31, rekeyOctets: 80, lifeOctets: 100 } };
  const before = { ...STATUS, tunnels: [spent] };
  const lines = topLines(later(before, 2, 1e6), before, WIDE);
  assert.match(lines[0] ?? "", /^esp0 up 3 h: 1 of 1 tunnels up, 0 IKE SAs; in 8\.0 Mbit\/s, out -; control thread/);
  assert.match(
    lines[2] ?? "",
    /^hq\/net +up +203\.0\.113\.2:4500 +8\.0 Mbit\/s +- +1000 +2 +\[###\.{7}\] 31 % +in 55 m$/,
  );
  assert.ok(lines.includes("dropped: no-sa 44 (+2/s), replayed 3"), lines.join("\n"));
});

test("top: the tunnels that carry most come first, and what does not fit is counted", () => {
  const tunnels = ["a", "b", "c", "d"].map((connection) => ({ ...TUNNEL, connection }));
  const before = { ...STATUS, tunnels };
  const now = {
    ...before,
    upMillis: before.upMillis + 1000,
    tunnels: tunnels.map((t, i) => ({ ...t, octetsOut: t.octetsOut + i })),
  };
  const lines = topLines(now, before, { columns: 30, rows: 8 });
  assert.deepEqual(
    [lines[2]?.slice(0, 5), lines[4]?.slice(0, 5), lines[5]],
    ["d/net", "b/net", "… and 1 tunnels more"],
  );
  assert.ok(lines.length <= 8 && lines.every((line) => line.length <= 30));
});

test("top: without a former look, and after a restart, no rate is made up", () => {
  for (const before of [undefined, { ...STATUS, pid: 1 }, later(STATUS, 5, 1e6)]) {
    const [head = "", , tunnel = ""] = topLines(STATUS, before, WIDE);
    assert.doesNotMatch(head, /; in /);
    assert.match(tunnel, /4500 +- +- +- /);
  }
});

/** Runs `top` with a clock that only its own pauses move. */
async function watched(words: readonly string[], terminal: boolean, looks: number) {
  let [out, err, seconds] = ["", "", 0];
  const code = await watch(
    readArguments(words, top),
    {
      out: (text) => {
        out += text;
      },
      err: (text) => {
        err += text;
      },
      readFile: () => assert.fail("no file"),
      glob: () => [],
      terminal,
      colours: false,
    },
    {
      status: async () => (looks-- > 0 ? later(STATUS, seconds, 1e6) : "the gateway has ended"),
      pause: async (millis) => {
        seconds += millis / 1000;
        return seconds < 100;
      },
      size: () => WIDE,
    },
  );
  return { code, out, err, seconds };
}

test("top --once takes two looks, an interval apart, and prints plain lines", async () => {
  const { code, out, seconds } = await watched(["--once", "--interval", "5"], true, 10);
  assert.deepEqual([code, seconds, out.includes("\u001b")], [0, 5, false]);
  assert.match(out, /^esp0 up 3 h: .* in 8\.0 Mbit\/s/);
});

test("top: plain lines where there is no terminal; a screen of its own, given back, where there is one", async () => {
  const plain = await watched([], false, 4);
  assert.deepEqual([plain.code, plain.out.match(/^esp0 up/gm)?.length, plain.out.includes("\u001b")], [1, 3, false]);
  assert.match(plain.err, /the gateway has ended/);
  const screen = await watched([], true, 2);
  assert.ok(screen.out.startsWith("\u001b[?1049h") && screen.out.endsWith("\u001b[?1049l"));
  const json = await watched(["--json", "--once"], false, 2);
  assert.equal(JSON.parse(json.out).tun, "esp0");
});
