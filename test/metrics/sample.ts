/** Measures of a gateway with so many children. */
import type { ChildMeasures, DirectionMeasures, Measures } from "#metrics/measures";

const SIDE: DirectionMeasures = { octets: 1e9, packets: 1e6, drops: 10, icvFailures: 1, replays: 2, misfits: 3 };

export function childMeasures(number: number, more: Partial<ChildMeasures> = {}): ChildMeasures {
  return {
    connection: `site-${number}`,
    child: "net",
    up: true,
    clear: false,
    inbound: SIDE,
    outbound: SIDE,
    established: 1.8e9,
    rekey: 1.8e9 + 3600,
    expiry: 1.8e9 + 3960,
    remainingOctets: Number.POSITIVE_INFINITY,
    ...more,
  };
}

export function measures(children: number, more: Partial<Measures> = {}): Measures {
  const all = Array.from({ length: children }, (_, i) => childMeasures(i));
  return {
    version: "0.1.0",
    node: "v20.20.2",
    backend: "native (vaes)",
    implementations: [{ suite: "aes128gcm16", impl: "vaes" }],
    children: all,
    ikeSas: all.map(() => ({ state: "established", version: 2 })),
    halfOpen: 0,
    childSas: all.map(() => ({ state: "installed", protocol: "esp", mode: "tunnel" })),
    peers: all.map(({ connection }) => ({ connection, lastInbound: 1.8e9 })),
    drops: new Map([
      ["replayed", 3],
      ["no_sa", 0],
    ]),
    rekeys: { child: { octets: { done: 7 }, trap: { failed: 1 } }, ike: { time: { done: 2 } } },
    ike: { retransmissions: 4, dpd_sent: 5, ike_peer_dead: 1, drop_malformed: 2, auth_v2_psk: 1 },
    messages: { in: { ike_auth: 1, other: 0 }, out: { ike_auth: 1, other: 0 } },
    fallbacks: 0,
    certificates: [{ connection: "site-0", use: "local", subject: 'CN="a\\b"', notAfter: 1.9e9 }],
    lastReload: { successful: true, successAt: 1.8e9 },
    roundPackets: { bounds: [1, 8], counts: [1, 2, 3], sum: 60 },
    roundSeconds: { bounds: [0.001], counts: [5, 1], sum: 0.5 },
    controlDelay: { p50: 0, p99: 0.001, max: 0.02 },
    threads: [{ thread: "lane0", seconds: 12.5 }],
    ...more,
  };
}
