/**
 * Every reason for which a packet is dropped: one table, negative codes, a name for metrics, a sentence for people.
 * Codes are stable: native/slab.h names the few that native code sets.
 */
export type Severity = "expected" | "attack" | "misconfiguration" | "overload" | "bug";

export interface DropReason {
  readonly code: number;
  readonly name: string;
  readonly text: string;
  readonly severity: Severity;
}

export const Drop = {
  /** Set by ciphers: the ICV did not verify (RFC 4303 §3.4.4). */
  ICV_MISMATCH: -1,
  /** Set by ciphers: no key in this slot. */
  NO_KEY: -2,
  /** Set by ciphers: this (key, sequence number) was already sealed; a nonce is never used twice. */
  NONCE_REUSE: -3,
  /** Set by ports: the kernel refused the send. */
  SEND_FAILED: -4,
  TOO_SHORT: -5,
  UNKNOWN_SPI: -6,
  RESERVED_SPI: -7,
  REPLAYED: -8,
  OUTSIDE_WINDOW: -9,
  SEQUENCE_ZERO: -10,
  SEQUENCE_EXHAUSTED: -11,
  BAD_PADDING: -12,
  BAD_NEXT_HEADER: -13,
  INNER_MALFORMED: -14,
  SELECTOR_MISMATCH: -15,
  HARD_LIFETIME: -16,
  NO_POLICY: -17,
  POLICY_DISCARD: -18,
  NO_SA: -19,
  SA_NOT_MATURE: -20,
  PACKET_TOO_BIG: -21,
  FRAGMENT_UNMATCHED: -22,
  FRAGMENT_LIMIT: -23,
  NOT_IP: -24,
  WRONG_PROTOCOL: -25,
  WRONG_ENCAPSULATION: -26,
  DUMMY: -27,
  KEEPALIVE: -28,
  IKE_OVERLOAD: -29,
  ECN_DROP: -31,
  NO_SOCKET: -32,
  AH_HEADER: -34,
  BUNDLE_INCOMPLETE: -35,
  SCRATCH_FULL: -37,
  TUN_WRITE_FAILED: -38,
  LOOP: -40,
  FRAGMENT_HELD: -42,
  LANE_OVERLOAD: -43,
  HOLD_FULL: -44,
} as const;
export type DropCode = (typeof Drop)[keyof typeof Drop];

/** Counters are indexed by `-code`; index 0 is unused. */
export const DROP_COUNTERS = 48;

type Entry = readonly [DropCode, Severity, string];
const TABLE: readonly Entry[] = [
  [Drop.ICV_MISMATCH, "attack", "integrity check value does not verify: altered on the way, or the keys differ"],
  [Drop.NO_KEY, "bug", "the SA has no key in the cipher"],
  [Drop.NONCE_REUSE, "bug", "the sequence number was already used under this key"],
  [Drop.SEND_FAILED, "overload", "the kernel refused to send"],
  [Drop.TOO_SHORT, "attack", "shorter than its own headers"],
  [Drop.UNKNOWN_SPI, "expected", "no inbound SA has this SPI"],
  [Drop.RESERVED_SPI, "attack", "SPI 0–255 is reserved (RFC 4303 §2.1)"],
  [Drop.REPLAYED, "attack", "this sequence number was already received"],
  [Drop.OUTSIDE_WINDOW, "expected", "older than the replay window"],
  [Drop.SEQUENCE_ZERO, "attack", "sequence number 0 is never sent (RFC 4303 §3.3.3)"],
  [Drop.SEQUENCE_EXHAUSTED, "misconfiguration", "all sequence numbers of the SA are used: it must be replaced"],
  [Drop.BAD_PADDING, "attack", "padding is not 1, 2, 3 … (RFC 4303 §2.4)"],
  [Drop.BAD_NEXT_HEADER, "attack", "next header does not fit the SA's mode"],
  [Drop.INNER_MALFORMED, "attack", "the inner packet's header is malformed"],
  [Drop.SELECTOR_MISMATCH, "attack", "the inner packet does not fit the SA's selectors (RFC 4301 §5.2)"],
  [Drop.HARD_LIFETIME, "misconfiguration", "the SA has reached its hard lifetime"],
  [Drop.NO_POLICY, "misconfiguration", "no policy matches"],
  [Drop.POLICY_DISCARD, "expected", "a discard policy matches"],
  [Drop.NO_SA, "expected", "a protect policy matches and no SA is installed, or none came in time"],
  [Drop.SA_NOT_MATURE, "expected", "the SA is not in use yet or no longer"],
  [
    Drop.PACKET_TOO_BIG,
    "expected",
    "larger than the SA's effective MTU and must not be fragmented; the sender was told",
  ],
  [Drop.FRAGMENT_UNMATCHED, "expected", "a fragment whose first fragment was not seen (RFC 4301 §7)"],
  [Drop.FRAGMENT_LIMIT, "overload", "too many fragments are being tracked"],
  [Drop.NOT_IP, "attack", "neither IPv4 nor IPv6"],
  [Drop.WRONG_PROTOCOL, "attack", "ESP for an AH SA or AH for an ESP SA"],
  [Drop.WRONG_ENCAPSULATION, "attack", "came in UDP for a raw SA, or raw for a UDP SA"],
  [Drop.DUMMY, "expected", "dummy packet of traffic flow confidentiality (RFC 4303 §2.6)"],
  [Drop.KEEPALIVE, "expected", "NAT keepalive (RFC 3948 §2.3)"],
  [Drop.IKE_OVERLOAD, "overload", "too many IKE messages wait for the control thread"],
  [Drop.ECN_DROP, "expected", "congestion was marked on a packet that cannot carry the mark (RFC 6040 §4.2)"],
  [Drop.NO_SOCKET, "misconfiguration", "no socket for the SA's address family and encapsulation"],
  [Drop.AH_HEADER, "attack", "the authentication header is malformed (RFC 4302 §2)"],
  [Drop.BUNDLE_INCOMPLETE, "attack", "ESP of an AH+ESP bundle came without its AH"],
  [Drop.SCRATCH_FULL, "overload", "no scratch memory left in this batch"],
  [Drop.TUN_WRITE_FAILED, "overload", "the TUN device refused the packet"],
  [Drop.LOOP, "misconfiguration", "an encapsulated packet of ours came back into the tunnel"],
  [Drop.LANE_OVERLOAD, "overload", "too many packets wait for the lane that owns their SA"],
  [Drop.HOLD_FULL, "overload", "too many packets wait for an SA; the oldest went"],
  [Drop.FRAGMENT_HELD, "expected", "kept until its datagram is whole, which then leaves in its place"],
];

function nameOf(code: number): string {
  const entry = Object.entries(Drop).find(([, value]) => value === code);
  return entry === undefined ? `unknown_${-code}` : entry[0].toLowerCase();
}

export const DROP_REASONS: readonly DropReason[] = TABLE.map(([code, severity, text]) => ({
  code,
  name: nameOf(code),
  text,
  severity,
}));
