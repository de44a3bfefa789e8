// RFC 4555: the addresses of an IKE SA and its Child SAs change without a new one. Only the initiator asks; that is who
// began the first of its line of IKE SAs, whoever rekeyed it since (§1.3).
//   HDR, SK {N(UPDATE_SA_ADDRESSES), N(NAT_DETECTION_SOURCE_IP), N(NAT_DETECTION_DESTINATION_IP), N(COOKIE2)}  -->
//                     <--  HDR, SK {N(NAT_DETECTION_SOURCE_IP), N(NAT_DETECTION_DESTINATION_IP), N(COOKIE2)}
import { compareAddresses, type Endpoint } from "#core/address";
import { equalOctets } from "#crypto/octets";
import { randomOctets, report, reportMove, type Way } from "#ike/host";
import type { Payload } from "#wire/ike/chain";
import { ExchangeType, FIRST_STATUS_NOTIFY, NotifyType } from "#wire/ike/numbers";
import { type NotifyPayload, notify } from "#wire/ike/v2/notify";
import { encapsulation } from "./child-sa.ts";
import { type Host, sendDatagrams, sendRequest } from "./host.ts";
import type { IkeSa, Live, OwnExchange } from "./ike-sa.ts";
import { additionalOf } from "./mobike-addresses.ts";
import { dataOf, has, natFindings, natNotifies, natOf } from "./nat-t.ts";
import type { Path, Session } from "./session.ts";

const COOKIE2_LENGTH = 16;

function usesMobike({ peer }: Session): boolean {
  return peer.kind === "authenticated" && peer.mobike;
}

/** Of both sides of a MOBIKE session, the one that may change its addresses. */
function isInitiator(session: Session): boolean {
  return usesMobike(session) && session.origin?.by === "us";
}

/** The session is on another path: so are its Child SAs. */
export function move(host: Host, session: Session, path: Path): void {
  const before = session.path;
  session.path = path;
  if (
    sameEndpoint(before.local, path.local) &&
    sameEndpoint(before.remote, path.remote) &&
    before.natLocal === path.natLocal &&
    before.natRemote === path.natRemote &&
    before.remoteForces === path.remoteForces
  )
    return;
  announce(host, session);
}

function announce(host: Host, session: Session): void {
  host.count("peer_moved");
  const { local, remote, natLocal: behindNat } = session.path;
  for (const { id, state } of session.children.values())
    if (state.kind === "Installed")
      host.emit({ kind: "move-child-sa", id, local, remote, encapsulation: encapsulation(session), behindNat });
}

export function sameEndpoint(a: Endpoint, b: Endpoint): boolean {
  return a.port === b.port && compareAddresses(a.address, b.address) === 0;
}

/**
 * RFC 7296 §2.23: a peer behind a NAT is where its last message that verified came from. With MOBIKE the peer says itself
 * when its address changes (RFC 4555 §3.8), and only a NAT's new port is followed.
 */
export function follow(host: Host, session: Session, remote: Endpoint): void {
  const { path } = session;
  if (!path.natRemote || path.natLocal || sameEndpoint(path.remote, remote)) return;
  if (usesMobike(session) && compareAddresses(path.remote.address, remote.address) !== 0) return;
  reportMove(host, session.connection.name, path.remote, remote);
  move(host, session, { ...path, remote });
}

// ── initiator ────────────────────────────────────────────────────────────────────────────────────────────────────────

/** Our addresses are these now: what is under way goes out again from the new one at once (RFC 4555 §3.5). */
export function onAddresses(host: Host, sa: IkeSa): void {
  const { session } = sa;
  const { path } = session;
  const { family } = path.local.address;
  const still = host.localEndpoints.some(({ address }) => compareAddresses(address, path.local.address) === 0);
  const other = host.localEndpoints.find(({ address }) => address.family === family);
  if (still || other === undefined) {
    if (isInitiator(session)) session.add({ kind: "tell-addresses" }, "roam", host.now);
    return;
  }
  const local = { address: other.address, port: path.local.port };
  session.path = { ...path, local };
  if (sa.channel.busy) sendDatagrams(host, sa.channel.resend(host.now), session.path);
  if (isInitiator(session)) {
    updateAddresses(host, session);
    return;
  }
  report(host, {
    kind: "warning",
    text: `${session.connection.name}: our address changed and the peer does no MOBIKE`,
  });
  move(host, session, { ...path, local });
}

/** One that waits will tell the latest. */
function updateAddresses(host: Host, session: Session): void {
  if (session.tasks.some(({ work }) => work.kind === "update-addresses")) return;
  session.addFirst({ kind: "update-addresses" }, "roam", host.now);
}

export function begin(host: Host, sa: IkeSa, live: Live): void {
  const { session } = sa;
  const cookie2 = randomOctets(host, COOKIE2_LENGTH);
  live.own = { kind: "AwaitUpdateResponse", cookie2 };
  sendRequest(host, sa, ExchangeType.INFORMATIONAL, [
    notify(NotifyType.UPDATE_SA_ADDRESSES),
    ...natNotifies(sa.spis, session.path, session.connection.encap),
    notify(NotifyType.COOKIE2, cookie2),
  ]);
}

export function onResponse(
  host: Host,
  sa: IkeSa,
  own: Extract<OwnExchange, { readonly kind: "AwaitUpdateResponse" }>,
  notifies: readonly NotifyPayload[],
): void {
  const { session } = sa;
  const cookie2 = dataOf(notifies, NotifyType.COOKIE2)[0];
  const error = notifies.find(({ type }) => type < FIRST_STATUS_NOTIFY);
  if (error !== undefined || cookie2 === undefined || !equalOctets(cookie2, own.cookie2)) {
    // RFC 4555 §3.5: the peer does not take this address; the IKE SA cannot be kept on it.
    report(host, { kind: "warning", text: `${session.connection.name}: the peer refused our new address` });
    return;
  }
  const { path } = session;
  const findings = natFindings(sa.spis, notifies, path.local, path.remote);
  session.path = { ...path, ...natOf(findings) };
  announce(host, session);
}

/** RFC 4555 §3.8: a probe of a MOBIKE initiator sees whether a NAT gave it another address. */
export function probePayloads(sa: IkeSa): Payload[] {
  const { session } = sa;
  return isInitiator(session) ? natNotifies(sa.spis, session.path, session.connection.encap) : [];
}

export function onProbeResponse(host: Host, sa: IkeSa, notifies: readonly NotifyPayload[]): void {
  const { session } = sa;
  if (!isInitiator(session) || !has(notifies, NotifyType.NAT_DETECTION_DESTINATION_IP)) return;
  const findings = natFindings(sa.spis, notifies, session.path.local, session.path.remote);
  if (findings.local !== session.path.natLocal) updateAddresses(host, session);
}

// ── responder ────────────────────────────────────────────────────────────────────────────────────────────────────────

/** What the answer to an INFORMATIONAL says of addresses. */
export function onRequest(host: Host, sa: IkeSa, notifies: readonly NotifyPayload[], way: Way): Payload[] {
  const { session } = sa;
  if (!usesMobike(session)) return [];
  const cookie2 = dataOf(notifies, NotifyType.COOKIE2)[0];
  const answers: Payload[] = cookie2 === undefined ? [] : [notify(NotifyType.COOKIE2, cookie2)];
  const told = [
    NotifyType.ADDITIONAL_IP4_ADDRESS,
    NotifyType.ADDITIONAL_IP6_ADDRESS,
    NotifyType.NO_ADDITIONAL_ADDRESSES,
  ].some((type) => has(notifies, type));
  if (told) session.additional = additionalOf(notifies, session.path);
  const detects =
    has(notifies, NotifyType.NAT_DETECTION_SOURCE_IP) && has(notifies, NotifyType.NAT_DETECTION_DESTINATION_IP);
  // RFC 4555 §3.5: from and to where this message was received.
  if (has(notifies, NotifyType.UPDATE_SA_ADDRESSES) && !isInitiator(session)) {
    const findings = natFindings(sa.spis, notifies, way.local, way.remote);
    move(host, session, { local: way.local, remote: way.remote, ...natOf(findings) });
  }
  return detects
    ? [...natNotifies(sa.spis, { ...session.path, ...way }, session.connection.encap), ...answers]
    : answers;
}
