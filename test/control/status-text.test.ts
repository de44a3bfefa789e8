import assert from "node:assert/strict";
import { test } from "node:test";
import { octetsText, rateText, spanText, statusText } from "#control/status-text";
import { STATUS, TUNNEL } from "./sample.ts";

test("S76: a pair of SAs is one line of status; --sa shows both of every pair", () => {
  const text = statusText(STATUS, false);
  assert.deepEqual(text.split("\n").slice(0, 2), [
    "TUNNEL  CHILD  STATE    PEER              IN       OUT     RATE        REKEY    CIPHER",
    "hq      net    up 42 s  203.0.113.2:4500  1.0 GiB  20 MiB  812 Mbit/s  in 55 m  aes256gcm16/x25519",
  ]);
  assert.equal(text.split("\n").filter((line) => line.includes("0x")).length, 0);
  assert.equal(
    statusText(STATUS, true)
      .split("\n")
      .filter((line) => line.includes("0x")).length,
    2,
  );
});

test("a tunnel that is not up says why below its line, and one that is does not repeat an old reason", () => {
  const failure = "no answer from 203.0.113.2:500 after 6 sends in 31 s";
  const down = { ...TUNNEL, state: "down" as const, failure, upMillis: undefined };
  assert.match(statusText({ ...STATUS, tunnels: [down] }, false), /\nhq +net +down .*\n {2}! no answer from/);
  assert.doesNotMatch(statusText({ ...STATUS, tunnels: [{ ...TUNNEL, failure }] }, false), /no answer/);
});

test("S53: a tunnel in clear says so, since when and why, and how many there are", () => {
  const clear = { millis: 300_000, because: "nobody answers at 192.0.2.2" };
  const tunnel = { ...TUNNEL, state: "clear" as const, upMillis: undefined, clear };
  const text = statusText({ ...STATUS, tunnels: [tunnel], fallbacks: { total: 3, now: 1 } }, false);
  assert.match(text, /\nhq +net +clear .*\n {2}! in clear since 5 m because nobody answers at 192\.0\.2\.2\n/);
  assert.match(text, /\nIN CLEAR: 1 tunnels now, 3 times in all\n/);
  assert.doesNotMatch(statusText(STATUS, false), /clear/i);
});

test("health: what was rekeyed and what was dropped, most first", () => {
  const text = statusText(STATUS, false);
  assert.match(text, /\nrekeys: 7 by octets done\n/);
  const quiet = statusText({ ...STATUS, rekeys: { peer: { done: 2, failed: 0 } } }, false);
  assert.match(quiet, /\nrekeys: 2 by peer done\n/);
  assert.match(text, /\ndropped: no-sa 40, replayed 3\n/);
});

test("the control thread's delay is shown with --sa", () => {
  assert.match(statusText(STATUS, true), /\ncontrol thread: late by 2\.4 ms in 1 of 100 looks, at worst 13\.6 ms\n/);
  assert.doesNotMatch(statusText(STATUS, false), /control thread/);
});

test("amounts are short and never lie by more than their last digit", () => {
  assert.deepEqual([0, 999, 1000, 1024, 20 * 2 ** 20, 2 ** 40].map(octetsText), [
    "0 B",
    "999 B",
    "1.0 KiB",
    "1.0 KiB",
    "20 MiB",
    "1.0 TiB",
  ]);
  assert.deepEqual([0, 125, 1.25e6, 1.25e9].map(rateText), ["-", "1.0 kbit/s", "10 Mbit/s", "10 Gbit/s"]);
  assert.deepEqual([0, 119_000, 120_000, 7_200_000, 12_000_000, 188_000_000].map(spanText), [
    "0 s",
    "119 s",
    "2 m",
    "2 h",
    "3 h 20 m",
    "2 d 4 h",
  ]);
});
