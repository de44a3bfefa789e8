/** `esplanade doctor [FILE]`: everything around a gateway that keeps tunnels from carrying traffic, and what mends it. */
import { wipeSecrets } from "#config/swanctl/read";
import { ConfigError, SystemError } from "#core/errors";
import type { GatewayStatus } from "#core/operator";
import type { GatewayConfig } from "#core/policy";
import { ask, SOCKET_OPTION } from "./ask.ts";
import { paint } from "./colour.ts";
import { type Arguments, type CliIo, type Command, JSON_OPTION } from "./command.ts";
import { loadConfiguration } from "./configuration.ts";
import { credentialFindings } from "./doctor/credentials.ts";
import { type Finding, fail, ok, skipped, warn } from "./doctor/finding.ts";
import { kernelFindings } from "./doctor/kernel.ts";
import { type Machine, THIS_MACHINE } from "./doctor/machine.ts";
import { masqueradeFinding } from "./doctor/masquerade.ts";
import { portFindings } from "./doctor/ports.ts";
import { tunnelFindings } from "./doctor/tunnels.ts";

/** RFC 7296 §2, RFC 3948 §2. */
const PORTS: readonly number[] = [500, 4500];
const TUN = "esp0";

export const doctor: Command = {
  name: "doctor",
  summary: "look for everything that keeps tunnels from carrying traffic, with the command that mends it",
  parameters: ["[FILE]"],
  options: {
    socket: SOCKET_OPTION,
    all: { type: "boolean", help: "what is well too" },
    json: JSON_OPTION,
  },
  examples: ["esplanade doctor", "esplanade doctor /etc/swanctl/swanctl.conf --all", "esplanade doctor --json"],
  run,
};

/** 0: nothing fails (warnings may be); 1: something does. */
async function run(args: Arguments, io: CliIo): Promise<number> {
  const status = await statusOf(args);
  const file = args.optional("[FILE]") ?? status?.configFile;
  const findings = await examine(THIS_MACHINE, file, status, io);
  const failed = findings.filter(({ level }) => level === "fail").length;
  if (args.has("json"))
    io.out(`${JSON.stringify({ ok: failed === 0, gateway: status !== undefined, file, findings })}\n`);
  else io.out(findingsText(findings, args.has("all"), io));
  return failed === 0 ? 0 : 1;
}

/** undefined: no gateway runs there. */
export async function statusOf(args: Arguments): Promise<GatewayStatus | undefined> {
  try {
    const answer = await ask(args, { kind: "status" });
    return answer.ok && "status" in answer ? answer.status : undefined;
  } catch (error) {
    if (error instanceof SystemError) return undefined;
    throw error;
  }
}

export async function examine(
  machine: Machine,
  file: string | undefined,
  status: GatewayStatus | undefined,
  io: CliIo,
): Promise<Finding[]> {
  const { config, findings } = read(file, io);
  try {
    const tun = status?.tun ?? config?.tun.name ?? TUN;
    return [
      status === undefined
        ? skipped("gateway", "no gateway answers: what only a running one knows is left out")
        : ok("gateway", `a gateway runs (pid ${status.pid}): ${status.description}`),
      ...findings,
      ...kernelFindings(machine, tun),
      ...portFindings(machine, status?.pid, PORTS),
      masqueradeFinding(machine, tun),
      ...(await tunnelFindings(machine, config, status)),
      ...credentialFindings(machine, config, file),
    ];
  } finally {
    if (config !== undefined) wipeSecrets(config);
  }
}

function read(
  file: string | undefined,
  io: CliIo,
): { readonly config: GatewayConfig | undefined; readonly findings: readonly Finding[] } {
  const check = "configuration";
  if (file === undefined)
    return {
      config: undefined,
      findings: [skipped(check, "no configuration is known: name it, esplanade doctor FILE")],
    };
  try {
    const { config, warnings } = loadConfiguration(file, io);
    const told = warnings.map(({ place, problem, remedy }) => warn(check, `${place ?? file}: ${problem}`, remedy));
    return { config, findings: told.length === 0 ? [ok(check, `${file} is well`)] : told };
  } catch (error) {
    if (error instanceof ConfigError)
      return {
        config: undefined,
        findings: error.complaints.map(({ place, problem, remedy }) =>
          fail(check, `${place ?? file}: ${problem}`, remedy),
        ),
      };
    if (error instanceof SystemError)
      return { config: undefined, findings: [fail(check, error.message, `check ${file}`)] };
    throw error;
  }
}

const COLOURS = { ok: "green", warn: "yellow", fail: "red", skipped: "yellow" } as const;

export function findingsText(findings: readonly Finding[], all: boolean, io: Pick<CliIo, "colours">): string {
  const count = (level: Finding["level"]) => findings.filter((one) => one.level === level).length;
  const lines = findings
    .filter(({ level }) => all || level !== "ok")
    .flatMap(({ level, check, text, remedy }) => [
      `${paint(io, COLOURS[level], level.padEnd(7))} ${check}: ${text}`,
      ...(remedy === "" ? [] : [`        mend it: ${remedy}`]),
    ]);
  const sum = `${count("ok")} ok, ${count("warn")} to look at, ${count("fail")} to mend, ${count("skipped")} not looked at`;
  return `${[...lines, sum].join("\n")}\n`;
}
