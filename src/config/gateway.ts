/**
 * The configuration of a gateway with manual keys: JSON text → typed, checked GatewayConfig, or every complaint at once.
 * Nothing here reads a file or asks the system.
 */
import { type Endpoint, type Family, parseAddress } from "#core/address";
import { type Complaint, ConfigError } from "#core/errors";
import { nearest } from "#core/nearest";
import type { CryptoChoice, GatewayConfig, InterfaceAddress, TunConfig } from "#core/policy";
import { Complaints, type SourceText } from "./complaints.ts";
import { readListen } from "./endpoints.ts";
import { Fields } from "./fields.ts";
import { JsonError, type JsonValue, parseJson, stringText } from "./json.ts";
import { isPrivate, type SecretReader } from "./keys.ts";
import { checkLanes } from "./lanes.ts";
import { type PlacedPolicy, readPolicies } from "./policies.ts";
import { directionsOf, type PlacedSa, readSas } from "./sas.ts";
import { isCounterMode, WEAK_NAMES } from "./suite.ts";
import { checkUniqueness } from "./uniqueness.ts";

/** The text of a configuration, with the permission bits of the file it came from. */
export interface ConfigSource extends SourceText {
  readonly mode: number;
}

export interface ReadConfig {
  readonly config: GatewayConfig;
  /** What works, and yet is likely not what was wanted. */
  readonly warnings: readonly Complaint[];
  /** Where keys of section `esplanade` stand, by their paths; absent where that is not known. */
  readonly places?: ReadonlyMap<string, string>;
}

const SLOTS_LARGEST = 1 << 20;
const SLOTS_SMALLEST = 16;
const CRYPTO_CHOICES: readonly CryptoChoice[] = ["auto", "native", "openssl", "node", "noble"];

/** Throws ConfigError. The caller wipes `source.octets`, which may hold keys, and at the end the keys (`wipeKeys`). */
export function readConfig(source: ConfigSource, readSecret: SecretReader): ReadConfig {
  const complaints = new Complaints(source);
  const root = parse(source, complaints);
  const gateway = root === undefined ? undefined : Fields.of(root, "gateway", "", complaints);
  if (gateway === undefined) {
    complaints.throwIfAny();
    throw ConfigError.of(source.name, "is empty", "write {…}");
  }
  const lanes = gateway.integer("lanes", { minimum: 1, maximum: 64 }, 1);
  const listen = readListen(gateway);
  const allowWeak = readAllowWeak(gateway);
  const placedPolicies = readPolicies(gateway);
  const policies = placedPolicies.map(({ policy }) => policy);
  const tun = readTun(gateway, lanes, placedPolicies);
  const fragmentation = gateway.choice("fragmentation", ["before", "after"], "before");
  const placedSas = readSas(gateway, {
    policies: new Map(policies.map((policy) => [policy.name, policy])),
    listen,
    allowWeak,
    lanes,
    fragmentation,
    readSecret,
  });
  checkUniqueness(placedSas);
  checkLanes(gateway, placedSas, lanes);
  warnOfIdlePolicies(placedPolicies, placedSas);
  checkKeys(gateway, source, placedSas);
  const sas = placedSas.map(({ spec }) => spec);
  const config: GatewayConfig = {
    tun,
    listen: listen ?? defaultListen(placedSas),
    allowWeak,
    lanes,
    slots: readSlots(gateway, sas.length),
    crypto: gateway.choice("crypto", CRYPTO_CHOICES, "auto"),
    offload: gateway.boolean("offload", true),
    policies,
    sas,
  };
  try {
    complaints.throwIfAny();
  } catch (error) {
    wipeKeys(config);
    throw error;
  }
  return { config, warnings: complaints.warnings() };
}

/** Overwrites every key of the configuration, once the ciphers have their own copies. */
export function wipeKeys(config: GatewayConfig): void {
  for (const sa of config.sas)
    for (const spec of sa.outerAh === undefined ? [sa] : [sa, sa.outerAh])
      for (const keys of [spec.inbound, spec.outbound]) {
        keys.encryptionKey.fill(0);
        keys.integrityKey.fill(0);
      }
}

function parse(source: SourceText, complaints: Complaints): JsonValue | undefined {
  try {
    return parseJson(source.octets);
  } catch (error) {
    if (!(error instanceof JsonError)) throw error;
    complaints.error(error.at, "", error.problem, error.remedy);
    return undefined;
  }
}

function readAllowWeak(gateway: Fields): string[] {
  const names: string[] = [];
  for (const [i, item] of (gateway.array("allowWeak")?.items ?? []).entries()) {
    const path = `allowWeak[${i}]`;
    const name = item.kind === "string" ? stringText(item) : "";
    if (WEAK_NAMES.includes(name)) {
      names.push(name);
      continue;
    }
    const meant = nearest(name, WEAK_NAMES);
    gateway.complaints.error(
      item.at,
      path,
      `"${name}" is no weak transform`,
      meant === undefined ? `weak are ${WEAK_NAMES.join(", ")}` : `did you mean "${meant}"?`,
    );
  }
  return names;
}

function readTun(gateway: Fields, lanes: number, policies: readonly PlacedPolicy[]): TunConfig {
  if (!gateway.has("tun"))
    gateway.error("tun", "is missing", 'give "tun": {"name": "esp0", "addresses": ["10.1.0.1/32"]}');
  const fields = gateway.object("tun", "tun");
  const name = fields?.text("name") ?? "esp0";
  // IFNAMSIZ is 16 with its final zero; the kernel refuses these names (dev_valid_name), and fills in %d itself.
  if (!/^[^\s/:%]{1,15}$/.test(name) || name === "." || name === "..")
    fields?.error(
      "name",
      `"${name}" is no name of a device`,
      "take 1–15 characters without spaces, slash, colon and percent",
    );
  const mtu = fields?.has("mtu") === true ? fields.integer("mtu", { minimum: 1, maximum: 65535 }, 1400) : undefined;
  const addresses = fields === undefined ? [] : readAddresses(fields);
  const families = new Set<Family>(addresses.map(({ address }) => address.family));
  for (const { policy } of policies)
    for (const { first } of policy.action === "protect" ? policy.local : []) families.add(first.family);
  if (fields !== undefined && mtu !== undefined) checkMtu(fields, mtu, families);
  const queues = fields?.integer("queues", { minimum: 1, maximum: 64 }, lanes) ?? lanes;
  if (queues !== lanes)
    fields?.error("queues", `${queues} queues for ${lanes} lanes`, "each lane reads one queue: leave it out");
  return { name, mtu, addresses, queues };
}

function readAddresses(fields: Fields): InterfaceAddress[] {
  const list = fields.array("addresses");
  const addresses: InterfaceAddress[] = [];
  for (const [i, item] of (list?.items ?? []).entries()) {
    const text = item.kind === "string" ? stringText(item) : "";
    const [addressText = "", lengthText] = text.split("/", 2);
    const address = parseAddress(addressText);
    const bits = 8 * (address?.octets.length ?? 0);
    const length = lengthText === undefined ? bits : Number(lengthText);
    if (address !== undefined && /^\d{1,3}$/.test(lengthText ?? "0") && length <= bits)
      addresses.push({ address, length });
    else
      fields.complaints.error(
        item.at,
        `${fields.path}.addresses[${i}]`,
        "is no address with its prefix length",
        'for example "10.1.0.1/32" or "2001:db8::1/128"',
      );
  }
  return addresses;
}

/** RFC 8200 §5: IPv6 needs links of 1280 octets; below 576 IPv4 hosts may not reassemble what they must (RFC 791 §3.2). */
function checkMtu(fields: Fields, mtu: number, families: ReadonlySet<Family>): void {
  if (families.has(6) && mtu < 1280)
    fields.error("mtu", `${mtu} is too small for IPv6 (RFC 8200 §5)`, "take 1280 or more");
  else if (mtu < 576)
    fields.error("mtu", `${mtu} is too small`, "take 576 or more; 1400 leaves room for ESP on an Ethernet path");
}

function readSlots(gateway: Fields, sas: number): number {
  const slots = gateway.integer("slots", { minimum: SLOTS_SMALLEST, maximum: SLOTS_LARGEST }, 16384);
  if ((slots & (slots - 1)) !== 0)
    gateway.error("slots", `${slots} is no power of two`, `take ${2 ** Math.ceil(Math.log2(slots))}`);
  // A pair of SAs takes two slots, a bundle four; half the table stays free for their successors.
  if (sas * 2 > slots)
    gateway.error("slots", `${sas} SA pairs need more than ${slots} slots`, "raise it to the next power of two");
  return slots;
}

/** Each family in use, on any of our addresses. */
function defaultListen(sas: readonly PlacedSa[]): Endpoint[] {
  const listen: Endpoint[] = [];
  for (const [family, wildcard] of [
    [4, "0.0.0.0"],
    [6, "::"],
  ] as const) {
    const address = parseAddress(wildcard);
    const ports = sas
      .filter(({ spec }) => spec.encapsulation === "udp" && spec.local.address.family === family)
      .map(({ spec }) => spec.local.port);
    if (address !== undefined) for (const port of new Set(ports)) listen.push({ address, port });
  }
  return listen;
}

function warnOfIdlePolicies(policies: readonly PlacedPolicy[], sas: readonly PlacedSa[]): void {
  const served = new Set(sas.map(({ spec }) => spec.policy));
  for (const { policy, fields } of policies)
    if (policy.action === "protect" && !served.has(policy.name))
      fields.warn("", `no SA serves "${policy.name}": its packets are dropped`, 'add one to "sas"');
}

function checkKeys(gateway: Fields, source: ConfigSource, sas: readonly PlacedSa[]): void {
  if (sas.length > 0 && !isPrivate(source.mode))
    gateway.warn("sas", "others may read this file, and it may hold keys", `chmod 600 ${source.name}`);
  const counter = sas.find((sa) => [...directionsOf(sa)].some(({ suite }) => isCounterMode(suite)));
  if (counter === undefined || gateway.boolean("oneTimeKeys", false)) return;
  // RFC 4106 §2, RFC 4309 §2, RFC 3686 §2.1, RFC 8221 §3: never with static keys.
  counter.fields.error(
    "suite",
    "a restart would use nonces of this key again, which gives the key away",
    'take a CBC suite such as aes128-sha256, or, where a program writes new keys for every start, say "oneTimeKeys": true',
  );
}
