/** IKEv1 messages of other implementations; none are kept here for their licences. */
import { sharedOctets } from "#test/vectors/load";
import { ikeMessages } from "#test/vectors/pcap";

export interface Source {
  readonly path: string;
  /** Kinds in each message in clear, in their order; the encrypted ones are left out. */
  readonly clear: readonly string[];
  /** Messages that are encrypted. */
  readonly sealed: number;
}

export const CAPTURES: readonly Source[] = [
  { path: "captures/libreswan/01-isakmp-broadcast.pcap", clear: ["VID SA"], sealed: 0 },
  { path: "captures/libreswan/01-isakmp-vid-first-resp.pcap", clear: ["VID SA"], sealed: 0 },
  { path: "captures/libreswan/01-isakmp-vid-first.pcap", clear: ["VID SA"], sealed: 0 },
  {
    path: "captures/misc/ikev1-aggressive-mode.pcap",
    clear: ["SA VID VID VID VID KE NONCE ID VID VID VID", "SA VID VID VID VID VID KE ID NONCE HASH NAT-D NAT-D"],
    sealed: 4,
  },
  {
    path: "captures/misc/ikev1-isakmp-main-mode.pcap",
    clear: ["SA VID VID VID VID", "SA VID", "KE NONCE VID VID VID NAT-D NAT-D", "KE NONCE VID VID VID VID NAT-D NAT-D"],
    sealed: 5,
  },
  {
    path: "captures/tcpdump/ISAKMP_sa_setup.pcap",
    // NAT-D of drafts 04 to 08 has a number of its own, which IANA gave to others.
    clear: [
      "SA VID VID VID",
      "SA VID",
      "KE NONCE VID VID VID VID Unknown Unknown",
      "KE NONCE VID VID VID VID Unknown Unknown",
    ],
    sealed: 5,
  },
  {
    path: "captures/wireshark/ikev1-bug-12620.pcapng.gz",
    clear: [
      "SA KE NONCE ID VID VID VID VID VID VID VID VID",
      "SA KE NONCE ID VID VID VID NAT-D NAT-D HASH",
      "HASH NAT-D NAT-D",
    ],
    sealed: 7,
  },
  {
    path: "captures/wireshark/ikev1-certs.pcap",
    clear: ["SA VID VID", "SA VID VID VID VID VID VID VID VID VID", "KE NONCE", "KE NONCE CR"],
    sealed: 6,
  },
  { path: "messages/ike-scan/pkt-aggr-mode-response.dat", clear: ["SA VID VID VID KE NONCE ID HASH"], sealed: 0 },
  { path: "messages/ike-scan/pkt-aggressive.dat", clear: ["SA KE NONCE ID"], sealed: 0 },
  { path: "messages/ike-scan/pkt-default-proposal.dat", clear: ["SA"], sealed: 0 },
  { path: "messages/ike-scan/pkt-main-mode-response.dat", clear: ["SA VID"], sealed: 0 },
  { path: "messages/ike-scan/pkt-notify-response.dat", clear: ["N"], sealed: 0 },
];

const VERSION = 17;

/** Empty where the file is absent. */
export function version1Messages(path: string): Uint8Array[] {
  const octets = sharedOctets(path);
  if (octets === undefined) return [];
  const all = path.startsWith("captures/") ? ikeMessages(octets) : [octets];
  return all.filter((message) => (message[VERSION] ?? 0) >>> 4 === 1);
}
