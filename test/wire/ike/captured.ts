/** IKEv2 messages of other implementations. */
import { sharedOctets, vectorOctets } from "#test/vectors/load";
import { ikeMessages } from "#test/vectors/pcap";

export interface Source {
  readonly path: string;
  /** Messages of IKEv2 in it. */
  readonly messages: number;
  /** Kinds in the first one. */
  readonly first: string;
}

export const KEPT: readonly Source[] = [
  { path: "captures/tcpdump/ikev2four.pcap", messages: 21, first: "SA KE Nonce N N" },
  { path: "captures/tcpdump/ikev2pI2.pcap", messages: 2, first: "SA KE Nonce V" },
  { path: "messages/ike-sa-init-req.bin", messages: 1, first: "SA KE Nonce" },
  { path: "messages/ike-sa-init-resp.bin", messages: 1, first: "SA KE Nonce CERTREQ N" },
];

export const SHARED: readonly Source[] = [
  { path: "captures/misc/ikev2_nat_t.pcapng", messages: 30, first: "SA KE Nonce V V V V N N N" },
  { path: "captures/misc/ndpi-ah.pcapng", messages: 4, first: "SA KE Nonce V V V V N N" },
  { path: "captures/misc/ndpi-esp.pcapng", messages: 4, first: "SA KE Nonce V V V V N N" },
  { path: "captures/wireshark/ikev2-decrypt-3des-sha1_160.pcap", messages: 6, first: "SA KE Nonce N N" },
  { path: "captures/wireshark/ikev2-decrypt-aes128ccm12.pcap", messages: 6, first: "SA KE Nonce N N N" },
  { path: "captures/wireshark/ikev2-decrypt-aes256cbc.pcapng", messages: 4, first: "SA KE Nonce N N N" },
  { path: "captures/wireshark/ikev2-decrypt-aes256gcm16.pcap", messages: 6, first: "SA KE Nonce N N N" },
  { path: "messages/ike-scan/pkt-ikev2.dat", messages: 1, first: "SA KE Nonce" },
];

const VERSION = 17;

function messagesOf(path: string, octets: Uint8Array): Uint8Array[] {
  const all = path.startsWith("captures/") ? ikeMessages(octets) : [octets];
  return all.filter((message) => (message[VERSION] ?? 0) >>> 4 === 2);
}

export function keptMessages({ path }: Source): Uint8Array[] {
  return messagesOf(path, vectorOctets(path));
}

/** Empty where the file is absent. */
export function sharedMessages({ path }: Source): Uint8Array[] {
  const octets = sharedOctets(path);
  return octets === undefined ? [] : messagesOf(path, octets);
}
