import assert from "node:assert/strict";
import { test } from "node:test";
import type { ProtocolSpec } from "#core/child-sa-spec";
import { millis, spi } from "#core/units";
import { Encryption, Integrity } from "#crypto/transforms";
import { isPolicyOf, KEYS_PATIENCE, KEYS_REQUEST, KeyLog, keysQuestion, presentKeysRequest } from "#process/key-log";

const direction = (number: number, octets: number) => ({
  spi: spi(number),
  encryptionKey: new Uint8Array(octets).fill(0xab),
  integrityKey: new Uint8Array(0),
});
const PAIR: ProtocolSpec = {
  protocol: "esp",
  mode: "tunnel",
  suite: { encryption: Encryption.AES_GCM_16, integrity: Integrity.NONE },
  inbound: direction(0x1001, 20),
  outbound: direction(0x2001, 20),
};
const IKE = {
  initiatorSpi: 0x0102030405060708n,
  responderSpi: 0x1112131415161718n,
  encryption: Encryption.AES_CBC,
  integrity: Integrity.HMAC_SHA2_256_128,
  SK_ei: new Uint8Array(32).fill(1),
  SK_er: new Uint8Array(32).fill(2),
  SK_ai: new Uint8Array(32).fill(3),
  SK_ar: new Uint8Array(32).fill(4),
};

class World {
  time = 0;
  readonly warnings: string[] = [];
  readonly timers: { readonly at: number; readonly work: () => void }[] = [];
  now() {
    return millis(this.time);
  }
  later(work: () => void, after: number) {
    this.timers.push({ at: this.time + after, work });
  }
  warn(text: string) {
    this.warnings.push(text);
  }
  pass(span: number) {
    this.time += span;
    for (const timer of this.timers.splice(0))
      if (timer.at <= this.time) timer.work();
      else this.timers.push(timer);
  }
}

const text = (octets: Uint8Array) => new TextDecoder().decode(octets);

test("keys are kept only between two questions of somebody who traces, and said aloud", () => {
  const world = new World();
  const log = new KeyLog(world);
  log.child(PAIR, 4);
  assert.equal(text(log.take()), "", "nothing of before");
  assert.match(world.warnings[0] ?? "", /KEYS LEAVE THIS PROCESS/);
  log.ike(IKE);
  log.child(PAIR, 4);
  const lines = text(log.take()).split("\n");
  assert.deepEqual(
    [lines.length, lines[0]?.slice(0, 65), lines[1]],
    [
      4,
      "uat:ikev2_decryption_table:0102030405060708,1112131415161718,0101",
      `uat:esp_sa:"IPv4","*","*","0x00001001","AES-GCM with 16 octet ICV [RFC4106]","0x${"ab".repeat(20)}","NULL",""`,
    ],
  );
  assert.match(lines[0] ?? "", /,"AES-CBC-256 \[RFC3602\]",(03){32},(04){32},"HMAC_SHA2_256_128 \[RFC4868\]"$/);
  assert.equal(text(log.take()), "", "given once");
});

test("who stops asking is forgotten: what waited for him is gone, and nothing is kept any more", () => {
  const world = new World();
  const log = new KeyLog(world);
  log.take();
  world.pass(KEYS_PATIENCE - 1);
  log.take();
  world.pass(KEYS_PATIENCE - 1);
  log.child(PAIR, 4);
  assert.equal(world.warnings.length, 1, "he asked in between");
  world.pass(2);
  assert.match(world.warnings[1] ?? "", /keys stay in this process again/);
  log.child(PAIR, 4);
  assert.equal(text(log.take()), "");
});

test("what waits is bounded, and ciphers that Wireshark does not have are left out", () => {
  const log = new KeyLog(new World());
  log.take();
  log.child({ ...PAIR, suite: { encryption: Encryption.CHACHA20_POLY1305, integrity: 0 } }, 4);
  log.child({ ...PAIR, protocol: "ah" }, 4);
  assert.equal(text(log.take()), "");
  for (let i = 0; i < 10_000; i++) log.child(PAIR, 6);
  assert.ok(log.take().length <= 1 << 20);
});

test("keys of SAs that are there leave only for who names their tunnel, and that is said aloud", () => {
  assert.deepEqual(keysQuestion(KEYS_REQUEST), { present: undefined });
  assert.deepEqual(keysQuestion(presentKeysRequest("hq/net")), { present: "hq/net" });
  for (const other of ['{"kind":"status"}', '{"kind":"keys","present":""}', '{"kind":"keys","present":7}'])
    assert.equal(keysQuestion(other), undefined, other);
  const policies = ["hq/net", "hq/net#2", "hq/network", "hq2/net"];
  assert.deepEqual(
    policies.map((policy) => isPolicyOf("hq/net", policy)),
    [true, true, false, false],
  );
  assert.deepEqual(
    policies.map((policy) => isPolicyOf("hq", policy)),
    [true, true, true, false],
  );
  const world = new World();
  const log = new KeyLog(world);
  const lines = text(log.take({ target: "hq/net", show: (watch) => watch.child(PAIR, 4) })).split("\n");
  assert.equal(lines.filter((line) => line.startsWith("uat:esp_sa:")).length, 2);
  assert.match(world.warnings[1] ?? "", /KEYS LEAVE THIS PROCESS: .* hq\/net has already/);
  assert.equal(text(log.take()), "");
});
