/** What commands that talk to a running gateway have in common: its socket, the request, the answer. */
import type { GatewayStatus, OperatorAction, OperatorAnswer, OperatorRequest } from "#core/operator";
import { askControl, CONTROL_SOCKET } from "#io/control-socket";
import { paint } from "./colour.ts";
import { type Arguments, type CliIo, type Command, JSON_OPTION, type Option } from "./command.ts";

export const SOCKET_OPTION: Option = {
  type: "string",
  short: "s",
  value: "PATH",
  help: `the gateway's control socket (${CONTROL_SOCKET})`,
};

export async function ask(args: Arguments, request: OperatorRequest): Promise<OperatorAnswer> {
  const line = await askControl(args.text("socket") ?? CONTROL_SOCKET, JSON.stringify(request));
  // Both ends are this program, and the socket is its owner's alone.
  return JSON.parse(line) as OperatorAnswer;
}

/** The status, or why there is none. Throws SystemError where no gateway is. */
export async function askStatus(args: Arguments): Promise<GatewayStatus | string> {
  const answer = await ask(args, { kind: "status" });
  if (!answer.ok) return answer.why;
  return "status" in answer ? answer.status : "the gateway gave no status";
}

/** What went wrong, on standard error; the exit code. */
export function refusal(io: CliIo, why: string): number {
  io.err(`${paint(io, "red", "esplanade")}: ${why}\n`);
  return 1;
}

export interface Verb {
  readonly action: OperatorAction;
  readonly summary: string;
  /** "rekeyed", for the answer. */
  readonly done: string;
  readonly ike: string;
  readonly examples: readonly string[];
}

/** A command that asks the gateway to do something with a tunnel. */
export function actionCommand(verb: Verb): Command {
  return {
    name: verb.action,
    summary: verb.summary,
    parameters: ["TUNNEL"],
    options: {
      socket: SOCKET_OPTION,
      ike: { type: "boolean", help: verb.ike },
      ...(verb.action === "rekey"
        ? { reauthenticate: { type: "boolean", help: "with --ike: a new IKE SA with new authentication" } as const }
        : {}),
      json: JSON_OPTION,
    },
    examples: verb.examples,
    run: (args, io) => act(verb, args, io),
  };
}

async function act(verb: Verb, args: Arguments, io: CliIo): Promise<number> {
  const target = args.parameter("TUNNEL");
  const action = args.has("reauthenticate") ? "reauthenticate" : verb.action;
  const answer = await ask(args, { kind: action, target, ike: args.has("ike") || action === "reauthenticate" });
  if (args.has("json")) io.out(`${JSON.stringify(answer)}\n`);
  else if (!answer.ok) io.err(`${paint(io, "red", "esplanade")}: ${target}: ${answer.why}\n`);
  else if ("count" in answer) io.out(`${paint(io, "green", "ok")}: ${target}: ${answer.count} ${verb.done}\n`);
  return answer.ok ? 0 : 1;
}
