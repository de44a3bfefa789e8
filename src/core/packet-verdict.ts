/** What becomes of one packet, by the policies there are: plain data for `why-packet`. */

export interface PacketQuery {
  /** Addresses as text, of the same family. */
  readonly source: string;
  readonly destination: string;
  /** IP protocol number. */
  readonly protocol: number;
  /** undefined: it has none, or they are not said. ICMP: type × 256 + code is the source port. */
  readonly sourcePort: number | undefined;
  readonly destinationPort: number | undefined;
}

/** A pair of SAs that would carry it. */
export interface VerdictPair {
  readonly spiIn: string;
  readonly spiOut: string;
  /** "192.0.2.2" */
  readonly remote: string;
  readonly state: string;
}

/** One way through the gateway: `out` from our side to the peer's, `in` from the peer's to ours. */
export interface WayVerdict {
  readonly way: "out" | "in";
  /** undefined: no policy takes it. */
  readonly policy: string | undefined;
  readonly fate: "protected" | "in clear" | "waits for an SA" | "discarded" | "no policy";
  readonly pair: VerdictPair | undefined;
  /** What that means, in one sentence. */
  readonly because: string;
}

export interface PacketVerdict {
  readonly packet: PacketQuery;
  readonly ways: readonly WayVerdict[];
  /** Policies that nearly take it, and what differs: "hq/net: source 10.9.0.1 is not in 10.1.0.0/16". */
  readonly near: readonly string[];
}
