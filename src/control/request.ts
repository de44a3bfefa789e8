/** One request a line of JSON, one answer a line: the protocol of the control socket. Everything from outside is checked. */
import type { OperatorAction, OperatorRequest } from "#core/operator";

/** Longest request, in octets. */
export const REQUEST_LIMIT = 4096;

/** Events in one answer. */
const EVENTS = 1000;

const ACTIONS: readonly OperatorAction[] = ["initiate", "terminate", "rekey", "reauthenticate", "allow-clear"];

/** Undefined when the line is no request. */
export function parseRequest(line: string): OperatorRequest | undefined {
  const value = parseJson(line);
  if (typeof value !== "object" || value === null || !("kind" in value)) return undefined;
  if (value.kind === "status") return { kind: "status" };
  if (value.kind === "sas") return { kind: "sas" };
  if (value.kind === "upgrade") return { kind: "upgrade" };
  if (value.kind === "reload" || value.kind === "diff")
    return withFile(value.kind, "file" in value ? value.file : undefined);
  if (value.kind === "events")
    return {
      kind: "events",
      after: "after" in value ? count(value.after, 0) : 0,
      limit: "limit" in value ? count(value.limit, EVENTS) : EVENTS,
    };
  if (value.kind === "packet") return withPacket("packet" in value ? value.packet : undefined);
  const kind = ACTIONS.find((action) => action === value.kind);
  if (kind === undefined || !("target" in value) || typeof value.target !== "string") return undefined;
  return { kind, target: value.target, ike: "ike" in value && value.ike === true };
}

/** The gateway's directory is not the operator's: a path begins at the root. */
function withFile(kind: "reload" | "diff", file: unknown): OperatorRequest | undefined {
  if (file === undefined) return { kind };
  return typeof file === "string" && file.startsWith("/") && !file.includes("\0") ? { kind, file } : undefined;
}

/** Longest text of an address. */
const ADDRESS_LIMIT = 64;

function withPacket(value: unknown): OperatorRequest | undefined {
  if (typeof value !== "object" || value === null || !("source" in value) || !("destination" in value))
    return undefined;
  const { source, destination } = value;
  if (typeof source !== "string" || typeof destination !== "string") return undefined;
  if (source.length > ADDRESS_LIMIT || destination.length > ADDRESS_LIMIT) return undefined;
  const protocol = count("protocol" in value ? value.protocol : undefined, 0);
  if (protocol > 255) return undefined;
  const port = (given: unknown) => (typeof given === "number" && isPort(given) ? given : undefined);
  const sourcePort = port("sourcePort" in value ? value.sourcePort : undefined);
  const destinationPort = port("destinationPort" in value ? value.destinationPort : undefined);
  return { kind: "packet", packet: { source, destination, protocol, sourcePort, destinationPort } };
}

function isPort(value: number): boolean {
  return Number.isSafeInteger(value) && value >= 0 && value <= 65_535;
}

function count(value: unknown, otherwise: number): number {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 0 ? value : otherwise;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
