/** Files for others, held against the grammar of their manual pages: ipsec.conf(5) of libreswan, iked.conf(5) of OpenIKED. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { libreswanFiles } from "#config/export-libreswan";
import { openikedFile } from "#config/export-openiked";
import { type ConnectionView, configView } from "#config/view";
import { readText } from "./swanctl/sample.ts";

const SECRET = () => new Uint8Array(32).fill(0xab);
const HEX = `0x${"ab".repeat(32)}`;

function connectionOf(text: string): ConnectionView {
  const [connection] = configView(readText(text).config).connections;
  assert.ok(connection !== undefined);
  return connection;
}

const SHORT = connectionOf(`tunnel hq { peer = 203.0.113.2
  address = 192.0.2.1
  local = 10.1.0.0/16
  remote = 10.2.0.0/16, 10.3.0.0/24
  id = hq.example
  peer_id = branch@example.org
  psk = "correct horse battery" }`);

const TWO = connectionOf(`connections { lab {
  local_addrs = 2001:db8::1
  remote_addrs = 2001:db8::2
  proposals = aes128gcm16-prfsha256-ecp256, aes256-sha512-modp4096, aes256-sha256-x25519-ke1_mlkem768
  local { auth = psk
    id = "C=CH, O=Example, CN=gw" }
  remote { auth = psk }
  children {
    one { mode = transport
      esp_proposals = aes256gcm16-noesn }
    two { local_ts = 10.1.0.0/24
      remote_ts = 10.2.0.1-10.2.0.6
      esp_proposals = aes256-sha256-ecp384-esn }
    web { local_ts = 10.1.0.0/24[tcp/80]
      remote_ts = 10.2.0.0/24 }
  } } }
  secrets { ike-1 { secret = "correct horse battery" } }`);

const text = (octets: Uint8Array | undefined) => new TextDecoder().decode(octets);

/** Sections of an ipsec.conf: a name at the margin, settings below it. */
function conns(conf: string): Map<string, Map<string, string>> {
  const found = new Map<string, Map<string, string>>();
  let settings = new Map<string, string>();
  for (const line of conf.split("\n").filter((one) => one !== "" && !one.startsWith("#"))) {
    const [, name] = /^conn ([\w-]+)$/.exec(line) ?? [];
    const [, key, value] = /^ {4}([a-z0-9]+)=(\S.*)$/.exec(line) ?? [];
    assert.ok(name !== undefined || (key !== undefined && value !== undefined), line);
    if (name === undefined) settings.set(key ?? "", value ?? "");
    else {
      settings = new Map();
      found.set(name, settings);
    }
  }
  return found;
}

// ipsec.conf(5): PROPOSAL = ENCRYPT_ALGS[-INTEG_ALGS[-DH_ALGS]], alternatives with +; without integrity the group follows ;
const ENC = "(aes(_ctr|_gcm(_[abc])?)?(128|192|256)|chacha20_poly1305|3des|null)";
const INTEG = "sha(1|2_(256|384|512))";
const DH = "dh(5|1[4-9]|2[01]|31)";
const many = (one: string) => `${one}(\\+${one})*`;
const PROPOSAL = `${many(ENC)}(-${many(INTEG)}(-${many(DH)})?|;${many(DH)})?`;
const OFFER = new RegExp(`^${PROPOSAL}(,${PROPOSAL})*$`);
const KEYS =
  "ikev2 type authby left leftid leftsubnet leftsubnets right rightid rightsubnet rightsubnets ike esp pfs esn auto";

test("export for libreswan: every key and proposal is one of its manual page, seen from the other side", () => {
  for (const connection of [SHORT, TWO]) {
    const [conf, secrets] = libreswanFiles(connection, { address: undefined, secret: SECRET() }).files;
    for (const settings of conns(text(conf?.octets)).values()) {
      for (const key of settings.keys()) assert.ok(KEYS.split(" ").includes(key), key);
      for (const key of ["ike", "esp"]) assert.match(settings.get(key) ?? "", OFFER);
    }
    assert.equal(secrets?.suffix, ".secrets");
    assert.match(text(secrets?.octets), /^# .*\n(\S+|".*") (\S+|".*") : PSK 0x(ab){32}\n$/);
    assert.ok(!text(conf?.octets).includes(HEX));
  }
  const [conf, secrets] = libreswanFiles(SHORT, { address: undefined, secret: SECRET() }).files;
  const hq = conns(text(conf?.octets)).get("hq");
  const wanted = {
    left: "203.0.113.2",
    leftid: "branch@example.org",
    leftsubnets: '"10.2.0.0/16 10.3.0.0/24"',
    right: "192.0.2.1",
  };
  assert.deepEqual(Object.fromEntries(Object.keys(wanted).map((key) => [key, hq?.get(key)])), wanted);
  assert.deepEqual(
    [hq?.get("rightid"), hq?.get("rightsubnet"), hq?.get("esn")],
    ["@hq.example", "10.1.0.0/16", "either"],
  );
  assert.match(
    hq?.get("ike") ?? "",
    /^aes_gcm256\+aes_gcm128\+chacha20_poly1305-sha2_384\+sha2_256\+sha2_512-dh31\+dh19/,
  );
  assert.equal(text(secrets?.octets).split("\n")[1], `branch@example.org @hq.example : PSK ${HEX}`);
});

test("export for libreswan: a conn a child; what it does not have is left out and told", () => {
  const { files, remarks } = libreswanFiles(TWO, { address: undefined, secret: undefined });
  const found = conns(text(files[0]?.octets));
  assert.deepEqual([...found.keys()], ["lab-one", "lab-two"]);
  assert.deepEqual([found.get("lab-one")?.get("type"), found.get("lab-one")?.has("leftsubnet")], ["transport", false]);
  const two = found.get("lab-two");
  assert.equal(two?.get("leftsubnets"), '"10.2.0.1/32 10.2.0.2/31 10.2.0.4/31 10.2.0.6/32"');
  assert.equal(two?.get("ike"), "aes_gcm128-sha2_256-dh19,aes256-sha2_512-dh16");
  assert.deepEqual([two?.get("esp"), two?.get("pfs"), two?.get("esn")], ["aes256-sha2_256-dh20", "yes", "yes"]);
  assert.deepEqual([found.get("lab-one")?.get("esp"), found.get("lab-one")?.get("pfs")], ["aes_gcm256", "no"]);
  assert.equal(two?.get("rightid"), '"C=CH, O=Example, CN=gw"');
  for (const told of [/child 'web'/, /left out/, /without the secret/])
    assert.ok(
      remarks.some((one) => told.test(one)),
      String(told),
    );
});

// iked.conf(5), "CRYPTO TRANSFORMS" and "AUTOMATIC KEYING POLICIES"
const HASH = "hmac-(md5|sha1|sha2-(256|384|512))";
const GROUP = "(modp\\d{4}|ecp(256|384|521)|curve25519)";
const CIPHER = "(3des|aes-(128|192|256)(-ctr|-gcm(-12)?)?|chacha20-poly1305|null)";
const ADDRESS = "([0-9a-f.:]+(/\\d+)?|any)";
const LINES: readonly RegExp[] = [
  /^ikev2 "[\w-]+" (active|passive)( transport)? esp$/,
  new RegExp(`^from ${ADDRESS} to ${ADDRESS}$`),
  new RegExp(`^(local ${ADDRESS} )?peer ${ADDRESS}$`),
  new RegExp(`^ikesa( auth ${HASH})*( enc ${CIPHER})+( prf ${HASH})+( group ${GROUP})+$`),
  new RegExp(`^childsa( auth ${HASH})*( enc ${CIPHER})+( group ${GROUP})*( esn)?( noesn)?$`),
  /^(srcid "[^"]+")?( ?dstid "[^"]+")?$/,
  /^psk (0x[0-9a-f]+|"…")$/,
];

/** Policies of an iked.conf; a backslash joins lines. */
function policies(conf: string): string[][] {
  return conf
    .replaceAll(/\\\n/g, "\0")
    .split("\n")
    .filter((line) => line !== "" && !line.startsWith("#"))
    .map((policy) => policy.split("\0").map((line) => line.trim()));
}

test("export for OpenIKED: every line is one of its manual page's, in their order, seen from the other side", () => {
  for (const connection of [SHORT, TWO]) {
    const made = openikedFile(connection, { address: undefined, secret: SECRET() });
    assert.ok(typeof made !== "string");
    for (const lines of policies(text(made.files[0]?.octets))) {
      const places = lines.map((line) => LINES.findIndex((form) => form.test(line)));
      assert.ok(!places.includes(-1), lines.join("\n"));
      assert.deepEqual(places, places.toSorted(), lines.join("\n"));
    }
  }
  const made = openikedFile(SHORT, { address: undefined, secret: SECRET() });
  assert.ok(typeof made !== "string");
  const [lines = []] = policies(text(made.files[0]?.octets));
  for (const line of [
    'ikev2 "hq" active esp',
    "from 10.2.0.0/16 to 10.1.0.0/16",
    "from 10.3.0.0/24 to 10.1.0.0/16",
    "local 203.0.113.2 peer 192.0.2.1",
    'srcid "branch@example.org" dstid "hq.example"',
    `psk ${HEX}`,
  ])
    assert.ok(lines.includes(line), `${line}\n${lines.join("\n")}`);
});

test("export for OpenIKED: distinguished names have slashes, transport is between the hosts, and IKEv1 is refused", () => {
  const made = openikedFile(TWO, { address: undefined, secret: undefined });
  assert.ok(typeof made !== "string");
  const [one = [], two = []] = policies(text(made.files[0]?.octets));
  assert.ok(one.includes('ikev2 "lab-one" active transport esp') && one.includes("from 2001:db8::2 to 2001:db8::1"));
  assert.ok(two.includes('srcid "2001:db8::2" dstid "/C=CH/O=Example/CN=gw"'), two.join("\n"));
  assert.ok(two.includes('psk "…"'));
  assert.match(
    String(openikedFile({ ...SHORT, version: 1 }, { address: undefined, secret: undefined })),
    /IKEv1 alone/,
  );
});
