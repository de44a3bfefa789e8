/**
 * A gateway as `esplanade run` starts it, which tells the test what keys its engine handles: every octet inverted, so that
 * what is told looks like no key when the test searches this process's memory.
 */
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { loadConfiguration } from "#cli/configuration";
import { glob, readFile } from "#cli/files";
import { wipeSecrets } from "#config/swanctl/read";
import type { Millis } from "#core/units";
import type { IkePort } from "#gateway/control-doors";
import type { IkeEffect, IkeInput } from "#ike/effects";
import { IkeEngine } from "#ike/engine";
import { hideMemory } from "#io/hide-memory";
import { startGateway } from "#src/main";

/** What the test asks for. */
export type SpyRequest =
  | { readonly kind: "snapshot" }
  | { readonly kind: "initiate"; readonly connection: string; readonly child: string }
  | { readonly kind: "terminate"; readonly connection: string }
  /** Throws away what nobody holds any more. */
  | { readonly kind: "collect" }
  /** A bug of ours on the control thread. */
  | { readonly kind: "fail" };

export type SpyMessage =
  | { readonly kind: "ready" }
  | { readonly kind: "answer"; readonly answer: unknown }
  /** Public. */
  | { readonly kind: "message"; readonly octets: readonly number[] }
  /** Inverted. */
  | { readonly kind: "secret"; readonly what: "shared" | "esp"; readonly octets: readonly number[] };

const tell = (message: SpyMessage) => process.send?.(message);
const secret = (what: "shared" | "esp", octets: Uint8Array) =>
  tell({ kind: "secret", what, octets: Array.from(octets, (octet) => octet ^ 0xff) });

class Spy implements IkePort {
  readonly #engine: IkePort;

  constructor(engine: IkePort) {
    this.#engine = engine;
  }

  get nextTimeout(): Millis | undefined {
    return this.#engine.nextTimeout;
  }

  get settingUp(): number {
    return this.#engine.settingUp;
  }

  get unsettled(): number {
    return this.#engine.unsettled;
  }

  freeze(): ReturnType<IkePort["freeze"]> {
    return this.#engine.freeze();
  }

  thaw(...state: Parameters<IkePort["thaw"]>): void {
    this.#engine.thaw(...state);
  }

  snapshot(): ReturnType<IkePort["snapshot"]> {
    return this.#engine.snapshot();
  }

  handle(input: IkeInput, now: Millis): IkeEffect[] {
    if (input.kind === "datagram") tell({ kind: "message", octets: [...input.octets] });
    if (input.kind === "computed" && "shared" in input.result) secret("shared", input.result.shared);
    const effects = this.#engine.handle(input, now);
    for (const effect of effects) {
      if (effect.kind === "send") tell({ kind: "message", octets: [...effect.octets] });
      if (effect.kind !== "install-child-sa") continue;
      const { inbound, outbound } = effect.child;
      for (const keys of [inbound, outbound])
        for (const key of [keys.encryptionKey, keys.integrityKey]) if (key.length > 0) secret("esp", key);
    }
    return effects;
  }
}

setFlagsFromString("--expose-gc");
const collect: unknown = runInNewContext("gc");
hideMemory();
const config = loadConfiguration(process.argv[2] ?? "", {
  out: () => undefined,
  err: (text) => void process.stderr.write(text),
  readFile,
  glob,
  terminal: false,
  colours: false,
});
const log = (text: string) => void process.stdout.write(`${text}\n`);
const gateway = await startGateway(
  config.config,
  { info: log, warn: log, report: () => undefined },
  { makeEngine: (w) => new Spy(new IkeEngine(w)) },
);

async function answerOf(request: SpyRequest): Promise<unknown> {
  switch (request.kind) {
    case "snapshot":
      return gateway.snapshot();
    case "initiate":
      return gateway.ike?.initiate({ kind: "child", child: request.child, connection: request.connection });
    case "terminate":
      return gateway.ike?.terminate({ kind: "ike", connection: request.connection });
    case "collect":
      if (typeof collect === "function") for (let i = 0; i < 5; i++) collect();
      return undefined;
    case "fail":
      setImmediate(() => {
        throw new Error("a bug of ours");
      });
      return undefined;
    default:
      return request satisfies never;
  }
}

process.on("message", (request: SpyRequest) => {
  void answerOf(request).then((answer) => tell({ kind: "answer", answer: answer ?? null }));
});
process.once("SIGTERM", () => {
  void gateway.stop().then(() => {
    wipeSecrets(config.config);
    process.disconnect();
  });
});
tell({ kind: "ready" });
