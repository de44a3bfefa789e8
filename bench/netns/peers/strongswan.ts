/**
 * strongSwan with ESP in user space: charon and its plugin kernel-libipsec, IKEv2 with a pre-shared key. The plugin is
 * named before kernel-netlink, so that SAs and policies are its own; kernel-netlink keeps addresses and routes. Its TUN's
 * MTU is fixed at 1400.
 */
import { randomBytes } from "node:crypto";
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Candidate } from "#bench/netns/candidate";
import { Daemon, run, saidBy } from "#bench/netns/process";
import type { Site } from "#bench/netns/topology";

const CHARON = "/usr/sbin/charon-systemd";
const LIBIPSEC = "/usr/lib/ipsec/plugins/libstrongswan-kernel-libipsec.so";
const IKE_PROPOSAL = "aes256-sha256-modp2048";
// Whichever registers an algorithm first is used: OpenSSL has the fast AES.
const PLUGINS =
  "openssl aesni aes sha1 sha2 gmp gcm ccm ctr chapoly curve25519 hmac kdf drbg random nonce pem pkcs1 " +
  "kernel-libipsec kernel-netlink socket-default vici updown";

export function strongswan(suite: string): Candidate {
  return {
    name: "strongswan",
    title: `strongSwan kernel-libipsec, ${suite}, ESP in UDP`,
    find() {
      const version = /strongSwan (\d+\.\d+\.\d+)/.exec(saidBy("swanctl", "--version"))?.[1];
      return version !== undefined && existsSync(CHARON) && existsSync(LIBIPSEC)
        ? { kind: "present", version }
        : {
            kind: "absent",
            why: "charon-systemd, swanctl or kernel-libipsec is missing",
            remedy: "npm run bench:peers",
          };
    },
    async start(topology, directory, daemons) {
      const secret = randomBytes(24).toString("hex");
      const sides = [
        { name: "a", gateway: topology.a, other: "b", peer: topology.b },
        { name: "b", gateway: topology.b, other: "a", peer: topology.a },
      ];
      for (const { name, gateway, other, peer } of sides) {
        const home = join(directory, name);
        mkdirSync(join(home, "swanctl"), { recursive: true });
        writeFileSync(join(home, "strongswan.conf"), daemonConfiguration(home));
        const connection = connectionConfiguration(name, other, gateway, peer, suite, secret);
        writeFileSync(join(home, "swanctl/swanctl.conf"), connection, { mode: 0o600 });
        const env = { STRONGSWAN_CONF: join(home, "strongswan.conf") };
        const daemon = new Daemon({ namespace: gateway.namespace, command: [CHARON], env });
        daemons.push(daemon);
        await daemon.waitUntil(() => existsSync(join(home, "vici")), "the vici socket", 15);
        swanctl(home, gateway, "--load-all");
      }
      swanctl(join(directory, "a"), topology.a, "--initiate", "--child", "net", "--timeout", "10");
    },
  };
}

function swanctl(home: string, gateway: Site, ...args: readonly string[]): void {
  const environment = [`STRONGSWAN_CONF=${home}/strongswan.conf`, `SWANCTL_DIR=${home}/swanctl`];
  const to = ["--uri", `unix://${home}/vici`];
  run("ip", "netns", "exec", gateway.namespace, "env", ...environment, "swanctl", ...args, ...to);
}

function daemonConfiguration(home: string): string {
  return `
charon-systemd {
  load = ${PLUGINS}
  filelog {
    log {
      path = ${home}/charon.log
      default = 0
    }
  }
  journal {
    default = -1
  }
  plugins {
    vici {
      socket = unix://${home}/vici
    }
  }
}
swanctl {
  load = openssl pem pkcs1 random
}
`;
}

function connectionConfiguration(
  name: string,
  other: string,
  gateway: Site,
  peer: Site,
  suite: string,
  secret: string,
): string {
  return `
connections {
  bench {
    version = 2
    proposals = ${IKE_PROPOSAL}
    local_addrs = ${gateway.wan}
    remote_addrs = ${peer.wan}
    local {
      auth = psk
      id = gateway-${name}
    }
    remote {
      auth = psk
      id = gateway-${other}
    }
    children {
      net {
        local_ts = ${gateway.lanPrefix}
        remote_ts = ${gateway.remotePrefix}
        esp_proposals = ${suite}
        rekey_time = 0
        start_action = none
      }
    }
  }
}
secrets {
  ike-bench {
    secret = "${secret}"
  }
}
`;
}
