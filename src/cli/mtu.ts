/** `esplanade mtu PEER|TUNNEL`: how large packets to a peer may be, and what of that is left inside the tunnel. */
import { addressToString, type Endpoint, type Family, parseAddress } from "#core/address";
import { SystemError } from "#core/errors";
import { ProtocolId, type Transform, TransformType } from "#core/proposal";
import { buildInitProbe, readInitAnswer } from "#ike/probe";
import { wayTo } from "#io/ike-socket";
import { mssFor } from "#ipsec/mss";
import { childMtus } from "#process/ike-mtu";
import { SOCKET_MARK } from "#process/network";
import { ask, refusal, SOCKET_OPTION } from "./ask.ts";
import { type Arguments, type CliIo, type Command, JSON_OPTION } from "./command.ts";
import { initProbe, UNTAKEN } from "./probe/search.ts";
import { Talk } from "./probe/talk.ts";
import { addressOfPeer } from "./probe.ts";

/** Outer headers of the probes. */
const UDP = 8;
const IP: Readonly<Record<Family, number>> = { 4: 20, 6: 40 };
const LEAST: Readonly<Record<Family, number>> = { 4: 576, 6: 1280 };
/** Each size is asked for twice; silence is taken for "too large" after that. */
const WAITS: readonly number[] = [400, 800];
const X25519 = 31;
/** Bisection of 576 to 9000. */
const MOST = 14;

export const mtu: Command = {
  name: "mtu",
  summary: "measure the path MTU to a peer, and what is left inside a tunnel, suite by suite",
  parameters: ["PEER"],
  options: {
    socket: SOCKET_OPTION,
    port: { type: "string", value: "PORT", help: "the peer's port (500)" },
    json: JSON_OPTION,
  },
  examples: ["esplanade mtu 203.0.113.2", "esplanade mtu hq --json"],
  run,
};

interface Measured {
  /** Octets of the kernel's route, before anything was sent. */
  readonly route: number;
  /** Largest packet that was answered; undefined: none was. */
  readonly path: number | undefined;
  /** Larger ones vanish and no router says so. */
  readonly hole: boolean;
  readonly probes: number;
}

/** 0: it was measured; 1: nothing answers. */
async function run(args: Arguments, io: CliIo): Promise<number> {
  const name = args.parameter("PEER");
  const remote = await endpointOf(name, args);
  if (typeof remote === "string") return refusal(io, remote);
  const measured = await measure(remote);
  if (measured === undefined) return refusal(io, `no way leads to ${name}; look at: ip route get ${name}`);
  const { family } = remote.address;
  const inner =
    measured.path === undefined
      ? []
      : SUITES.map(([suite, transforms]) => innerOf(suite, transforms, family, measured.path ?? 0));
  if (args.has("json"))
    io.out(`${JSON.stringify({ peer: addressToString(remote.address), ...measured, suites: inner })}\n`);
  else print(addressToString(remote.address), measured, inner, io);
  return measured.path === undefined ? 1 : 0;
}

/** A tunnel's peer where a gateway knows one of that name. */
async function endpointOf(name: string, args: Arguments): Promise<Endpoint | string> {
  const port = args.number("port", 1, 65_535, 500);
  const given = parseAddress(name) ?? (await peerOfTunnel(name, args)) ?? (await addressOfPeer(name));
  return given === undefined
    ? `'${name}' is no address, no name of a host and no tunnel with a peer; look at: esplanade status`
    : { address: given, port };
}

async function peerOfTunnel(name: string, args: Arguments) {
  try {
    const answer = await ask(args, { kind: "status" });
    if (!answer.ok || !("status" in answer)) return undefined;
    const { tunnels, ikeSas } = answer.status;
    const tunnel = tunnels.find(({ connection, child }) =>
      [connection, child, `${connection}/${child}`].includes(name),
    );
    const peer = tunnel?.peer ?? ikeSas.find(({ connection }) => connection === tunnel?.connection)?.remote;
    return peer === undefined ? undefined : parseAddress(peer.replace(/:\d+$/, "").replace(/[[\]]/g, ""));
  } catch (error) {
    if (error instanceof SystemError) return undefined;
    throw error;
  }
}

async function measure(remote: Endpoint): Promise<Measured | undefined> {
  const route = wayOf(remote);
  if (route === undefined) return undefined;
  const { family } = remote.address;
  using talk = new Talk(remote, WAITS);
  let probes = 0;
  const passes = async (size: number): Promise<boolean> => {
    probes++;
    const probe = initProbe(talk, UNTAKEN, X25519, size - UDP - IP[family]);
    const reply = await talk.ask(buildInitProbe(probe), (octets) => readInitAnswer(octets, probe));
    return reply.kind === "answer";
  };
  // As short as it is: whether anybody answers at all.
  if (!(await passes(0))) return { route, path: undefined, hole: false, probes };
  let low = LEAST[family];
  let high = route;
  let hole = false;
  while (low < high && probes < MOST) {
    const size = high === route && probes === 1 ? high : Math.ceil((low + high) / 2);
    if (await passes(size)) {
      low = size;
      continue;
    }
    // RFC 1191, RFC 8201: a router has said how much it takes.
    const told = wayOf(remote) ?? high;
    hole ||= told >= size;
    high = Math.min(size - 1, told);
    if (told < size && (await passes(told))) low = told;
  }
  return { route, path: low, hole, probes };
}

function wayOf({ address }: Endpoint): number | undefined {
  return (wayTo(address, SOCKET_MARK) ?? wayTo(address, 0))?.mtu;
}

const encryption = (id: number, keyBits = 0): Transform => ({ type: TransformType.ENCR, id, keyBits });
const integrity = (id: number): Transform => ({ type: TransformType.INTEG, id, keyBits: 0 });
const SUITES: readonly (readonly [name: string, transforms: readonly Transform[]])[] = [
  ["aes256gcm16", [encryption(20, 256)]],
  ["chacha20poly1305", [encryption(28)]],
  ["aes256-sha256", [encryption(12, 256), integrity(12)]],
  ["3des-sha1", [encryption(3), integrity(2)]],
];

interface Inner {
  readonly suite: string;
  /** With UDP encapsulation: there may be a NAT. */
  readonly mtu: number;
  readonly mss4: number;
  readonly mss6: number;
}

function innerOf(suite: string, transforms: readonly Transform[], family: Family, path: number): Inner {
  const child = { mode: "tunnel", proposals: [{ protocol: ProtocolId.ESP, transforms }], outerProposals: [] } as const;
  const fits = Math.min(...childMtus(child, [family], path));
  return { suite, mtu: fits, mss4: mssFor(fits, 4), mss6: mssFor(fits, 6) };
}

function print(peer: string, { route, path, hole, probes }: Measured, inner: readonly Inner[], io: CliIo): void {
  if (path === undefined) {
    io.out(`${peer}: nothing answers; the route carries packets of ${route} octets. Try: esplanade probe ${peer}\n`);
    return;
  }
  io.out(`${peer}: packets of ${path} octets pass (the route says ${route}; ${probes} probes)\n`);
  if (hole)
    io.out(
      `  larger ones vanish and no router says so (MTU hole): set the route's size, ip route change … mtu ${path}\n`,
    );
  io.out("  inside a tunnel, with ESP in UDP:\n");
  for (const { suite, mtu: fits, mss4, mss6 } of inner)
    io.out(`    ${suite.padEnd(17)} MTU ${fits}, MSS ${mss4} (IPv4) or ${mss6} (IPv6)\n`);
}
