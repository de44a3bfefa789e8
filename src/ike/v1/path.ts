/** Where a line's messages and packets go (RFC 3947 §4): to the NAT ports once a NAT was found, and after a peer that moves. */
import { compareAddresses, type Endpoint } from "#core/address";
import { reportMove } from "#ike/host";
import type { Host } from "./host.ts";
import type { Path, PeerLine } from "./peer-line.ts";

const IKE_PORT = 500;
const NAT_PORT = 4500;

/** The same two machines on the NAT ports; other ports than 500 were chosen and stay. */
export function floated(path: Path): Path {
  const at = ({ address, port }: Endpoint) => ({ address, port: port === IKE_PORT ? NAT_PORT : port });
  return { ...path, local: at(path.local), remote: at(path.remote) };
}

/** How packets of the line's pairs travel. */
export function encapsulation({ connection, path }: Pick<PeerLine, "connection" | "path">): "udp" | "none" {
  return path.natLocal || path.natRemote || (connection.encap && path.local.port !== IKE_PORT) ? "udp" : "none";
}

export function sameEndpoint(a: Endpoint, b: Endpoint): boolean {
  return a.port === b.port && compareAddresses(a.address, b.address) === 0;
}

/** The line is on another path: so are its pairs. */
export function move(host: Host, line: PeerLine, path: Path): void {
  const before = line.path;
  line.path = path;
  const same =
    sameEndpoint(before.local, path.local) &&
    sameEndpoint(before.remote, path.remote) &&
    before.natLocal === path.natLocal &&
    before.natRemote === path.natRemote;
  if (same || line.pairs.size === 0) return;
  host.count("peer_moved");
  const { local, remote, natLocal: behindNat } = path;
  for (const { id, state } of line.pairs.values())
    if (state.kind === "Installed")
      host.emit({ kind: "move-child-sa", id, local, remote, encapsulation: encapsulation(line), behindNat });
}

/** A peer behind a NAT is where its last message or packet that verified came from. */
export function follow(host: Host, line: PeerLine, remote: Endpoint): void {
  const { path } = line;
  if (!path.natRemote || path.natLocal || sameEndpoint(path.remote, remote)) return;
  reportMove(host, line.connection.name, path.remote, remote);
  move(host, line, { ...path, remote });
}
