/**
 * The entry of a traffic agent: a process inside a box that sends and receives what the lab asks for. It ends with the
 * lab: its channel closes then.
 */
import { spawn } from "node:child_process";
import { pull, startTcpSource } from "./tcp-traffic.ts";
import type { AgentAnswer, AgentQuestion, ExecuteResult, TrafficRequest, TrafficResults } from "./traffic-messages.ts";
import { echo, sendFlow, UdpServer } from "./udp-traffic.ts";

const udp = new UdpServer();
const children = new Set<ReturnType<typeof spawn>>();

function answer(message: AgentAnswer): void {
  process.send?.(message);
}

async function serve(request: TrafficRequest): Promise<TrafficResults[keyof TrafficResults]> {
  switch (request.kind) {
    case "pull":
      return pull(request);
    case "echo":
      return echo(request);
    case "flow":
      return sendFlow(request);
    case "flow-report":
      return udp.report(request.flow);
    case "execute":
      return execute(request.command, request.arguments, request.seconds);
    default:
      return request satisfies never;
  }
}

function execute(command: string, words: readonly string[], seconds: number): Promise<ExecuteResult> {
  return new Promise((resolve) => {
    const child = spawn(command, words, { stdio: ["ignore", "pipe", "pipe"], env: { ...process.env, LC_ALL: "C" } });
    children.add(child);
    let [stdout, stderr] = ["", ""];
    child.stdout.setEncoding("utf8").on("data", (text: string) => {
      stdout += text;
    });
    child.stderr.setEncoding("utf8").on("data", (text: string) => {
      stderr += text;
    });
    const overdue = setTimeout(() => child.kill("SIGKILL"), seconds * 1000);
    const finish = (status: number | null) => {
      clearTimeout(overdue);
      children.delete(child);
      resolve({ status: status ?? undefined, stdout, stderr });
    };
    child.on("error", () => finish(null));
    child.on("close", finish);
  });
}

function isQuestion(message: unknown): message is AgentQuestion {
  return typeof message === "object" && message !== null && "id" in message && "request" in message;
}

process.on("message", (message) => {
  if (!isQuestion(message)) return;
  serve(message.request).then(
    (result) => answer({ kind: "done", id: message.id, result }),
    (error) => answer({ kind: "failed", id: message.id, why: error instanceof Error ? error.message : String(error) }),
  );
});
process.on("disconnect", () => {
  for (const child of children) child.kill("SIGKILL");
  process.exit(0);
});
// Ctrl-C reaches every process of the terminal; the lab decides when its agents go.
process.on("SIGINT", () => undefined);

answer({ kind: "ready", ports: { tcp: await startTcpSource(), udp: await udp.listen() } });
