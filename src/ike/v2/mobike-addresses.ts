/** The addresses a MOBIKE peer can also be reached at (RFC 4555 §3.6). */
import { addressOf, compareAddresses, type Endpoint } from "#core/address";
import type { Payload } from "#wire/ike/chain";
import { NotifyType } from "#wire/ike/numbers";
import { type NotifyPayload, notify } from "#wire/ike/v2/notify";
import type { Host } from "./host.ts";
import { dataOf } from "./nat-t.ts";
import type { Path, Session } from "./session.ts";

/** More are left out, ours and the peer's. */
const MAX_ADDRESSES = 8;

/** Ours but the one in use; none of them is said so, too. */
export function addressPayloads(host: Host, { path }: Session): Payload[] {
  const others = host.localEndpoints
    .map(({ address }) => address)
    .filter((address) => compareAddresses(address, path.local.address) !== 0)
    .slice(0, MAX_ADDRESSES);
  if (others.length === 0) return [notify(NotifyType.NO_ADDITIONAL_ADDRESSES)];
  return others.map(({ family, octets }) =>
    notify(family === 4 ? NotifyType.ADDITIONAL_IP4_ADDRESS : NotifyType.ADDITIONAL_IP6_ADDRESS, octets),
  );
}

/** The peer's; they are on the port it uses now. */
export function additionalOf(notifies: readonly NotifyPayload[], path: Path): Endpoint[] {
  const v4 = dataOf(notifies, NotifyType.ADDITIONAL_IP4_ADDRESS).filter((data) => data.length === 4);
  const v6 = dataOf(notifies, NotifyType.ADDITIONAL_IP6_ADDRESS).filter((data) => data.length === 16);
  return [...v4, ...v6].slice(0, MAX_ADDRESSES).map((data) => ({ address: addressOf(data), port: path.remote.port }));
}
