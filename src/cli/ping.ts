/** `esplanade ping TUNNEL`: an echo through the tunnel, and where it ends if it does not come back. */
import { spawnSync } from "node:child_process";
import { findTargets } from "#control/answer";
import { addressToString, compareAddresses, type IpAddress, parseAddress } from "#core/address";
import type { TunnelStatus } from "#core/operator";
import { addressesOfText } from "#core/selector";
import { listHostAddresses } from "#io/links";
import { ask, refusal, SOCKET_OPTION } from "./ask.ts";
import { paint } from "./colour.ts";
import { type Arguments, type CliIo, type Command, JSON_OPTION, UsageError } from "./command.ts";

export const ping: Command = {
  name: "ping",
  summary: "send an echo through a tunnel, and say where it ends",
  parameters: ["TUNNEL"],
  options: {
    socket: SOCKET_OPTION,
    from: { type: "string", value: "ADDRESS", help: "ours (the first of this host that the tunnel takes)" },
    to: { type: "string", value: "ADDRESS", help: "theirs (the first of the peer's network)" },
    count: { type: "string", short: "c", value: "N", help: "echoes (3)" },
    json: JSON_OPTION,
  },
  examples: ["esplanade ping hq/net", "esplanade ping hq --to 10.2.0.7 --count 1"],
  run,
};

interface Outcome {
  readonly from: string;
  readonly to: string;
  readonly sent: number;
  readonly received: number;
  /** What the tunnel carried meanwhile. */
  readonly out: number;
  readonly in: number;
  readonly ends: "it came back" | "before the tunnel" | "behind the tunnel" | "tunnel is not up";
  readonly advice: string;
}

/** 0: an echo came back; 1: none did. */
async function run(args: Arguments, io: CliIo): Promise<number> {
  const before = await tunnelOf(args);
  if (typeof before === "string") return refusal(io, before);
  const name = `${before.connection}/${before.child}`;
  const networks = [...before.localSelectors, ...before.remoteSelectors];
  if (networks.length === 0 && !(args.has("from") && args.has("to")))
    return refusal(
      io,
      `${name} is ${before.state}, and which addresses go through it is not known then; esplanade why ${name}, or give --from and --to`,
    );
  const from = addressIn(args.text("from"), before.localSelectors, listHostAddresses(), "--from");
  const to = addressIn(args.text("to"), before.remoteSelectors, [], "--to");
  if (from === undefined)
    return refusal(
      io,
      `${name}: this host has no address within ${before.localSelectors.join(", ") || "its networks"}; give --from, or ping from a host behind it`,
    );
  if (to === undefined)
    return refusal(io, `${name}: it is ${before.state}, and its peer's network is not known; give --to`);
  const count = args.number("count", 1, 100, 3);
  const { stdout = "", error } = spawnSync("ping", ["-n", "-c", `${count}`, "-i", "0.2", "-W", "1", "-I", from, to], {
    encoding: "utf8",
  });
  if (error !== undefined) return refusal(io, "the program ping is not there; install iputils-ping");
  const [, sent = "0", received = "0"] = /(\d+) packets transmitted, (\d+) received/.exec(stdout) ?? [];
  const after = await tunnelOf(args);
  if (typeof after === "string") return refusal(io, after);
  const outcome = judge(before, after, { from, to, sent: Number(sent), received: Number(received) });
  if (args.has("json")) io.out(`${JSON.stringify({ tunnel: name, ...outcome })}\n`);
  else io.out(text(name, outcome, io));
  return outcome.received > 0 ? 0 : 1;
}

async function tunnelOf(args: Arguments): Promise<TunnelStatus | string> {
  const answer = await ask(args, { kind: "status" });
  if (!answer.ok || !("status" in answer)) return answer.ok ? "the gateway gave no status" : answer.why;
  const targets = findTargets(args.parameter("TUNNEL"), false, answer.status.tunnels);
  if (typeof targets === "string") return targets;
  const [target] = targets;
  const found = answer.status.tunnels.find(
    ({ connection, child }) => target?.kind === "child" && target.child === child && target.connection === connection,
  );
  return found ?? "there is no such tunnel";
}

/** The one that was given, else the first of `own` within the selectors, else a selector's first host. */
function addressIn(
  given: string | undefined,
  selectors: readonly string[],
  own: readonly IpAddress[],
  option: string,
): string | undefined {
  if (given !== undefined) {
    if (parseAddress(given) !== undefined) return given;
    throw new UsageError(`${option} '${given}' is no address`, "for example 10.2.0.7");
  }
  for (const selector of selectors) {
    const range = addressesOfText(selector);
    if (range === undefined) continue;
    const { first, last } = range;
    if (option === "--to") return addressToString(compareAddresses(first, last) === 0 ? first : nextOf(first));
    const mine = own.find(
      (address) =>
        address.family === first.family &&
        compareAddresses(first, address) <= 0 &&
        compareAddresses(address, last) <= 0,
    );
    if (mine !== undefined) return addressToString(mine);
  }
  return undefined;
}

/** The network's own address answers nobody. */
function nextOf({ family, octets }: IpAddress): IpAddress {
  const next = Uint8Array.from(octets);
  next[next.length - 1] = (next.at(-1) ?? 0) | 1;
  return { family, octets: next };
}

function judge(
  before: TunnelStatus,
  after: TunnelStatus,
  echo: Pick<Outcome, "from" | "to" | "sent" | "received">,
): Outcome {
  const counts = { ...echo, out: after.packetsOut - before.packetsOut, in: after.packetsIn - before.packetsIn };
  const name = `${after.connection}/${after.child}`;
  if (echo.received > 0) return { ...counts, ends: "it came back", advice: "" };
  if (after.state !== "up" && after.state !== "rekeying")
    return { ...counts, ends: "tunnel is not up", advice: `esplanade why ${name}` };
  if (counts.out === 0)
    return {
      ...counts,
      ends: "before the tunnel",
      advice: `esplanade doctor; esplanade why-packet ${echo.from} ${echo.to}`,
    };
  return {
    ...counts,
    ends: "behind the tunnel",
    advice: `the peer does not pass it on, ${echo.to} does not answer, or ESP is filtered: look there, or give --to`,
  };
}

function text(name: string, { from, to, sent, received, out, in: came, ends, advice }: Outcome, io: CliIo): string {
  const head = `${from} to ${to} through ${name}: ${sent} sent, ${received} came back; the tunnel carried ${out} out, ${came} in`;
  if (received > 0) return `${paint(io, "green", "ok")}: ${head}\n`;
  return `${paint(io, "red", "no echo")}: ${head}\n  it ends ${ends === "tunnel is not up" ? "here: the tunnel is not up" : ends}; ${advice}\n`;
}
