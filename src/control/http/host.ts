/**
 * Whom a browser believes it speaks to. A page of elsewhere whose name comes to point here (DNS rebinding) could read
 * everything as its own: its requests carry that name. So only addresses, localhost and configured names are served.
 */
import { parseAddress } from "#core/address";

/** `host`: the header's value; `names`: configured ones in lower case. */
export function isOurHost(host: string | undefined, names: readonly string[]): boolean {
  if (host === undefined || host.length > 300) return false;
  const match = /^(?:\[([0-9a-f:.]+)\]|([a-z0-9.-]+))(?::\d{1,5})?$/i.exec(host);
  if (match === null) return false;
  const [, ipv6, other = ""] = match;
  if (ipv6 !== undefined) return parseAddress(ipv6)?.family === 6;
  const name = other.toLowerCase();
  return name === "localhost" || names.includes(name) || parseAddress(name)?.family === 4;
}
