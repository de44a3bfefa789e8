/** Gateways of the lab that negotiate their keys, with a test that hears what their engines handle. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Box } from "#lab/box";
import { LabProcess } from "#lab/children";
import type { GatewaySnapshot } from "#src/main";
import type { SpyMessage, SpyRequest } from "./spied-gateway.ts";

const START_SECONDS = 20;
const ANSWER_SECONDS = 40;

function isMessage(message: unknown): message is SpyMessage {
  return typeof message === "object" && message !== null && "kind" in message;
}

export class SpiedGateway implements AsyncDisposable {
  readonly process: LabProcess;
  /** IKE messages that came and went. */
  readonly messages: Uint8Array[] = [];
  readonly shared: Uint8Array[] = [];
  readonly espKeys: Uint8Array[] = [];
  readonly #home: string;
  readonly #answers: ((answer: unknown) => void)[] = [];
  readonly #starts: (() => void)[] = [];

  private constructor(box: Box, configuration: string) {
    this.#home = mkdtempSync(join(tmpdir(), "ike-lab-"));
    const file = join(this.#home, "swanctl.conf");
    writeFileSync(file, configuration, { mode: 0o600 });
    const module = fileURLToPath(import.meta.resolve("#test/netns/spied-gateway"));
    this.process = new LabProcess(box.name, box.fork(module, { arguments: [file] }));
    this.process.onMessage((message) => {
      if (isMessage(message)) this.#take(message);
    });
  }

  static async start(box: Box, configuration: string): Promise<SpiedGateway> {
    const gateway = new SpiedGateway(box, configuration);
    try {
      await gateway.process.until<void>("its start", START_SECONDS, (resolve) => {
        gateway.#starts.push(resolve);
      });
    } catch (error) {
      await gateway[Symbol.asyncDispose]();
      throw error;
    }
    return gateway;
  }

  ask(request: SpyRequest): Promise<unknown> {
    return this.process.until("an answer", ANSWER_SECONDS, (resolve) => {
      this.#answers.push(resolve);
      this.process.send(request);
    });
  }

  async snapshot(): Promise<GatewaySnapshot> {
    // The other end is of this program.
    return (await this.ask({ kind: "snapshot" })) as GatewaySnapshot;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.process.end("SIGTERM");
    rmSync(this.#home, { recursive: true, force: true });
  }

  #take(message: SpyMessage): void {
    if (message.kind === "ready") for (const started of this.#starts) started();
    else if (message.kind === "answer") this.#answers.shift()?.(message.answer);
    else if (message.kind === "message") this.messages.push(Uint8Array.from(message.octets));
    else {
      const octets = Uint8Array.from(message.octets, (octet) => octet ^ 0xff);
      (message.what === "esp" ? this.espKeys : this.shared).push(octets);
    }
  }
}
