/** Configurations for the lab's two gateways, with keys nobody ever had before. */
import { randomBytes } from "node:crypto";
import { isSuite, parseSuite } from "#config/suite";
import { addressToString } from "#core/address";
import type { Mode, Protocol } from "#core/child-sa-spec";
import type { Suite } from "#crypto/suite";
import { lanPrefixes, SITE_A, SITE_B, type Site } from "./network.ts";

export interface TunnelPlan {
  readonly protocol: Protocol;
  readonly mode: Mode;
  readonly suite: string;
  /** Family of the gateways' own addresses. */
  readonly outside: 4 | 6;
  readonly encapsulation: "udp" | "none";
  /** Suite of an AH over the ESP. */
  readonly bundle?: string;
  /** MTU between the gateways, in octets. */
  readonly pathMtu: number;
}

export const DEMO_PLAN: TunnelPlan = {
  protocol: "esp",
  mode: "tunnel",
  suite: "aes128gcm16",
  outside: 4,
  encapsulation: "udp",
  pathMtu: 1500,
};

/** What `esplanade run` reads, as plain data. */
export type GatewayJson = Readonly<Record<string, unknown>>;

interface KeyJson {
  readonly spi: string;
  readonly key?: string;
  readonly integrityKey?: string;
}

function suiteOf(name: string, protocol: Protocol): Suite {
  const suite = parseSuite(name, protocol);
  if (!isSuite(suite)) throw new Error(`${name}: ${suite.problem}; ${suite.remedy}`);
  return suite;
}

/** The lab uses what it is told to, also what is weak. */
function weakNames(plan: TunnelPlan): string[] {
  const own = suiteOf(plan.suite, plan.protocol);
  const bundle = plan.bundle === undefined ? [] : [suiteOf(plan.bundle, "ah")];
  return [own, ...bundle]
    .flatMap(({ encryption, integrity }) => [encryption, integrity])
    .flatMap((transform) => (transform?.weak === undefined ? [] : [transform.name]));
}

function freshKeys(name: string, protocol: Protocol, spi: number): KeyJson {
  const { encryption, integrity } = suiteOf(name, protocol);
  const hex = (count: number) => randomBytes(count).toString("hex");
  return {
    spi: `0x${spi.toString(16)}`,
    ...(encryption === undefined || encryption.keyOctets === 0 ? {} : { key: hex(encryption.keyOctets) }),
    ...(integrity === undefined ? {} : { integrityKey: hex(integrity.keyOctets) }),
  };
}

interface Keys {
  readonly toA: KeyJson;
  readonly toB: KeyJson;
}

function keysFor(suite: string, protocol: Protocol, first: number): Keys {
  return { toA: freshKeys(suite, protocol, first), toB: freshKeys(suite, protocol, first + 1) };
}

const directed = (keys: Keys, site: Site) =>
  site.letter === "A" ? { inbound: keys.toA, outbound: keys.toB } : { inbound: keys.toB, outbound: keys.toA };

/** The policy's name for the networks behind the gateways, by family of the addresses inside. */
const NET_NAMES = ["net4", "net6"] as const;

/** A pair of configurations that fit each other. Each call has its own keys, used once. */
export function gatewayConfigs(plan: TunnelPlan): { readonly a: GatewayJson; readonly b: GatewayJson } {
  const names: readonly string[] = plan.mode === "transport" ? ["gateways"] : NET_NAMES;
  const keys = names.map((_, i) => ({
    own: keysFor(plan.suite, plan.protocol, 0x1001 + 0x1000 * i),
    bundle: plan.bundle === undefined ? undefined : keysFor(plan.bundle, "ah", 0x1801 + 0x1000 * i),
  }));
  const configOf = (site: Site, peer: Site): GatewayJson => {
    const [local, remote] = [addressToString(site.wan[plan.outside]), addressToString(peer.wan[plan.outside])];
    const inside = (of: Site, i: number) => (plan.mode === "transport" ? of.wan[plan.outside] : lanPrefixes(of)[i]);
    const text = (value: ReturnType<typeof inside>) => (typeof value === "object" ? addressToString(value) : value);
    return {
      tun: { name: "esp0" },
      ...(plan.encapsulation === "udp" ? { listen: { address: local } } : {}),
      oneTimeKeys: true,
      allowWeak: weakNames(plan),
      policies: [
        ...names.map((name, i) => ({
          name,
          action: "protect",
          local: text(inside(site, i)),
          remote: text(inside(peer, i)),
          ...(plan.mode === "transport" ? {} : { source: addressToString(site.lan[i === 0 ? 4 : 6]) }),
        })),
      ],
      sas: keys.map(({ own, bundle }, i) => ({
        policy: names[i],
        protocol: plan.protocol,
        mode: plan.mode,
        suite: plan.suite,
        encapsulation: plan.encapsulation,
        local,
        remote,
        pathMtu: plan.pathMtu,
        ...directed(own, site),
        ...(bundle === undefined ? {} : { bundle: { suite: plan.bundle, ...directed(bundle, site) } }),
      })),
    };
  };
  return { a: configOf(SITE_A, SITE_B), b: configOf(SITE_B, SITE_A) };
}
