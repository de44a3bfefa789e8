/** `esplanade capacity [FILE]`: how many pairs of SAs this machine can have, and what binds. */
import { totalmem } from "node:os";
import { getHeapStatistics } from "node:v8";
import { parseCount } from "#config/quantities";
import { wipeSecrets } from "#config/swanctl/read";
import { type Capacity, capacityOf, loadOf, type Machine, spanText } from "#control/capacity";
import { ConfigError, complaintToString } from "#core/errors";
import type { GatewayConfig } from "#core/policy";
import { paint } from "./colour.ts";
import { type Arguments, type CliIo, type Command, JSON_OPTION, UsageError } from "./command.ts";
import { loadConfiguration } from "./configuration.ts";

export const capacity: Command = {
  name: "capacity",
  summary: "compute how many SAs there can be, and which bound binds",
  parameters: ["[FILE]"],
  options: {
    memory: { type: "string", value: "OCTETS", help: "for the gateway, 512M; default: this machine's" },
    heap: { type: "string", value: "OCTETS", help: "of JavaScript; default: what Node takes here" },
    json: JSON_OPTION,
  },
  examples: ["esplanade capacity --memory 512M hq.conf", "esplanade capacity --json"],
  run,
};

async function run(args: Arguments, io: CliIo): Promise<number> {
  const path = args.parameter("[FILE]");
  const own = thisMachine();
  const machine = { memory: octetsOf(args, "memory") ?? own.memory, heap: octetsOf(args, "heap") ?? own.heap };
  let config: GatewayConfig | undefined;
  try {
    if (path !== "") config = loadConfiguration(path, io).config;
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    for (const complaint of error.complaints) io.err(`${paint(io, "red", "error")}: ${complaintToString(complaint)}\n`);
    return 1;
  }
  const found = capacityOf(loadOf(config), machine);
  if (config !== undefined) wipeSecrets(config);
  if (args.has("json")) io.out(`${JSON.stringify(asJson(found))}\n`);
  else print(found, io);
  return 0;
}

function octetsOf(args: Arguments, option: string): number | undefined {
  const text = args.text(option);
  const count = text === undefined ? undefined : parseCount(text);
  if (text !== undefined && count === undefined)
    throw new UsageError(`--${option} ${text} is no count`, "use digits, with k, M, G or T for 10^3 to 10^12");
  return count;
}

/** A container's limit where there is one, and the heap Node takes here. */
export function thisMachine(): Machine {
  const constrained = process.constrainedMemory();
  const memory = constrained !== undefined && constrained > 0 && constrained < totalmem() ? constrained : totalmem();
  return { memory, heap: getHeapStatistics().heap_size_limit };
}

/** JSON has no Infinity: null = never. */
function asJson({ load, ...rest }: Capacity): object {
  const span = (value: number) => (Number.isFinite(value) ? value : null);
  return {
    ok: true,
    ...rest,
    binds: rest.bounds[0]?.name,
    load: { ...load, ikeLife: span(load.ikeLife), childLife: span(load.childLife), pairsLimit: span(load.pairsLimit) },
  };
}

function print({ load, bounds, pairs, octetsPerPair, rekeysPerSecond, processor }: Capacity, io: CliIo): void {
  const perPeer = Math.round(load.pairsPerPeer * 10) / 10;
  io.out(`${pairs} pairs of SAs, ${perPeer} a peer, ${octetsPerPair} octets each\n`);
  io.out(
    `rekeys then: ${rekeysPerSecond.toFixed(1)} a second (pairs every ${spanText(load.childLife)}, IKE SAs every ${spanText(load.ikeLife)}), ${(processor * 100).toFixed(1)} % of a processor\n`,
  );
  for (const [i, bound] of bounds.entries()) {
    const line = `  ${bound.name.padEnd(10)} ${String(bound.pairs).padStart(10)}  ${bound.because}`;
    io.out(`${i === 0 ? paint(io, "yellow", line) : line}\n`);
  }
  const [first] = bounds;
  if (first !== undefined) io.out(`${first.name} binds; ${first.remedy}\n`);
  if (Number.isFinite(load.pairsLimit)) io.out(`one peer may have ${load.pairsLimit} pairs (pairs_limit)\n`);
}
