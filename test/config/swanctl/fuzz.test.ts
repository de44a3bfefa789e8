import assert from "node:assert/strict";
import test from "node:test";
import { readSwanctl } from "#config/swanctl/read";
import { ConfigError } from "#core/errors";
import { octetsOf, sample, VirtualWorld } from "#test/config/swanctl/sample";

/** xorshift32: a failing seed replays. */
function randomOf(seed: number): (below: number) => number {
  let state = seed | 1;
  return (below) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % below;
  };
}

const SEED = sample({
  connection: `version = 2
    local_addrs = 192.0.2.1, 2001:db8::1, gw.example.org, 10.0.0.0/8, %any
    proposals = aes256gcm16-prfsha384-ecp384-ke1_mlkem768, aes256-sha256-modp2048, default
    rekey_time = 4h
    unique = replace`,
  child: `local_ts = 10.1.0.0/24[tcp/80], dynamic, 10.1.0.1-10.1.0.9
        remote_ts = 10.2.0.0/24
        esp_proposals = aes128gcm16-x25519-esn, null-sha1
        rekey_bytes = 100M
        start_action = trap|start`,
  remote: 'id = "C=CH, O=Example, CN=gw-b"',
  file: `secrets { ike-2 { secret = 0sY29ycmVjdA== } private-1 { file = a.key } }
tmpl { a { k = "x \\
 y" } }
connections { b : tmpl.a, tmpl { } }
include more.conf
esplanade { tun { addresses = 10.1.0.1/32 } }`,
});
const WORDS = [
  "{",
  "}",
  "=",
  ":",
  ",",
  ".",
  '"',
  "\\",
  "#",
  "\n",
  "include *.conf",
  "include more.conf",
  "connections",
  "secrets",
  "hq : hq {",
  "0x",
  "0s",
  "[",
  "]",
  "/",
  "-",
  "%any",
  "dynamic",
  "99999999999999999999",
  "::",
  "\u{fffd}",
  "\0",
  "é",
];

function mutate(octets: Uint8Array, random: (below: number) => number): Uint8Array {
  let out = [...octets];
  for (let count = 1 + random(6); count > 0; count--) {
    const at = random(out.length + 1);
    const length = random(40);
    switch (random(5)) {
      case 0:
        out[at] = random(256);
        break;
      case 1:
        out.splice(at, length);
        break;
      case 2:
        out.splice(at, 0, ...octetsOf(WORDS[random(WORDS.length)] ?? ""));
        break;
      case 3:
        out.splice(at, 0, ...out.slice(at, at + length * 10));
        break;
      default: {
        const from = random(out.length + 1);
        out.splice(at, length, ...out.slice(from, from + length));
      }
    }
    out = out.slice(0, 20_000);
  }
  return Uint8Array.from(out);
}

test("1,500 mutations of a configuration are read or refused with a place, and nothing else", () => {
  const seed = octetsOf(SEED);
  let refused = 0;
  for (let i = 1; i <= 1500; i++) {
    const octets = mutate(seed, randomOf(i * 2_654_435_761));
    const world = new VirtualWorld({ "more.conf": SEED.slice(0, 300), "private/a.key": "no key" });
    try {
      readSwanctl({ name: "hq.conf", octets, mode: 0o600 }, world);
    } catch (error) {
      assert.ok(error instanceof ConfigError, `seed ${i}: ${error instanceof Error ? error.stack : error}`);
      for (const { place, problem, remedy } of error.complaints) {
        assert.ok(problem.length > 0 && remedy.length > 0 && problem.length < 1000, `seed ${i}`);
        assert.ok(place === undefined || /^[\w./*-]+:\d+:\d+$/.test(place), `seed ${i}: ${place}`);
      }
      refused++;
    }
    assert.ok(
      octets.every((octet) => octet === 0),
      `seed ${i} is wiped`,
    );
  }
  assert.ok(refused > 500);
});

/** Each would take minutes if its cost grew with the square of its length. */
const LARGE: readonly (readonly [what: string, text: string])[] = [
  ["a list of commas", sample({ child: `remote_ts = ${"x,".repeat(100_000)}` })],
  ["a list of networks", sample({ child: `remote_ts = ${"10.2.0.0/24,".repeat(5_000)}10.2.0.0/24` })],
  ["a selector of blanks", sample({ child: `remote_ts = "a${" ".repeat(400_000)}b"` })],
  ["a long word", sample({ connection: `proposals = ${"a".repeat(400_000)}` })],
  ["a long host", sample({ connection: `remote_addrs = ${"a-".repeat(200_000)}` })],
  ["many words of a proposal", sample({ connection: `proposals = ${"aes128-".repeat(50_000)}sha256` })],
  [
    "many unknown keys",
    sample({ connection: "zz = 1\n".repeat(1) + Array.from({ length: 50_000 }, (_, i) => `z${i} = 1`).join("\n") }),
  ],
  ["many sections of secrets", "secrets { x = 1\n x = 2\n }\n".repeat(20_000)],
  [
    "many children",
    sample({
      connection: `children { ${Array.from({ length: 1000 }, (_, i) => `c${i} { remote_ts = 10.2.0.0/16\n local_ts = 10.1.0.0/16 }`).join("\n")} }`,
    }),
  ],
  ["an identity", sample({ remote: `id = "${"C=CH, ".repeat(20_000)}"` })],
];

for (const [what, text] of LARGE)
  test(`${what} of any length ends`, { timeout: 30_000 }, () => {
    try {
      readSwanctl({ name: "hq.conf", octets: octetsOf(text), mode: 0o600 }, new VirtualWorld({}));
    } catch (error) {
      assert.ok(error instanceof ConfigError);
    }
  });
