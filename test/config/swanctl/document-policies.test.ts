// What the two documents say of policies (docs/requirements.md), as far as a file decides it.
import assert from "node:assert/strict";
import test from "node:test";
import { DEFAULT_PROPOSALS, VERSION_1_PROPOSALS } from "#config/swanctl/default-proposals";
import { offeredProposals, parseProposal } from "#config/swanctl/proposals";
import type { ChildConfig, Connection } from "#core/connection";
import { ProtocolId, TransformType } from "#core/proposal";
import { KeMethod } from "#crypto/key-exchange";
import { Encryption } from "#crypto/transforms";
import { complaintsOf, connectionOf, type Lines, readText, sample, warningsOf } from "#test/config/swanctl/sample";

const NEVER = Number.POSITIVE_INFINITY;
const SECOND = 1000;
const MINUTE: number = 60 * SECOND;
const HOUR: number = 60 * MINUTE;

function childOf(lines: Lines): ChildConfig {
  const [child] = connectionOf(lines).children;
  assert.ok(child);
  return child;
}

function idsOf({ proposals }: Pick<Connection, "proposals">, type: number): number[][] {
  return proposals.map(({ transforms }) => transforms.filter((one) => one.type === type).map(({ id }) => id));
}

/** Only what is told of the lines under test. */
function told(lines: Lines, about: RegExp): string[] {
  return warningsOf(sample(lines)).filter((line) => about.test(line));
}

test("S4: the legacy vocabulary is the level windows-legacy, the modern one is what a file without level has", () => {
  const legacy = connectionOf({ connection: "level = windows-legacy\nallow_weak = yes" });
  assert.equal(legacy.version, 1);
  assert.equal(legacy.v1.microsoft, true);
  assert.equal(legacy.rekeyTime + legacy.overTime, 28_800 * SECOND);
  const [child] = legacy.children;
  assert.ok(child);
  assert.equal(child.lifetime.lifeTime, 3600 * SECOND);
  assert.equal(child.lifetime.lifeOctets, 100_000_000);
  assert.ok(child.lifetime.rekeyOctets < 100_000_000 && child.lifetime.rekeyTime < 3600 * SECOND);
  const modern = connectionOf({});
  assert.equal(modern.version, 0);
  assert.equal(modern.v1.microsoft, false);
  assert.deepEqual(modern, connectionOf({ connection: "level = standard" }));
});

test("S4: a level decides only what the file leaves unsaid", () => {
  const said = connectionOf({
    connection:
      "level = windows-legacy\nversion = 2\nrekey_time = 1h\nproposals = aes256-sha256-modp2048\nmicrosoft = no",
    child: "life_bytes = 50M\nesp_proposals = aes256gcm16",
  });
  assert.equal(said.version, 2);
  assert.equal(said.rekeyTime, HOUR);
  assert.equal(said.overTime, 0.1 * HOUR);
  assert.equal(said.v1.microsoft, false);
  assert.deepEqual(idsOf(said, TransformType.ENCR), [[Encryption.AES_CBC]]);
  assert.equal(said.children[0]?.lifetime.lifeOctets, 50_000_000);
  assert.equal(said.children[0]?.lifetime.lifeTime, HOUR, "the time was not said");
});

test("S12: groups under all their names; the documents' group 3 is IANA's 14 and never 3", () => {
  const rows: readonly (readonly [names: readonly string[], id: number])[] = [
    [["low", "grp1", "modp768"], KeMethod.MODP_768],
    [["medium", "grp2", "modp1024"], KeMethod.MODP_1024],
    [["high", "grp3", "grp2048", "modp2048", "HIGH"], KeMethod.MODP_2048],
  ];
  for (const [names, id] of rows)
    for (const name of names)
      for (const version of [1, 2] as const) {
        const { proposals, errors } = parseProposal(`aes128-sha1-${name}`, ProtocolId.IKE, version);
        assert.deepEqual(errors, [], name);
        assert.deepEqual(idsOf({ proposals }, TransformType.KE), [[id]], name);
      }
});

test("S14: lifetimes in seconds and octets of both phases, as keys of the file", () => {
  const connection = connectionOf({
    connection: "version = 1\nrekey_time = 8h\nover_time = 0\nlife_bytes = 5M",
    child: "rekey_time = 1000\nlife_time = 1100\nrekey_bytes = 90M\nlife_bytes = 100M",
  });
  assert.equal(connection.rekeyTime, 8 * HOUR);
  assert.equal(connection.overTime, 0);
  assert.equal(connection.v1.lifeOctets, 5_000_000);
  const { lifetime } = connection.children[0] ?? childOf({});
  assert.deepEqual([lifetime.rekeyTime, lifetime.lifeTime], [1_000_000, 1_100_000]);
  assert.deepEqual([lifetime.rekeyOctets, lifetime.lifeOctets], [90_000_000, 100_000_000]);
});

test("S16: the master key's lifetime does not move the session key's, nor the other way round", () => {
  const both = connectionOf({ connection: "version = 1\nrekey_time = 8h", child: "rekey_time = 30m" });
  const master = connectionOf({ connection: "version = 1\nrekey_time = 8h" });
  const session = connectionOf({ connection: "version = 1", child: "rekey_time = 30m" });
  assert.equal(both.rekeyTime, master.rekeyTime);
  assert.deepEqual(both.children[0]?.lifetime, session.children[0]?.lifetime);
  assert.equal(master.children[0]?.lifetime.rekeyTime, HOUR);
  assert.equal(session.rekeyTime, 4 * HOUR);
});

test("S18: 3DES or DES with a larger limit than 100 MB is told; a level for Windows has the limit", () => {
  const lint = /blocks of 64 bits/;
  const child = "esp_proposals = 3des-sha1";
  assert.deepEqual(told({ child }, lint), [
    "hq.conf:10:9: 3des has blocks of 64 bits, and one key may process any number of octets; say life_bytes = 100M",
  ]);
  assert.match(told({ child: `${child}\nlife_bytes = 200M` }, lint).join(), /may process 200000000 octets/);
  assert.deepEqual(told({ child: `${child}\nlife_bytes = 100M` }, lint), []);
  assert.match(told({ child: `${child}\nlife_bytes = 100000001` }, lint).join(), /100000001/);
  assert.deepEqual(told({ child: "esp_proposals = aes128-sha1" }, lint), []);
  assert.deepEqual(told({ connection: "level = windows-legacy" }, lint), []);
});

test("S19 and S21 as keys: a refresh limit of one and master key PFS are the same configuration", () => {
  const policy = (connection: string) => {
    const { refreshLimit, masterPfs } = connectionOf({ connection });
    return { refreshLimit, masterPfs };
  };
  assert.deepEqual(policy("refresh_limit = 1"), policy("master_pfs = yes"));
  assert.deepEqual(policy("master_pfs = yes"), { refreshLimit: 1, masterPfs: true });
  assert.deepEqual(policy("refresh_limit = 5"), { refreshLimit: 5, masterPfs: false });
  assert.deepEqual(policy(""), { refreshLimit: 0, masterPfs: false });
  assert.match(told({ connection: "refresh_limit = 5\nmaster_pfs = yes" }, /not used/).join(), /hq\.conf:4:5/);
});

test("S24: default offers of either version hold several groups, of which every peer has one", () => {
  for (const [offers, version] of [
    [DEFAULT_PROPOSALS, 2],
    [VERSION_1_PROPOSALS, 1],
  ] as const) {
    const proposals = offeredProposals(offers[ProtocolId.IKE], ProtocolId.IKE, version);
    assert.ok(proposals.length > 0);
    for (const groups of idsOf({ proposals }, TransformType.KE)) {
      assert.ok(groups.length >= 4);
      assert.ok(groups.includes(KeMethod.MODP_2048), "what every implementation has (RFC 8247 §2.4)");
    }
  }
});

test("S45: group 1 is an error unless weakness is allowed, group 2 a warning that names Windows 2000 and XP", () => {
  const group1 = { connection: "proposals = aes256-sha256-modp2048-grp1" };
  assert.match(complaintsOf(sample(group1)).join(), /^hq\.conf:4:40: 'grp1' stands for modp768 is weak.*group 1/);
  assert.deepEqual(complaintsOf(sample({ connection: `${group1.connection}\nallow_weak = yes` })), []);
  const group2 = { connection: "proposals = aes256-sha256-modp2048-medium" };
  assert.match(told(group2, /Windows 2000 and Windows XP/).join(), /^hq\.conf:4:40:/);
  assert.deepEqual(told({ connection: `${group2.connection}\nallow_weak = yes` }, /Windows/), []);
});

test("S45: where a level offers groups 14 and 2, 14 comes first, and none offers group 1", () => {
  for (const level of ["standard", "high", "windows-legacy", "windows-legacy-2003"]) {
    const groups = idsOf(connectionOf({ connection: `level = ${level}` }), TransformType.KE).flat();
    assert.ok(!groups.includes(KeMethod.MODP_768), level);
    const second = groups.indexOf(KeMethod.MODP_1024);
    if (second >= 0) assert.ok(groups.indexOf(KeMethod.MODP_2048) < second, level);
  }
  const legacy = connectionOf({ connection: "level = windows-legacy" });
  assert.deepEqual(idsOf(legacy, TransformType.KE).flat().at(0), KeMethod.MODP_2048);
});

test("S53: falling back to clear is off by default and said aloud where it is on; 3 s, answers end it", () => {
  assert.equal(childOf({}).fallback, undefined);
  const child = "start_action = trap\nfallback_to_clear = yes";
  assert.deepEqual(childOf({ child }).fallback, {
    after: 3 * SECOND,
    mismatchToo: false,
    retry: { mode: "interval", every: 300 * SECOND },
  });
  assert.deepEqual(told({ child }, /clear/), [
    "hq.conf:11:1: whoever keeps IKE's packets from arriving makes this flow go in clear; remove it as soon as all peers protect theirs",
  ]);
  assert.match(told({ child: "fallback_to_clear = yes" }, /nothing begins/).join(), /add start_action = trap/);
  assert.match(told({ child: "fallback_after = 1s" }, /no effect/).join(), /nothing goes in clear/);
  const both = childOf({ child: `${child}\nfallback_after = 500ms\nfallback_mismatch = yes` }).fallback;
  assert.deepEqual([both?.after, both?.mismatchToo], [500, true]);
});

test("S54: the interval of negotiations while in clear is five minutes, or what the file says", () => {
  const child = "start_action = trap\nfallback_to_clear = yes\nfallback_every = 1m";
  assert.deepEqual(childOf({ child }).fallback?.retry, { mode: "interval", every: MINUTE });
});

test("S55: the level windows-legacy-2003 negotiates again after idle minutes or the life of main mode", () => {
  const child = "start_action = trap\nfallback_to_clear = yes";
  const idle = { mode: "idle", idle: 300 * SECOND, longest: 28_800 * SECOND };
  const connection = "level = windows-legacy-2003";
  assert.deepEqual(childOf({ connection, child }).fallback?.retry, idle);
  assert.equal(childOf({ connection: "level = windows-legacy", child }).fallback?.retry.mode, "interval");
  assert.match(
    told({ connection, child: `${child}\nfallback_every = 1m` }, /fallback_retry = idle/).join(),
    /no effect/,
  );
});

test("S71: many session keys from one master key are told, unless a refresh limit ends that", () => {
  const lint = /one master key makes/;
  assert.deepEqual(told({}, lint), []);
  // 4 h 24 m by 10 s.
  const child = "rekey_time = 10";
  assert.match(told({ child }, lint).join(), /^hq\.conf:10:9: one master key makes about 1584 session keys/);
  assert.deepEqual(told({ child, connection: "refresh_limit = 1000" }, lint), []);
  assert.match(told({ child, connection: "refresh_limit = 1001" }, lint).join(), lint);
  assert.deepEqual(told({ child, connection: "master_pfs = yes" }, lint), []);
  assert.match(told({ connection: "rekey_time = 0" }, lint).join(), /any number of session keys/);
});

test("S71: octets are reckoned with at the rate that is expected", () => {
  const lint = /one master key makes/;
  // 4 h 24 m at 125 MB/s: 19,800 keys of 100 MB.
  const child = "rekey_bytes = 100M";
  assert.deepEqual(told({ child }, lint), [], "nobody knows the rate");
  assert.match(
    told({ child: `${child}\nexpected_rate = 125M` }, lint).join(),
    /^hq\.conf:10:9: one master key makes about 19800 session keys of this child at expected_rate; lengthen its rekey_bytes/,
  );
  assert.deepEqual(told({ child: `${child}\nexpected_rate = 6M` }, lint), []);
  assert.deepEqual(told({ child: `${child}\nexpected_rate = 125M`, connection: "refresh_limit = 1000" }, lint), []);
});

test("several selectors a side are told of where IKEv1 negotiates one (RFC 2409 §5.5)", () => {
  const lint = /one selector a side/;
  const child = "remote_ts = 10.2.0.0/24, 10.3.0.0/24";
  assert.match(
    told({ connection: "version = 1", child }, lint).join(),
    /so 2 in 'remote_ts' never share a pair of SAs/,
  );
  assert.deepEqual(told({ child }, lint), [], "IKEv2 takes them all");
});

test("S56: how many pairs a peer may have is configured", () => {
  assert.equal(connectionOf({}).pairsLimit, 256);
  assert.equal(connectionOf({ connection: "pairs_limit = 20000" }).pairsLimit, 20_000);
});

test("S75: a quick mode SA that may stay long after its main mode SA is told", () => {
  const lint = /after its main mode SA/;
  const connection = "version = 1\nrekey_time = 8h\nover_time = 0";
  assert.match(
    told({ connection, child: "life_time = 2h" }, lint).join(),
    /^hq\.conf:12:9: a pair may carry traffic for 120 minutes after its main mode SA, of 480 minutes, has ended/,
  );
  assert.deepEqual(told({ connection: "version = 1" }, lint), []);
  assert.deepEqual(told({ connection: "level = windows-legacy" }, lint), []);
  assert.deepEqual(told({ connection: "version = 2", child: "life_time = 2h" }, lint), [], "IKEv2's go together");
});

test("S77: export downgrade is off, and said aloud where it is on", () => {
  assert.equal(connectionOf({ connection: "level = windows-legacy" }).v1.exportDowngrade, false);
  const connection = "version = 1\nallow_weak = yes\nexport_downgrade = yes";
  assert.equal(connectionOf({ connection }).v1.exportDowngrade, true);
  assert.match(told({ connection }, /3des given up for des/).join(), /^hq\.conf:6:1:/);
});

test("S78: DES behind 3DES is a warning, without 3DES before it an error, unless weakness is allowed", () => {
  const limit = "\nlife_bytes = 100M";
  const behind = { child: `esp_proposals = 3des-sha1, des-sha1${limit}` };
  assert.deepEqual(complaintsOf(sample(behind)), []);
  assert.match(told(behind, /des is weak: 56-bit/).join(), /^hq\.conf:10:36/);
  for (const proposals of ["des-sha1", "des-sha1, 3des-sha1", "aes128-sha1, des-3des-sha1"]) {
    const wrong = { child: `esp_proposals = ${proposals}${limit}` };
    assert.match(complaintsOf(sample(wrong)).join(), /des is for peers that have no 3des/, proposals);
    assert.deepEqual(complaintsOf(sample({ ...wrong, connection: "allow_weak = yes" })), [], proposals);
  }
});

test("S79: a file that says nothing is safe: no weak algorithm, nothing in clear, main mode, and nothing to warn of", () => {
  for (const connection of ["", "version = 1", "version = 2", "level = high", "level = high\nversion = 1"]) {
    assert.deepEqual(warningsOf(sample({ connection })), [], connection);
    const { config } = readText(sample({ connection }));
    assert.deepEqual(config.allowWeak, [], connection);
    const [made] = config.ike?.connections ?? [];
    assert.ok(made);
    assert.equal(made.v1.aggressive || made.v1.exportDowngrade || made.alternatives, false);
    const [child] = made.children;
    assert.ok(child);
    assert.equal(child.fallback, undefined);
    assert.equal(child.acceptClear, false);
    assert.ok(child.lifetime.lifeTime < NEVER && made.rekeyTime < NEVER);
    const bits = idsOf(made, TransformType.KE).flat();
    assert.ok(
      bits.every((id) => id > KeMethod.MODP_1536),
      connection,
    );
  }
});

test("S79: the level high has 192 bits and PFS in every offer, and shorter lives than standard", () => {
  const high = connectionOf({ connection: "level = high" });
  const standard = connectionOf({});
  assert.ok(high.rekeyTime < standard.rekeyTime);
  const [child] = high.children;
  assert.ok(child);
  for (const groups of idsOf(child, TransformType.KE)) {
    assert.ok(groups.length > 0 && !groups.includes(KeMethod.NONE), "PFS");
    assert.ok(!groups.includes(KeMethod.MODP_2048) && !groups.includes(KeMethod.ECP_256));
  }
  for (const { transforms } of high.proposals)
    for (const { type, keyBits } of transforms) if (type === TransformType.ENCR) assert.equal(keyBits, 256);
});

test("S81: permit, block, negotiate and inbound pass-through are pass, drop, tunnel and accept_clear", () => {
  const { config } = readText(
    sample({
      connection: "children { permit { mode = pass\nlocal_ts = 10.1.0.1\nremote_ts = 10.9.0.1 } }",
      child: "accept_clear = yes\nstart_action = none",
    }),
  );
  assert.deepEqual(
    config.policies.map(({ name, action }) => `${name} ${action}`),
    ["hq/permit bypass", "hq/net protect"],
  );
  const block = readText(sample({ child: "mode = drop" })).config;
  assert.deepEqual(
    block.policies.map(({ action }) => action),
    ["discard"],
  );
  assert.equal(childOf({ child: "accept_clear = yes" }).acceptClear, true);
  assert.equal(childOf({}).acceptClear, false);
});

test("the AH of a bundle stands over ESP, not beside it; session key PFS takes main mode's group where that is said", () => {
  const connection = "version = 1";
  const child = childOf({ connection, child: "bundle = yes\nesp_proposals = aes128-sha1\nah_proposals = sha256" });
  assert.deepEqual(
    child.proposals.map(({ protocol }) => protocol),
    [ProtocolId.ESP],
  );
  assert.deepEqual(
    child.outerProposals.map(({ protocol }) => protocol),
    [ProtocolId.AH],
  );
  assert.equal(child.sessionPfs, "by-proposal");
  assert.equal(childOf({ connection, child: "pfs_group = main-mode" }).sessionPfs, "main-mode-group");
});

test("S30 and S52 as keys: commit bit and repeats", () => {
  assert.equal(connectionOf({ connection: "commit_bit = always" }).v1.commitBit, "always");
  assert.equal(connectionOf({}).v1.commitBit, "when-asked");
  assert.deepEqual(connectionOf({}).retransmission, { tries: 5, first: SECOND, longest: 16 * SECOND });
  const slow = "retransmit_tries = 3\nretransmit_timeout = 20s";
  assert.deepEqual(connectionOf({ connection: slow }).retransmission, {
    tries: 3,
    first: 20 * SECOND,
    longest: 20 * SECOND,
  });
});
