/**
 * The lab's network, made without any program's help. Nothing of it has a name outside, so nothing of it can stay behind:
 * the kernel removes it when the last process and descriptor are gone, also after kill -9.
 *
 *     host A           gateway A                       gateway B           host B
 *     10.1.0.10 ---- 10.1.0.1   192.0.2.1 ==== 192.0.2.2   10.2.0.1 ---- 10.2.0.10
 *     fd01::10       fd01::1    2001:db8::1    2001:db8::2 fd02::1       fd02::10
 *           lan       lan       wan            wan         lan          lan
 *
 * Each gateway has its default route over the wan: what a gateway does not protect really leaves in clear.
 */
import { type IpAddress, type Prefix, parseAddress, parsePrefix } from "#core/address";
import { changeLink, createVeth, ensureAddress, getLink } from "#io/links";
import { ensureRoute } from "#io/routes";
import { Box } from "./box.ts";

const LAN = "lan";
export const WAN = "wan";

export interface Addresses {
  readonly 4: IpAddress;
  readonly 6: IpAddress;
}

export interface Site {
  readonly letter: "A" | "B";
  /** 0 = as drawn above; others are further tunnels between the same boxes, each with addresses and networks of its own. */
  readonly place: number;
  readonly host: Addresses;
  readonly lan: Addresses;
  readonly wan: Addresses;
}

const PREFIX_LENGTH = { 4: 24, 6: 64 } as const;

function addresses(ipv4: string, ipv6: string): Addresses {
  return { 4: literal(ipv4), 6: literal(ipv6) };
}

function literal(text: string): IpAddress {
  const address = parseAddress(text);
  if (address === undefined) throw new Error(`bug: ${text} is no address`);
  return address;
}

function prefix(text: string): Prefix {
  const parsed = parsePrefix(text);
  if (parsed === undefined) throw new Error(`bug: ${text} is no network`);
  return parsed;
}

export const SITE_A: Site = {
  letter: "A",
  place: 0,
  host: addresses("10.1.0.10", "fd01::10"),
  lan: addresses("10.1.0.1", "fd01::1"),
  wan: addresses("192.0.2.1", "2001:db8::1"),
};

export const SITE_B: Site = {
  letter: "B",
  place: 0,
  host: addresses("10.2.0.10", "fd02::10"),
  lan: addresses("10.2.0.1", "fd02::1"),
  wan: addresses("192.0.2.2", "2001:db8::2"),
};

const MOST_PLACES = 99;

/** A gateway's addresses at another place: 10.1.7.0/24 and 192.0.2.17 at site A's seventh. */
export function siteAt(letter: Site["letter"], place: number): Site {
  const side = letter === "A" ? 1 : 2;
  if (place === 0) return side === 1 ? SITE_A : SITE_B;
  if (place > MOST_PLACES) throw new Error(`bug: no place ${place}`);
  const outer = 100 * side - 90 + place;
  return {
    letter,
    place,
    host: addresses(`10.${side}.${place}.10`, `fd0${side}:0:0:${place}::10`),
    lan: addresses(`10.${side}.${place}.1`, `fd0${side}:0:0:${place}::1`),
    wan: addresses(`192.0.2.${outer}`, `2001:db8::${outer}`),
  };
}

/** The networks behind the gateways, as a configuration writes them. */
export function lanPrefixes({ letter, place }: Site): readonly string[] {
  const side = letter === "A" ? 1 : 2;
  return [`10.${side}.${place}.0/24`, place === 0 ? `fd0${side}::/64` : `fd0${side}:0:0:${place}::/64`];
}

export class LabNetwork implements Disposable {
  readonly hostA: Box = new Box("host A");
  readonly gatewayA: Box = new Box("gateway A");
  readonly gatewayB: Box = new Box("gateway B");
  readonly hostB: Box = new Box("host B");

  /** `mtu` is that of every link, in octets. */
  constructor(mtu: number) {
    for (const box of this.boxes) prepare(box);
    for (const gateway of [this.gatewayA, this.gatewayB]) {
      gateway.sysctl("net/ipv4/ip_forward", "1");
      gateway.sysctl("net/ipv6/conf/all/forwarding", "1");
    }
    connect(this.hostA, LAN, this.gatewayA, LAN);
    connect(this.gatewayA, WAN, this.gatewayB, WAN);
    connect(this.gatewayB, LAN, this.hostB, LAN);
    attach(this.hostA, LAN, mtu, SITE_A.host, SITE_A.lan);
    attach(this.hostB, LAN, mtu, SITE_B.host, SITE_B.lan);
    attach(this.gatewayA, LAN, mtu, SITE_A.lan, undefined);
    attach(this.gatewayB, LAN, mtu, SITE_B.lan, undefined);
    attach(this.gatewayA, WAN, mtu, SITE_A.wan, SITE_B.wan);
    attach(this.gatewayB, WAN, mtu, SITE_B.wan, SITE_A.wan);
  }

  /** Addresses for a further tunnel. What goes to the other site's host at this place comes from this site's host there. */
  addPlace(place: number): void {
    const [a, b] = [siteAt("A", place), siteAt("B", place)];
    addSite(this.hostA, this.gatewayA, a, b);
    addSite(this.hostB, this.gatewayB, b, a);
  }

  get boxes(): readonly Box[] {
    return [this.hostA, this.gatewayA, this.gatewayB, this.hostB];
  }

  [Symbol.dispose](): void {
    for (const box of this.boxes) box[Symbol.dispose]();
  }
}

/** Before any device is there: it would take the defaults of before. */
function prepare(box: Box): void {
  // Reno: what the machine prefers would otherwise decide what is measured.
  box.sysctl("net/ipv4/tcp_congestion_control", "reno");
  for (const scope of ["all", "default"]) {
    box.sysctl(`net/ipv6/conf/${scope}/disable_ipv6`, "0");
    box.sysctl(`net/ipv6/conf/${scope}/accept_ra`, "0");
    box.sysctl(`net/ipv6/conf/${scope}/accept_dad`, "0");
    box.sysctl(`net/ipv6/conf/${scope}/router_solicitations`, "0");
  }
}

function connect(left: Box, leftDevice: string, right: Box, rightDevice: string): void {
  left.run(() => createVeth({ name: leftDevice }, { name: rightDevice, namespace: { fd: right.namespaceFd } }));
}

function attach(box: Box, device: string, mtu: number, own: Addresses, router: Addresses | undefined): void {
  box.run(() => {
    const { index } = getLink(device);
    changeLink(index, { mtu });
    changeLink(index, { up: true });
    for (const family of [4, 6] as const) {
      ensureAddress(index, { address: own[family], length: PREFIX_LENGTH[family] });
      if (router === undefined) continue;
      const any = { family, octets: new Uint8Array(family === 4 ? 4 : 16) };
      ensureRoute({
        kind: "unicast",
        destination: { address: any, length: 0 },
        device: index,
        gateway: router[family],
      });
    }
  });
}

function addSite(host: Box, gateway: Box, own: Site, peer: Site): void {
  const give = (box: Box, device: string, { 4: ipv4, 6: ipv6 }: Addresses) =>
    box.run(() => {
      const { index } = getLink(device);
      for (const address of [ipv4, ipv6]) ensureAddress(index, { address, length: PREFIX_LENGTH[address.family] });
    });
  give(host, LAN, own.host);
  give(gateway, LAN, own.lan);
  give(gateway, WAN, own.wan);
  host.run(() => {
    for (const [family, text] of lanPrefixes(peer).entries()) {
      const version = family === 0 ? 4 : 6;
      ensureRoute({
        kind: "unicast",
        destination: prefix(text),
        device: getLink(LAN).index,
        gateway: own.lan[version],
        preferredSource: own.host[version],
      });
    }
  });
}

/** Of the networks behind the gateways, at any place: none of these may be seen on the wan. */
export function isInnerAddress(text: string): boolean {
  return /^(10\.[12]\.|fd0[12]:)/.test(text);
}
