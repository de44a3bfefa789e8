/** From an operator's request to the running gateway, and back. */
import { nearest } from "#core/nearest";
import type {
  GatewayStatus,
  OperatedGateway,
  OperatorAnswer,
  OperatorRequest,
  OperatorTarget,
  ReloadOutcome,
  TunnelName,
  TunnelStatus,
} from "#core/operator";
import { faultText } from "./fault.ts";
import { parseRequest } from "./request.ts";
import { reqidsOf } from "./vici/reqids.ts";
import { saRecords } from "./vici/sa-records.ts";

/** The answer's line; never rejects. */
export async function answerLine(line: string, gateway: OperatedGateway): Promise<string> {
  const request = parseRequest(line);
  if (request === undefined) {
    const why = 'no request; write one JSON object a line, for example {"kind":"status"}';
    return JSON.stringify({ ok: false, why } satisfies OperatorAnswer);
  }
  try {
    return JSON.stringify(await answerRequest(request, gateway));
  } catch (error) {
    // A fault of ours in one answer is no reason to end a gateway.
    return JSON.stringify({ ok: false, why: faultText(error) } satisfies OperatorAnswer);
  }
}

export async function answerRequest(request: OperatorRequest, gateway: OperatedGateway): Promise<OperatorAnswer> {
  switch (request.kind) {
    case "status":
      return { ok: true, status: await gateway.gatherStatus() };
    case "sas":
      return { ok: true, sas: saRecords(gateway, reqidsOf(gateway)) };
    case "reload":
      return reloadAnswer(await gateway.configuration.reload(request.file));
    case "diff":
      return reloadAnswer(await gateway.configuration.diff(request.file));
    case "upgrade": {
      const outcome = (await gateway.upgrade?.()) ?? { why: "this gateway cannot be taken over" };
      return "why" in outcome ? { ok: false, why: outcome.why } : { ok: true, pid: outcome.pid };
    }
    case "events":
      return { ok: true, events: gateway.journal.after(request.after, request.limit) };
    case "packet": {
      const verdict = gateway.explainPacket(request.packet);
      return typeof verdict === "string" ? { ok: false, why: verdict } : { ok: true, verdict };
    }
    default:
      return act(request, gateway);
  }
}

function reloadAnswer(outcome: ReloadOutcome): OperatorAnswer {
  return "why" in outcome ? { ok: false, why: outcome.why } : { ok: true, ...outcome };
}

async function act(
  request: Extract<OperatorRequest, { readonly target: string }>,
  gateway: OperatedGateway,
): Promise<OperatorAnswer> {
  const targets = findTargets(request.target, request.ike, gateway.tunnelNames());
  if (typeof targets === "string") return { ok: false, why: targets };
  let count = 0;
  const whys: string[] = [];
  for (const outcome of await Promise.all(targets.map((target) => gateway.act(request.kind, target))))
    if ("why" in outcome) whys.push(outcome.why);
    else count += outcome.count;
  return whys.length > 0 ? { ok: false, why: [...new Set(whys)].join("; ") } : { ok: true, count };
}

/** The tunnels that a name means: "hq", "hq/net" or "net". A text is what is wrong. */
export function findTunnels(name: string, status: GatewayStatus): readonly TunnelStatus[] | string {
  const targets = findTargets(name, false, status.tunnels);
  if (typeof targets === "string") return targets;
  return status.tunnels.filter(({ connection, child }) =>
    targets.some((one) => one.kind === "child" && one.child === child && one.connection === connection),
  );
}

/** "hq/net", a connection's name (all of its children, or its IKE SA), or a child's. A text is what is wrong. */
export function findTargets(
  name: string,
  ike: boolean,
  tunnels: readonly TunnelName[],
): readonly OperatorTarget[] | string {
  const connection = tunnels.filter((tunnel) => tunnel.connection === name);
  if (ike || connection.length > 0) {
    if (connection.length === 0) return unknown(name, "connection", [...new Set(tunnels.map((t) => t.connection))]);
    if (ike) return [{ kind: "ike", connection: name }];
    return connection.map(({ child }) => ({ kind: "child", child, connection: name }));
  }
  const found = tunnels.filter((tunnel) => tunnel.child === name || `${tunnel.connection}/${tunnel.child}` === name);
  if (found.length === 0)
    return unknown(name, "tunnel", [
      ...new Set(tunnels.flatMap((t) => [t.connection, `${t.connection}/${t.child}`, t.child])),
    ]);
  return found.map((tunnel) => ({ kind: "child", child: tunnel.child, connection: tunnel.connection }));
}

function unknown(name: string, what: string, known: readonly string[]): string {
  const meant = nearest(name, known);
  const remedy =
    meant !== undefined
      ? `did you mean '${meant}'?`
      : known.length === 0
        ? "none is configured"
        : `there are: ${known.join(", ")}`;
  return `no ${what} is called '${name}'; ${remedy}`;
}
