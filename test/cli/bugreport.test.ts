import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { scrub } from "#cli/bugreport/scrub";
import { makeKey } from "#crypto/x509/certificate-maker";
import { encodePem } from "#crypto/x509/pem";
import { listenControl } from "#io/control-socket";
import { listenHttp } from "#io/http-server";
import { readText, sample } from "#test/config/swanctl/sample";
import { STATUS } from "#test/control/sample";
import { runCommand } from "./run-command.ts";

const TEXT = "correct horse battery staple";
const HEX = "00112233445566778899aabbccddeeff0123456789abcdef";
const BASE64 = "b3RoZXIgb2N0ZXRzIHRoYXQgYXJlIHNlY3JldA==";
const FILED = "0xfeedfacefeedfacefeedfacefeedfacefeedface";

/** Every way in which octets could stand in a text. */
function spellings(secret: Buffer): string[] {
  const shifted = [0, 1, 2].map((shift) => {
    const text = Buffer.concat([Buffer.alloc(shift), secret])
      .toString("base64")
      .replace(/=+$/, "");
    return text.slice(shift === 0 ? 0 : 4, -2);
  });
  const hex = secret.toString("hex");
  return [secret.toString("latin1"), hex, hex.toUpperCase(), ...shifted];
}

function homeWith(t: TestContext): { readonly home: string; readonly secrets: readonly Buffer[] } {
  const home = mkdtempSync(join(tmpdir(), "bugreport-"));
  t.after(() => rmSync(home, { recursive: true, force: true }));
  mkdirSync(join(home, "private"));
  const keys = (["ecdsa256", "ed25519", "rsa2048"] as const).map((kind) => ({ kind, key: makeKey(kind) }));
  for (const { kind, key } of keys)
    writeFileSync(join(home, `private/${kind}.pem`), encodePem({ label: "PRIVATE KEY", octets: key.pkcs8 }), {
      mode: 0o600,
    });
  writeFileSync(join(home, "net.psk"), `${FILED}\n`, { mode: 0o600 });
  writeFileSync(
    join(home, "hq.conf"),
    `# ${TEXT}
connections { hq {
  remote_addrs = 192.0.2.2
  local { auth = psk }
  remote { auth = psk }
  children { net { local_ts = 10.1.0.0/24
    remote_ts = 10.2.0.0/24 } } } }
secrets {
  ike-text { id = a.example
    secret = "${TEXT}" }
  ike-hex { id = b.example
    secret = 0x${HEX} }
  ike-base64 { secret = 0s${BASE64} }
  ${keys.map(({ kind }) => `private-${kind} { file = ${kind}.pem\n }`).join("\n  ")}
}
tunnel branch { peer = 203.0.113.9
  local = 10.1.0.0/24
  remote = 10.9.0.0/24
  psk = file:net.psk }
esplanade { http { socket = ${home}/http.sock } }
`,
    { mode: 0o600 },
  );
  const plain = [TEXT, Buffer.from(HEX, "hex"), Buffer.from(BASE64, "base64"), Buffer.from(FILED.slice(2), "hex")];
  return { home, secrets: [...plain.map((one) => Buffer.from(one)), ...keys.map(({ key }) => Buffer.from(key.pkcs8))] };
}

test("a bug report holds versions, configuration, status, journal, metrics and the doctor's findings, and no secret", async (t) => {
  const { home, secrets } = homeWith(t);
  const socket = join(home, "control.sock");
  // A gateway that tells its secrets, which ours do not: the last look finds them.
  const leaks = secrets.flatMap((secret) => [secret.toString("hex"), secret.toString("base64")]);
  const status = { ...STATUS, configFile: join(home, "hq.conf"), tunnels: [{ ...STATUS.tunnels[0], failure: TEXT }] };
  const events = { events: [{ number: 1, line: leaks.join(" ") }], last: 1, lost: 0 };
  const control = await listenControl(socket, 4096, async (line) => {
    const { kind } = JSON.parse(line);
    return JSON.stringify({
      ok: true,
      ...(kind === "status" ? { status } : kind === "events" ? { events } : { sas: [] }),
    });
  });
  t.after(() => control.close());
  const http = await listenHttp(
    { kind: "unix", path: join(home, "http.sock") },
    {
      headers: {},
      bodyLimit: 0,
      fault: (error) => assert.fail(String(error)),
      answer: async () => ({ status: 200, type: "text/plain", body: "ipsec_tunnel_up 1\n" }),
    },
  );
  t.after(() => http.close());

  const path = join(home, "report.txt");
  const { code, out, err } = await runCommand(["bugreport", "--socket", socket, "--out", path]);
  assert.deepEqual([code, err], [0, ""]);
  assert.match(out, /8 sections/);
  assert.equal(statSync(path).mode & 0o777, 0o600);
  const report = readFileSync(path, "utf8");
  for (const name of ["versions", "machine", "configuration", "status", "sas", "journal", "metrics", "doctor"])
    assert.ok(report.includes(`=== ${name} ===\n`), name);
  for (const kept of [
    "esplanade 0.",
    "kernel ",
    "remote_addrs = 192.0.2.2",
    '"tun": "esp0"',
    "ipsec_tunnel_up 1",
    "to mend",
  ])
    assert.ok(report.includes(kept), kept);
  const whole = report.replaceAll(/\s/g, "");
  for (const secret of secrets)
    for (const spelling of spellings(secret)) {
      assert.ok(!report.includes(spelling), spelling);
      assert.ok(!whole.includes(spelling), `${spelling} in lines`);
    }

  const again = await runCommand(["bugreport", "--socket", socket, "--out", path]);
  assert.deepEqual([again.code, /EEXIST/.test(again.err)], [1, true]);
});

test("without a gateway, and of a wrong configuration, there is a report all the same", async (t) => {
  const { home } = homeWith(t);
  writeFileSync(join(home, "wrong.conf"), `connections { hq { remote_adrs = ${TEXT} } }\n`);
  const words = ["bugreport", join(home, "wrong.conf"), "--socket", join(home, "none"), "--out", join(home, "r.txt")];
  const { code, out } = await runCommand([...words, "--json"]);
  assert.deepEqual([code, JSON.parse(out).ok], [0, true]);
  const report = readFileSync(join(home, "r.txt"), "utf8");
  assert.match(report, /=== status ===\nno gateway answers\n/);
  assert.match(report, /remote_adrs = \[redacted\]/);
  assert.match(report, /unknown key 'remote_adrs'/);
});

test("the last look strikes a secret out wherever it stands, and nothing else", () => {
  const { config } = readText(sample());
  const hex = Buffer.from(TEXT).toString("hex");
  const text = new TextEncoder().encode(`a ${TEXT} b ${hex.toUpperCase()} c correct horse`);
  assert.equal(scrub(text, config), 2);
  assert.equal(
    new TextDecoder().decode(text),
    `a ${"*".repeat(TEXT.length)} b ${"*".repeat(hex.length)} c correct horse`,
  );
  assert.equal(scrub(text, undefined), 0);
});
