/**
 * What a peer, a pair of SAs and a rekey cost a gateway: the constants of src/control/capacity.ts.
 *
 *     node --expose-gc dist/test/capacity/measure.js
 */
import type { Connection } from "#core/connection";
import { assert } from "#core/errors";
import { millis } from "#core/units";
import { KeMethod } from "#crypto/key-exchange";
import { Encryption } from "#crypto/transforms";
import type { IkePort } from "#gateway/control-doors";
import { IkeControl } from "#gateway/ike-control";
import type { IkeEffect, NegotiatedChild } from "#ike/effects";
import { createLaneCipher } from "#process/lane-cipher";
import { esp, mainModeProposal } from "#test/ike/v1/phase2-pair";
import { seededRandom, VirtualGateway } from "#test/sim/gateway-pair";
import { childConfig, connection, espProposal, localAuth, mirrored, remoteAuth } from "#test/sim/ike-config";
import { established, initiate, only } from "#test/sim/ike-established";
import { endpoint, IkeSim } from "#test/sim/ike-pair";

const CENTRE = "198.51.100.1";
const PEERS = 500;
const PAIRS = 4_000;
const REKEYS = 200;

/** Octets of the heap and of what stands beside it. */
function used(): number {
  const { gc } = globalThis;
  assert(gc !== undefined, "run it with node --expose-gc");
  gc();
  gc();
  const { heapUsed, external, arrayBuffers } = process.memoryUsage();
  return heapUsed + external + arrayBuffers;
}

/** An IKE SA with one pair, in the engine of a responder. */
function octetsOfPeer(version: 1 | 2): number {
  const sim = new IkeSim({ seed: 1, jobs: "cheap" });
  const own = version === 1 ? { proposals: [mainModeProposal()] } : {};
  const over: Partial<Connection> = { version, ...own, local: localAuth(), remote: remoteAuth() };
  const hosts = { mode: "transport", local: [DYNAMIC], remote: [DYNAMIC], proposals: [esp()] } as const;
  const config = mirrored(over, hosts);
  const responder = sim.node("b", CENTRE);
  const [at] = config.b.connections;
  assert(at !== undefined, "a mirrored configuration has a connection");
  responder.configure({ ...config.b, connections: [{ ...at, remoteAddresses: [{ kind: "any" }] }] });
  const before = used();
  for (let i = 0; i < PEERS; i++) {
    const address = `10.9.${i >> 8}.${i & 255}`;
    const node = sim.node(`a${i}`, address);
    node.configure({
      ...config.a,
      connections: [connection(address, CENTRE, { ...over, children: config.a.connections[0]?.children ?? [] })],
    });
    initiate(node);
    sim.driveFor(1_000);
    // Nobody asks whether they are still there.
    responder.give({ kind: "heard", id: [...responder.installed.keys()].at(-1) ?? 0 });
    sim.kill(node);
    sim.sent.length = 0;
    responder.reports.length = 0;
  }
  assert(responder.sas.length === PEERS, `${responder.sas.length} of ${PEERS} peers are there`);
  return (used() - before) / PEERS;
}

const DYNAMIC = { kind: "dynamic", protocol: 0, firstPort: 0, lastPort: 65_535 } as const;

/** A connection with one child and its pair, in control, director and data plane. */
function octetsOfPair(): number {
  const gateway = new VirtualGateway((memory, count) => createLaneCipher("native", memory, count), 4 * PAIRS, 5);
  const random = seededRandom(9);
  let next: IkeEffect[] = [];
  const engine: IkePort = {
    nextTimeout: undefined,
    snapshot: () => ({ sas: [], halfOpen: 0, counters: {} }),
    handle: () => next.splice(0),
    settingUp: 0,
    unsettled: 0,
    freeze: () => {
      throw new Error("nobody takes it over");
    },
    thaw: () => undefined,
  };
  const control = new IkeControl({ engine, plane: gateway.plane, random, pathMtu: () => 1500 });
  const before = used();
  const nets = (i: number) => [`10.${1 + (i >> 8)}.${i & 255}.0/24`, "10.200.0.0/16"] as const;
  const connections = Array.from({ length: PAIRS }, (_, i) => ({
    ...connection(CENTRE, "192.0.2.9", { children: [childConfig(nets(i)[1], nets(i)[0])] }),
    name: `peer-${i}`,
  }));
  const credentials = { secrets: [], keys: [], authorities: [], intermediates: [], crls: [] };
  control.handle({ kind: "configure", ike: { connections, credentials }, policies: [] }, millis(1000));
  for (const [i, { name, children }] of connections.entries()) {
    const [config] = children;
    assert(config !== undefined, "a connection has its child");
    const keys = () => ({ encryptionKey: new Uint8Array(20).fill(i), integrityKey: new Uint8Array(0) });
    const end = (port: number) => endpoint(CENTRE, port);
    const child: NegotiatedChild = {
      id: 1 + i,
      ike: 1,
      connection: name,
      child: config.name,
      config,
      protocol: "esp",
      mode: "tunnel",
      suite: { encryption: Encryption.AES_GCM_16, integrity: 0 },
      inbound: { spi: gateway.plane.drawSpi(0), ...keys() },
      outbound: { spi: gateway.plane.drawSpi(0), ...keys() },
      esn: true,
      outerAh: undefined,
      agreedLifetime: undefined,
      encapsulation: "udp",
      local: end(4500),
      remote: end(4500),
      behindNat: false,
      localSelectors: config.local.flatMap((one) => (one.kind === "fixed" ? [one.selector] : [])),
      remoteSelectors: config.remote.flatMap((one) => (one.kind === "fixed" ? [one.selector] : [])),
      keMethod: 0,
      replaces: undefined,
      initiator: true,
      trigger: "start",
      took: millis(5),
    };
    next = [{ kind: "install-child-sa", child, outbound: "use" }];
    control.handle({ kind: "computed", job: 0, result: { kind: "failed", why: "" } }, millis(1000));
    gateway.allEvents();
  }
  assert(gateway.plane.children.length === PAIRS, `${gateway.plane.children.length} of ${PAIRS} pairs are there`);
  return (used() - before) / PAIRS;
}

/** Processor time of one side of a rekey, in milliseconds. */
function millisOfRekey(group: number): number {
  const proposals = group === 0 ? [espProposal()] : [espProposal([group])];
  const pair = established({ pfsPreflight: false }, { proposals }, { jobs: "real" });
  for (let i = 0; i < 20; i++) rekeyed();
  const before = process.cpuUsage();
  for (let i = 0; i < REKEYS; i++) rekeyed();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1000 / 2 / REKEYS;
  function rekeyed(): void {
    pair.a.give({ kind: "rekey-child", id: only(pair.a), trigger: "octets" });
    pair.sim.driveFor(6_000);
    pair.sim.sent.length = 0;
  }
}

for (const version of [1, 2] as const)
  console.log(`IKEv${version}: ${Math.round(octetsOfPeer(version))} octets a peer with one pair`);
console.log(`${Math.round(octetsOfPair())} octets a connection with one pair, rows of the table aside`);
console.log(
  `IKEv2: ${millisOfRekey(0).toFixed(2)} ms a rekey, with x25519 ${millisOfRekey(KeMethod.CURVE25519).toFixed(2)} ms`,
);
