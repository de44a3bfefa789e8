/**
 * Where the responder stands: gateway B of the lab, and the generator behind a link of its own.
 *
 *     host A ---- gateway A ==== gateway B ---- host B
 *                                    | 198.18.0.1
 *                                    | 198.18.0.2–251
 *                                generator
 */
import { fileURLToPath } from "node:url";
import { Box } from "#lab/box";
import { LabError, LabProcess } from "#lab/children";
import type { GatewayProcess } from "#lab/gateway-process";
import { connectionText, freshSecret, IKE_PLAN, MAIN_FILE, mainFile, secretsText } from "#lab/ike-config";
import { Lab } from "#lab/lab";
import { SITE_A, SITE_B } from "#lab/network";
import { Strongswan } from "#lab/strongswan";
import { eventually } from "#lab/wait";
import type { GeneratorAnswer, GeneratorFigures, GeneratorQuestion } from "./generator-messages.ts";
import { joinLoad } from "./load-link.ts";
import { responderText } from "./plan.ts";

const LINK_MTU = 1500;
const OPEN_SECONDS = 20;
const UP_SECONDS = 10;

export class Generator {
  readonly #process: LabProcess;
  #answered: (answer: GeneratorAnswer) => void = () => undefined;

  constructor(box: Box) {
    const module = fileURLToPath(import.meta.resolve("./generator.js"));
    this.#process = new LabProcess("load generator", box.fork(module, { arguments: [] }));
    this.#process.onMessage((message) => this.#answered(message as GeneratorAnswer));
  }

  async open(secret: string): Promise<void> {
    await this.#ask({ kind: "open", secret }, OPEN_SECONDS);
  }

  async run(concurrency: number, warmUpSeconds: number, seconds: number): Promise<GeneratorFigures> {
    const answer = await this.#ask({ kind: "run", concurrency, warmUpSeconds, seconds }, warmUpSeconds + seconds);
    if (answer.kind !== "done") throw this.#process.failure(`gave no figures but ${answer.kind}`);
    return answer.figures;
  }

  end(): Promise<number | string> {
    return this.#process.end("disconnect");
  }

  async #ask(question: GeneratorQuestion, seconds: number): Promise<GeneratorAnswer> {
    const answer = await this.#process.until<GeneratorAnswer>(question.kind, seconds + OPEN_SECONDS, (resolve) => {
      this.#answered = resolve;
      this.#process.send(question);
    });
    if (answer.kind === "failed") throw new LabError(`load generator: ${answer.why}`);
    return answer;
  }
}

export interface Responder extends AsyncDisposable {
  readonly lab: Lab;
  readonly generator: Generator;
  readonly pid: number;
}

export interface OurResponder extends Responder {
  readonly gateway: GatewayProcess;
}

/** As many half-open IKE SAs as ours bears before it asks for cookies and refuses; and its tables sized for thousands. */
const STRONGSWAN_DAEMON = `cookie_threshold = 100
  cookie_threshold_ip = 3
  block_threshold = 20
  ikesa_table_size = 4096
  ikesa_table_segments = 16
  init_limit_half_open = 1000`;

async function withGenerator<Made>(
  start: (lab: Lab, secret: string) => Promise<{ readonly made: Made; readonly end: () => Promise<void> }>,
): Promise<Made & Pick<Responder, "lab" | "generator" | typeof Symbol.asyncDispose>> {
  const lab = new Lab(LINK_MTU);
  const box = new Box("generator");
  const ends: (() => Promise<unknown>)[] = [() => lab[Symbol.asyncDispose]()];
  const dispose = async () => {
    for (const end of ends.toReversed()) await end();
    box[Symbol.dispose]();
  };
  try {
    joinLoad(box, lab.network.gatewayB);
    const secret = freshSecret();
    const { made, end } = await start(lab, secret);
    ends.push(end);
    const generator = new Generator(box);
    ends.push(() => generator.end());
    await generator.open(secret);
    return { ...made, lab, generator, [Symbol.asyncDispose]: dispose };
  } catch (error) {
    await dispose();
    throw error;
  }
}

/** `tunnel`: gateway A, ours too, is joined with it and ready to carry packets. */
export function ourResponder(tunnel: boolean): Promise<OurResponder> {
  return withGenerator(async (lab, secret) => {
    const { gatewayA, gatewayB } = lab.network;
    // One secret for all whose identity no other names.
    const secrets = secretsText(secret);
    const connections = tunnel ? `${connectionText(IKE_PLAN, SITE_B)}\n  ${responderText()}` : responderText();
    const gateway = lab.launchIke(gatewayB, { [MAIN_FILE]: mainFile(connections, secrets) });
    await gateway.ready();
    if (tunnel) {
      const other = lab.launchIke(gatewayA, { [MAIN_FILE]: mainFile(connectionText(IKE_PLAN, SITE_A), secrets) });
      await other.ready();
      await other.act("initiate", "s2s/net");
      await eventually("the tunnel is up", UP_SECONDS, async () =>
        (await gateway.status()).tunnels.some(({ connection, state }) => connection === "s2s" && state === "up"),
      );
    }
    return { made: { gateway, pid: gateway.process.pid }, end: async () => undefined };
  });
}

export function strongswanResponder(): Promise<Responder> {
  return withGenerator(async (lab, secret) => {
    const plan = { connections: responderText(), secrets: secretsText(secret), daemon: STRONGSWAN_DAEMON };
    const charon = await Strongswan.start(lab.network.gatewayB, plan);
    return { made: { pid: charon.pid }, end: () => charon[Symbol.asyncDispose]() };
  });
}
