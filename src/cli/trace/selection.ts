/** Which packets belong to a tunnel, by what the gateway says of its tunnels. */
import { addressOf, addressToString, compareAddresses, type IpAddress, parseAddress } from "#core/address";
import type { GatewayStatus, TunnelStatus } from "#core/operator";

const ESP = 50;
const AH = 51;
const UDP = 17;
const ICMP: readonly number[] = [1, 58];

interface Range {
  readonly first: IpAddress;
  readonly last: IpAddress;
}

/** Of one packet, from its IP header on. */
interface Ends {
  readonly source: IpAddress;
  readonly destination: IpAddress;
  readonly protocol: number;
  /** Of ESP, AH and ESP in UDP. */
  readonly spi: number | undefined;
}

/** Keeps what is, or may be, of the selected tunnels: what cannot be told apart is kept. */
export class Selection {
  readonly #selected: (tunnel: TunnelStatus) => boolean;
  /** SPIs of all others; those of former pairs too. */
  readonly #others = new Set<number>();
  #peers: ReadonlySet<string> = new Set();
  #flows: readonly (readonly [local: readonly Range[], remote: readonly Range[]])[] = [];
  #whole = true;

  constructor(selected: (tunnel: TunnelStatus) => boolean) {
    this.#selected = selected;
  }

  /** SAs come and go. */
  update({ tunnels, ikeSas }: GatewayStatus): void {
    const own = tunnels.filter(this.#selected);
    const names = new Set(own.map(({ connection }) => connection));
    const peers = [
      ...own.map(({ peer }) => peer),
      ...ikeSas.filter((sa) => names.has(sa.connection)).map((sa) => sa.remote),
    ];
    this.#peers = new Set(peers.flatMap((peer) => (peer === undefined ? [] : [hostOf(peer)])));
    this.#flows = own.map(({ localSelectors, remoteSelectors }) => [
      localSelectors.flatMap(rangeOf),
      remoteSelectors.flatMap(rangeOf),
    ]);
    // One that was never up says nothing of itself.
    this.#whole = own.some(({ localSelectors }) => localSelectors.length === 0);
    for (const tunnel of tunnels)
      if (!this.#selected(tunnel))
        for (const { spiIn, spiOut } of tunnel.sas) this.#others.add(Number(spiIn)).add(Number(spiOut));
  }

  /** `inside`: it was seen in clear, on the TUN device. */
  keeps(packet: Uint8Array, inside: boolean): boolean {
    const ends = endsOf(packet);
    if (ends === undefined) return false;
    const { source, destination, protocol, spi } = ends;
    if (inside) {
      const fits = (ranges: readonly Range[], address: IpAddress) => ranges.some((range) => isWithin(range, address));
      return (
        this.#whole ||
        this.#flows.some(
          ([local, remote]) =>
            (fits(local, source) && fits(remote, destination)) || (fits(remote, source) && fits(local, destination)),
        )
      );
    }
    // What routers say comes from anywhere.
    if (ICMP.includes(protocol)) return true;
    if (spi !== undefined && this.#others.has(spi)) return false;
    return this.#peers.size === 0 || [source, destination].some((address) => this.#peers.has(addressToString(address)));
  }
}

/** "203.0.113.2:4500" or "[2001:db8::1]:4500". */
function hostOf(endpoint: string): string {
  return endpoint.replace(/:\d+$/, "").replace(/[[\]]/g, "");
}

/** "10.1.0.0-10.1.255.255[17/53-53]": protocol and ports are not looked at. */
function rangeOf(selector: string): Range[] {
  const [from = "", to = from] = selector.replace(/\[.*$/, "").split("-");
  const [first, last] = [parseAddress(from), parseAddress(to)];
  return first === undefined || last === undefined ? [] : [{ first, last }];
}

function isWithin({ first, last }: Range, address: IpAddress): boolean {
  return (
    first.family === address.family && compareAddresses(first, address) <= 0 && compareAddresses(address, last) <= 0
  );
}

function endsOf(packet: Uint8Array): Ends | undefined {
  const version = (packet[0] ?? 0) >>> 4;
  if (packet.length < (version === 4 ? 20 : 40)) return undefined;
  const view = new DataView(packet.buffer, packet.byteOffset, packet.length);
  if (version === 4) {
    const protocol = packet[9] ?? 0;
    const first = (view.getUint16(6) & 0x1fff) === 0;
    const body = first ? ((packet[0] ?? 0) & 15) * 4 : packet.length;
    const [source, destination] = [addressOf(packet.slice(12, 16)), addressOf(packet.slice(16, 20))];
    return { source, destination, protocol, spi: spiAt(view, body, protocol) };
  }
  if (version !== 6) return undefined;
  const protocol = packet[6] ?? 0;
  const [source, destination] = [addressOf(packet.slice(8, 24)), addressOf(packet.slice(24, 40))];
  return { source, destination, protocol, spi: spiAt(view, 40, protocol) };
}

function spiAt(view: DataView, body: number, protocol: number): number | undefined {
  const at = protocol === ESP ? body : protocol === AH ? body + 4 : protocol === UDP ? body + 8 : view.byteLength;
  return at + 4 <= view.byteLength ? view.getUint32(at) : undefined;
}
