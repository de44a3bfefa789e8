/** One rtnetlink request and its answer: interfaces, addresses, routes and rules without any program's help. */
import { getSystemErrorName } from "node:util";
import { SystemError } from "#core/errors";
import { nativeIo } from "./native.ts";
import { type Attribute, decodeMessages, encodeMessage, Flag, type Message, verdictOf } from "./netlink-message.ts";
import { isFailure, systemError } from "./system-error.ts";

/** Requests by the kernel's names. */
export const Request = {
  RTM_NEWLINK: 16,
  RTM_DELLINK: 17,
  RTM_GETLINK: 18,
  RTM_NEWADDR: 20,
  RTM_DELADDR: 21,
  RTM_GETADDR: 22,
  RTM_NEWROUTE: 24,
  RTM_DELROUTE: 25,
  RTM_GETROUTE: 26,
  RTM_NEWRULE: 32,
  RTM_DELRULE: 33,
  RTM_GETRULE: 34,
} as const;
export type RequestName = keyof typeof Request;

export interface RequestParts {
  readonly flags?: number;
  /** The structure behind the header: ifinfomsg, ifaddrmsg, rtmsg, fib_rule_hdr. */
  readonly family: Uint8Array;
  readonly attributes?: readonly Attribute[];
  /** What the request is about, for people. */
  readonly subject: string;
}

/** Returns the messages that are no verdict; throws a SystemError with the kernel's own words where it gives some. */
export function request(name: RequestName, parts: RequestParts): Message[] {
  const flags = Flag.REQUEST | (parts.flags ?? Flag.ACK);
  const octets = encodeMessage(Request[name], flags, parts.family, parts.attributes ?? []);
  const answer = nativeIo().netlink(octets);
  if (isFailure(answer)) throw systemError(answer, parts.subject);
  const messages = decodeMessages(answer);
  for (const message of messages) {
    const verdict = verdictOf(message);
    if (verdict === undefined || verdict.errno === 0) continue;
    const failure = { code: getSystemErrorName(-verdict.errno), syscall: name };
    throw systemError(failure, parts.subject, verdict.words === "" ? undefined : verdict.words);
  }
  return messages.filter((message) => verdictOf(message) === undefined);
}

export function dump(name: RequestName, parts: Omit<RequestParts, "flags">): Message[] {
  return request(name, { ...parts, flags: Flag.DUMP });
}

/** Does the work; one of these failures means that it was done before. */
export function unless(codes: readonly string[], work: () => void): void {
  try {
    work();
  } catch (error) {
    if (!(error instanceof SystemError && codes.includes(error.code))) throw error;
  }
}
