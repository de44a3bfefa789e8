import assert from "node:assert/strict";
import test from "node:test";
import { readSwanctl, wipeSecrets } from "#config/swanctl/read";
import { decodeSecret } from "#config/swanctl/secrets";
import { ConfigError } from "#core/errors";
import { identityToString } from "#crypto/identity";
import { octetsOf, readText, sample, VirtualWorld } from "#test/config/swanctl/sample";

const SECRET = "correct horse battery staple";

function secretsOf(file: string, files: Readonly<Record<string, string>> = {}): string[] {
  const { config } = readText(sample({ file }), new VirtualWorld(files));
  return (config.ike?.credentials.secrets ?? []).slice(1).map(({ secret }) => Buffer.from(secret).toString("latin1"));
}

const FORMS: readonly (readonly [written: string, secret: string])[] = [
  [`"${SECRET}"`, SECRET],
  ["bare words are joined", "bare words are joined"],
  ["0x0102030405060708090a0b0c", "\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c"],
  ["0sY29ycmVjdCBob3JzZSBiYXR0ZXJ5IHN0YXBsZQ==", SECRET],
  ["0sY29ycmVjdCBob3JzZSBiYXR0ZXJ5IHN0YXBsZQ", SECRET],
  ['"a \\"quoted\\" # } = secret"', 'a "quoted" # } = secret'],
  ["0123456789abcdef", "0123456789abcdef"],
];

for (const [written, secret] of FORMS)
  test(`a secret written ${written}`, () =>
    assert.deepEqual(secretsOf(`secrets { ike-2 { secret = ${written}\n } }`), [secret]));

test("a secret may stand in a file of its own; the line end is not part of it", () =>
  assert.deepEqual(secretsOf("secrets { ike-2 { file = keys/hq.psk } }", { "keys/hq.psk": `${SECRET}\n` }), [SECRET]));

test("what is announced as hex or base64 and is not is no secret", () => {
  for (const text of ["0xzz", "0x123", "0sAAAAA", "0sAA=A", "0sA===", "0s####"])
    assert.equal(decodeSecret(octetsOf(text)), undefined, text);
});

test("base64 of every length comes back", () => {
  for (let length = 0; length < 40; length++) {
    const octets = Uint8Array.from({ length }, (_, i) => (i * 37 + length) & 0xff);
    assert.deepEqual(decodeSecret(octetsOf(`0s${Buffer.from(octets).toString("base64")}`)), octets);
  }
});

test("owners are identities; %any among them means anybody", () => {
  const text = sample({
    file: `secrets { ike-2 { id-a = gw-b
  id-b = 192.0.2.9
  secret = "${SECRET}" }
 ike-3 { id = %any
  secret = "${SECRET}" } }`,
  });
  const [, two, three] = readText(text).config.ike?.credentials.secrets ?? [];
  assert.deepEqual(two?.owners.map(identityToString), ["gw-b", "192.0.2.9"]);
  assert.deepEqual(three?.owners, []);
});

test("every file that was read is wiped, when all is right and when it is not", () => {
  for (const broken of [false, true]) {
    const octets = octetsOf(
      `${sample({ file: "secrets { ike-2 { file = hq.psk } }\ninclude more.conf" })}${broken ? "x" : ""}`,
    );
    const world = new VirtualWorld({ "hq.psk": SECRET, "more.conf": `secrets { ike-3 { secret = "${SECRET}" } }` });
    const read = () => readSwanctl({ name: "hq.conf", octets, mode: 0o600 }, world);
    if (broken) assert.throws(read, ConfigError);
    else read();
    assert.ok(octets.every((octet) => octet === 0));
    assert.equal(world.handedOut.length, broken ? 1 : 2);
    for (const handedOut of world.handedOut) assert.ok(handedOut.every((octet) => octet === 0));
  }
});

test("a configuration that is refused leaves no secret behind", () => {
  const kept: Uint8Array[] = [];
  const fill = Uint8Array.prototype.fill;
  // Every wipe goes through fill(0): what it gets is looked at before.
  Uint8Array.prototype.fill = function (this: Uint8Array, ...args: Parameters<typeof fill>) {
    if (this.length === SECRET.length) kept.push(this.slice());
    return fill.apply(this, args);
  };
  try {
    assert.throws(() => readText(sample({ connection: "mobike = 7" })), ConfigError);
  } finally {
    Uint8Array.prototype.fill = fill;
  }
  assert.ok(kept.some((octets) => Buffer.from(octets).toString() === SECRET));
});

test("wipeSecrets leaves zeros", () => {
  const { config } = readText(sample());
  const [secret] = config.ike?.credentials.secrets ?? [];
  assert.equal(Buffer.from(secret?.secret ?? []).toString(), SECRET);
  wipeSecrets(config);
  assert.ok(secret?.secret.every((octet) => octet === 0));
});

test("no complaint and no warning ever shows a secret, wherever it is broken", () => {
  const whole = sample({
    file: 'secrets { ike-2 { id = gw-b\n secret = "hunter2hunter2 hunter2" } rsa { file = x\n secret = hunter2 } }',
  });
  for (let at = whole.indexOf("remote {"); at < whole.length; at++)
    for (const broken of [whole.slice(0, at) + whole.slice(at + 1), `${whole.slice(0, at)}"${whole.slice(at)}`]) {
      let shown: unknown;
      try {
        shown = readText(broken).warnings;
      } catch (error) {
        if (!(error instanceof ConfigError)) throw error;
        shown = error.complaints;
      }
      assert.doesNotMatch(JSON.stringify(shown), /hunter2|horse|battery/, broken);
    }
});
