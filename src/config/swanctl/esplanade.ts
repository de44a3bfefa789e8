/** Section `esplanade`: what this gateway needs and swanctl.conf has no words for. Everything has a default. */
import { parseEndpoint } from "#config/endpoints";
import { type Endpoint, parseAddress } from "#core/address";
import type { HostPattern } from "#core/connection";
import type { CryptoChoice, GatewayConfig, InterfaceAddress, TunConfig } from "#core/policy";
import type { PlacedConnection } from "./connection.ts";
import type { Findings } from "./findings.ts";
import { readHttp } from "./http.ts";
import type { Section } from "./inherit.ts";
import { type ListItem, SectionReader } from "./section-reader.ts";

const CRYPTO: readonly CryptoChoice[] = ["auto", "native", "openssl", "node", "noble"];
const LANES = { minimum: 1, maximum: 64 };
const SLOTS = { minimum: 16, maximum: 1 << 20 };
const MTU = { minimum: 576, maximum: 65_535 };
const SLOTS_DEFAULT = 16_384;
/** RFC 3948 §2: ESP in UDP shares IKE's second port. */
const NAT_T_PORT = 4500;
const IKE_PORT = 500;
/** A pair takes two, its successor two more while it is rekeyed. */
const SLOTS_PER_CHILD = 4;

export type GatewayFrame = Pick<GatewayConfig, "tun" | "listen" | "lanes" | "slots" | "crypto" | "offload" | "http">;

export function readEsplanade(
  section: Section | undefined,
  connections: readonly PlacedConnection[],
  findings: Findings,
): GatewayFrame {
  const children = connections.reduce((count, { config }) => count + config.children.length, 0);
  const slots = Math.max(SLOTS_DEFAULT, 2 ** Math.ceil(Math.log2(Math.max(1, children * SLOTS_PER_CHILD))));
  if (section === undefined)
    return {
      tun: { name: "esp0", mtu: undefined, addresses: [], queues: 1 },
      listen: defaultListen(connections),
      lanes: 1,
      slots,
      crypto: "auto",
      offload: true,
    };
  const reader = new SectionReader(section, "esplanade", "esplanade", findings);
  const lanes = readLanes(reader);
  return {
    tun: readTun(section.sections.get("tun"), lanes, findings),
    listen: reader.has("listen") ? readListen(reader) : defaultListen(connections),
    lanes,
    slots: readSlots(reader, slots, children),
    crypto: reader.choice("crypto", CRYPTO, "auto"),
    offload: reader.boolean("offload", true),
    http: readHttp(section.sections.get("http"), findings),
  };
}

/** Pairs are negotiated for lane 0; the kernel would give packets to the queues of the others, which have no SA. */
function readLanes(reader: SectionReader): number {
  if (reader.integer("lanes", LANES, 1) !== 1)
    reader.wrong(
      "lanes",
      "one lane carries what is negotiated",
      "say 1, or leave it out; several lanes need SAs with manual keys",
    );
  return 1;
}

function readTun(section: Section | undefined, lanes: number, findings: Findings): TunConfig {
  if (section === undefined) return { name: "esp0", mtu: undefined, addresses: [], queues: lanes };
  const reader = new SectionReader(section, "tun", "esplanade.tun", findings);
  const name = reader.text("name") ?? "esp0";
  // IFNAMSIZ is 16 with its final zero; the kernel fills in %d itself.
  if (!/^[^\s/:%]{1,15}$/.test(name) || name === "." || name === "..")
    reader.wrong("name", `'${name}' is no name of a device`, "take 1–15 characters without spaces, slash and colon");
  const mtu = reader.has("mtu") ? reader.integer("mtu", MTU, 1400) : undefined;
  const addresses = reader.list("addresses").flatMap((item) => interfaceAddress(item, findings) ?? []);
  // RFC 8200 §5.
  if (mtu !== undefined && mtu < 1280 && addresses.some(({ address }) => address.family === 6))
    reader.wrong("mtu", `${mtu} is too small for IPv6 (RFC 8200 §5)`, "take 1280 or more");
  return { name, mtu, addresses, queues: lanes };
}

function interfaceAddress({ text, place }: ListItem, findings: Findings): InterfaceAddress | undefined {
  const [addressText = "", lengthText, ...rest] = text.split("/");
  const address = parseAddress(addressText);
  const bits = 8 * (address?.octets.length ?? 0);
  const length = lengthText === undefined ? bits : Number(lengthText);
  if (address !== undefined && rest.length === 0 && /^\d{1,3}$/.test(lengthText ?? "0") && length <= bits)
    return { address, length };
  findings.error(place, `'${text}' is no address with its prefix length`, "for example 10.1.0.1/32 or 2001:db8::1/128");
  return undefined;
}

function readListen(reader: SectionReader): Endpoint[] {
  const endpoints: Endpoint[] = [];
  for (const { text, place } of reader.list("listen")) {
    const endpoint = parseEndpoint(text);
    if (endpoint === undefined)
      reader.findings.error(
        place,
        `'${text}' is no address with or without a port`,
        "for example 192.0.2.1, [::]:4500",
      );
    else endpoints.push({ address: endpoint.address, port: endpoint.port === 0 ? NAT_T_PORT : endpoint.port });
  }
  if (endpoints.length === 0) reader.wrong("listen", "nowhere to listen", "remove it to listen on every address");
  return endpoints;
}

/**
 * Every address of each family in which a peer may be, on port 4500 and on the connections' own ports. Where nobody is
 * configured yet, peers that are loaded later may be anywhere.
 */
function defaultListen(connections: readonly PlacedConnection[]): Endpoint[] {
  const ports = new Set([NAT_T_PORT]);
  const families = new Set<number>(connections.length === 0 ? [4, 6] : []);
  for (const { config } of connections) {
    if (config.localPort !== IKE_PORT) ports.add(config.localPort);
    // Where our side is said it decides: a peer's name may have addresses of both families.
    const said = config.localAddresses.some(({ kind }) => kind === "address" || kind === "range");
    for (const pattern of said ? config.localAddresses : config.remoteAddresses)
      for (const family of familiesOf(pattern)) families.add(family);
  }
  const endpoints: Endpoint[] = [];
  for (const [family, wildcard] of [
    [4, "0.0.0.0"],
    [6, "::"],
  ] as const) {
    const address = parseAddress(wildcard);
    if (address === undefined || !families.has(family)) continue;
    for (const port of ports) endpoints.push({ address, port });
  }
  return endpoints;
}

function familiesOf(pattern: HostPattern): readonly number[] {
  if (pattern.kind === "address") return [pattern.address.family];
  return pattern.kind === "range" ? [pattern.first.family] : [4, 6];
}

function readSlots(reader: SectionReader, otherwise: number, children: number): number {
  const slots = reader.integer("slots", SLOTS, otherwise);
  if ((slots & (slots - 1)) !== 0)
    reader.wrong("slots", `${slots} is no power of two`, `take ${2 ** Math.ceil(Math.log2(slots))}`);
  else if (children * SLOTS_PER_CHILD > slots)
    reader.wrong("slots", `${children} children need more than ${slots} slots`, `take ${otherwise}`);
  return slots;
}
