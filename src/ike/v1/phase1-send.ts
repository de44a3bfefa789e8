/** How phase 1's messages leave and what they have in common. */
import { compareAddresses } from "#core/address";
import type { Connection } from "#core/connection";
import type { JobResult } from "#core/ike-job";
import { wipe } from "#crypto/octets";
import type { Failure, Way } from "#ike/host";
import { type Payload, payloadBody } from "#wire/ike/v1/chain";
import { notify } from "#wire/ike/v1/notify";
import { Exchange, NotifyType, Protocol } from "#wire/ike/v1/numbers";
import type { SaPayload } from "#wire/ike/v1/sa";
import type { DecodedOf } from "#wire/ike/v1/shape";
import type { Datagrams, Opened, Repeats } from "./channel.ts";
import type { Host } from "./host.ts";
import { giveUpDoubtful } from "./initial-contact.ts";
import { isakmpCiphering } from "./isakmp-ciphering.ts";
import type { Claim, Handshake, IsakmpSa, IsakmpSuite, KeyHalves, Terms } from "./isakmp-sa.ts";
import { type IsakmpKeys, isakmpKeys } from "./keymat.ts";
import { natFindings, natPayloads } from "./nat-t.ts";
import { floated } from "./path.ts";
import type { PeerLine } from "./peer-line.ts";
import type { Phase1Agreement } from "./phase1-offers.ts";
import { abilitiesOf } from "./vendor-ids.ts";

export interface Phase1Message {
  readonly opened: Opened;
  readonly way: Way;
}

export function sendDatagrams(host: Host, datagrams: Datagrams, { local, remote }: Way): void {
  for (const octets of datagrams) {
    host.count("datagrams_out");
    host.emit({ kind: "send", octets, local, remote });
  }
}

export function sendPhase1(
  host: Host,
  sa: IsakmpSa,
  mode: "main" | "aggressive",
  payloads: readonly Payload[],
  repeats: Repeats,
): void {
  const { path, connection } = sa.line;
  const exchangeType = mode === "main" ? Exchange.MAIN_MODE : Exchange.AGGRESSIVE;
  const outgoing = { ...sa.cookies, exchangeType, messageId: 0, payloads, commit: false, repeats, remote: path.remote };
  const datagrams = sa.channel.send(outgoing, connection.retransmission, host.now);
  if (repeats === "once") host.count("requests_answered");
  sendDatagrams(host, datagrams, path);
}

export function suiteOf({ suite, method, lifetime }: Phase1Agreement): IsakmpSuite {
  const { encryption, prf, keyExchange } = suite;
  return { encryption, prf, keyExchange, method, lifeTime: lifetime.time, lifeOctets: lifetime.octets };
}

export function saBodyOf(sa: SaPayload): Uint8Array {
  return payloadBody(sa);
}

/** What the peer's vendor IDs and our configuration allow together. */
export function takeAbilities(sa: IsakmpSa, connection: Connection, vendors: readonly Uint8Array[]): void {
  sa.peer = abilitiesOf(connection, vendors);
  const { fragmentation } = connection;
  if (fragmentation === "force" || (fragmentation === "yes" && sa.peer.fragments)) sa.channel.allowFragments();
}

/** RFC 3947 §3.2. */
export function natDiscovery(sa: IsakmpSa, prf: number): Payload[] {
  const { nat } = sa.peer;
  const { path, connection } = sa.line;
  return nat === undefined ? [] : natPayloads({ prf, ...sa.cookies }, nat, path, connection.encap);
}

/** RFC 3947 §4: the initiator goes to the NAT ports at once; the responder follows its next message. */
export function takeNat(sa: IsakmpSa, prf: number, payloads: readonly DecodedOf<"NAT-D">[], way: Way): void {
  const { line, peer } = sa;
  if (peer.nat === undefined) return;
  const hashes = payloads.map(({ hash }) => hash);
  const findings = natFindings({ prf, ...sa.cookies }, hashes, way.local, way.remote);
  if (findings === undefined) {
    sa.peer = { ...peer, nat: undefined };
    return;
  }
  const path = { ...line.path, ...findings };
  const float = findings.natLocal || findings.natRemote || line.connection.encap;
  line.path = sa.initiator && float ? floated(path) : path;
}

/** RFC 2409 §5: SKEYID and its kin. `shared` is wiped. */
export function deriveKeys(
  sa: IsakmpSa,
  { suite }: Terms,
  halves: KeyHalves,
  shared: Uint8Array,
  preSharedKey: Uint8Array | undefined,
): IsakmpKeys {
  const keys = isakmpKeys({
    prf: suite.prf.id,
    ...halves,
    initiatorCookie: octetsOf(sa.initiatorCookie),
    responderCookie: octetsOf(sa.responderCookie),
    shared,
    preSharedKey,
  });
  wipe(shared);
  return keys;
}

/** RFC 2409 appendix B: from here on messages are enciphered; the first IV comes of both public values. */
export function startCipher(sa: IsakmpSa, { suite, keys, initiatorPublic, responderPublic }: Handshake): void {
  const { cipher, hash } = isakmpCiphering(suite, keys);
  sa.channel.startCipher(cipher, hash, hash([initiatorPublic, responderPublic]).slice(0, suite.encryption.ivOctets));
}

function octetsOf(cookie: bigint): Uint8Array {
  const octets = new Uint8Array(8);
  new DataView(octets.buffer).setBigUint64(0, cookie);
  return octets;
}

/**
 * RFC 2407 §4.6.3.3: we have nothing of this peer from before, or no more: what it still has, because our deletes were lost,
 * goes. `claim`: who it is, where that is known.
 */
export function initialContact(host: Host, sa: IsakmpSa, claim: Claim | undefined): Payload[] {
  const { line } = sa;
  const { name, unique } = line.connection;
  if (unique === "never") return [];
  const lines =
    claim === undefined
      ? [...host.registry.lines].filter((other) => other.connection.name === name && isKnownAt(other, line))
      : host.registry.linesOf(name, claim.identity);
  giveUpDoubtful(host, lines, sa);
  if (lines.some((other) => host.registry.holdsAnything(other, sa))) return [];
  const cookies = new Uint8Array(16);
  cookies.set(octetsOf(sa.initiatorCookie));
  cookies.set(octetsOf(sa.responderCookie), 8);
  return [notify(NotifyType.INITIAL_CONTACT, Protocol.ISAKMP, cookies)];
}

function isKnownAt({ peer, path }: PeerLine, line: PeerLine): boolean {
  return peer.kind === "authenticated" && compareAddresses(path.remote.address, line.path.remote.address) === 0;
}

/** A job of ours that did not do. */
export function ownFault(stage: string, result: JobResult): Failure {
  return {
    child: undefined,
    stage,
    notify: undefined,
    from: "us",
    reason: result.kind === "failed" ? result.why : "the computation gave something else",
    remedy: "choose another group, or another key",
  };
}
