/**
 * The UDP ends of a traffic agent. Every datagram begins with these fields, the pattern follows:
 *   0 kind (1 asks for an echo, 2 is one, 3 belongs to a flow) · 4 flow · 8 number within it
 */
import { createSocket, type Socket } from "node:dgram";
import { setTimeout as after } from "node:timers/promises";
import { patternAt } from "./pattern.ts";
import type { EchoResult, FlowReport, FlowResult } from "./traffic-messages.ts";

const HEADER = 12;
const ECHO = 1;
const ECHOED = 2;
const FLOW = 3;
const ECHO_WAIT_MILLIS = 1000;
const BUFFER_OCTETS = 4 << 20;

interface FlowTally {
  readonly seen: Set<number>;
  highest: number;
  lastAt: number;
  longestGap: number;
  duplicates: number;
  reordered: number;
  damaged: number;
}

function datagram(kind: number, flow: number, number: number, octets: number): Buffer {
  const packet = Buffer.alloc(Math.max(octets, HEADER));
  packet.writeUInt32BE(kind, 0);
  packet.writeUInt32BE(flow, 4);
  packet.writeUInt32BE(number, 8);
  patternAt(number, packet.length - HEADER).copy(packet, HEADER);
  return packet;
}

/** Answers echoes and keeps count of flows. */
export class UdpServer {
  readonly #tallies = new Map<number, FlowTally>();

  /** Resolves with the port. */
  async listen(): Promise<number> {
    const socket = createSocket({ type: "udp6", recvBufferSize: BUFFER_OCTETS });
    socket.on("message", (packet, { address, port }) => {
      if (packet.length < HEADER) return;
      const kind = packet.readUInt32BE(0);
      if (kind === FLOW) this.#count(packet);
      if (kind !== ECHO) return;
      packet.writeUInt32BE(ECHOED, 0);
      // A path that is gone answers with an ICMP error: the asker sees that nothing comes.
      socket.send(packet, port, address, () => undefined);
    });
    await new Promise<void>((resolve, reject) => {
      socket.once("error", reject);
      socket.bind(0, "::", resolve);
    });
    socket.removeAllListeners("error");
    // Of a datagram that could not be received: a sender counts what did not come.
    socket.on("error", () => undefined);
    return socket.address().port;
  }

  #count(packet: Buffer): void {
    const flow = packet.readUInt32BE(4);
    const number = packet.readUInt32BE(8);
    const now = performance.now();
    const tally = this.#tallies.get(flow) ?? newTally(now);
    this.#tallies.set(flow, tally);
    tally.longestGap = Math.max(tally.longestGap, now - tally.lastAt);
    tally.lastAt = now;
    if (!patternAt(number, packet.length - HEADER).equals(packet.subarray(HEADER))) tally.damaged++;
    if (tally.seen.has(number)) tally.duplicates++;
    else if (number < tally.highest) tally.reordered++;
    tally.seen.add(number);
    tally.highest = Math.max(tally.highest, number);
  }

  report(flow: number): FlowReport {
    const tally = this.#tallies.get(flow);
    const { seen, duplicates, reordered, damaged, longestGap } = tally ?? newTally(0);
    return { received: seen.size, duplicates, reordered, damaged, longestGap };
  }
}

function newTally(now: number): FlowTally {
  return { seen: new Set(), highest: -1, lastAt: now, longestGap: 0, duplicates: 0, reordered: 0, damaged: 0 };
}

async function connected(address: string, port: number): Promise<Socket> {
  const socket = createSocket({ type: address.includes(":") ? "udp6" : "udp4", sendBufferSize: BUFFER_OCTETS });
  await new Promise<void>((resolve, reject) => {
    socket.once("error", reject);
    socket.connect(port, address, () => resolve());
  });
  socket.removeAllListeners("error");
  // Refused and unreachable are answers too; who waits for a datagram sees that none comes.
  socket.on("error", () => undefined);
  return socket;
}

interface Target {
  readonly address: string;
  readonly port: number;
  readonly count: number;
  readonly octets: number;
}

export interface Echo extends Target {
  /** Milliseconds between an answer and the next question. */
  readonly pause: number;
}

export async function echo({ address, port, count, octets, pause }: Echo): Promise<EchoResult> {
  const socket = await connected(address, port);
  const roundTrips: number[] = [];
  let awaited = -1;
  let arrived: () => void = () => undefined;
  socket.on("message", (packet) => {
    if (packet.length >= HEADER && packet.readUInt32BE(0) === ECHOED && packet.readUInt32BE(8) === awaited) arrived();
  });
  for (let number = 0; number < count; number++) {
    const answered = await new Promise<boolean>((resolve) => {
      const overdue = setTimeout(() => resolve(false), ECHO_WAIT_MILLIS);
      const started = performance.now();
      arrived = () => {
        clearTimeout(overdue);
        roundTrips.push(performance.now() - started);
        resolve(true);
      };
      awaited = number;
      socket.send(datagram(ECHO, 0, number, octets), () => undefined);
    });
    // One lost datagram is a figure, nothing at all is not worth more waiting.
    if (!answered && roundTrips.length === 0) break;
    if (pause > 0) await after(pause);
  }
  socket.close();
  return { sent: count, lost: count - roundTrips.length, roundTrips };
}

export interface Flow extends Target {
  readonly flow: number;
  readonly perSecond: number;
}

/** A few datagrams a millisecond, by the clock: a late turn sends what is due. */
export async function sendFlow({ flow, address, port, count, perSecond, octets }: Flow): Promise<FlowResult> {
  const socket = await connected(address, port);
  const started = performance.now();
  let sent = 0;
  while (sent < count) {
    const due = Math.min(count, Math.ceil(((performance.now() - started) / 1000) * perSecond));
    for (; sent < due; sent++) socket.send(datagram(FLOW, flow, sent, octets), () => undefined);
    await after(1);
  }
  const seconds = (performance.now() - started) / 1000;
  await after(10);
  socket.close();
  return { sent, seconds };
}
