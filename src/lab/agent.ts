/** The lab's end of a traffic agent. */
import { setTimeout as after } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import type { Box } from "./box.ts";
import { LabError, LabProcess } from "./children.ts";
import type {
  AgentAnswer,
  AgentPorts,
  EchoResult,
  ExecuteResult,
  FlowReport,
  FlowResult,
  PullResult,
  TrafficRequest,
  TrafficResults,
} from "./traffic-messages.ts";

const START_SECONDS = 20;
/** No question is left without an answer for longer than its own time and this. */
const ANSWER_SECONDS = 15;
/** A flow is over when nothing came in this many looks, this long apart. */
const STILL_LOOKS = 80;
const STILL_MILLIS = 25;

interface Waiting {
  readonly overdue: NodeJS.Timeout;
  resolve(result: TrafficResults[keyof TrafficResults]): void;
  reject(error: Error): void;
}

function isAnswer(message: unknown): message is AgentAnswer {
  return typeof message === "object" && message !== null && "kind" in message;
}

/** An address of the other end, and the ports its agent listens on. */
export interface Target {
  readonly address: string;
  readonly agent: Agent;
}

export class Agent {
  readonly process: LabProcess;
  readonly ports: AgentPorts;
  readonly #waiting: Map<number, Waiting>;
  #questions = 0;

  private constructor(process: LabProcess, ports: AgentPorts, waiting: Map<number, Waiting>) {
    this.process = process;
    this.ports = ports;
    this.#waiting = waiting;
    void process.ended.then((status) => {
      for (const { overdue, reject } of waiting.values()) {
        clearTimeout(overdue);
        // Who ends a lab in the middle of traffic has a reason, which another failure would hide.
        if (!process.isToEnd) reject(process.failure(`ended with ${status}`));
      }
      waiting.clear();
    });
  }

  static async start(box: Box, keep: (process: LabProcess) => void): Promise<Agent> {
    const module = fileURLToPath(import.meta.resolve("./traffic-agent.js"));
    const process = new LabProcess(`traffic agent of ${box.name}`, box.fork(module, { arguments: [] }));
    keep(process);
    const waiting = new Map<number, Waiting>();
    const ports = await process.until<AgentPorts>("its start", START_SECONDS, (ready) => {
      process.onMessage((message) => {
        if (!isAnswer(message)) return;
        if (message.kind === "ready") ready(message.ports);
        else settle(waiting, message);
      });
    });
    return new Agent(process, ports, waiting);
  }

  /** Receives over TCP from the target, until `seconds` or `octets`. */
  pull(from: Target, seconds: number, octets: number = Number.MAX_SAFE_INTEGER): Promise<PullResult> {
    const { address, agent } = from;
    return this.#ask({ kind: "pull", address, port: agent.ports.tcp, seconds, octets }, seconds);
  }

  /** `pause` milliseconds between an answer and the next question. */
  echo(to: Target, count: number, octets: number, pause = 0): Promise<EchoResult> {
    const { address, agent } = to;
    const seconds = 10 + count / 100 + (count * pause) / 1000;
    return this.#ask({ kind: "echo", address, port: agent.ports.udp, count, octets, pause }, seconds);
  }

  flow(to: Target, flow: number, count: number, perSecond: number, octets: number): Promise<FlowResult> {
    const { address, agent } = to;
    const port = agent.ports.udp;
    return this.#ask({ kind: "flow", flow, address, port, count, perSecond, octets }, count / perSecond);
  }

  flowReport(flow: number): Promise<FlowReport> {
    return this.#ask({ kind: "flow-report", flow }, 0);
  }

  /** Once all datagrams are there, or none has come for a while: some may still wait in a queue when the sender is done. */
  async finalFlowReport(flow: number, sent: number, looks: number = STILL_LOOKS): Promise<FlowReport> {
    let report = await this.flowReport(flow);
    for (let still = 0; report.received < sent && still < looks; still++) {
      await after(STILL_MILLIS);
      const now = await this.flowReport(flow);
      if (now.received !== report.received) still = 0;
      report = now;
    }
    return report;
  }

  execute(seconds: number, command: string, ...words: readonly string[]): Promise<ExecuteResult> {
    return this.#ask({ kind: "execute", command, arguments: words, seconds }, seconds);
  }

  #ask<Kind extends TrafficRequest["kind"]>(
    request: Extract<TrafficRequest, { kind: Kind }>,
    seconds: number,
  ): Promise<TrafficResults[Kind]> {
    const id = ++this.#questions;
    return new Promise<TrafficResults[Kind]>((resolve, reject) => {
      const overdue = setTimeout(
        () => {
          this.#waiting.delete(id);
          reject(new LabError(`${this.process.name}: ${request.kind} did not end in time`));
        },
        (seconds + ANSWER_SECONDS) * 1000,
      );
      // The agent answers each kind with its own result: the one cast of this boundary.
      this.#waiting.set(id, { overdue, resolve: (result) => resolve(result as TrafficResults[Kind]), reject });
      this.process.send({ id, request });
    });
  }
}

function settle(waiting: Map<number, Waiting>, answer: Exclude<AgentAnswer, { kind: "ready" }>): void {
  const waiter = waiting.get(answer.id);
  waiting.delete(answer.id);
  clearTimeout(waiter?.overdue);
  if (answer.kind === "done") waiter?.resolve(answer.result);
  else waiter?.reject(new LabError(answer.why));
}
