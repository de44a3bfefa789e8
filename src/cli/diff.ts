/** `esplanade diff [FILE] [FILE]`: what a reload would change and which SAs stay; nothing is changed. */
import { resolve } from "node:path";
import { configChanges } from "#config/diff/changes";
import { restartNeeds } from "#config/diff/restart";
import { wipeSecrets } from "#config/swanctl/read";
import { changeLines, changesSummary } from "#control/changes-text";
import { ConfigError, complaintToText } from "#core/errors";
import type { OperatorAnswer } from "#core/operator";
import { ask, SOCKET_OPTION } from "./ask.ts";
import { paint } from "./colour.ts";
import { type Arguments, type CliIo, type Command, JSON_OPTION } from "./command.ts";
import { loadConfiguration } from "./configuration.ts";

export const diff: Command = {
  name: "diff",
  summary: "say what a reload would change and which SAs stay, or what differs between two files",
  parameters: ["[FILE]", "[NEWER]"],
  options: { socket: SOCKET_OPTION, json: JSON_OPTION },
  examples: ["esplanade diff", "esplanade diff /etc/swanctl/new.conf", "esplanade diff old.conf new.conf --json"],
  run,
};

async function run(args: Arguments, io: CliIo): Promise<number> {
  const answer = await compare(args, io);
  if (args.has("json")) io.out(`${JSON.stringify(answer)}\n`);
  else if (!answer.ok) io.err(`${paint(io, "red", "a reload would be refused")}\n${answer.why}\n`);
  else if ("changes" in answer) {
    io.out(`${changesSummary(answer.changes)}\n`);
    for (const line of changeLines(answer.changes)) io.out(`  ${line}\n`);
  }
  return answer.ok ? 0 : 1;
}

async function compare(args: Arguments, io: CliIo): Promise<OperatorAnswer> {
  const file = args.optional("[FILE]");
  const newer = args.optional("[NEWER]");
  if (file === undefined) return ask(args, { kind: "diff" });
  return newer === undefined ? ask(args, { kind: "diff", file: resolve(file) }) : compareFiles(file, newer, io);
}

/** Without a gateway. */
function compareFiles(older: string, newer: string, io: CliIo): OperatorAnswer {
  const loaded: ReturnType<typeof loadConfiguration>[] = [];
  try {
    for (const path of [older, newer]) loaded.push(loadConfiguration(path, io));
    const [former, next] = loaded;
    if (former === undefined || next === undefined) return { ok: false, why: "there are not two files" };
    const needs = restartNeeds(former.config, next.config, next.places);
    if (needs.length > 0) return { ok: false, why: needs.map(complaintToText).join("\n") };
    return { ok: true, changes: configChanges(former.config, next.config), warnings: next.warnings };
  } catch (error) {
    if (error instanceof ConfigError) return { ok: false, why: error.complaints.map(complaintToText).join("\n") };
    throw error;
  } finally {
    for (const { config } of loaded) wipeSecrets(config);
  }
}
