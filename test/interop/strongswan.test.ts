// The judge is judged first: two strongSwans in the lab, a ping of one host through them to the other.
import assert from "node:assert/strict";
import { test } from "node:test";
import { Lab } from "#lab/lab";
import { NEEDS_STRONGSWAN, Strongswan } from "./strongswan.ts";

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

test(
  "strongSwan joins the lab's two sites with itself, so that what fails with us fails because of us",
  NEEDS_STRONGSWAN,
  async () => {
    await using lab = new Lab(1500);
    const hosts = await lab.startHosts();
    const secrets = 'ike-1 { secret = "lab-only" }';
    const wan = ["192.0.2.1", "192.0.2.2"];
    const nets = ["10.1.0.0/24", "10.2.0.0/24"];
    await using a = await Strongswan.start(lab.network.gatewayA, {
      connections: side("gw-a", "gw-b", wan, nets),
      secrets,
    });
    await using b = await Strongswan.start(lab.network.gatewayB, {
      connections: side("gw-b", "gw-a", wan.toReversed(), nets.toReversed()),
      secrets,
    });
    await a.initiate("net");
    assert.match(await b.listSas(), /ESTABLISHED, IKEv2[\s\S]*net: #\d+.*INSTALLED/);
    const { status, stdout } = await hosts.a.execute(10, "ping", "-n", "-c", "3", "-i", "0.05", "10.2.0.10");
    if (status !== undefined) assert.match(stdout, / 0% packet loss/);
  },
);
