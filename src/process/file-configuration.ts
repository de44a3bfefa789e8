/** The configuration of a running gateway: read from its file again when somebody asks, and taken whole or not at all. */

import type { ReadConfig } from "#config/gateway";
import { wipeSecrets } from "#config/swanctl/read";
import { NOTHING_STORED } from "#config/swanctl/stored";
import type { ConfigWorld } from "#config/swanctl/world";
import type { ConfigChanges } from "#core/config-changes";
import type { ConfigStore } from "#core/config-store";
import { type Complaint, ConfigError, complaintToText, SystemError } from "#core/errors";
import type { LastReload, ReloadOutcome, RunningConfiguration } from "#core/operator";
import type { GatewayConfig } from "#core/policy";
import type { ConfigurationExchange, ExchangeOutcome, Places } from "./configuration-exchange.ts";
import { withoutSecrets } from "./fixed-configuration.ts";
import { type SectionsState, StoredSections } from "./stored-sections.ts";

export interface FileConfigurationParts {
  readonly exchange: ConfigurationExchange;
  /** As the gateway was started with it. */
  readonly file: string;
  /** Throws ConfigError, SystemError; the secrets of what it returns are the caller's to wipe. */
  load(file: string): ReadConfig;
  /** Where connections that are loaded one by one name files. */
  readonly world: ConfigWorld;
  /** Milliseconds since 1970. */
  wallClock(): number;
  /** Somebody asked for an attempt; `told` follows. */
  began?(): void;
  /** What came of every attempt, whoever asked for it. */
  told(outcome: ReloadOutcome, file: string): void;
}

/** What another process goes on with; with secrets. */
export interface FileState extends SectionsState {
  readonly file: string;
  readonly lastReload: LastReload;
}

export class FileConfiguration implements RunningConfiguration {
  readonly store: ConfigStore;
  readonly #parts: FileConfigurationParts;
  readonly #sections: StoredSections;
  #file: string;
  #lastReload: LastReload;
  #shown: { readonly of: GatewayConfig; readonly config: GatewayConfig } | undefined;

  /** `state`: of a process whose place this one takes. */
  constructor(parts: FileConfigurationParts, state?: FileState) {
    this.#parts = parts;
    this.#file = state?.file ?? parts.file;
    const time = parts.wallClock();
    this.#lastReload = state?.lastReload ?? { ok: true, time, successTime: time, why: undefined };
    const sections = state ?? { base: parts.exchange.running, stored: NOTHING_STORED };
    this.#sections = new StoredSections(sections, parts.exchange, parts.world);
    this.store = this.#sections;
  }

  get state(): FileState {
    return { file: this.#file, lastReload: this.#lastReload, ...this.#sections.state };
  }

  get lastReload(): LastReload {
    return this.#lastReload;
  }

  get file(): string {
    return this.#file;
  }

  /** The same object until another configuration is in force: some ask often, and look further only where it is another. */
  current(): GatewayConfig {
    const { running } = this.#parts.exchange;
    if (this.#shown?.of !== running) this.#shown = { of: running, config: withoutSecrets(running) };
    return this.#shown.config;
  }

  async reload(file: string | undefined): Promise<ReloadOutcome> {
    const path = file ?? this.#file;
    this.#parts.began?.();
    const outcome = this.#withFile(path, (config, places) => this.#sections.rebase(config, places));
    if (!("why" in outcome)) this.#file = path;
    this.#remember(outcome);
    this.#parts.told(outcome, path);
    return outcome;
  }

  async diff(file: string | undefined): Promise<ReloadOutcome> {
    return this.#withFile(file ?? this.#file, (config, places) => {
      const outcome = this.#sections.preview(config, places);
      wipeSecrets(config);
      return outcome;
    });
  }

  async reconfigure(next: GatewayConfig): Promise<ReloadOutcome> {
    const outcome = withWarnings(this.#sections.rebase(next, undefined), []);
    this.#remember(outcome);
    return outcome;
  }

  /** At the gateway's end. */
  wipe(): void {
    wipeSecrets(this.#parts.exchange.running);
    this.#sections.wipe();
  }

  #withFile(file: string, use: (config: GatewayConfig, places: Places | undefined) => ExchangeOutcome): ReloadOutcome {
    let read: ReadConfig;
    try {
      read = this.#parts.load(file);
    } catch (error) {
      if (error instanceof ConfigError) return { why: error.complaints.map(complaintToText).join("\n") };
      if (error instanceof SystemError) return { why: error.message };
      throw error;
    }
    return withWarnings(use(read.config, read.places), read.warnings);
  }

  #remember(outcome: { readonly changes: ConfigChanges } | { readonly why: string }): void {
    const time = this.#parts.wallClock();
    this.#lastReload =
      "why" in outcome
        ? { ok: false, time, successTime: this.#lastReload.successTime, why: outcome.why }
        : { ok: true, time, successTime: time, why: undefined };
  }
}

function withWarnings(outcome: ExchangeOutcome, warnings: readonly Complaint[]): ReloadOutcome {
  return "why" in outcome ? outcome : { changes: outcome.changes, warnings };
}
