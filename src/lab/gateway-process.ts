/** A real gateway: `esplanade run` or `esplanade up` in a box of the lab. */
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import type { IkeReport } from "#core/ike-state";
import type { GatewayStatus, OperatorAction, OperatorAnswer, OperatorRequest, StallReport } from "#core/operator";
import { askControl } from "#io/control-socket";
import type { ParentAnswer, ParentQuestion } from "#process/parent-messages";
import type { GatewaySnapshot } from "#src/main";
import type { Box } from "./box.ts";
import { LabProcess } from "./children.ts";
import type { GatewayJson } from "./gateway-config.ts";
import { type LabFiles, MAIN_FILE } from "./ike-config.ts";

const JSON_FILE = "gateway.json";
const SOCKET_FILE = "control.sock";
const VICI_FILE = "vici.sock";

const START_SECONDS = 20;
const SNAPSHOT_SECONDS = 5;

function isAnswer(message: unknown): message is ParentAnswer {
  return typeof message === "object" && message !== null && "kind" in message;
}

/** What a gateway is started with: manual keys, or the files of a swanctl.conf. */
export type GatewayFiles =
  | { readonly kind: "json"; readonly config: GatewayJson }
  | { readonly kind: "swanctl"; readonly files: LabFiles };

export class GatewayProcess implements Disposable {
  readonly process: LabProcess;
  /** Where `esplanade status` and its like ask it. */
  readonly socket: string;
  /** Where swanctl asks it. */
  readonly vici: string;
  readonly #home: string;
  readonly #asking: ((snapshot: GatewaySnapshot) => void)[] = [];
  readonly #askingStall: ((stall: StallReport) => void)[] = [];
  #onReport: (report: IkeReport) => void = () => undefined;

  constructor(box: Box, { kind, ...given }: GatewayFiles) {
    const module = fileURLToPath(import.meta.resolve("#cli/esplanade"));
    this.#home = mkdtempSync(join(tmpdir(), "esplanade-"));
    this.socket = join(this.#home, SOCKET_FILE);
    this.vici = join(this.#home, VICI_FILE);
    const files = "files" in given ? given.files : { [JSON_FILE]: JSON.stringify(given.config) };
    const main = join(this.#home, kind === "json" ? JSON_FILE : MAIN_FILE);
    writeFiles(this.#home, files);
    const command = kind === "json" ? ["run", main] : ["up", main, "--socket", this.socket, "--vici", this.vici];
    this.process = new LabProcess(box.name, box.fork(module, { arguments: command }));
    void this.process.ended.then(() => this[Symbol.dispose]());
    this.process.onMessage((message) => {
      if (isAnswer(message)) this.#take(message);
    });
  }

  /** Resolves with what the gateway said of itself; rejects with its complaint, or after so many seconds. */
  ready(seconds: number = START_SECONDS): Promise<string> {
    return this.process.until<string>("its start", seconds, (resolve) => {
      this.process.onOutput((log) => {
        if (!/^ready: /m.test(log)) return;
        // It has read its files: keys lie about no longer than that.
        removeFiles(this.#home);
        resolve(log);
      });
    });
  }

  /** One request to its control socket. */
  async ask(request: OperatorRequest): Promise<OperatorAnswer> {
    // Both ends are this program.
    return JSON.parse(await askControl(this.socket, JSON.stringify(request))) as OperatorAnswer;
  }

  async status(): Promise<GatewayStatus> {
    const answer = await this.ask({ kind: "status" });
    if (!answer.ok || !("status" in answer)) throw this.process.failure("gave no status");
    return answer.status;
  }

  /** Throws with the gateway's own words when it could not. */
  async act(action: OperatorAction, target: string, ike = false): Promise<void> {
    const answer = await this.ask({ kind: action, target, ike });
    if (!answer.ok) throw this.process.failure(`could not ${action} ${target}: ${answer.why}`);
  }

  /** What it said of its device and ciphers when it was ready. */
  get description(): readonly string[] {
    const line = this.process.log.split("\n").find((text) => / mtu \d+; /.test(text)) ?? "";
    return line.split("; ");
  }

  snapshot(): Promise<GatewaySnapshot> {
    return this.process.until("a snapshot", SNAPSHOT_SECONDS, (resolve) => {
      this.#asking.push(resolve);
      this.#ask("snapshot");
    });
  }

  /** How late its control thread was since this was asked the last time; the first answer is empty and begins the watch. */
  stall(): Promise<StallReport> {
    return this.process.until("a word on its stalls", SNAPSHOT_SECONDS, (resolve) => {
      this.#askingStall.push(resolve);
      this.#ask("stall");
    });
  }

  /** Gives every report of IKE from now on, as it happens. */
  followReports(listener: (report: IkeReport) => void): void {
    this.#onReport = listener;
    this.#ask("reports");
  }

  #ask(question: ParentQuestion): void {
    this.process.send(question);
  }

  #take(answer: ParentAnswer): void {
    switch (answer.kind) {
      case "snapshot":
        this.#asking.shift()?.(answer.snapshot);
        break;
      case "report":
        this.#onReport(answer.report);
        break;
      case "stall":
        this.#askingStall.shift()?.(answer.stall);
        break;
      default:
        answer satisfies never;
    }
  }

  /** Removes what it was started with. */
  [Symbol.dispose](): void {
    rmSync(this.#home, { recursive: true, force: true });
  }
}

function writeFiles(home: string, files: LabFiles): void {
  for (const [path, content] of Object.entries(files)) {
    mkdirSync(dirname(join(home, path)), { recursive: true, mode: 0o700 });
    writeFileSync(join(home, path), content, { mode: 0o600, flag: "wx" });
  }
}

/** All but the sockets. */
function removeFiles(home: string): void {
  for (const name of readdirSync(home))
    if (name !== SOCKET_FILE && name !== VICI_FILE) rmSync(join(home, name), { recursive: true, force: true });
}
