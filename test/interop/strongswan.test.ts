// The judge is judged first: two strongSwans in the lab, a ping of one host through them to the other.
import assert from "node:assert/strict";
import { type TestOptions, test } from "node:test";
import { Lab } from "#lab/lab";
import { Strongswan, type StrongswanBuild } from "#lab/strongswan";
import { NEEDS_NEWER_STRONGSWAN, NEWER_STRONGSWAN } from "./newer-strongswan.ts";
import { NEEDS_STRONGSWAN } from "./strongswan.ts";

function side(own: string, other: string, addresses: readonly string[], nets: readonly string[]): string {
  return `s2s {
    version = 2
    proposals = aes256-sha256-modp2048
    local_addrs = ${addresses[0]}
    remote_addrs = ${addresses[1]}
    local { auth = psk
            id = ${own} }
    remote { auth = psk
             id = ${other} }
    children { net { local_ts = ${nets[0]}
                     remote_ts = ${nets[1]}
                     esp_proposals = aes128gcm16 } }
  }`;
}

const PEERS: readonly (readonly [string, StrongswanBuild | undefined, TestOptions])[] = [
  ["strongSwan", undefined, NEEDS_STRONGSWAN],
  ["strongSwan 6", NEWER_STRONGSWAN, NEEDS_NEWER_STRONGSWAN],
];

for (const [name, build, options] of PEERS)
  test(`${name} joins the lab's two sites with itself: what fails with us fails because of us`, options, async () => {
    await using lab = new Lab(1500);
    const { gatewayA, gatewayB } = lab.network;
    const hosts = await lab.startHosts();
    const wan = ["192.0.2.1", "192.0.2.2"];
    const nets = ["10.1.0.0/24", "10.2.0.0/24"];
    const plan = (own: string, other: string, addresses: readonly string[], networks: readonly string[]) => ({
      connections: side(own, other, addresses, networks),
      secrets: 'ike-1 { secret = "lab-only" }',
      ...(build === undefined ? {} : { build }),
    });
    await using a = await Strongswan.start(gatewayA, plan("gw-a", "gw-b", wan, nets));
    await using b = await Strongswan.start(gatewayB, plan("gw-b", "gw-a", wan.toReversed(), nets.toReversed()));
    await a.initiate("net");
    assert.match(await b.listSas(), /ESTABLISHED, IKEv2[\s\S]*net: #\d+.*INSTALLED/);
    const { status, stdout } = await hosts.a.execute(10, "ping", "-n", "-c", "3", "-i", "0.05", "10.2.0.10");
    if (status !== undefined) assert.match(stdout, / 0% packet loss/);
  });
