/** OpenVPN, point to point over TLS, AES-256-GCM in user space: without its kernel module (DCO). */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Candidate } from "#bench/netns/candidate";
import { Daemon, installed, run, saidBy } from "#bench/netns/process";
import { innerMtu, routeInto, type Site, type Topology } from "#bench/netns/topology";

const DEVICE = "ovpn0";
const BUFFER_OCTETS = 2 << 20;

export const openvpn: Candidate = {
  name: "openvpn",
  title: "OpenVPN, AES-256-GCM, UDP, without DCO",
  find() {
    const version = /OpenVPN (\S+)/.exec(saidBy("openvpn", "--version"))?.[1];
    return version !== undefined && installed("openssl")
      ? { kind: "present", version }
      : { kind: "absent", why: "openvpn or openssl is not installed", remedy: "npm run bench:peers" };
  },
  async start(topology, directory, daemons) {
    makeCertificates(directory);
    const starting = [];
    for (const [side, gateway, peer] of [
      ["a", topology.a, topology.b],
      ["b", topology.b, topology.a],
    ] as const) {
      const file = join(directory, `openvpn-${side}.conf`);
      writeFileSync(file, configuration(side, topology, gateway, peer, directory), { mode: 0o600 });
      const daemon = new Daemon({ namespace: gateway.namespace, command: ["openvpn", "--config", file] });
      daemons.push(daemon);
      starting.push(daemon.waitForOutput(/Initialization Sequence Completed/, 20));
    }
    await Promise.all(starting);
    for (const gateway of [topology.a, topology.b]) routeInto(gateway, DEVICE);
  },
};

function configuration(side: "a" | "b", topology: Topology, gateway: Site, peer: Site, directory: string): string {
  const [own, other] = side === "a" ? ["10.99.0.1", "10.99.0.2"] : ["10.99.0.2", "10.99.0.1"];
  return `
dev ${DEVICE}
dev-type tun
proto udp4
local ${gateway.wan}
remote ${peer.wan} 1194
port 1194
${side === "a" ? "tls-server" : "tls-client"}
ca ${directory}/ca.crt
cert ${directory}/${side}.crt
key ${directory}/${side}.key
dh none
data-ciphers AES-256-GCM
disable-dco
tun-mtu ${innerMtu(topology)}
mssfix 0
txqueuelen 1000
sndbuf ${BUFFER_OCTETS}
rcvbuf ${BUFFER_OCTETS}
ifconfig ${own} ${other}
fast-io
verb 3
`;
}

/** A certification authority of one day and one certificate for each side. */
function makeCertificates(directory: string): void {
  const at = (name: string) => join(directory, name);
  const newKey = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"];
  const authority = ["-subj", "/CN=bench-ca", "-keyout", at("ca.key"), "-out", at("ca.crt")];
  run("openssl", "req", "-x509", ...newKey, "-days", "1", ...authority);
  for (const side of ["a", "b"]) {
    const request = at(`${side}.csr`);
    run("openssl", "req", ...newKey, "-subj", `/CN=${side}`, "-keyout", at(`${side}.key`), "-out", request);
    const by = ["-CA", at("ca.crt"), "-CAkey", at("ca.key"), "-CAcreateserial"];
    run("openssl", "x509", "-req", "-in", request, ...by, "-days", "1", "-out", at(`${side}.crt`));
  }
}
