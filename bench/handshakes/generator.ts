/** The load generator's process, in a box of its own: one socket an address, many initiators. It ends with its parent. */
import { createSocket, type Socket } from "node:dgram";
import { setTimeout as after } from "node:timers/promises";
import { percentile } from "#bench/report/statistics";
import { addressToString } from "#core/address";
import { monotonicClock } from "#io/system-clock";
import { systemRandom } from "#io/system-random";
import type { GeneratorAnswer, GeneratorFigures, GeneratorQuestion } from "./generator-messages.ts";
import { Initiators } from "./initiators.ts";
import { initiatorConfig, responderAddress, sourceAddresses } from "./plan.ts";
import { slowWork } from "./slow-work.ts";

const IKE_PORT = 500;
const TICK_MILLIS = 5;
const BUFFER_OCTETS = 1 << 20;
const clock = monotonicClock();

async function openSocket(address: string): Promise<Socket> {
  const socket = createSocket({ type: "udp4", recvBufferSize: BUFFER_OCTETS });
  await new Promise<void>((resolve, reject) => {
    socket.once("error", reject);
    socket.bind(IKE_PORT, address, resolve);
  });
  socket.removeAllListeners("error");
  // Refused is what retransmission is for.
  socket.on("error", () => undefined);
  return socket;
}

class Generator {
  readonly #initiators: Initiators;

  private constructor(initiators: Initiators) {
    this.#initiators = initiators;
  }

  static async open(secret: string): Promise<Generator> {
    const sources = sourceAddresses();
    const sockets = await Promise.all(sources.map((address) => openSocket(addressToString(address))));
    const responder = addressToString(responderAddress());
    const initiators = new Initiators(
      {
        random: systemRandom,
        config: initiatorConfig(secret),
        sources,
        work: slowWork(),
        send: (octets, source) => sockets[source]?.send(octets, IKE_PORT, responder, () => undefined),
      },
      responderAddress(),
    );
    for (const [source, socket] of sockets.entries())
      socket.on("message", (octets) => initiators.datagram(octets, source, clock.now()));
    return new Generator(initiators);
  }

  async run(concurrency: number, warmUpSeconds: number, seconds: number): Promise<GeneratorFigures> {
    this.#initiators.keep(concurrency, clock.now());
    await this.#tickFor(warmUpSeconds);
    this.#initiators.take();
    const before = process.cpuUsage();
    const started = performance.now();
    const underWay = await this.#tickFor(seconds);
    const { established, failed, took } = this.#initiators.take();
    const wall = (performance.now() - started) / 1000;
    const { user, system } = process.cpuUsage(before);
    this.#initiators.keep(0, clock.now());
    return {
      seconds: wall,
      established,
      failed,
      p50: percentile(took, 0.5),
      p99: percentile(took, 0.99),
      underWay,
      cpuSeconds: (user + system) / 1e6,
    };
  }

  /** Returns how many were under way on average. */
  async #tickFor(seconds: number): Promise<number> {
    const until = performance.now() + seconds * 1000;
    let [sum, looks] = [0, 0];
    while (performance.now() < until) {
      await after(TICK_MILLIS);
      this.#initiators.tick(clock.now());
      sum += this.#initiators.underWay;
      looks++;
    }
    return sum / looks;
  }
}

function isQuestion(message: unknown): message is GeneratorQuestion {
  return typeof message === "object" && message !== null && "kind" in message;
}

let generator: Generator | undefined;

async function answer(question: GeneratorQuestion): Promise<GeneratorAnswer> {
  switch (question.kind) {
    case "open":
      generator = await Generator.open(question.secret);
      return { kind: "opened" };
    case "run": {
      const { concurrency, warmUpSeconds, seconds } = question;
      if (generator === undefined) return { kind: "failed", why: "it has no sockets yet" };
      return { kind: "done", figures: await generator.run(concurrency, warmUpSeconds, seconds) };
    }
    default:
      return question satisfies never;
  }
}

process.on("message", (message) => {
  if (!isQuestion(message)) return;
  void answer(message)
    .catch(
      (error): GeneratorAnswer => ({ kind: "failed", why: error instanceof Error ? error.message : String(error) }),
    )
    .then((result) => process.send?.(result));
});
process.on("disconnect", () => process.exit(0));
process.on("SIGINT", () => undefined);
