/** `why-packet`: the lanes' own lookup (compiled SPD, same words), for one packet that nobody sends. */
import { addressToString, addressWords, compareAddresses, type IpAddress, parseAddress } from "#core/address";
import type { PacketQuery, PacketVerdict, VerdictPair, WayVerdict } from "#core/packet-verdict";
import type { Policy } from "#core/policy";
import { ANY_PROTOCOL, IpProtocol, selectorToString, type TrafficSelector } from "#core/selector";
import { FLAG_ONE_PORT, FLAG_PORTS, FLOW_WORDS, Flow, INBOUND, OUTBOUND } from "#ipsec/flow";
import { NO_POLICY, Spd } from "#ipsec/spd";
import { compileSpd } from "#ipsec/spd-compile";
import { inLanes } from "./policy-snapshot.ts";

/** Policies that are told as near misses. */
const NEAR = 4;

/** A pair in use, by its policy. */
export interface PairOfPolicy extends VerdictPair {
  readonly policy: string;
}

/**
 * `pairs`: undefined where only a configuration is known. A text says what is wrong with the question. Ports that are not
 * said are OPAQUE, as in a later fragment (RFC 4301 §4.4.1.1).
 */
export function packetVerdict(
  packet: PacketQuery,
  policies: readonly Policy[],
  pairs: readonly PairOfPolicy[] | undefined,
): PacketVerdict | string {
  const source = parseAddress(packet.source);
  const destination = parseAddress(packet.destination);
  if (source === undefined) return `'${packet.source}' is no address; for example 10.1.0.5`;
  if (destination === undefined) return `'${packet.destination}' is no address; for example 10.2.0.7`;
  if (source.family !== destination.family) return "the two addresses are of different families; give two of the same";
  const spd = new Spd(compileSpd(policies.map(inLanes), 1));
  const words = wordsOf(packet, source, destination);
  const ways = ([OUTBOUND, INBOUND] as const).map((direction) => {
    const index = spd.lookup(words, direction);
    const policy = index === NO_POLICY ? undefined : policies[index];
    return wayOf(direction === OUTBOUND ? "out" : "in", policy, pairs);
  });
  // A packet of ours and one of the peer's differ in their sides: what nobody takes either way is of no tunnel.
  const taken = ways.filter(({ policy }) => policy !== undefined);
  const misfits = taken.length > 0 ? [] : policies.flatMap((policy) => misfit(policy, packet, source, destination));
  // The one that agrees longest is the nearest.
  const near = misfits.toSorted((a, b) => b.agrees - a.agrees).map(({ text }) => text);
  return { packet, ways: taken.length > 0 ? taken : ways.slice(0, 1), near: near.slice(0, NEAR) };
}

function wordsOf(packet: PacketQuery, source: IpAddress, destination: IpAddress): Int32Array {
  const words = new Int32Array(FLOW_WORDS);
  words[Flow.FAMILY] = source.family;
  words.set(addressWords(source), Flow.SOURCE);
  words.set(addressWords(destination), Flow.DESTINATION);
  words[Flow.PROTOCOL] = packet.protocol;
  const { sourcePort, destinationPort } = packet;
  if (hasOnePort(packet.protocol) && sourcePort !== undefined) {
    words[Flow.PORTS] = sourcePort << 16;
    words[Flow.FLAGS] = FLAG_PORTS | FLAG_ONE_PORT;
  } else if (sourcePort !== undefined && destinationPort !== undefined) {
    words[Flow.PORTS] = (sourcePort << 16) | destinationPort;
    words[Flow.FLAGS] = FLAG_PORTS;
  }
  return words;
}

function hasOnePort(protocol: number): boolean {
  return protocol === IpProtocol.ICMP || protocol === IpProtocol.ICMPV6 || protocol === IpProtocol.MOBILITY;
}

function wayOf(
  way: WayVerdict["way"],
  policy: Policy | undefined,
  pairs: readonly PairOfPolicy[] | undefined,
): WayVerdict {
  if (policy === undefined)
    return {
      way,
      policy: undefined,
      fate: "no policy",
      pair: undefined,
      because:
        "no policy takes it: where a route leads it into the TUN it is dropped (NO_POLICY), else it leaves in clear",
    };
  const { name } = policy;
  const pair = pairs?.find((one) => one.policy === name);
  const found = { way, policy: name, pair: undefined };
  if (policy.action === "discard") return { ...found, fate: "discarded", because: `policy ${name} discards it` };
  if (policy.action === "bypass")
    return { ...found, fate: "in clear", because: `policy ${name} lets it pass in clear` };
  if (policy.inClear === "both")
    return { ...found, fate: "in clear", because: `policy ${name} has fallen back to clear: its peer did not answer` };
  if (pairs === undefined)
    return { ...found, fate: "protected", because: `policy ${name} protects it, once the tunnel is up` };
  if (pair === undefined)
    return {
      ...found,
      fate: "waits for an SA",
      because:
        way === "out"
          ? `policy ${name} protects it, and there is no SA: it waits while IKE negotiates one`
          : `policy ${name} protects it, and there is no SA: what comes in clear is dropped`,
    };
  const { spiIn, spiOut, remote, state } = pair;
  const through =
    way === "out" ? `goes to ${remote} with SPI ${spiOut}` : `is taken from ${remote} with SPI ${spiIn} alone`;
  return {
    ...found,
    fate: "protected",
    pair: { spiIn, spiOut, remote, state },
    because: `policy ${name} protects it: it ${through}${policy.inClear === "inbound" && way === "in" ? ", or in clear" : ""}`,
  };
}

interface Misfit {
  /** How much of the policy fits. */
  readonly agrees: number;
  readonly text: string;
}

/** What one policy has against the packet as one of ours, unless nothing of it fits. */
function misfit(policy: Policy, packet: PacketQuery, source: IpAddress, destination: IpAddress): Misfit[] {
  const { name, local, remote } = policy;
  const here = local.filter((one) => holds(one, source));
  const there = remote.filter((one) => holds(one, destination));
  const differs = (agrees: number, what: string) => [{ agrees, text: `${name}: ${what}` }];
  if (here.length === 0 && there.length === 0) return [];
  if (here.length === 0) return differs(0, `source ${addressToString(source)} is not in ${listed(local)}`);
  if (there.length === 0) return differs(0, `destination ${addressToString(destination)} is not in ${listed(remote)}`);
  const protocols = [...here, ...there].filter(
    ({ protocol }) => protocol !== ANY_PROTOCOL && protocol !== packet.protocol,
  );
  if (protocols.length > 0) return differs(1, `protocol ${packet.protocol} is not in ${listed(protocols)}`);
  return differs(2, `the ports do not fit ${listed([...here, ...there])}`);
}

function holds({ first, last }: TrafficSelector, address: IpAddress): boolean {
  return (
    first.family === address.family && compareAddresses(first, address) <= 0 && compareAddresses(address, last) <= 0
  );
}

function listed(selectors: readonly TrafficSelector[]): string {
  return [...new Set(selectors.map(selectorToString))].join(", ");
}
