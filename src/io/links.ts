/** Interfaces and their addresses. */
import { addressOf, type IpAddress, type Prefix, prefixToString } from "#core/address";
import { dump, request, unless } from "./netlink.ts";
import {
  type Attribute,
  Attributes,
  Flag,
  LITTLE_ENDIAN,
  type Message,
  nested,
  octets,
  struct,
  text,
  u32,
} from "./netlink-message.ts";

const IFF_UP = 1;
const IFINFOMSG_LENGTH = 16;
/** rtnetlink(7): ifa_scope of what is valid everywhere. */
const SCOPE_UNIVERSE = 0;
const IFADDRMSG_LENGTH = 8;
const IFA_F_NODAD = 2;
const AF_INET = 2;
const AF_INET6 = 10;

/** IFLA_ attributes; those of GRO and GSO are newer than some kernels' headers. */
const Ifla = {
  ADDRESS: 1,
  IFNAME: 3,
  MTU: 4,
  TXQLEN: 13,
  LINKINFO: 18,
  NET_NS_PID: 19,
  STATS64: 23,
  NET_NS_FD: 28,
  GSO_MAX_SIZE: 41,
  GRO_MAX_SIZE: 58,
  GSO_IPV4_MAX_SIZE: 63,
  GRO_IPV4_MAX_SIZE: 64,
} as const;
const IFLA_INFO_KIND = 1;
const IFLA_INFO_DATA = 2;
const VETH_INFO_PEER = 1;
const Ifa = { ADDRESS: 1, LOCAL: 2, FLAGS: 8 } as const;

export interface LinkStatistics {
  readonly receivedPackets: number;
  readonly sentPackets: number;
  readonly receivedOctets: number;
  readonly sentOctets: number;
  readonly receivedDropped: number;
  readonly sentDropped: number;
}

export interface Link {
  readonly index: number;
  readonly name: string;
  readonly up: boolean;
  /** Octets. */
  readonly mtu: number;
  /** "tun", "veth", …; empty for devices of hardware and the loopback. */
  readonly kind: string;
  /** The hardware address; empty where there is none, as on TUN. */
  readonly hardwareAddress: Uint8Array;
  readonly txQueueLength: number;
  readonly statistics: LinkStatistics;
}

/** Where an interface goes: a process's network namespace, or that of an open descriptor. */
export type NamespaceRef = { readonly pid: number } | { readonly fd: number };

export interface LinkChanges {
  readonly up?: boolean;
  readonly mtu?: number;
  readonly name?: string;
  readonly txQueueLength?: number;
  readonly gsoMaxSize?: number;
  readonly groMaxSize?: number;
  readonly gsoIpv4MaxSize?: number;
  readonly groIpv4MaxSize?: number;
  readonly namespace?: NamespaceRef;
}

function ifinfomsg(index: number, flags = 0, change = 0): Uint8Array {
  return struct([1, 0], [1, 0], [2, 0], [4, index], [4, flags], [4, change]);
}

function namespaceAttribute(namespace: NamespaceRef | undefined): Attribute[] {
  if (namespace === undefined) return [];
  return ["pid" in namespace ? [Ifla.NET_NS_PID, u32(namespace.pid)] : [Ifla.NET_NS_FD, u32(namespace.fd)]];
}

function decodeLink({ body }: Message): Link {
  const attributes = new Attributes(body, IFINFOMSG_LENGTH);
  const statistic = (index: number) => attributes.u64(Ifla.STATS64, index) ?? 0;
  return {
    index: body.getInt32(4, LITTLE_ENDIAN),
    name: attributes.text(Ifla.IFNAME) ?? "",
    up: (body.getUint32(8, LITTLE_ENDIAN) & IFF_UP) !== 0,
    mtu: attributes.u32(Ifla.MTU) ?? 0,
    kind: attributes.nested(Ifla.LINKINFO)?.text(IFLA_INFO_KIND) ?? "",
    hardwareAddress: Uint8Array.from(attributes.octets(Ifla.ADDRESS) ?? []),
    txQueueLength: attributes.u32(Ifla.TXQLEN) ?? 0,
    statistics: {
      receivedPackets: statistic(0),
      sentPackets: statistic(1),
      receivedOctets: statistic(2),
      sentOctets: statistic(3),
      receivedDropped: statistic(6),
      sentDropped: statistic(7),
    },
  };
}

export function listLinks(): Link[] {
  return dump("RTM_GETLINK", { family: ifinfomsg(0), subject: "interfaces" }).map(decodeLink);
}

/** Throws a SystemError with code ENODEV when there is none. */
export function getLink(name: string): Link {
  const messages = request("RTM_GETLINK", {
    family: ifinfomsg(0),
    attributes: [[Ifla.IFNAME, text(name)]],
    subject: `interface ${name}`,
  });
  const [first] = messages.map(decodeLink);
  if (first === undefined) throw new Error(`bug: the kernel acknowledged ${name} and said nothing about it`);
  return first;
}

export function findLink(name: string): Link | undefined {
  let link: Link | undefined;
  unless(["ENODEV"], () => {
    link = getLink(name);
  });
  return link;
}

export function changeLink(index: number, changes: LinkChanges): void {
  const numbers: readonly (readonly [number, number | undefined])[] = [
    [Ifla.MTU, changes.mtu],
    [Ifla.TXQLEN, changes.txQueueLength],
    [Ifla.GSO_MAX_SIZE, changes.gsoMaxSize],
    [Ifla.GRO_MAX_SIZE, changes.groMaxSize],
    [Ifla.GSO_IPV4_MAX_SIZE, changes.gsoIpv4MaxSize],
    [Ifla.GRO_IPV4_MAX_SIZE, changes.groIpv4MaxSize],
  ];
  const attributes: Attribute[] = numbers.flatMap(([type, value]): Attribute[] =>
    value === undefined ? [] : [[type, u32(value)]],
  );
  if (changes.name !== undefined) attributes.push([Ifla.IFNAME, text(changes.name)]);
  attributes.push(...namespaceAttribute(changes.namespace));
  const change = changes.up === undefined ? 0 : IFF_UP;
  request("RTM_NEWLINK", {
    family: ifinfomsg(index, changes.up === true ? IFF_UP : 0, change),
    attributes,
    subject: `interface ${changes.name ?? index}`,
  });
}

export interface VethEnd {
  readonly name: string;
  /** Absent: the namespace of the caller. */
  readonly namespace?: NamespaceRef;
}

/** A pair of Ethernet devices, each the other's wire. */
export function createVeth(end: VethEnd, peer: VethEnd): void {
  const peerAttributes: Attribute[] = [[Ifla.IFNAME, text(peer.name)], ...namespaceAttribute(peer.namespace)];
  request("RTM_NEWLINK", {
    flags: Flag.ACK | Flag.CREATE | Flag.EXCL,
    family: ifinfomsg(0),
    attributes: [
      [Ifla.IFNAME, text(end.name)],
      ...namespaceAttribute(end.namespace),
      [
        Ifla.LINKINFO,
        nested([
          [IFLA_INFO_KIND, text("veth")],
          [IFLA_INFO_DATA, nested([[VETH_INFO_PEER, nested(peerAttributes, ifinfomsg(0))]])],
        ]),
      ],
    ],
    subject: `veth pair ${end.name}, ${peer.name}`,
  });
}

/** Also when it is gone already. */
export function ensureNoLink(name: string): void {
  const link = findLink(name);
  if (link === undefined) return;
  unless(["ENODEV"], () => {
    request("RTM_DELLINK", { family: ifinfomsg(link.index), subject: `interface ${name}` });
  });
}

/** An address of an interface; `length` is that of the prefix on the link. */
export interface InterfaceAddress {
  readonly address: IpAddress;
  readonly length: number;
}

function addressRequest(
  name: "RTM_NEWADDR" | "RTM_DELADDR",
  flags: number,
  index: number,
  given: InterfaceAddress,
): void {
  const { address, length } = given;
  const family = address.family === 4 ? AF_INET : AF_INET6;
  const attributes: Attribute[] = [
    [Ifa.LOCAL, octets(address.octets)],
    [Ifa.ADDRESS, octets(address.octets)],
  ];
  // Duplicate address detection would keep the address from use for a second or two.
  if (address.family === 6) attributes.push([Ifa.FLAGS, u32(IFA_F_NODAD)]);
  request(name, {
    flags,
    family: struct([1, family], [1, length], [1, address.family === 6 ? IFA_F_NODAD : 0], [1, 0], [4, index]),
    attributes,
    subject: `address ${prefixToString({ address, length })} on interface ${index}`,
  });
}

/** Adds the address unless the interface has it. */
export function ensureAddress(index: number, given: InterfaceAddress): void {
  unless(["EEXIST"], () => addressRequest("RTM_NEWADDR", Flag.ACK | Flag.CREATE | Flag.EXCL, index, given));
}

export function ensureNoAddress(index: number, given: InterfaceAddress): void {
  unless(["EADDRNOTAVAIL", "ENODEV"], () => addressRequest("RTM_DELADDR", Flag.ACK, index, given));
}

/** Addresses of all interfaces that others may reach: not of loopback, and none that holds on one link only. */
export function listHostAddresses(): IpAddress[] {
  const family = struct([1, 0], [1, 0], [1, 0], [1, 0], [4, 0]);
  return dump("RTM_GETADDR", { family, subject: "addresses" }).flatMap(({ body }): IpAddress[] => {
    const attributes = new Attributes(body, IFADDRMSG_LENGTH);
    const found = attributes.octets(Ifa.LOCAL) ?? attributes.octets(Ifa.ADDRESS);
    if (found === undefined || body.getUint8(3) !== SCOPE_UNIVERSE) return [];
    return [addressOf(Uint8Array.from(found))];
  });
}

export function listAddresses(index: number): InterfaceAddress[] {
  const family = struct([1, 0], [1, 0], [1, 0], [1, 0], [4, 0]);
  const messages = dump("RTM_GETADDR", { family, subject: "addresses" });
  return messages.flatMap(({ body }): Prefix[] => {
    const attributes = new Attributes(body, IFADDRMSG_LENGTH);
    const found = attributes.octets(Ifa.LOCAL) ?? attributes.octets(Ifa.ADDRESS);
    if (body.getUint32(4, LITTLE_ENDIAN) !== index || found === undefined) return [];
    return [{ address: addressOf(Uint8Array.from(found)), length: body.getUint8(1) }];
  });
}
