/** The error classes of the house; each has a stable `code` for programs and a one-line message for people. */

/** One complaint about a configuration: where, what is wrong, and what to do about it. */
export interface Complaint {
  /** Path of the field, e.g. `policies[0].remote`. */
  readonly path: string;
  /** Where the text stands, e.g. `gw.json:12:14`; absent when the value came from no file. */
  readonly place?: string;
  /** What is wrong, e.g. `key is 15 octets, aes128gcm16 needs 20 (16 + 4 salt)`. */
  readonly problem: string;
  /** What to do, e.g. `give 40 hex digits`. */
  readonly remedy: string;
  /** The line of the text with a caret below the place; absent where secrets may stand. */
  readonly excerpt?: string;
}

/** One line: `gw.json:12:14: policies[0].remote: what is wrong; what to do`. */
export function complaintToString(complaint: Complaint): string {
  const { place, path, problem, remedy } = complaint;
  return `${place === undefined ? "" : `${place}: `}${path === "" ? "" : `${path}: `}${problem}; ${remedy}`;
}

/** That line, and below it the place in the text with a caret where that may be shown. */
export function complaintToText(complaint: Complaint): string {
  const line = complaintToString(complaint);
  if (complaint.excerpt === undefined) return line;
  return [line, ...complaint.excerpt.split("\n").map((text) => `    ${text}`)].join("\n");
}

/** All complaints about a configuration at once; nothing was changed when it is thrown. */
export class ConfigError extends Error {
  readonly code = "CONFIG";
  readonly complaints: readonly Complaint[];

  constructor(complaints: readonly Complaint[]) {
    super(complaints.map(complaintToString).join("\n"));
    this.name = "ConfigError";
    this.complaints = complaints;
  }

  static of(path: string, problem: string, remedy: string): ConfigError {
    return new ConfigError([{ path, problem, remedy }]);
  }
}

/** A system call that failed: errno's name, the call, and what to do about it where we know. */
export class SystemError extends Error {
  /** errno's name: `EPERM`, `ENOENT`, … */
  readonly code: string;
  /** The call that failed: `TUNSETIFF`, `bind`, … */
  readonly syscall: string;
  readonly remedy: string | undefined;

  constructor(code: string, syscall: string, subject: string, remedy?: string) {
    super(`${subject}: ${syscall} failed with ${code}${remedy === undefined ? "" : `; ${remedy}`}`);
    this.name = "SystemError";
    this.code = code;
    this.syscall = syscall;
    this.remedy = remedy;
  }
}

/** Octets from the wire that cannot be what they claim: which field, and where. The message is dropped or answered INVALID_SYNTAX. */
export class WireError extends Error {
  readonly code = "WIRE";
  /** In words of the RFC: "nonce data". */
  readonly field: string;
  /** In octets from the start of what was decoded. */
  readonly offset: number;

  constructor(field: string, offset: number) {
    super(`${field} at octet ${offset}`);
    this.name = "WireError";
    this.field = field;
    this.offset = offset;
  }
}

/** A message that we answer with a notification (RFC 7296 §3.10.1). */
export class ProtocolError extends Error {
  readonly code = "PROTOCOL";
  /** A `NotifyType` of errors. */
  readonly notify: number;
  /** Notification Data. */
  readonly data: Uint8Array;

  constructor(notify: number, why: string, data: Uint8Array = new Uint8Array(0)) {
    super(why);
    this.name = "ProtocolError";
    this.notify = notify;
    this.data = data;
  }
}

/** An invariant of ours that does not hold: our bug, so the machine stops. */
export class AssertionError extends Error {
  readonly code = "BUG";
}

export function assert(condition: boolean, what: string): asserts condition {
  if (!condition) throw new AssertionError(`bug: ${what}`);
}
