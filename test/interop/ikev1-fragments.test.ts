// IKEv1's fragments (payload 0x84) with a live strongSwan: chains of RSA-3072 certificates over links of 1280 octets.
import assert from "node:assert/strict";
import { test } from "node:test";
import { LabAuthority } from "./lab-authority.ts";
import { LivePair } from "./live-pair.ts";
import { NEEDS_STRONGSWAN } from "./strongswan.ts";
import { version1 } from "./version-1.ts";

const MTU = 1280;
/** IPv4 and UDP headers. */
const HEADERS = 28;

const KINDS = ["yes", "force"] as const;

test("chains of RSA-3072 go in fragments both ways, whoever begins", NEEDS_STRONGSWAN, async (t) => {
  const authority = new LabAuthority("rsa3072", "O=Lab, CN=lab", 2);
  const [a, b] = [authority.issue("gw-a", ["gw-a"]), authority.issue("gw-b", ["gw-b"])];
  const lines = (name: string) => `id = ${name}\ncerts = ${name}.pem, ${name}-ca0.pem, ${name}-ca1.pem`;
  const tunnels = KINDS.map((fragmentation) =>
    version1(
      { auth: "pubkey", connection: `fragmentation = ${fragmentation}` },
      {
        ours: { local: lines("gw-a"), remote: "id = gw-b" },
        theirs: { local: lines("gw-b"), remote: "id = gw-a" },
      },
    ),
  );
  await using pair = await LivePair.startMany(tunnels, {
    ourFiles: { ...a.files, ...authority.trust },
    peer: { secrets: "", files: { ...b.files, ...authority.trust }, daemon: "fragment_size = 600" },
    mtu: MTU,
  });
  for (const [place, fragmentation] of KINDS.entries())
    await t.test(`fragmentation = ${fragmentation}`, async () => {
      const tunnel = pair.at(place);
      for (const role of ["us", "them"] as const) {
        const heard = pair.peer.log.length;
        await pair.explained(() => tunnel.initiate(role));
        await tunnel.mustBeUp();
        const log = pair.peer.log.slice(heard);
        // Theirs: their size. Ours: what the link takes.
        assert.match(log, /splitting IKE message \(\d+ bytes\) into ([5-9]|\d\d) fragments/);
        assert.match(log, /received fragment #\d+.*reassembled fragmented IKE message \(\d{4} bytes\)/);
        const lengthsIn = (line: RegExp) => [...log.matchAll(line)].map(([, length]) => Number(length));
        // charon tells of a whole message again once it has its pieces.
        const whole = lengthsIn(/reassembled fragmented IKE message \((\d+) bytes\)/g);
        const lengths = lengthsIn(/received packet: .* \((\d+) bytes\)/g).filter((length) => !whole.includes(length));
        assert.ok(Math.max(...lengths) <= MTU - HEADERS, `${lengths}`);
        await tunnel.mustEcho();
        await tunnel.act("terminate", "ike");
        await tunnel.mustBeDown();
      }
    });
});
