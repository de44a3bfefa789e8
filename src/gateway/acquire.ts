/** What records of a lane's event ring tell in words: the flow of ACQUIRE (RFC 7296 §2.9), the place of PEER_MOVED. */
import { addressFromWords, type Endpoint } from "#core/address";
import { IpProtocol, type TrafficSelector } from "#core/selector";
import { FLAG_ONE_PORT, FLAG_PORTS, Flow } from "#ipsec/flow";

/** A flow's words stand behind kind, slot and value. */
const FLOW = 3;

export interface PacketSelectors {
  readonly local: TrafficSelector;
  readonly remote: TrafficSelector;
}

export function packetSelectors(record: ArrayLike<number>): PacketSelectors {
  const word = (column: number) => record[FLOW + column] ?? 0;
  const family = word(Flow.FAMILY) === 6 ? 6 : 4;
  const protocol = word(Flow.PROTOCOL);
  const flags = word(Flow.FLAGS);
  const ports = word(Flow.PORTS);
  const one = (column: number, port: number): TrafficSelector => {
    const address = addressFromWords(family, record, FLOW + column);
    const known = (flags & FLAG_PORTS) !== 0;
    const [firstPort, lastPort] = known ? [port, port] : [0, 65535];
    return { first: address, last: address, protocol, firstPort, lastPort };
  };
  const source = ports >>> 16;
  // RFC 7296 §3.13.1: ICMP's type and code stand on both sides.
  const alone = (flags & FLAG_ONE_PORT) !== 0 || protocol === IpProtocol.ICMP || protocol === IpProtocol.ICMPV6;
  return { local: one(Flow.SOURCE, source), remote: one(Flow.DESTINATION, alone ? source : ports & 0xffff) };
}

/** Where the peer is now. */
export function movedTo(record: ArrayLike<number>): Endpoint {
  const family = record[3] === 6 ? 6 : 4;
  return { address: addressFromWords(family, record, 5), port: record[4] ?? 0 };
}
