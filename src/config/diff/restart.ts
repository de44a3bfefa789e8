/** What a running gateway cannot take: sockets, threads and memory are of its start. */
import { addressToString, type Endpoint } from "#core/address";
import type { Complaint } from "#core/errors";
import type { GatewayConfig } from "#core/policy";
import { sameValue } from "#core/same-value";

/** `places`: of keys of section `esplanade`, "hq.conf:4:5", by path ("esplanade.lanes"). Empty = it can be taken. */
export function restartNeeds(
  running: GatewayConfig,
  next: GatewayConfig,
  places: ReadonlyMap<string, string> = new Map(),
): readonly Complaint[] {
  const complaints: Complaint[] = [];
  const complain = (path: string, problem: string, remedy: string = RESTART) => {
    const place = places.get(path);
    complaints.push({ path, problem, remedy, ...(place === undefined ? {} : { place }) });
  };
  const changed = (path: string, former: unknown, wanted: unknown) => {
    if (!sameValue(former, wanted))
      complain(path, `${shown(former)} is of the gateway's start and cannot become ${shown(wanted)}`);
  };
  if ((running.ike === undefined) !== (next.ike === undefined))
    complain("", "manual keys and IKE do not take each other's place");
  else if (next.ike === undefined) complain("sas", "manual keys are of the gateway's start");
  changed("esplanade.tun.name", running.tun.name, next.tun.name);
  if (!sameValue(running.tun.addresses, next.tun.addresses))
    complain("esplanade.tun.addresses", "the addresses of the TUN device are of the gateway's start");
  changed("esplanade.lanes", running.lanes, next.lanes);
  changed("esplanade.crypto", running.crypto, next.crypto);
  if (!sameValue(running.http, next.http))
    complain("esplanade.http", "where monitors and browsers are listened for is of the gateway's start");
  changed("esplanade.offload", running.offload, next.offload);
  if (next.slots > running.slots)
    complain("esplanade.slots", `there is room for ${running.slots} SAs, and ${next.slots} are wanted`);
  const missing = next.listen.filter((wanted) => !running.listen.some((one) => sameValue(one, wanted)));
  if (missing.length > 0)
    complain(
      "esplanade.listen",
      `nothing listens on ${missing.map(endpointText).join(", ")}`,
      `${RESTART}; who wants to add such peers without, names all with esplanade.listen from the start`,
    );
  return complaints;
}

const RESTART = "stop the gateway and start it again";

function shown(value: unknown): string {
  return typeof value === "boolean" ? (value ? "yes" : "no") : `'${String(value)}'`;
}

function endpointText({ address, port }: Endpoint): string {
  const text = addressToString(address);
  return address.family === 4 ? `${text}:${port}` : `[${text}]:${port}`;
}
