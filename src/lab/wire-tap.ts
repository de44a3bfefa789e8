/** Sniffers on both ends of the wan, and what of their catch is clear text. */
import { addressOf, addressToString } from "#core/address";
import { clearTextFilter } from "#io/packet-filter";
import { Sniffer } from "#io/sniffer";
import type { Box } from "./box.ts";
import { isInnerAddress, WAN } from "./network.ts";

/** IKE's, and ESP in UDP's. */
const PORTS = [500, 4500];
/** Frames that are looked at one by one; any beyond count as clear. */
const SAMPLES = 1024;
const ETHERNET = 14;

export interface TapReport {
  /** Frames with anything of the inner networks in them, or of unknown kind. */
  readonly clearPackets: number;
  readonly clearOctets: number;
  /** Of these, those with an inner address in their IP header. */
  readonly innerPackets: number;
  /** "10.1.0.10 > 10.2.0.10 protocol 17, 70 octets" of the first. */
  readonly example: string | undefined;
}

interface Frame {
  readonly source: string;
  readonly destination: string;
  readonly protocol: number;
  readonly icmpError: boolean;
}

/** The IP header of an Ethernet frame; undefined for what is no IP. */
function dissect(frame: Uint8Array): Frame | undefined {
  const version = (frame[ETHERNET] ?? 0) >> 4;
  const text = (from: number, length: number) =>
    addressToString(addressOf(frame.slice(ETHERNET + from, ETHERNET + from + length)));
  if (version === 4 && frame.length >= ETHERNET + 20) {
    const protocol = frame[ETHERNET + 9] ?? 0;
    const type = frame[ETHERNET + 4 * ((frame[ETHERNET] ?? 0) & 15)] ?? 0;
    // Unreachable, time exceeded, parameter problem.
    const icmpError = protocol === 1 && [3, 11, 12].includes(type);
    return { source: text(12, 4), destination: text(16, 4), protocol, icmpError };
  }
  if (version === 6 && frame.length >= ETHERNET + 41) {
    const protocol = frame[ETHERNET + 6] ?? 0;
    // Errors are below 128 (RFC 4443 §2.1).
    const icmpError = protocol === 58 && (frame[ETHERNET + 40] ?? 255) < 128;
    return { source: text(8, 16), destination: text(24, 16), protocol, icmpError };
  }
  return undefined;
}

/** Of the gateways, at any place. */
const isOuterAddress = (text: string) => /^(192\.0\.2\.|2001:db8::)/.test(text);

/** A gateway without a process answers ESP with an ICMP error to the other gateway, which quotes ciphertext. */
function isErrorBetweenGateways(frame: Frame | undefined): boolean {
  return frame?.icmpError === true && isOuterAddress(frame.source) && isOuterAddress(frame.destination);
}

class Tap {
  readonly sniffer: Sniffer;
  constructor(box: Box) {
    this.sniffer = box.run(() => new Sniffer(WAN, clearTextFilter(PORTS), SAMPLES));
  }

  report(): TapReport {
    const { packets, octets, samples } = this.sniffer.report();
    const frames = samples.map((sample) => ({ frame: dissect(sample), octets: sample.length }));
    const errors = frames.filter(({ frame }) => isErrorBetweenGateways(frame));
    const clear = frames.filter(({ frame }) => !isErrorBetweenGateways(frame));
    const inner = clear.filter(
      ({ frame }) => frame !== undefined && (isInnerAddress(frame.source) || isInnerAddress(frame.destination)),
    );
    const [first] = clear;
    return {
      clearPackets: packets - errors.length,
      clearOctets: octets - errors.reduce((sum, error) => sum + error.octets, 0),
      innerPackets: inner.length,
      example: first === undefined ? undefined : describe(first.frame, first.octets),
    };
  }
}

function describe(frame: Frame | undefined, octets: number): string {
  if (frame === undefined) return `no IP packet, ${octets} octets`;
  return `${frame.source} > ${frame.destination} protocol ${frame.protocol}, ${octets} octets`;
}

/** Both ends: a frame that one sniffer misses, the other sees. */
export class WireTap implements Disposable {
  readonly #taps: readonly Tap[];

  constructor(gateways: readonly Box[]) {
    this.#taps = gateways.map((box) => new Tap(box));
  }

  /** Since the tap was opened; of the two ends the one that saw more. */
  report(): TapReport {
    const reports = this.#taps.map((tap) => tap.report());
    return {
      clearPackets: Math.max(...reports.map((report) => report.clearPackets)),
      clearOctets: Math.max(...reports.map((report) => report.clearOctets)),
      innerPackets: Math.max(...reports.map((report) => report.innerPackets)),
      example: reports.find((report) => report.example !== undefined)?.example,
    };
  }

  [Symbol.dispose](): void {
    for (const tap of this.#taps) tap.sniffer.close();
  }
}
