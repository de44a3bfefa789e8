/**
 * Serves vici to any number of clients, sans-IO: octets come in by `ViciSession.receive`, octets go out by `ViciOutput`. A
 * client has one command under way at a time; events reach those who registered for them.
 */
import type { Command, ViciOutput } from "./command.ts";
import { encodeMessage, type Message } from "./message.ts";
import { encodePacket } from "./packet.ts";
import { ViciSession } from "./session.ts";

export class ViciServer {
  readonly #commands: ReadonlyMap<string, Command>;
  readonly #events: ReadonlySet<string>;
  readonly #registers: (event: string) => void;
  readonly #sessions = new Set<ViciSession>();

  /** `events`: what may be registered for. `registers`: somebody is about to. */
  constructor(
    commands: ReadonlyMap<string, Command>,
    events: Iterable<string>,
    registers: (event: string) => void = () => undefined,
  ) {
    this.#commands = commands;
    this.#events = new Set(events);
    this.#registers = registers;
  }

  /** A client has come. */
  open(output: ViciOutput): ViciSession {
    const session = new ViciSession(output, {
      command: (name) => this.#commands.get(name),
      registers: (name) => {
        if (this.#events.has(name)) this.#registers(name);
        return this.#events.has(name);
      },
      closed: () => this.#sessions.delete(session),
    });
    this.#sessions.add(session);
    return session;
  }

  /** Whether it is worth while to make such an event. */
  isHeard(event: string): boolean {
    for (const session of this.#sessions) if (session.hears(event)) return true;
    return false;
  }

  /** To all who registered for it. */
  raise(event: string, message: Message): void {
    if (!this.isHeard(event)) return;
    const packet = encodePacket({ kind: "event", name: event, message: encodeMessage(message) });
    if (packet === undefined) return;
    for (const session of this.#sessions) if (session.hears(event)) session.tell(packet);
  }
}
