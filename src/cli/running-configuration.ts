/** The configuration of the gateway of this process: which file it is read from again, and who hears what came of it. */

import { changesSummary } from "#control/changes-text";
import { complaintToString } from "#core/errors";
import type { ReloadOutcome, RunningConfiguration } from "#core/operator";
import type { GatewayConfig } from "#core/policy";
import type { EventJournal } from "#gateway/journal";
import { wallClock } from "#io/system-clock";
import { FileConfiguration, type FileState } from "#process/file-configuration";
import { FixedConfiguration } from "#process/fixed-configuration";
import type { Gateway } from "#src/main";
import type { CliIo } from "./command.ts";
import { loadConfiguration } from "./configuration.ts";

/** Where a running gateway says things. */
export interface Lines {
  info(text: string): void;
  warn(text: string): void;
  readonly journal: Pick<EventJournal, "add">;
  /** Another configuration is read, and has been. */
  readonly reading: { began(): void; ended(): void };
}

export interface OwnConfiguration extends RunningConfiguration {
  /** What another process goes on with. */
  readonly state: FileState | undefined;
  /** Of the secrets that are in force at the end. */
  wipe(): void;
}

/** `state`: of the process whose place this one takes. */
export function runningConfiguration(
  gateway: Gateway,
  config: GatewayConfig,
  file: string,
  io: CliIo,
  lines: Lines,
  state?: FileState,
): OwnConfiguration {
  const { exchange } = gateway;
  if (exchange === undefined) return new FixedConfiguration(config, wallClock());
  return new FileConfiguration(
    {
      exchange,
      file,
      load: (path) => loadConfiguration(path, io),
      world: { read: (name) => io.readFile(name), glob: (pattern) => io.glob(pattern) },
      wallClock,
      began: () => lines.reading.began(),
      told: (outcome, path) => {
        tell(outcome, path, lines);
        lines.reading.ended();
      },
    },
    state,
  );
}

function tell(outcome: ReloadOutcome, file: string, lines: Lines): void {
  if ("why" in outcome) {
    const text = `${file} was not taken, everything stays as it is: ${outcome.why}`;
    lines.warn(text);
    lines.journal.add({ kind: "reload", done: false, why: outcome.why }, { level: "warn", text });
    return;
  }
  for (const warning of outcome.warnings) lines.warn(complaintToString(warning));
  const text = `${file} was read again: ${changesSummary(outcome.changes)}`;
  lines.info(text);
  lines.journal.add({ kind: "reload", done: true, why: undefined }, { level: "info", text });
}
