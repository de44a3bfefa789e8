/** A real gateway: `esplanade run` in a box of the lab. */
import { closeSync, mkdtempSync, openSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { GatewaySnapshot } from "#src/main";
import type { Box } from "./box.ts";
import { LabProcess } from "./children.ts";
import type { GatewayJson } from "./gateway-config.ts";

const START_SECONDS = 20;
const SNAPSHOT_SECONDS = 5;

interface SnapshotMessage {
  readonly kind: "snapshot";
  readonly snapshot: GatewaySnapshot;
}

function isSnapshot(message: unknown): message is SnapshotMessage {
  return typeof message === "object" && message !== null && "kind" in message && message.kind === "snapshot";
}

export class GatewayProcess {
  readonly process: LabProcess;
  readonly #asking: ((snapshot: GatewaySnapshot) => void)[] = [];

  constructor(box: Box, config: GatewayJson) {
    const module = fileURLToPath(import.meta.resolve("#cli/esplanade"));
    const descriptor = openWithoutName(JSON.stringify(config));
    // The child has it as number 4: its standard streams and the channel to us come before.
    const options = { arguments: ["run", "/proc/self/fd/4"], descriptors: [descriptor] };
    this.process = new LabProcess(box.name, box.fork(module, options));
    closeSync(descriptor);
    this.process.onMessage((message) => {
      if (isSnapshot(message)) this.#asking.shift()?.(message.snapshot);
    });
  }

  /** Resolves with what the gateway said of itself; rejects with its complaint. */
  ready(): Promise<string> {
    return this.process.until<string>("its start", START_SECONDS, (resolve) => {
      this.process.onOutput((log) => {
        if (/^ready: /m.test(log)) resolve(log);
      });
    });
  }

  /** What it said of its device and ciphers when it was ready. */
  get description(): readonly string[] {
    const line = this.process.log.split("\n").find((text) => / mtu \d+; /.test(text)) ?? "";
    return line.split("; ");
  }

  snapshot(): Promise<GatewaySnapshot> {
    return this.process.until("a snapshot", SNAPSHOT_SECONDS, (resolve) => {
      this.#asking.push(resolve);
      this.process.send("snapshot");
    });
  }
}

/** A file with keys that is gone before anybody reads it: only who inherits the descriptor can. */
function openWithoutName(text: string): number {
  const directory = mkdtempSync(join(tmpdir(), "esplanade-"));
  const path = join(directory, "gateway.json");
  try {
    writeFileSync(path, text, { mode: 0o600, flag: "wx" });
    return openSync(path, "r");
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}
