import assert from "node:assert/strict";
import test from "node:test";
import { complaintsOf, type Lines, sample, warningsOf } from "#test/config/swanctl/sample";

type Row = readonly [what: string, lines: Lines, ...complaints: string[]];

const ERRORS: readonly Row[] = [
  [
    "an unknown key",
    { connection: "remote_adrs = 192.0.2.9" },
    "hq.conf:4:5: unknown key 'remote_adrs' in connection 'hq'; did you mean 'remote_addrs'?",
  ],
  [
    "an unknown key that resembles nothing, naming what there is",
    { local: "xyzzy = 1" },
    "hq.conf:6:7: unknown key 'xyzzy' in local of connection 'hq'; known are auth, id, certs, pubkeys, round, eap_id, aaa_id, xauth_id, cert_policy",
  ],
  [
    "an unknown section",
    { connection: "chidren { }" },
    "hq.conf:4:5: unknown section 'chidren' in connection 'hq'; did you mean 'children'?",
  ],
  [
    "an unknown section at the top",
    { file: "conections { }" },
    "hq.conf:16:1: unknown section 'conections'; did you mean 'connections'?",
  ],
  [
    "a setting outside of sections",
    { file: "version = 2" },
    "hq.conf:16:1: 'version' stands outside of every section; put it into the section it belongs to",
  ],
  [
    "an unknown algorithm, at its own column",
    { connection: "proposals = aes256-sha2_256-modp2049" },
    "hq.conf:4:33: unknown algorithm 'modp2049'; did you mean 'modp2048'?",
  ],
  [
    "an algorithm in a later proposal and a later word",
    { connection: "proposals = default, aes256-sha256-ecp257" },
    "hq.conf:4:40: unknown algorithm 'ecp257'; did you mean 'ecp256'?",
  ],
  [
    "an algorithm that only others have",
    { child: "esp_proposals = blowfish128-sha1" },
    "hq.conf:10:25: 'blowfish128' is known, and not there; take another, for example aes256 or x25519",
  ],
  [
    "IKE without key exchange",
    { connection: "proposals = aes256-sha256" },
    "hq.conf:4:17: IKE has no key exchange method; add one, for example -x25519",
  ],
  [
    "IKE with an AEAD and without PRF",
    { connection: "proposals = aes256gcm16-x25519" },
    "hq.conf:4:17: IKE has no PRF, and an AEAD implies none; add one, for example -prfsha256",
  ],
  [
    "IKE without integrity",
    { connection: "proposals = aes256-prfsha256-x25519" },
    "hq.conf:4:17: aes256 without integrity can be forged; write aes256-sha256, or better aes256gcm16-prfsha384",
  ],
  [
    "IKE in clear",
    { connection: "proposals = null-sha256-x25519" },
    "hq.conf:4:17: null would leave IKE in clear (RFC 7296 §5); take aes256gcm16",
  ],
  [
    "an AEAD and a cipher with integrity in one proposal",
    { connection: "proposals = aes256gcm16-aes256-sha256-x25519" },
    "hq.conf:4:17: aes256gcm16 needs no integrity, aes256 does: one proposal cannot offer both (RFC 7296 §3.3); make two proposals of it, with a comma between",
  ],
  [
    "ESP without integrity",
    { child: "esp_proposals = aes128-x25519" },
    'hq.conf:10:25: aes128 without integrity can be forged, and then read (RFC 8221 §4); write "aes128-sha256", or better "aes128gcm16"',
  ],
  [
    "AH that would encrypt",
    { child: "ah_proposals = aes128-sha256" },
    'hq.conf:10:24: AH does not encrypt (RFC 4302); name one integrity transform, for example "sha256", or take protocol "esp"',
  ],
  [
    "an additional key exchange alone (RFC 9370)",
    { child: "esp_proposals = aes128gcm16-ke1_mlkem768" },
    "hq.conf:10:25: an additional key exchange without a first one (RFC 9370 §2); add x25519",
  ],
  [
    "a prefix that is too long",
    { child: "remote_ts = 10.2.0.0/61" },
    "hq.conf:10:30: prefix length 61 is beyond 32; take /32 for one host, or less",
  ],
  [
    "a prefix of IPv6 that is too long",
    { connection: "local_addrs = 2001:db8::/129" },
    "hq.conf:4:30: prefix length 129 is beyond 128; take /128 for one host, or less",
  ],
  [
    "no network",
    { child: "local_ts = 10.1.0.0/24, 10.1.0" },
    "hq.conf:10:33: '10.1.0' is no network; for example 10.1.0.0/24, 10.1.0.5-10.1.0.9, 2001:db8::/64[tcp/443] or dynamic",
  ],
  [
    "an unknown protocol",
    { child: "local_ts = 10.1.0.0/24[tpc/80]" },
    "hq.conf:10:32: 'tpc' is no protocol; did you mean 'tcp'?",
  ],
  [
    "a port without a protocol",
    { child: "local_ts = 10.1.0.0/24[/80]" },
    "hq.conf:10:32: a port without a protocol that has ports; for example [tcp/80]",
  ],
  [
    "a range that ends before it begins",
    { child: "local_ts = 10.1.0.9-10.1.0.1" },
    "hq.conf:10:20: '10.1.0.9-10.1.0.1' ends before it begins; swap the two addresses",
  ],
  [
    "families that do not meet",
    { child: "remote_ts = 2001:db8::/64" },
    "hq.conf:9:20: IPv4 stands on one side only of child 'net'; give both sides networks of the same family",
    "hq.conf:10:21: IPv6 stands on one side only of child 'net'; give both sides networks of the same family",
  ],
  [
    "no address",
    { connection: "local_addrs = 192.0.2.300" },
    "hq.conf:4:19: '192.0.2.300' is no address and no name of a host; give an address, a prefix 192.0.2.0/24, a range 192.0.2.1-192.0.2.9, a name or %any",
  ],
  ["a time in words", { connection: "rekey_time = 4hours" }, "hq.conf:4:18: '4hours' is no time; use 4h"],
  [
    "a time that is none",
    { connection: "dpd_delay = soon" },
    "hq.conf:4:17: 'soon' is no time; use seconds or a unit, for example 4h",
  ],
  [
    "a count that is none",
    { child: "rekey_bytes = 1GB" },
    "hq.conf:10:23: '1GB' is no count; use digits, with k, M, G or T for 10^3 to 10^12",
  ],
  [
    "a life that ends before the rekey",
    { child: "rekey_time = 2h\n        life_time = 1h" },
    "hq.conf:11:21: life_time ends the SA before rekey_time replaces it; make it larger than rekey_time, a tenth more is usual",
  ],
  [
    "jitter as long as the life",
    { child: "rekey_bytes = 100M\n        rand_bytes = 100M" },
    "hq.conf:11:22: rand_bytes may take all of rekey_bytes; make it a tenth of it",
  ],
  ["neither yes nor no", { connection: "mobike = maybe" }, "hq.conf:4:14: 'maybe' is neither yes nor no; mobike = yes"],
  [
    "a word that is nearly one",
    { connection: "unique = replce" },
    "hq.conf:4:14: 'replce' is no value of unique; did you mean 'replace'?",
  ],
  [
    "an action",
    { child: "start_action = now" },
    "hq.conf:10:24: 'now' is no value of start_action; choose none, trap, start, trap|start",
  ],
  [
    "a mode that is not there",
    { child: "mode = beet" },
    "hq.conf:10:16: 'beet' is no value of mode; choose tunnel, transport, pass, drop",
  ],
  [
    "a port out of range",
    { connection: "local_port = 70000" },
    "hq.conf:4:18: '70000' is no number from 1 to 65535; for example local_port = 500",
  ],
  [
    "aggressive mode with a pre-shared key that nobody asked for twice",
    { connection: "version = 1\naggressive = yes" },
    "hq.conf:5:14: aggressive mode with a pre-shared key lets anybody try out keys at home; remove it, take certificates, or say aggressive_psk = yes as well",
  ],
  [
    "a refresh limit of one without master key PFS, which is the same",
    { connection: "refresh_limit = 1\nmaster_pfs = no" },
    "hq.conf:5:14: refresh_limit = 1 is master key PFS; say master_pfs = yes, or raise refresh_limit",
  ],
  [
    "a bundle where IKEv2 would negotiate it",
    { child: "bundle = yes" },
    "hq.conf:10:18: only IKEv1 negotiates AH over ESP (RFC 4301 §4.1); say version = 1 in the connection",
  ],
  [
    "a fallback of what is in clear anyway",
    { child: "mode = pass\nfallback_to_clear = yes" },
    "hq.conf:11:21: a child with mode = pass negotiates nothing; remove it",
  ],
  [
    "an inbound pass-through without anything to answer with",
    { child: "mode = drop\naccept_clear = yes" },
    "hq.conf:11:16: a child with mode = drop has nothing to answer with; remove it",
  ],
  [
    "repeats without a pause",
    { connection: "retransmit_timeout = 0" },
    "hq.conf:4:26: 0 would repeat without end; for example retransmit_timeout = 1s",
  ],
  [
    "IKEv1 of which nothing is left",
    { connection: "version = 1\nproposals = aes256gcm16-prfsha384-x25519" },
    "hq.conf:5:13: IKE has no encryption algorithm; for example aes256-sha256-modp2048",
  ],
  [
    "a second round of authentication (RFC 4739)",
    { connection: "local-2 { auth = psk }" },
    "hq.conf:5:5: a second round of authentication is not there yet (RFC 4739); keep one local section",
  ],
  ["EAP", { remote: "auth = eap-mschapv2" }, "hq.conf:12:14: 'eap-mschapv2' is not there yet; choose psk or pubkey"],
  [
    "a way to authenticate that is nearly one",
    { remote: "auth = pubkey-sha265" },
    "hq.conf:12:14: 'sha265' is no way to authenticate; did you mean 'sha256'?",
  ],
  [
    "an identity that is none",
    { remote: "id = C=" },
    'hq.conf:12:12: "C=" is no distinguished name; write it as "C=CH, O=Example, CN=gw" with known attributes or OIDs, or put keyid: in front if it is meant as it stands',
  ],
  [
    "no secret for a peer by its address",
    { file: "secrets { ike-hq { id = 198.51.100.1 } }" },
    "hq.conf:11:5: no secret for 'hq' (id 192.0.2.2); add secrets.ike-hq { id = 192.0.2.2 and secret = … }",
  ],
  [
    "no secret for a peer by its name",
    { remote: "id = gw-b", file: "secrets { ike-hq { id = gw-c } }" },
    "hq.conf:11:5: no secret for 'hq' (id gw-b); add secrets.ike-hq { id = gw-b and secret = … }",
  ],
  [
    "a certificate that nobody named",
    { local: "auth = pubkey" },
    "hq.conf:5:5: no certificate to prove who we are in connection 'hq'; add local.certs = NAME with the file in x509/, or say auth = psk",
  ],
  [
    "a certificate that is not there",
    { local: "auth = pubkey\n certs = a.crt" },
    "hq.conf:7:10: x509/a.crt: no such file; name a readable file",
  ],
  [
    "a key that is not there",
    { file: "secrets { private-a { file = a.key } }" },
    "hq.conf:16:30: private/a.key: no such file; name a readable file",
  ],
  [
    "a secret without a secret",
    { file: "secrets { ike-2 { id = x } }" },
    "hq.conf:16:11: 'ike-2' has no secret; add secret = …, or file = PATH",
  ],
  [
    "a secret that is no base64",
    { file: "secrets { ike-2 { secret = 0s** } }" },
    'hq.conf:16:28: 0x and 0s announce hex and base64, and something else follows; put plain text into "…"',
  ],
  [
    "an empty secret",
    { file: 'secrets { ike-2 { secret = "" } }' },
    "hq.conf:16:28: the secret is empty; make one with: openssl rand -base64 32",
  ],
  [
    "pass without selectors",
    { connection: "children { out { mode = pass } }", file: "" },
    "hq.conf:4:16: child 'out' says pass and not for what; add local_ts and remote_ts",
  ],
  [
    "a name with a slash",
    { connection: "children { a/b { remote_ts = 10.9.0.0/16\n local_ts = 10.8.0.0/16 } }" },
    "hq.conf:4:16: 'a/b' does not fit logs and metrics; take 1–64 characters without slash and quotes",
  ],
  [
    "a setting outside of a child",
    { connection: "children { mode = pass\n }" },
    "hq.conf:4:16: 'mode' stands outside of a child; children { NAME { … } }: name the child first",
  ],
  [
    "slots that are no power of two",
    { file: "esplanade { slots = 1000 }" },
    "hq.conf:16:21: 1000 is no power of two; take 1024",
  ],
  [
    "a device's name",
    { file: "esplanade { tun { name = a/b } }" },
    "hq.conf:16:26: 'a/b' is no name of a device; take 1–15 characters without spaces, slash and colon",
  ],
  [
    "nowhere to listen",
    { file: "esplanade { listen = 1.2.3 } " },
    "hq.conf:16:22: '1.2.3' is no address with or without a port; for example 192.0.2.1, [::]:4500",
    "hq.conf:16:22: nowhere to listen; remove it to listen on every address",
  ],
  [
    "an HTTP interface that others reach, unless it is said",
    { file: "esplanade { http { listen = 0.0.0.0:9850 } }" },
    "hq.conf:16:29: '0.0.0.0:9850' can be reached from other hosts, and who reaches it sees all tunnels; give 127.0.0.1, or write remote = yes if a firewall stands before it",
  ],
  [
    "an HTTP socket without a path and a host without a name",
    { file: "esplanade { http { socket = http.sock\n hosts = a_b } }" },
    "hq.conf:16:29: 'http.sock' is no path of a socket; give a path from the root of at most 107 octets",
    "hq.conf:17:10: 'a_b' is no name of a host; for example gw.example.org",
  ],
];

for (const [what, lines, ...complaints] of ERRORS)
  test(`refuses ${what}, with place, reason and remedy`, () =>
    assert.deepEqual(complaintsOf(sample(lines)).toSorted(), complaints.toSorted()));

const WARNINGS: readonly Row[] = [
  [
    "a key that does nothing here",
    { connection: "vips = 0.0.0.0" },
    "hq.conf:4:5: 'vips' is known, has no effect here; virtual IPs are not there yet: give the addresses by hand",
  ],
  [
    "a child's key that does nothing here",
    { child: "mark_in = 42" },
    "hq.conf:10:9: 'mark_in' is known, has no effect here; it belongs to the Linux kernel's IPsec, which is not used: remove it",
  ],
  [
    "a key of IKEv1 that does nothing",
    { connection: "dpd_timeout = 30s" },
    "hq.conf:4:5: 'dpd_timeout' is known, has no effect here; a peer is given up after the repeats of a question: set retransmit_tries",
  ],
  [
    "a key of IKEv1 where IKEv2 alone is spoken",
    { connection: "version = 2\ncommit_bit = always" },
    "hq.conf:5:1: 'commit_bit' is for IKEv1, and this connection says version = 2; remove it",
  ],
  [
    "aggressive mode with a pre-shared key, also where weakness is wanted",
    { connection: "version = 1\nallow_weak = yes\naggressive = yes\naggressive_psk = yes" },
    "hq.conf:7:1: anybody who sends one message gets what he needs to try out pre-shared keys at home, and both identities are shown; take certificates, main mode or IKEv2; at least a key of 32 random octets",
  ],
  [
    "what IKEv1 has no number for",
    { connection: "version = 1\nproposals = aes256-sha256-prfsha256-x25519-modp2048" },
    "hq.conf:5:27: IKEv1's PRF is the HMAC of its hash (RFC 2409 §4): 'prfsha256' is not offered; remove it, or say version = 2",
    "hq.conf:5:37: IKEv1 has no number for 'x25519', it is not offered; remove it, or say version = 2",
  ],
  [
    "packets in clear that are taken",
    { child: "accept_clear = yes" },
    "hq.conf:10:9: packets in clear are taken from whoever writes the peer's addresses into them; remove it as soon as the peer protects its first packet too",
  ],
  [
    "a section that does nothing here",
    { file: "pools { a { addrs = 10.0.0.0/24 } }" },
    "hq.conf:16:1: section 'pools' is known, has no effect here; virtual IPs are not there yet: give the addresses by hand",
  ],
  [
    "secrets of other kinds",
    { file: "secrets { eap-x { secret = hunter2 } }" },
    "hq.conf:16:11: section 'eap-x' is known, has no effect here; EAP and XAuth are not there yet: take psk or pubkey",
  ],
  [
    "a template that nobody uses",
    { file: "templates { x = 1 }" },
    "hq.conf:16:1: section 'templates' has no effect: nobody refers to it; remove it",
  ],
  [
    "a weak cipher that is named",
    { child: "esp_proposals = 3des-sha1\nlife_bytes = 100M" },
    "hq.conf:10:25: 3des is weak: 64-bit blocks collide after some gigabytes (RFC 8221 §5); take another, or say allow_weak = yes in the connection",
  ],
  [
    "a weak group that is named",
    { connection: "proposals = aes256-sha256-modp1024" },
    "hq.conf:4:31: modp1024 is weak: precomputed for all peers at once (RFC 8247 §2.4); it is group 2, which only Windows 2000 and Windows XP need; take modp2048 and name it first, or say allow_weak = yes in the connection",
  ],
  [
    "nothing when weakness is wanted",
    { connection: "allow_weak = yes", child: "esp_proposals = 3des-md5-modp1024\nlife_bytes = 100M" },
  ],
  [
    "integrity beside an AEAD, which then names the PRF",
    { connection: "proposals = aes256gcm128-sha256-modp2048" },
    "hq.conf:4:30: aes256gcm16 has integrity of its own, 'sha256' is not offered; write 'prfsha256' instead of 'sha256'",
  ],
  [
    "integrity beside an AEAD of ESP",
    { child: "esp_proposals = aes128gcm16-sha256" },
    "hq.conf:10:37: aes128gcm16 has integrity of its own, 'sha256' is not offered; remove 'sha256'",
  ],
  [
    "bits beyond the prefix",
    { child: "remote_ts = 10.2.0.1/24" },
    "hq.conf:10:21: '10.2.0.1/24' has bits set beyond its prefix length: the whole network is meant; write its first address, or /32 for the one host",
  ],
  [
    "a start to nowhere",
    { connection: "remote_addrs = %any", child: "start_action = trap" },
    "hq.conf:10:9: 'trap' has no effect: connection 'hq' has no address to go to; add remote_addrs = ADDRESS, or say start_action = none",
  ],
  [
    "a window of nothing",
    { child: "replay_window = 0" },
    "hq.conf:10:9: without a window packets may be replayed (RFC 4303 §3.4.3); remove it for 2048",
  ],
  [
    "a short secret, without showing it",
    { file: "secrets { ike-2 { secret = hunter2 } }" },
    "hq.conf:16:19: the secret of 'ike-2' is short: whoever plays the peer can find it by trying; make one with: openssl rand -base64 32",
  ],
  [
    "hashes that would bind certificates elsewhere",
    { remote: "auth = pubkey-sha256" },
    "hq.conf:12:7: hashes bind the peer's signature alone here, not its certificates, and key sizes are not checked; say so with ike:, for example ike:pubkey-sha256",
  ],
  [
    "children that take each other's packets",
    { connection: "children { other { local_ts = 10.1.0.0/24\n remote_ts = 10.2.0.0/24 } }" },
    "hq.conf:9:9: 'hq/net' overlaps 'hq/other': packets to 10.2.0.0/24 go into the latter; narrow one of them, or say priority = N: lower numbers are looked at first",
  ],
  [
    "nothing when the one is narrower on purpose",
    { connection: "children { other { local_ts = 10.1.0.0/24\n remote_ts = 10.2.0.7 } }" },
  ],
];

/** Settings that a row sets in place of the sample's are told to be set twice: that is not what it is about. */
for (const [what, lines, ...warnings] of WARNINGS)
  test(`warns of ${what}`, () => {
    const told = warningsOf(sample(lines)).filter((line) => !line.includes("is set twice"));
    assert.deepEqual(told.toSorted(), warnings.toSorted());
  });

test("the sample itself has nothing to complain of", () => assert.deepEqual(warningsOf(sample()), []));

test("a file with secrets that others may read is told, with the command that mends it", () =>
  assert.deepEqual(warningsOf(sample(), {}, 0o644), [
    "hq.conf:15:1: others may read this file (mode 644), and it holds secrets; chmod 600 hq.conf",
  ]));

test("an empty file says what to write", () =>
  assert.deepEqual(complaintsOf("# nothing\n"), [
    "hq.conf:1:1: there are no connections; add tunnel NAME { … } or connections { NAME { … } }",
  ]));

test("all that is wrong is told at once, in the order of the file", () =>
  assert.deepEqual(
    complaintsOf(sample({ connection: "mobike = 7", child: "mode = 8" })).map((line) => line.split(": ")[0]),
    ["hq.conf:4:14", "hq.conf:10:16"],
  ));

test("complaints end at 200, and say how many are left", () => {
  const complaints = complaintsOf(
    sample({ connection: Array.from({ length: 300 }, (_, i) => `zz${i} = 1`).join("\n") }),
  );
  assert.equal(complaints.length, 201);
  assert.equal(complaints.at(-1), "100 more complaints; mend these first");
});
