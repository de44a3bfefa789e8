/** Routes and routing policy rules. */
import { addressOf, addressToString, type Family, type IpAddress, type Prefix, prefixToString } from "#core/address";
import { SystemError } from "#core/errors";
import { dump, request, unless } from "./netlink.ts";
import {
  type Attribute,
  Attributes,
  Flag,
  LITTLE_ENDIAN,
  nested,
  octets,
  struct,
  text,
  u8,
  u32,
} from "./netlink-message.ts";

const AF_INET = 2;
const AF_INET6 = 10;
const RTMSG_LENGTH = 12;
const FIB_RULE_HEADER_LENGTH = 12;
const RTM_F_CLONED = 0x200;
const FIB_RULE_INVERT = 2;
const RT_TABLE_UNSPEC = 0;
export const MAIN_TABLE = 254;

const Rta = { DST: 1, OIF: 4, GATEWAY: 5, PRIORITY: 6, PREFSRC: 7, METRICS: 8, TABLE: 15 } as const;
const RTAX_MTU = 2;
const RouteType = { unicast: 1, blackhole: 6, unreachable: 7, throw: 9 } as const;
const Scope = { universe: 0, link: 253, nowhere: 255 } as const;
const Fra = {
  DST: 1,
  SRC: 2,
  IIFNAME: 3,
  PRIORITY: 6,
  FWMARK: 10,
  TABLE: 15,
  FWMASK: 16,
  IP_PROTO: 22,
  SPORT_RANGE: 23,
  DPORT_RANGE: 24,
} as const;
const RuleAction = { lookup: 1, blackhole: 6, unreachable: 7 } as const;

interface RouteCommon {
  readonly destination: Prefix;
  readonly table?: number;
  /** Smaller wins. */
  readonly metric?: number;
  /** Who made it, 0–255 (RTPROT_): lets us find our own again. */
  readonly protocol?: number;
}

export interface UnicastRoute extends RouteCommon {
  readonly kind: "unicast";
  /** Interface index; may be left out when there is a gateway. */
  readonly device?: number;
  readonly gateway?: IpAddress;
  readonly preferredSource?: IpAddress;
  readonly mtu?: number;
}

/** Answers with an ICMP error, or with nothing. */
export interface DeadRoute extends RouteCommon {
  readonly kind: "unreachable" | "blackhole" | "throw";
}

export type Route = UnicastRoute | DeadRoute;

/** RTPROT_STATIC: as if an administrator had made it. */
const STATIC = 4;

const afOf = (family: Family) => (family === 4 ? AF_INET : AF_INET6);

function scopeOf(route: Route): number {
  if (route.destination.address.family === 6 || route.kind !== "unicast") return Scope.universe;
  return route.gateway === undefined ? Scope.link : Scope.universe;
}

function routeParts(route: Route, scope: number, flags: number): Parameters<typeof request>[1] {
  const { destination, metric } = route;
  const table = route.table ?? MAIN_TABLE;
  const attributes: Attribute[] = [[Rta.TABLE, u32(table)]];
  if (destination.length > 0) attributes.push([Rta.DST, octets(destination.address.octets)]);
  if (metric !== undefined) attributes.push([Rta.PRIORITY, u32(metric)]);
  if (route.kind === "unicast") {
    if (route.device !== undefined) attributes.push([Rta.OIF, u32(route.device)]);
    if (route.gateway !== undefined) attributes.push([Rta.GATEWAY, octets(route.gateway.octets)]);
    if (route.preferredSource !== undefined) attributes.push([Rta.PREFSRC, octets(route.preferredSource.octets)]);
    if (route.mtu !== undefined) attributes.push([Rta.METRICS, nested([[RTAX_MTU, u32(route.mtu)]])]);
  }
  return {
    flags,
    family: struct(
      [1, afOf(destination.address.family)],
      [1, destination.length],
      [1, 0],
      [1, 0],
      [1, table < 256 ? table : RT_TABLE_UNSPEC],
      [1, route.protocol ?? STATIC],
      [1, scope],
      [1, RouteType[route.kind]],
      [4, 0],
    ),
    attributes,
    subject: `${route.kind} route to ${prefixToString(destination)}`,
  };
}

/** Adds the route, or takes the place of the one with the same destination, table and metric. */
export function ensureRoute(route: Route): void {
  request("RTM_NEWROUTE", routeParts(route, scopeOf(route), Flag.ACK | Flag.CREATE | Flag.REPLACE));
}

/** False: there is one with the same destination, table and metric, whatever it does, and nothing has changed. */
export function addRoute(route: Route): boolean {
  try {
    request("RTM_NEWROUTE", routeParts(route, scopeOf(route), Flag.ACK | Flag.CREATE | Flag.EXCL));
    return true;
  } catch (error) {
    if (error instanceof SystemError && error.code === "EEXIST") return false;
    throw error;
  }
}

export function ensureNoRoute(route: Route): void {
  // ENODEV: its interface is gone, and the route with it.
  unless(["ESRCH", "ENODEV"], () => request("RTM_DELROUTE", routeParts(route, Scope.nowhere, Flag.ACK)));
}

export interface FoundRoute {
  readonly kind: Route["kind"] | "other";
  readonly destination: Prefix;
  readonly table: number;
  readonly metric: number;
  readonly protocol: number;
  readonly device: number | undefined;
  readonly gateway: IpAddress | undefined;
  readonly preferredSource: IpAddress | undefined;
}

function kindOf(type: number): FoundRoute["kind"] {
  for (const kind of ["unicast", "blackhole", "unreachable", "throw"] as const)
    if (type === RouteType[kind]) return kind;
  return "other";
}

export function listRoutes(family: Family, table: number = MAIN_TABLE): FoundRoute[] {
  const zeros = struct([4, 0], [4, 0]);
  const header = Uint8Array.of(afOf(family), 0, 0, 0, ...zeros);
  const messages = dump("RTM_GETROUTE", { family: header, subject: "routes" });
  return messages.flatMap(({ body }): FoundRoute[] => {
    const attributes = new Attributes(body, RTMSG_LENGTH);
    const found = attributes.u32(Rta.TABLE) ?? body.getUint8(4);
    // Cloned routes are the cache of path MTUs, not routes.
    if (found !== table || (body.getUint32(8, LITTLE_ENDIAN) & RTM_F_CLONED) !== 0) return [];
    const address = (type: number) => {
      const given = attributes.octets(type);
      return given === undefined ? undefined : addressOf(Uint8Array.from(given));
    };
    const any = addressOf(new Uint8Array(family === 4 ? 4 : 16));
    return [
      {
        kind: kindOf(body.getUint8(7)),
        destination: { address: address(Rta.DST) ?? any, length: body.getUint8(1) },
        table: found,
        metric: attributes.u32(Rta.PRIORITY) ?? 0,
        protocol: body.getUint8(5),
        device: attributes.u32(Rta.OIF),
        gateway: address(Rta.GATEWAY),
        preferredSource: address(Rta.PREFSRC),
      },
    ];
  });
}

/** Inclusive. */
export interface PortRange {
  readonly first: number;
  readonly last: number;
}

export interface Rule {
  readonly family: Family;
  /** Smaller comes first; the main table's rule is 32766. */
  readonly priority: number;
  readonly action: { readonly kind: "lookup"; readonly table: number } | { readonly kind: "blackhole" | "unreachable" };
  readonly source?: Prefix;
  readonly destination?: Prefix;
  /** Name of the interface the packet came in by; "lo" is this host's own. */
  readonly inInterface?: string;
  readonly mark?: { readonly value: number; readonly mask: number };
  /** Everything that does not match. */
  readonly invert?: boolean;
  /** IP protocol number. */
  readonly protocol?: number;
  readonly sourcePorts?: PortRange;
  readonly destinationPorts?: PortRange;
}

function ruleParts(rule: Rule, flags: number): Parameters<typeof request>[1] {
  const table = rule.action.kind === "lookup" ? rule.action.table : RT_TABLE_UNSPEC;
  const attributes: Attribute[] = [[Fra.PRIORITY, u32(rule.priority)]];
  if (rule.action.kind === "lookup") attributes.push([Fra.TABLE, u32(table)]);
  if (rule.source !== undefined) attributes.push([Fra.SRC, octets(rule.source.address.octets)]);
  if (rule.destination !== undefined) attributes.push([Fra.DST, octets(rule.destination.address.octets)]);
  if (rule.inInterface !== undefined) attributes.push([Fra.IIFNAME, text(rule.inInterface)]);
  if (rule.mark !== undefined) {
    attributes.push([Fra.FWMARK, u32(rule.mark.value)], [Fra.FWMASK, u32(rule.mark.mask)]);
  }
  if (rule.protocol !== undefined) attributes.push([Fra.IP_PROTO, u8(rule.protocol)]);
  const range = ({ first, last }: PortRange) => octets(struct([2, first], [2, last]));
  if (rule.sourcePorts !== undefined) attributes.push([Fra.SPORT_RANGE, range(rule.sourcePorts)]);
  if (rule.destinationPorts !== undefined) attributes.push([Fra.DPORT_RANGE, range(rule.destinationPorts)]);
  return {
    flags,
    family: struct(
      [1, afOf(rule.family)],
      [1, rule.destination?.length ?? 0],
      [1, rule.source?.length ?? 0],
      [1, 0],
      [1, table < 256 ? table : RT_TABLE_UNSPEC],
      [1, 0],
      [1, 0],
      [1, RuleAction[rule.action.kind]],
      [4, rule.invert === true ? FIB_RULE_INVERT : 0],
    ),
    attributes,
    subject: `IPv${rule.family} rule ${rule.priority}`,
  };
}

/** Adds the rule unless there is the very same. */
export function ensureRule(rule: Rule): void {
  unless(["EEXIST"], () => request("RTM_NEWRULE", ruleParts(rule, Flag.ACK | Flag.CREATE | Flag.EXCL)));
}

export function ensureNoRule(rule: Rule): void {
  unless(["ENOENT"], () => request("RTM_DELRULE", ruleParts(rule, Flag.ACK)));
}

/** Priorities and tables of the rules in force. */
export function listRules(family: Family): { readonly priority: number; readonly table: number }[] {
  const header = Uint8Array.of(afOf(family), ...new Uint8Array(FIB_RULE_HEADER_LENGTH - 1));
  return dump("RTM_GETRULE", { family: header, subject: "rules" }).map(({ body }) => {
    const attributes = new Attributes(body, FIB_RULE_HEADER_LENGTH);
    return { priority: attributes.u32(Fra.PRIORITY) ?? 0, table: attributes.u32(Fra.TABLE) ?? body.getUint8(4) };
  });
}

/** "10.0.0.0/8 unreachable metric 10", for messages. */
export function routeToString(route: FoundRoute): string {
  const via = route.gateway === undefined ? "" : ` via ${addressToString(route.gateway)}`;
  const device = route.device === undefined ? "" : ` dev ${route.device}`;
  return `${prefixToString(route.destination)} ${route.kind}${via}${device} metric ${route.metric}`;
}
