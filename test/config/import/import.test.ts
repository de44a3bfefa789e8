// Other programs' configurations as swanctl.conf: netsh's two vocabularies, ipsec.conf with ipsec.secrets.
import assert from "node:assert/strict";
import test from "node:test";
import { type Import, importText } from "#config/import/import";
import type { ImportWorld } from "#config/import/ipsec-conf-text";
import type { Connection, IkeConfig } from "#core/connection";
import { ConfigError } from "#core/errors";
import { readText } from "#test/config/swanctl/sample";
import { BASE_CONF, IPSEC_CONF, IPSEC_SECRETS, LEGACY, MODERN } from "./sources.ts";

const FILES: Readonly<Record<string, string>> = { "conns/base.conf": BASE_CONF };
const WORLD: ImportWorld = {
  read: (path) => FILES[path],
  glob: (pattern) => (pattern === "conns/*.conf" ? ["conns/base.conf"] : [pattern]),
};

function imported(text: string, secrets?: string): Import {
  return importText(
    { name: "old", text },
    secrets === undefined ? undefined : { name: "old.secrets", text: secrets },
    "left",
    WORLD,
  );
}

/** What our own reader makes of it: it has no errors. */
function ikeOf({ text }: Import): IkeConfig {
  const { ike } = readText(text).config;
  assert.ok(ike !== undefined);
  return ike;
}

function named(ike: IkeConfig, name: string): Connection {
  const found = ike.connections.find((one) => one.name === name);
  assert.ok(found !== undefined, ike.connections.map((one) => one.name).join());
  return found;
}

function remarksOf({ remarks }: Import): string[] {
  return remarks.map(({ origin, text }) => `${origin.file}:${origin.line}: ${text}`);
}

function says(made: Import, line: RegExp): void {
  assert.ok(
    remarksOf(made).some((one) => line.test(one)),
    `${line}\n${remarksOf(made).join("\n")}`,
  );
  assert.match(made.text, new RegExp(`# ${line.source.replace("^", "")}`, "m"), "it is a comment too");
}

function children({ children: all }: Connection): string[] {
  return all.map(({ name, mode }) => `${name} ${mode}`);
}

test("S4: the legacy vocabulary (netsh ipsec static): policy, rules, filters and filter actions become connections that check takes", () => {
  const made = imported(LEGACY);
  assert.equal(made.form, "netsh");
  const ike = ikeOf(made);
  const smb = named(ike, "smb");
  assert.deepEqual(children(smb), ["smb transport", "smb-2 transport", "ping pass"]);
  assert.equal(smb.version, 1);
  assert.equal(smb.v1.microsoft, true);
  assert.equal(smb.refreshLimit, 100);
  assert.equal(smb.rekeyTime + smb.overTime, 28_800_000, "480 minutes in all");
  assert.equal(smb.proposals.length, 2);
  const [first] = smb.children;
  assert.equal(first?.sessionPfs, "main-mode-group");
  assert.equal(first?.acceptClear, true);
  assert.notEqual(first?.fallback, undefined);
  assert.deepEqual([first?.lifetime.lifeTime, first?.lifetime.lifeOctets], [3_600_000, 100_000_000]);
  assert.deepEqual(first?.remote, [{ kind: "dynamic", protocol: 6, firstPort: 445, lastPort: 445 }]);
  assert.deepEqual(
    ike.credentials.secrets.map(({ secret }) => new TextDecoder().decode(secret)),
    ["hunter 2 \\x{}", "abc"],
  );
});

test("S4: the two rules of a legacy tunnel are one connection; AH with ESP is a bundle", () => {
  const made = imported(LEGACY);
  const vpn = named(ikeOf(made), "vpn");
  assert.deepEqual(children(vpn), ["vpn tunnel"]);
  const [child] = vpn.children;
  assert.equal(child?.outerProposals.length, 1);
  assert.deepEqual([child?.lifetime.lifeTime, child?.lifetime.lifeOctets], [900_000, 50_000_000]);
  assert.match(made.text, /local_addrs = 198\.51\.100\.1\n\s+remote_addrs = 198\.51\.100\.2/);
  says(made, /^old:19: the way back of old:18: its tunnel end is taken for our address/);
});

test("S4: what of the legacy text has no counterpart is a comment with its line; no secret is in a remark", () => {
  const made = imported(LEGACY);
  says(made, /^old:8: 'ESP\[DES,None\]' is left out/);
  says(made, /^old:8: 'AH\[SHA1\]' is left out/);
  says(made, /^old:13: unknown tag 'colour' of add rule/);
  says(made, /^old:13: 'kerberos' is known, has no counterpart yet/);
  says(made, /^old:20: rule 'domain' is left out: it has Kerberos alone/);
  says(made, /^old:21: 'set store' has no counterpart/);
  says(made, /^old:22: 'ipsec dynamic' has no counterpart/);
  assert.ok(remarksOf(made).every((line) => !/hunter|abc/.test(line)));
});

test("S4: the modern vocabulary (netsh advfirewall consec, mainmode, global) becomes connections that check takes", () => {
  const made = imported(MODERN);
  const ike = ikeOf(made);
  const server = named(ike, "Server-1");
  assert.deepEqual(children(server), ["Server-1 transport", "dhcp pass"]);
  assert.equal(server.version, 1);
  assert.match(made.text, /proposals = aes256-sha384-ecp384\n/, "the main mode rule of its endpoints");
  assert.match(made.text, /proposals = aes256-sha256-modp2048, aes128-sha1-ecp256\n/, "set global mainmode");
  assert.equal(server.refreshLimit, 10, "10 sessions");
  assert.equal(server.rekeyTime + server.overTime, 3_600_000);
  assert.equal(server.children[0]?.sessionPfs, "main-mode-group");
  assert.equal(server.children[0]?.fallback, undefined);
  const branch = named(ike, "branch");
  assert.deepEqual(children(branch), ["branch tunnel", "branch-2 tunnel"], "IKEv1: a child for each pair of networks");
  assert.notEqual(branch.children[0]?.fallback, undefined, "requestout");
  says(made, /^old:1: 'dhgroup24:aes128-sha1' is left out/);
  says(made, /^old:4: 'authnoencap:sha1' is left out/);
  says(made, /^old:6: rule 'branch': auth1 'computerkerb' is known, has no counterpart yet \(Kerberos\)/);
  says(made, /^old:6: 'auth2' is known, has no counterpart/);
  says(made, /^old:8: rule 'kerb' is left out/);
  says(made, /^old:9: 'firewall add rule' has no counterpart/);
});

test("ipsec.conf with also=, %default, include and ipsec.secrets becomes connections that check takes", () => {
  const made = imported(IPSEC_CONF, IPSEC_SECRETS);
  assert.equal(made.form, "ipsec.conf");
  const ike = ikeOf(made);
  const net = named(ike, "net-net");
  assert.deepEqual(children(net), ["net-net tunnel", "shunt pass"]);
  assert.equal(net.version, 2);
  assert.equal(net.mobike, false, "also=base, of an included file");
  assert.equal(net.unique, "no");
  assert.deepEqual([net.rekeyTime, net.overTime], [3_420_000, 180_000]);
  assert.equal(net.children[0]?.remote.length, 2);
  assert.equal(net.children[0]?.proposals.length, 2);
  assert.deepEqual([net.children[0]?.startAction, net.children[0]?.dpdAction], ["start", "restart"]);
  assert.deepEqual([net.children[0]?.lifetime.lifeTime, net.children[0]?.lifetime.rekeyTime], [1_200_000, 1_020_000]);
  const legacy = named(ike, "legacy");
  assert.equal(legacy.version, 1);
  assert.equal(legacy.rekeyTime, Number.POSITIVE_INFINITY, "rekey=no");
  assert.equal(legacy.children[0]?.sessionPfs, "main-mode-group");
  assert.deepEqual(legacy.children[0]?.local, [{ kind: "dynamic", protocol: 17, firstPort: 1701, lastPort: 1701 }]);
  assert.equal(ike.credentials.secrets.length, 2);
  assert.deepEqual(ike.credentials.secrets[0]?.owners.length, 2);
  says(made, /^old:3: 'charondebug' of config setup/);
  says(made, /^old:19: 'leftfirewall' is known, has no counterpart/);
  says(made, /^old:20: 'rightsourceip' is known, has no counterpart/);
  says(made, /^old:23: unknown key 'lefsubnet'; did you mean 'leftsubnet'\?/);
  says(made, /^old\.secrets:4: a secret of kind 'EAP' is known, has no counterpart/);
  says(made, /^old\.secrets:5: '\/etc\/other\.secrets' is not read/);
});

test("of an ipsec.conf we may be the right side too", () => {
  const right = importText({ name: "old", text: IPSEC_CONF }, { name: "s", text: IPSEC_SECRETS }, "right", WORLD);
  assert.match(right.text, /local_addrs = 192\.0\.2\.2\n\s+remote_addrs = 192\.0\.2\.1/);
  assert.match(right.text, /local_ts = 10\.2\.0\.0\/16, 10\.3\.0\.0\/16/);
});

test("a text of neither form is refused with what would be one", () => {
  assert.throws(
    () => imported("hello = world\n"),
    (error) => error instanceof ConfigError && /neither a text of netsh nor an ipsec\.conf/.test(error.message),
  );
});

test("what is imported cannot leave its comment or its value, whatever it holds", () => {
  const evil = `conn a\n\tright=192.0.2.9\n\tauthby=secret\n\trightid="CN=x } secrets { ike-z { secret : 1 } }"\n\tfoo\r{}=bar\n\tauto=add\n`;
  const made = imported(evil, `: PSK "a\\\\\\"b } # {"\n`);
  const ike = ikeOf(made);
  assert.equal(ike.connections.length, 1);
  assert.equal(ike.credentials.secrets.length, 1);
});

test("any beginning of the texts is read or refused, never thrown over", () => {
  for (const text of [LEGACY, MODERN, IPSEC_CONF])
    for (let length = 0; length < text.length; length += 7) {
      try {
        importText(
          { name: "old", text: text.slice(0, length) },
          { name: "s", text: IPSEC_SECRETS.slice(0, length) },
          "left",
          WORLD,
        );
      } catch (error) {
        assert.ok(error instanceof ConfigError);
      }
    }
});
