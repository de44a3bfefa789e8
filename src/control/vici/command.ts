/** What a command of vici is given and what it gives. */
import type { Message } from "./message.ts";

/** Where a session's octets go. */
export interface ViciOutput {
  write(octets: Uint8Array): void;
  /** Octets that were written and not yet taken by the client. */
  readonly queued: number;
  /** `drained` is wanted in another turn: others come first. */
  pause(): void;
  /** The connection ends, what is queued with it. */
  close(): void;
}

export interface EventMessage {
  readonly event: string;
  readonly message: Message;
}

/** What a command may reach of the connection it came by. */
export interface CommandContext {
  /** To this client alone, if it has registered for the event. */
  raise(event: string, message: Message): void;
}

export interface Reply {
  /** Told to this client one after the other, no faster than it reads, before the response. */
  readonly events?: Iterable<EventMessage>;
  readonly response: Message;
}

/**
 * Carries out one command. The request's octets are wiped when the reply is there: what is to stay is copied. Throws WireError
 * for a request that makes no sense.
 */
export type Command = (request: Message, context: CommandContext) => Reply | Promise<Reply>;
