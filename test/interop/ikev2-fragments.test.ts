// IKE fragmentation (RFC 7383) with a live strongSwan: chains of RSA-3072 certificates over links of 1280 octets.
import assert from "node:assert/strict";
import { test } from "node:test";
import { IKE_PLAN } from "#lab/ike-config";
import { LabAuthority } from "./lab-authority.ts";
import { LivePair } from "./live-pair.ts";
import { NEEDS_STRONGSWAN } from "./strongswan.ts";

const MTU = 1280;
/** IPv4 and UDP headers. */
const HEADERS = 28;

test("chains of RSA-3072 go in fragments both ways, whoever begins (RFC 7383)", NEEDS_STRONGSWAN, async () => {
  const authority = new LabAuthority("rsa3072", "O=Lab, CN=lab", 2);
  const [a, b] = [authority.issue("gw-a", ["gw-a"]), authority.issue("gw-b", ["gw-b"])];
  const certs = (name: string) => `certs = ${name}.pem, ${name}-ca0.pem, ${name}-ca1.pem`;
  await using pair = await LivePair.start({
    plan: { ...IKE_PLAN, auth: "pubkey", connection: "fragmentation = yes" },
    ours: { local: `id = gw-a\n${certs("gw-a")}` },
    theirs: { local: `id = gw-b\n${certs("gw-b")}` },
    ourFiles: { ...a.files, ...authority.trust },
    peer: { secrets: "", files: { ...b.files, ...authority.trust }, daemon: "fragment_size = 600" },
    mtu: MTU,
  });
  for (const role of ["us", "them"] as const) {
    const heard = pair.peer.log.length;
    await pair.explained(() => pair.initiate(role));
    await pair.mustBeUp();
    const log = pair.peer.log.slice(heard);
    // Theirs: their size. Ours: what the link takes.
    assert.match(log, /splitting IKE message \(\d+ bytes\) into ([5-9]|\d\d) fragments/);
    assert.match(log, /received fragment #\d+ of \d+, reassembled fragmented IKE message \(\d{4} bytes\)/);
    const lengths = [...log.matchAll(/received packet: .* \((\d+) bytes\)/g)].map(([, length]) => Number(length));
    assert.ok(Math.max(...lengths) <= MTU - HEADERS, `${lengths}`);
    await pair.mustEcho();
    await pair.ours.act("terminate", "s2s", true);
    await pair.mustBeDown();
  }
});
