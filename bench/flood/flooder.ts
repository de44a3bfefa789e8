/**
 * The prober's process, in a box of its own, one socket a source. Arguments: sources, seconds, datagrams a second. Tells
 * what it sent and heard.
 */
import { createSocket, type Socket } from "node:dgram";
import { setTimeout as after } from "node:timers/promises";
import { responderAddress, sourceAddresses } from "#bench/handshakes/plan";
import { slowWork } from "#bench/handshakes/slow-work";
import { addressToString } from "#core/address";
import { KeMethod } from "#crypto/key-exchange";
import { systemRandom } from "#io/system-random";
import { type Group, type Kind, Openings } from "./openings.ts";

export interface FlooderReport {
  readonly seconds: number;
  readonly sent: { readonly datagrams: number; readonly octets: number };
  readonly heard: { readonly datagrams: number; readonly octets: number };
  readonly shots: Readonly<Record<Kind, number>>;
  /** Key exchanges that were done for it. */
  readonly exchanges: number;
}

const IKE_PORT = 500;
const BUFFER_OCTETS = 1 << 20;
/** Public values of each group; made beforehand, as the flooded need the processor. */
const VALUES = 32;
/** At once: what could not be sent in time is not made good. */
const BURST = 40;
/** For the last answers. */
const LINGER_MILLIS = 300;

async function openSocket(address: string): Promise<Socket> {
  const socket = createSocket({ type: "udp4", recvBufferSize: BUFFER_OCTETS });
  await new Promise<void>((resolve, reject) => {
    socket.once("error", reject);
    socket.bind(IKE_PORT, address, resolve);
  });
  socket.removeAllListeners("error");
  socket.on("error", () => undefined);
  return socket;
}

function valuesOf(group: Group): readonly Uint8Array[] {
  const work = slowWork();
  return Array.from({ length: VALUES }, () => {
    const made = work({ kind: "ke-generate", method: group });
    if (made.kind !== "ke-generate") throw new Error(`bug: no key of group ${group}`);
    return made.publicKey;
  });
}

async function flood(sources: number, seconds: number, perSecond: number): Promise<FlooderReport> {
  const sockets = await Promise.all(sourceAddresses(sources).map((address) => openSocket(addressToString(address))));
  const target = addressToString(responderAddress());
  const values = {
    [KeMethod.MODP_768]: valuesOf(KeMethod.MODP_768),
    [KeMethod.MODP_1024]: valuesOf(KeMethod.MODP_1024),
  };
  const openings = new Openings({ random: systemRandom, values, sources });
  const [sent, heard] = [
    { datagrams: 0, octets: 0 },
    { datagrams: 0, octets: 0 },
  ];
  for (const socket of sockets)
    socket.on("message", (octets) => {
      heard.datagrams++;
      heard.octets += octets.length;
      openings.heard(octets);
    });
  const start = performance.now();
  let owed = 0;
  for (let before = start; before < start + seconds * 1000; ) {
    await after(1);
    const now = performance.now();
    owed = Math.min(BURST, owed + ((now - before) * perSecond) / 1000);
    for (before = now; owed >= 1; owed--) {
      const { octets, source } = openings.next();
      sockets[source]?.send(octets, IKE_PORT, target, () => undefined);
      sent.datagrams++;
      sent.octets += octets.length;
    }
  }
  const took = (performance.now() - start) / 1000;
  await after(LINGER_MILLIS);
  for (const socket of sockets) socket.close();
  return { seconds: took, sent, heard, shots: openings.shots, exchanges: openings.exchanges };
}

const [sources = 1, seconds = 1, perSecond = 1000] = process.argv.slice(2).map(Number);
const report = await flood(sources, seconds, perSecond);
process.send?.(report);
process.disconnect?.();
