/** `esplanade bugreport [FILE]`: all that somebody who mends a fault asks for, in one file, without secrets. */
import { cpus, loadavg, totalmem, uptime, version } from "node:os";
import { JsonError } from "#config/json";
import { redactedText } from "#config/redacted";
import { wipeSecrets } from "#config/swanctl/read";
import { addressToString } from "#core/address";
import { ConfigError, SystemError } from "#core/errors";
import type { OperatorRequest } from "#core/operator";
import type { GatewayConfig } from "#core/policy";
import { httpText } from "#io/http-client";
import type { HttpPlace } from "#io/http-server";
import { packageVersion } from "#io/package-file";
import { ask, SOCKET_OPTION } from "./ask.ts";
import { scrub } from "./bugreport/scrub.ts";
import { paint } from "./colour.ts";
import { type Arguments, type CliIo, type Command, JSON_OPTION } from "./command.ts";
import { loadConfiguration } from "./configuration.ts";
import { type Machine, THIS_MACHINE } from "./doctor/machine.ts";
import { examine, findingsText, statusOf } from "./doctor.ts";
import { createPrivateFile } from "./files.ts";

/** Octets of one section: with ten thousand tunnels the first hundreds tell as much. */
const SECTION_LIMIT = 4 << 20;
/** All that a gateway remembers. */
const EVERYTHING = 4096;

export const bugreport: Command = {
  name: "bugreport",
  summary: "write one file with all that is needed to find a fault, without secrets",
  parameters: ["[FILE]"],
  options: {
    socket: SOCKET_OPTION,
    out: { type: "string", short: "o", value: "PATH", help: "the new file, mode 0600 (esplanade-bugreport-TIME.txt)" },
    json: JSON_OPTION,
  },
  examples: ["esplanade bugreport", "esplanade bugreport /etc/swanctl/swanctl.conf --out report.txt"],
  run,
};

type Section = readonly [name: string, text: string];

async function run(args: Arguments, io: CliIo): Promise<number> {
  const machine = THIS_MACHINE;
  const status = await statusOf(args);
  const file = args.optional("[FILE]") ?? status?.configFile;
  const config = configOf(file, io);
  try {
    const sections: readonly Section[] = [
      ["versions", versions()],
      ["machine", machineText(machine)],
      ["configuration", configurationText(file, io)],
      ["status", status === undefined ? "no gateway answers" : JSON.stringify(status, null, 2)],
      ["sas", await asked(args, { kind: "sas" })],
      ["journal", await journal(args)],
      ["metrics", await metrics(config)],
      ["doctor", findingsText(await examine(machine, file, status, io), true, { colours: false })],
    ];
    const octets = new TextEncoder().encode(reportText(sections));
    const struck = scrub(octets, config);
    const path =
      args.text("out") ?? `esplanade-bugreport-${new Date(machine.now()).toISOString().replaceAll(":", "")}.txt`;
    createPrivateFile(path, octets);
    if (args.has("json")) io.out(`${JSON.stringify({ ok: true, path, octets: octets.length, struck })}\n`);
    else {
      io.out(`${paint(io, "green", "ok")}: ${path}, ${sections.length} sections, ${octets.length} octets\n`);
      io.out("no secret and no key is in it, but names and addresses are: read it before you send it\n");
    }
    return 0;
  } finally {
    if (config !== undefined) wipeSecrets(config);
  }
}

function reportText(sections: readonly Section[]): string {
  return sections
    .map(([name, text]) => {
      const cut =
        text.length > SECTION_LIMIT ? `${text.slice(0, SECTION_LIMIT)}\n… ${text.length} characters in all` : text;
      return `=== ${name} ===\n${cut.trimEnd()}\n`;
    })
    .join("\n");
}

/** undefined: there is none, or it is wrong; the doctor tells. */
function configOf(file: string | undefined, io: CliIo): GatewayConfig | undefined {
  try {
    return file === undefined ? undefined : loadConfiguration(file, io).config;
  } catch (error) {
    return unavailable(error, undefined);
  }
}

/** `otherwise`, where the reason is the world's; a fault of ours goes on. */
function unavailable<Result>(error: unknown, otherwise: Result): Result {
  if (error instanceof SystemError || error instanceof ConfigError) return otherwise;
  throw error;
}

function versions(): string {
  const { node, openssl, uv, v8, napi } = process.versions;
  return [
    `esplanade ${packageVersion()}`,
    `node ${node}, openssl ${openssl}, uv ${uv}, v8 ${v8}, napi ${napi ?? "?"}`,
    `${process.platform} ${process.arch}`,
  ].join("\n");
}

function machineText(machine: Machine): string {
  const [processor] = cpus();
  const release = /^PRETTY_NAME="?([^"\n]*)/m.exec(machine.read("/etc/os-release") ?? "")?.[1] ?? "unknown";
  const told = (words: readonly string[]) =>
    `$ ip ${words.join(" ")}\n${machine.run("ip", words) ?? "not to be had\n"}`;
  return [
    `time ${new Date(machine.now()).toISOString()}, up ${Math.round(uptime())} s, load ${loadavg()[0]?.toFixed(2) ?? "?"}`,
    `kernel ${machine.read("/proc/sys/kernel/osrelease")?.trim() ?? "?"} ${version()}`,
    `system ${release}`,
    `processors ${cpus().length} × ${processor?.model ?? "?"}`,
    `memory ${totalmem()}`,
    told(["rule", "show"]),
    told(["route", "show", "table", "all"]),
  ].join("\n");
}

function configurationText(file: string | undefined, io: CliIo): string {
  if (file === undefined) return "none is known: name it, esplanade bugreport FILE";
  try {
    const { octets } = io.readFile(file);
    const world = { read: (name: string) => io.readFile(name), glob: (pattern: string) => io.glob(pattern) };
    return `# ${file}\n${redactedText({ name: file, octets }, world)}`;
  } catch (error) {
    if (error instanceof SystemError || error instanceof ConfigError || error instanceof JsonError)
      return error.message;
    throw error;
  }
}

async function asked(args: Arguments, request: OperatorRequest): Promise<string> {
  try {
    return JSON.stringify(await ask(args, request), null, 2);
  } catch (error) {
    return unavailable(error, "no gateway answers");
  }
}

async function journal(args: Arguments): Promise<string> {
  try {
    const answer = await ask(args, { kind: "events", after: 0, limit: EVERYTHING });
    if (!answer.ok || !("events" in answer)) return "no journal was given";
    const { events, lost } = answer.events;
    return [`${lost} older ones are forgotten`, ...events.map((one) => JSON.stringify(one))].join("\n");
  } catch (error) {
    return unavailable(error, "no gateway answers");
  }
}

/** From the gateway's own HTTP interface, where it has one. */
async function metrics(config: GatewayConfig | undefined): Promise<string> {
  const place = placeOf(config?.http);
  if (place === undefined) return "the configuration has no esplanade.http section: nobody counts for a monitor";
  try {
    return await httpText(place, "/metrics", SECTION_LIMIT);
  } catch (error) {
    return error instanceof SystemError ? error.message : unavailable(error, "");
  }
}

function placeOf(http: GatewayConfig["http"]): HttpPlace | undefined {
  const [first] = http?.listen ?? [];
  if (http?.socket !== undefined) return { kind: "unix", path: http.socket };
  return first === undefined ? undefined : { kind: "tcp", host: addressToString(first.address), port: first.port };
}
