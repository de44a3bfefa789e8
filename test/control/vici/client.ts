/** A client of vici for tests: says packets, and reads what a session wrote. */
import type { ViciOutput } from "#control/vici/command";
import { decodeMessage, encodeMessage, type Message } from "#control/vici/message";
import { decodePacket, encodePacket, type Packet, PacketStream } from "#control/vici/packet";

const DECODER = new TextDecoder();

/** A message as plain values, for comparing. */
export type Plain = { readonly [key: string]: string | readonly string[] | Plain };

export function plain(message: Message): Plain {
  return Object.fromEntries(
    message.map((entry) => {
      switch (entry.kind) {
        case "value":
          return [entry.key, DECODER.decode(entry.value)];
        case "list":
          return [entry.key, entry.items.map((item) => DECODER.decode(item))];
        default:
          return [entry.key, plain(entry.entries)];
      }
    }),
  );
}

/** What was said, with messages as plain values: "confirm", ["response", {…}], ["list-sa", {…}]. */
export type Said = string | readonly [string, Plain];

export class TestOutput implements ViciOutput {
  readonly #stream = new PacketStream();
  queued = 0;
  closed = false;
  /** How often it was asked to have `drained` called in another turn. */
  pauses = 0;
  /** True: the client reads nothing, and what is written stays queued. */
  stuck = false;

  write(octets: Uint8Array): void {
    this.#stream.add(octets);
    if (this.stuck) this.queued += octets.length;
  }

  pause(): void {
    this.pauses++;
  }

  close(): void {
    this.closed = true;
  }

  /** All packets since the last look. */
  said(): Said[] {
    const all: Said[] = [];
    for (let octets = this.#stream.take(); octets !== undefined; octets = this.#stream.take()) {
      const packet = decodePacket(octets);
      if (packet.kind === "response") all.push(["response", plain(decodeMessage(packet.message))]);
      else if (packet.kind === "event") all.push([packet.name, plain(decodeMessage(packet.message))]);
      else all.push(packet.kind);
    }
    return all;
  }
}

export function segment(packet: Packet): Uint8Array {
  const octets = encodePacket(packet);
  if (octets === undefined) throw new Error("too long");
  return octets;
}

export function requestOf(name: string, ...parts: readonly Message[]): Uint8Array {
  return segment({ kind: "request", name, message: encodeMessage(parts.flat()) });
}

/** What a message says, sections by their keys; undefined where it does not. */
export function within(
  said: Said | undefined,
  ...keys: readonly string[]
): string | readonly string[] | Plain | undefined {
  let found: string | readonly string[] | Plain | undefined = typeof said === "string" ? undefined : said?.[1];
  for (const key of keys) found = isSection(found) ? found[key] : undefined;
  return found;
}

/** The keys of a section. */
export function keysOf(found: ReturnType<typeof within>): readonly string[] {
  return isSection(found) ? Object.keys(found) : [];
}

function isSection(found: ReturnType<typeof within>): found is Plain {
  return typeof found === "object" && !Array.isArray(found);
}
