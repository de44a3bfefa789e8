/** NAT traversal as IKE sees it: the notifications of both sides and the way messages take from then on (RFC 7296 §2.23). */
import type { Endpoint } from "#core/address";
import { detectNat, forcedNatHash, type NatFindings, natDetectionHash } from "#ike/nat-detection";
import type { Payload } from "#wire/ike/chain";
import { NotifyType } from "#wire/ike/numbers";
import { type NotifyPayload, notify } from "#wire/ike/v2/notify";
import type { Path } from "./session.ts";

export const IKE_PORT = 500;
export const NAT_PORT = 4500;

interface Spis {
  readonly initiatorSpi: bigint;
  readonly responderSpi: bigint;
}

/** `forced`: makes the peer believe in a NAT, so that ESP goes in UDP (swanctl.conf `encap`). */
export function natNotifies(spis: Spis, path: Path, forced: boolean): Payload[] {
  const source = forced
    ? forcedNatHash(spis.initiatorSpi, spis.responderSpi, path.local)
    : natDetectionHash(spis.initiatorSpi, spis.responderSpi, path.local);
  const destination = natDetectionHash(spis.initiatorSpi, spis.responderSpi, path.remote);
  return [
    notify(NotifyType.NAT_DETECTION_SOURCE_IP, source),
    notify(NotifyType.NAT_DETECTION_DESTINATION_IP, destination),
  ];
}

export function natFindings(
  spis: Spis,
  notifies: readonly NotifyPayload[],
  local: Endpoint,
  remote: Endpoint,
): NatFindings {
  const source = dataOf(notifies, NotifyType.NAT_DETECTION_SOURCE_IP);
  const destination = dataOf(notifies, NotifyType.NAT_DETECTION_DESTINATION_IP);
  return detectNat({ ...spis, source, destination }, local, remote);
}

/** What a path keeps of it. */
export function natOf({
  local,
  remote,
  remoteForces,
}: NatFindings): Pick<Path, "natLocal" | "natRemote" | "remoteForces"> {
  return { natLocal: local, natRemote: remote, remoteForces };
}

export function dataOf(notifies: readonly NotifyPayload[], type: number): Uint8Array[] {
  return notifies.filter((payload) => payload.type === type).map((payload) => payload.data);
}

export function has(notifies: readonly NotifyPayload[], type: number): boolean {
  return notifies.some((payload) => payload.type === type);
}

/** The same two machines on the NAT ports; other ports than 500 were chosen and stay. */
export function floated(path: Path): Path {
  const at = ({ address, port }: Endpoint) => ({ address, port: port === IKE_PORT ? NAT_PORT : port });
  return { ...path, local: at(path.local), remote: at(path.remote) };
}
