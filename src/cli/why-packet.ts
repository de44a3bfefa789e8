/** `esplanade why-packet SRC DST`: which policy takes a packet, which SA carries it, what becomes of it. */
import { resolve } from "node:path";
import { wipeSecrets } from "#config/swanctl/read";
import type { PacketQuery, PacketVerdict } from "#core/packet-verdict";
import { IpProtocol } from "#core/selector";
import { childPolicies } from "#gateway/child-policies";
import { packetVerdict } from "#gateway/packet-verdict";
import { ask, refusal, SOCKET_OPTION } from "./ask.ts";
import { paint } from "./colour.ts";
import { type Arguments, type CliIo, type Command, JSON_OPTION, UsageError } from "./command.ts";
import { loadConfiguration } from "./configuration.ts";

const ICMP_ECHO = 8 * 256;

export const whyPacket: Command = {
  name: "why-packet",
  summary: "say which policy and which SA a packet would take, and what becomes of it",
  parameters: ["SRC", "DST", "[PROTOCOL]", "[SPORT]", "[DPORT]"],
  options: {
    socket: SOCKET_OPTION,
    config: { type: "string", value: "FILE", help: "by a configuration file, without a gateway" },
    json: JSON_OPTION,
  },
  examples: [
    "esplanade why-packet 10.1.0.5 10.2.0.7",
    "esplanade why-packet 10.1.0.5 10.2.0.7 tcp 40000 443 --config hq.conf",
  ],
  run,
};

/** 0: it is protected, or passes in clear because a policy says so; 1: it is dropped, waits, or nobody takes it. */
async function run(args: Arguments, io: CliIo): Promise<number> {
  const packet = queryOf(args);
  const file = args.text("config");
  const verdict = file === undefined ? await askGateway(args, packet) : byFile(resolve(file), packet, io);
  if (typeof verdict === "string") return refusal(io, verdict);
  io.out(args.has("json") ? `${JSON.stringify(verdict)}\n` : text(verdict, io));
  return verdict.ways.some(({ fate }) => fate === "protected" || fate === "in clear") ? 0 : 1;
}

async function askGateway(args: Arguments, packet: PacketQuery): Promise<PacketVerdict | string> {
  const answer = await ask(args, { kind: "packet", packet });
  if (!answer.ok) return answer.why;
  return "verdict" in answer ? answer.verdict : "the gateway gave no verdict";
}

function byFile(path: string, packet: PacketQuery, io: CliIo): PacketVerdict | string {
  const { config } = loadConfiguration(path, io);
  try {
    const known = new Set(config.policies.map(({ name }) => name));
    const ofChildren = config.ike === undefined ? [] : childPolicies(config.ike, new Map());
    return packetVerdict(packet, [...config.policies, ...ofChildren.filter(({ name }) => !known.has(name))], undefined);
  } finally {
    wipeSecrets(config);
  }
}

function queryOf(args: Arguments): PacketQuery {
  const protocol = protocolOf(args.optional("[PROTOCOL]"));
  const isIcmp = protocol === IpProtocol.ICMP || protocol === IpProtocol.ICMPV6;
  const sourcePort = portOf(args.optional("[SPORT]"), "SPORT") ?? (isIcmp ? ICMP_ECHO : undefined);
  return {
    source: args.parameter("SRC"),
    destination: args.parameter("DST"),
    protocol,
    sourcePort,
    destinationPort: portOf(args.optional("[DPORT]"), "DPORT"),
  };
}

function protocolOf(text: string | undefined): number {
  if (text === undefined) return IpProtocol.ICMP;
  const named = Object.entries(IpProtocol).find(([name]) => name.toLowerCase() === text.toLowerCase());
  const number = named?.[1] ?? (/^\d{1,3}$/.test(text) ? Number(text) : 256);
  if (number <= 255) return number;
  throw new UsageError(`'${text}' is no protocol`, "give tcp, udp, icmp or a number from 0 to 255");
}

function portOf(text: string | undefined, name: string): number | undefined {
  if (text === undefined) return undefined;
  const port = /^\d{1,5}$/.test(text) ? Number(text) : 65_536;
  if (port <= 65_535) return port;
  throw new UsageError(`${name} '${text}' is no port`, "give a number from 0 to 65535");
}

function text({ ways, near }: PacketVerdict, io: CliIo): string {
  const lines = ways.map(({ way, fate, because }) => {
    const colour = fate === "protected" ? "green" : fate === "in clear" ? "yellow" : "red";
    return `${way === "out" ? "outbound" : "inbound"}: ${paint(io, colour, fate)}: ${because}`;
  });
  return `${[...lines, ...near.map((one) => `  nearly: ${one}`)].join("\n")}\n`;
}
