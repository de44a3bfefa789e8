/** One client of vici: its half packets, its command, its registrations, its queue. Bounded in all of them. */
import { WireError } from "#core/errors";
import type { Command, EventMessage, Reply, ViciOutput } from "./command.ts";
import { decodeMessage, encodeMessage, type Message } from "./message.ts";
import { refusal } from "./outcome.ts";
import { decodePacket, encodePacket, PACKET_LIMIT, type Packet, PacketStream } from "./packet.ts";

/** Octets that a client has not read, from which on a command's events wait for it. */
const STREAM_WATER = 256 * 1024;
/** Octets of a command's events in one turn: some milliseconds of work. */
const TURN_OCTETS = 64 * 1024;
/** Events that nobody asked for by a command do not wait: a client that is further behind is cut off. */
const EVENT_WATER = 4 * 1024 * 1024;
/** What may come while a command is under way: another packet, and what the socket hands over at once. */
const PENDING_LIMIT: number = 2 * PACKET_LIMIT;

export interface SessionHost {
  command(name: string): Command | undefined;
  /** False: there is no such event. */
  registers(event: string): boolean;
  closed(): void;
}

interface Running {
  readonly events: Iterator<EventMessage>;
  readonly response: Message;
}

export class ViciSession {
  readonly #output: ViciOutput;
  readonly #host: SessionHost;
  readonly #stream = new PacketStream();
  readonly #registered = new Set<string>();
  /** A command is being carried out, or its events are on their way. */
  #busy = false;
  #running: Running | undefined;
  /** `drained` has been asked for. */
  #pausing = false;
  #closed = false;

  constructor(output: ViciOutput, host: SessionHost) {
    this.#output = output;
    this.#host = host;
  }

  hears(event: string): boolean {
    return !this.#closed && this.#registered.has(event);
  }

  /** Octets of the client, in any pieces; they are copied. */
  receive(octets: Uint8Array): void {
    if (this.#closed) return;
    this.#stream.add(octets);
    if (this.#stream.held > PENDING_LIMIT) {
      this.#cutOff();
      return;
    }
    this.#serve();
  }

  /** The client has read some of what was queued. */
  drained(): void {
    this.#pausing = false;
    if (this.#running !== undefined) this.#goOn(this.#running);
    this.#serve();
  }

  /** The client has gone; a command of its that is under way goes on, and is told to nobody. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#registered.clear();
    this.#running = undefined;
    this.#stream.wipe();
    this.#host.closed();
  }

  /** An event's packet, whatever else is under way. */
  tell(packet: Uint8Array): void {
    if (this.#closed) return;
    this.#output.write(packet);
    if (this.#output.queued > EVENT_WATER) this.#cutOff();
  }

  #cutOff(): void {
    this.close();
    this.#output.close();
  }

  #serve(): void {
    try {
      while (!this.#busy && !this.#closed && this.#output.queued <= STREAM_WATER) {
        const octets = this.#stream.take();
        if (octets === undefined) return;
        this.#packet(octets);
      }
    } catch (error) {
      // Nothing tells where its next packet begins.
      if (!(error instanceof WireError)) throw error;
      this.#cutOff();
    }
  }

  #packet(octets: Uint8Array): void {
    const packet = decodePacket(octets);
    switch (packet.kind) {
      case "request":
        this.#request(packet.name, packet.message, octets);
        return;
      case "register":
        if (this.#host.registers(packet.name)) this.#registered.add(packet.name);
        this.#send({ kind: this.#registered.has(packet.name) ? "confirm" : "unknown-event" });
        return;
      case "unregister":
        this.#send({ kind: this.#registered.delete(packet.name) ? "confirm" : "unknown-event" });
        return;
      // A server's words, said by a client.
      case "response":
      case "unknown-command":
      case "confirm":
      case "unknown-event":
      case "event":
        throw new WireError("packet type", 0);
      default:
        packet satisfies never;
    }
  }

  #request(name: string, message: Uint8Array, octets: Uint8Array): void {
    const command = this.#host.command(name);
    if (command === undefined) {
      octets.fill(0);
      this.#send({ kind: "unknown-command" });
      return;
    }
    let request: Message;
    try {
      request = decodeMessage(message);
    } catch (error) {
      // Half a key is a secret too.
      octets.fill(0);
      throw error;
    }
    this.#busy = true;
    let reply: Reply | Promise<Reply>;
    try {
      reply = command(request, { raise: (event, content) => this.#raise(event, content) });
    } catch (error) {
      reply = refusalOf(error);
    }
    if (!(reply instanceof Promise)) {
      octets.fill(0);
      this.#reply(reply);
      return;
    }
    void reply.catch(refusalOf).then((late) => {
      octets.fill(0);
      this.#reply(late);
      this.#serve();
    });
  }

  #raise(event: string, message: Message): void {
    if (!this.hears(event)) return;
    const packet = eventPacket({ event, message });
    if (packet !== undefined) this.tell(packet);
  }

  #reply({ events = [], response }: Reply): void {
    if (this.#closed) return;
    this.#running = { events: events[Symbol.iterator](), response };
    this.#goOn(this.#running);
  }

  #goOn({ events, response }: Running): void {
    let written = 0;
    while (this.#output.queued <= STREAM_WATER) {
      if (written >= TURN_OCTETS) {
        this.#pause();
        return;
      }
      let next: IteratorResult<EventMessage>;
      try {
        next = events.next();
      } catch (error) {
        // An event that cannot be made is the end of this answer, and of nothing else.
        this.#running = undefined;
        this.#busy = false;
        this.#send({ kind: "response", message: encodeMessage(refusalOf(error).response) });
        return;
      }
      if (next.done === true) {
        this.#running = undefined;
        this.#busy = false;
        this.#send({ kind: "response", message: encodeMessage(response) });
        return;
      }
      const packet = this.hears(next.value.event) ? eventPacket(next.value) : undefined;
      if (packet === undefined) continue;
      this.#output.write(packet);
      written += packet.length;
    }
  }

  /** However fast a client reads, nobody waits for the whole of a long answer. */
  #pause(): void {
    if (this.#pausing) return;
    this.#pausing = true;
    this.#output.pause();
  }

  #send(packet: Packet): void {
    if (this.#closed) return;
    const said = encodePacket(packet) ?? encodePacket({ kind: "response", message: TOO_LONG });
    if (said !== undefined) this.#output.write(said);
  }
}

const TOO_LONG = encodeMessage(refusal("the answer is longer than vici's packets may be"));

function eventPacket({ event, message }: EventMessage): Uint8Array | undefined {
  return encodePacket({ kind: "event", name: event, message: encodeMessage(message) });
}

function refusalOf(error: unknown): Reply {
  if (error instanceof WireError) return { response: refusal(`the request's ${error.field} makes no sense`) };
  return { response: refusal(error instanceof Error ? error.message : String(error)) };
}
