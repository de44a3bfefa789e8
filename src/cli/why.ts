/** `esplanade why TUNNEL`: its last failure, explained. */
import { locateSettings } from "#config/swanctl/locate";
import { findTunnels } from "#control/answer";
import { type Explanation, explain, explanationText, lastFailure, noticedOf } from "#control/why";
import { wallClock } from "#io/system-clock";
import { ask, askStatus, refusal, SOCKET_OPTION } from "./ask.ts";
import { type Arguments, type CliIo, type Command, JSON_OPTION } from "./command.ts";

/** All that a gateway remembers. */
const EVERYTHING = 4096;

export const why: Command = {
  name: "why",
  summary: "explain why a tunnel is not up: what was sent, what came, and the line to change",
  parameters: ["TUNNEL"],
  options: {
    socket: SOCKET_OPTION,
    config: { type: "string", value: "FILE", help: "the file to name lines of (the gateway's own)" },
    json: JSON_OPTION,
  },
  examples: ["esplanade why hq", "esplanade why hq/net --json"],
  run,
};

/** 0: it is up; 1: it is not. */
async function run(args: Arguments, io: CliIo): Promise<number> {
  const status = await askStatus(args);
  if (typeof status === "string") return refusal(io, status);
  const tunnels = findTunnels(args.parameter("TUNNEL"), status);
  if (typeof tunnels === "string") return refusal(io, tunnels);
  const told = await ask(args, { kind: "events", after: 0, limit: EVERYTHING });
  const events = told.ok && "events" in told ? told.events.events : [];
  const explanations = tunnels.map((tunnel) => explain(tunnel, lastFailure(events, tunnel), noticedOf(events, tunnel)));
  const places = placesOf(explanations, args.text("config") ?? status.configFile, io);
  const place = (setting: readonly string[]) => places.get(setting.join("."));
  if (args.has("json")) {
    const placed = explanations.map((one) => ({
      ...one,
      fixes: one.fixes.map((fix) => ({ ...fix, place: place(fix.setting) })),
    }));
    io.out(`${JSON.stringify({ tunnels: placed })}\n`);
  } else io.out(explanations.map((one) => explanationText(one, wallClock(), place)).join("\n"));
  return explanations.every(({ state }) => state === "up" || state === "rekeying") ? 0 : 1;
}

/** Setting → place; empty where the file is not ours to read, or has changed its grammar meanwhile. */
function placesOf(
  explanations: readonly Explanation[],
  file: string | undefined,
  io: CliIo,
): ReadonlyMap<string, string> {
  const settings = explanations.flatMap(({ fixes }) => fixes.map(({ setting }) => setting));
  if (file === undefined || settings.length === 0) return new Map();
  try {
    const { octets, mode } = io.readFile(file);
    const world = { read: (name: string) => io.readFile(name), glob: (pattern: string) => io.glob(pattern) };
    const found = locateSettings({ name: file, octets, mode }, world, settings);
    return new Map(
      settings.flatMap((setting, i) => {
        const at = found[i];
        return at === undefined ? [] : [[setting.join("."), at.place] as const];
      }),
    );
  } catch {
    // The explanation is worth more than its line numbers.
    return new Map();
  }
}
