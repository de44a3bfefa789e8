/** Manually keyed SAs → ChildSaSpec: what IKE will make from a negotiation, an operator makes from text. */
import { compareAddresses, type Endpoint, type IpAddress } from "#core/address";
import type { ChildSaSpec, FragmentationPolicy, Mode, Protocol, ProtocolSpec, SaKeys } from "#core/child-sa-spec";
import { UNLIMITED } from "#core/child-sa-spec";
import type { Policy } from "#core/policy";
import { selectorContains, selectorToString, type TrafficSelector } from "#core/selector";
import { millis } from "#core/units";
import { type Suite, weakTransforms } from "#crypto/suite";
import { endpointToString, isUnspecified, NAT_T_PORT, readEndpoint } from "./endpoints.ts";
import { Fields } from "./fields.ts";
import { readKeys, type SecretReader } from "./keys.ts";
import { checkLifetime, readLifetime } from "./limits.ts";
import { policyOf } from "./policies.ts";
import { readRanges, selectorsOf } from "./selectors.ts";
import { isSuite, parseSuite, suiteIds } from "./suite.ts";

/** What the rest of the configuration says to an SA. */
export interface SaSurroundings {
  readonly policies: ReadonlyMap<string, Policy>;
  /** Undefined when the configuration does not say where to listen. */
  readonly listen: readonly Endpoint[] | undefined;
  readonly allowWeak: readonly string[];
  readonly lanes: number;
  readonly fragmentation: FragmentationPolicy;
  readonly readSecret: SecretReader;
}

/** An SA with the place it was read from. */
export interface PlacedSa {
  readonly spec: ChildSaSpec;
  readonly suite: Suite;
  readonly bundleSuite: Suite | undefined;
  readonly fields: Fields;
}

const KEEPALIVE_DEFAULT = 20_000;
const WINDOW_LARGEST = 131_072;
const WINDOW_SMALLEST = 32;
const MTU_FLOOR = { 4: 576, 6: 1280 } as const;

export function readSas(gateway: Fields, around: SaSurroundings): PlacedSa[] {
  const placed: PlacedSa[] = [];
  for (const [i, item] of (gateway.array("sas")?.items ?? []).entries()) {
    const fields = Fields.of(item, "sa", `sas[${i}]`, gateway.complaints);
    const sa = fields === undefined ? undefined : readSa(fields, around);
    if (sa !== undefined) placed.push(sa);
  }
  return placed;
}

interface KeyedProtocol {
  readonly spec: ProtocolSpec;
  readonly suite: Suite;
}

/** All parts are read, so that all complaints are made, before a missing one ends it. */
function readSa(fields: Fields, around: SaSurroundings): PlacedSa | undefined {
  const policy = policyOf(fields, around.policies);
  const protocol = fields.choice<Protocol>("protocol", ["esp", "ah"], "esp");
  const own = readProtocolSpec(fields, protocol, "tunnel", around);
  const bundle = readBundle(fields, protocol, around);
  const isAh = protocol === "ah" || fields.has("bundle");
  const encapsulation = readEncapsulation(fields, isAh);
  const local = readLocal(fields, encapsulation, isAh, around.listen);
  const remote = readEndpoint(fields, "remote", encapsulation, () => NAT_T_PORT);
  checkEnds(fields, local, remote);
  const localSelectors = readSelectors(fields, "localSelectors", policy?.local ?? []);
  const remoteSelectors = readSelectors(fields, "remoteSelectors", policy?.remote ?? []);
  const options = readOptions(fields, around, encapsulation, remote, protocol);
  if (own !== undefined) checkLifetime(fields, own.suite, options.lifetime, options.esn);
  if (policy === undefined || own === undefined || local === undefined || remote === undefined) return undefined;
  if (own.spec.mode === "transport") {
    checkTransport(fields, "localSelectors", localSelectors, local);
    checkTransport(fields, "remoteSelectors", remoteSelectors, remote);
  }
  const spec: ChildSaSpec = {
    policy: policy.name,
    ...own.spec,
    encapsulation,
    local,
    remote,
    localSelectors,
    remoteSelectors,
    ...options,
    outerAh: bundle?.spec,
  };
  return { spec, suite: own.suite, bundleSuite: bundle?.suite, fields };
}

function readProtocolSpec(
  fields: Fields,
  protocol: Protocol,
  defaultMode: Mode,
  around: SaSurroundings,
): KeyedProtocol | undefined {
  const mode = fields.choice<Mode>("mode", ["tunnel", "transport"], defaultMode);
  const suite = readSuite(fields, protocol, around.allowWeak);
  if (suite === undefined) return undefined;
  const inbound = readKeys(fields, "inbound", suite, around.readSecret);
  const outbound = readKeys(fields, "outbound", suite, around.readSecret);
  if (inbound === undefined || outbound === undefined) return undefined;
  return { spec: { protocol, mode, suite: suiteIds(suite), inbound, outbound }, suite };
}

function readSuite(fields: Fields, protocol: Protocol, allowWeak: readonly string[]): Suite | undefined {
  const text = fields.requiredText("suite", protocol === "ah" ? '"sha256"' : '"aes128gcm16"');
  if (text === undefined) return undefined;
  const suite = parseSuite(text, protocol);
  if (!isSuite(suite)) {
    fields.error("suite", suite.problem, suite.remedy);
    return undefined;
  }
  for (const { problem, remedy } of weakTransforms(suite, allowWeak)) fields.error("suite", problem, remedy);
  return suite;
}

/** The AH over this ESP (RFC 2401 §4.5). */
function readBundle(sa: Fields, protocol: Protocol, around: SaSurroundings): KeyedProtocol | undefined {
  const fields = sa.object("bundle", "bundle");
  if (fields === undefined) return undefined;
  if (protocol === "ah")
    sa.error("bundle", "a bundle is ESP with AH over it", 'set "protocol": "esp", or remove "bundle"');
  if (fields.choice<Protocol>("protocol", ["ah", "esp"], "ah") === "esp")
    fields.error("protocol", "only AH goes over ESP", 'write "ah"');
  return readProtocolSpec(fields, "ah", "transport", around);
}

function readEncapsulation(fields: Fields, isAh: boolean): "udp" | "none" {
  const encapsulation = fields.choice("encapsulation", ["udp", "none"], isAh ? "none" : "udp");
  if (isAh && encapsulation === "udp")
    fields.error("encapsulation", "AH cannot go in UDP (RFC 3948 carries ESP only)", 'write "none"');
  return encapsulation;
}

function readLocal(
  fields: Fields,
  encapsulation: "udp" | "none",
  isAh: boolean,
  listen: readonly Endpoint[] | undefined,
): Endpoint | undefined {
  const hears = (address: IpAddress) => (socket: Endpoint) =>
    socket.address.family === address.family &&
    (isUnspecified(socket.address) || compareAddresses(socket.address, address) === 0);
  const local = readEndpoint(
    fields,
    "local",
    encapsulation,
    (address) => listen?.find(hears(address))?.port ?? NAT_T_PORT,
  );
  if (local === undefined) return undefined;
  if (isAh && isUnspecified(local.address))
    fields.error("local", "AH protects the source address, so it must be known", "name the gateway's own address");
  const heard = listen?.some((socket) => socket.port === local.port && hears(local.address)(socket)) ?? true;
  if (encapsulation === "udp" && !heard)
    fields.error("local", `nothing listens on ${endpointToString(local)}`, 'take an address and port of "listen"');
  return local;
}

function checkEnds(fields: Fields, local: Endpoint | undefined, remote: Endpoint | undefined): void {
  if (local === undefined || remote === undefined) return;
  if (local.address.family !== remote.address.family)
    fields.error("remote", "local is IPv4 and remote IPv6, or the other way round", "give both ends of one family");
  else if (local.port === remote.port && compareAddresses(local.address, remote.address) === 0)
    fields.error("remote", "the peer is this gateway itself", "name the peer's address");
}

/** An SA may carry a part of its policy's packets, never others. Protocol and ports are the policy's. */
function readSelectors(fields: Fields, key: string, ofPolicy: readonly TrafficSelector[]): readonly TrafficSelector[] {
  const upper = ofPolicy[0];
  if (!fields.has(key) || upper === undefined) return ofPolicy;
  const selectors = selectorsOf(readRanges(fields, key), upper);
  for (const selector of selectors)
    if (!ofPolicy.some((outer) => selectorContains(outer, selector)))
      fields.error(
        key,
        `${selectorToString(selector)} is outside its policy`,
        "an SA carries a part of its policy at most",
      );
  return selectors;
}

/** RFC 4301 §4.1: a transport mode SA is between the hosts whose packets it carries. */
function checkTransport(fields: Fields, key: string, selectors: readonly TrafficSelector[], end: Endpoint): void {
  for (const { first, last } of selectors)
    if (compareAddresses(first, end.address) !== 0 || compareAddresses(last, end.address) !== 0) {
      const own = endpointToString({ address: end.address, port: 0 });
      fields.error(
        fields.has(key) ? key : "mode",
        `transport mode carries packets of ${own} only, ${key} say more`,
        `set "${key}": "${own}", or "mode": "tunnel"`,
      );
      return;
    }
}

type Options = Omit<
  ChildSaSpec,
  | keyof ProtocolSpec
  | "policy"
  | "encapsulation"
  | "local"
  | "remote"
  | "localSelectors"
  | "remoteSelectors"
  | "outerAh"
>;

function readOptions(
  fields: Fields,
  around: SaSurroundings,
  encapsulation: "udp" | "none",
  remote: Endpoint | undefined,
  protocol: Protocol,
): Options {
  return {
    lane: readLane(fields, around.lanes),
    esn: fields.boolean("esn", true),
    replayWindow: readWindow(fields),
    lifetime: fields.has("lifetime") ? readLifetime(fields) : UNLIMITED,
    dscp: readNumberOr(fields, "dscp", "copy", { minimum: 0, maximum: 63 }),
    ecn: fields.boolean("ecn", true),
    df: fields.choice("df", ["copy", "set", "clear"], "copy"),
    fragmentation: fields.choice<FragmentationPolicy>("fragmentation", ["before", "after"], around.fragmentation),
    pathMtu: readPathMtu(fields, remote),
    tfcLength: readTfc(fields, protocol),
    mssClamp: readMssClamp(fields),
    keepaliveInterval: millis(readKeepalive(fields, encapsulation)),
  };
}

function readLane(fields: Fields, lanes: number): number {
  const lane = fields.integer("lane", { minimum: 0, maximum: 1023 }, 0);
  if (lane < lanes) return lane;
  fields.error("lane", `there is no lane ${lane}`, `take 0 to ${lanes - 1}, or raise "lanes"`);
  return 0;
}

function readWindow(fields: Fields): number {
  const window = fields.integer("replayWindow", { minimum: 0, maximum: WINDOW_LARGEST }, 2048);
  const powerOfTwo = window >= WINDOW_SMALLEST && (window & (window - 1)) === 0;
  if (window !== 0 && !powerOfTwo)
    fields.error(
      "replayWindow",
      `${window} is no window`,
      `take a power of two from 32 to ${WINDOW_LARGEST}, or 0 for none`,
    );
  if (window === 0)
    fields.warn("replayWindow", "replayed packets are accepted", "take 2048 unless the peer restarts its numbers");
  return window;
}

function readNumberOr<T extends string>(
  fields: Fields,
  key: string,
  word: T,
  bounds: { readonly minimum: number; readonly maximum: number },
): T | number {
  if (fields.value(key)?.kind === "string") {
    fields.choice(key, [word], word);
    return word;
  }
  const number = fields.integer(key, bounds, -1);
  return number === -1 ? word : number;
}

function readMssClamp(fields: Fields): number {
  const clamp = readNumberOr(fields, "mssClamp", "auto", { minimum: 0, maximum: 65495 });
  if (clamp === "auto") return -1;
  if (clamp !== 0 && clamp < 88)
    fields.error("mssClamp", `${clamp} is too small for TCP`, 'take "auto", 0 for none, or 88 and more');
  return clamp;
}

/** Floors: RFC 791 §3.2 (576 for IPv4 as everybody has it), RFC 8200 §5 (1280). */
function readPathMtu(fields: Fields, remote: Endpoint | undefined): number {
  const family = remote?.address.family ?? 4;
  const mtu = fields.integer("pathMtu", { minimum: 1, maximum: 65535 }, 1500);
  if (mtu < MTU_FLOOR[family])
    fields.error(
      "pathMtu",
      `${mtu} is below the ${MTU_FLOOR[family]} octets of IPv${family}`,
      "take 1500 unless the path is known",
    );
  return mtu;
}

function readTfc(fields: Fields, protocol: Protocol): number {
  const length = fields.integer("tfcLength", { minimum: 0, maximum: 65535 }, 0);
  if (length !== 0 && protocol === "ah")
    fields.error("tfcLength", "AH has no padding", 'remove it, or take "protocol": "esp"');
  return length;
}

function readKeepalive(fields: Fields, encapsulation: "udp" | "none"): number {
  const interval = fields.time("keepalive", encapsulation === "udp" ? KEEPALIVE_DEFAULT : 0);
  if (interval !== 0 && encapsulation === "none")
    fields.error(
      "keepalive",
      "keepalives are for ESP in UDP (RFC 3948 §4)",
      'remove it, or set "encapsulation": "udp"',
    );
  if (interval !== 0 && interval < 1000)
    fields.error("keepalive", "more than one keepalive a second", 'take "20s", or 0 for none');
  return interval;
}

/** Every keyed direction of an SA, with the place to complain at. */
export function* directionsOf(sa: PlacedSa): Generator<{
  readonly direction: "inbound" | "outbound";
  readonly keys: SaKeys;
  readonly suite: Suite;
  readonly fields: Fields;
}> {
  for (const direction of ["inbound", "outbound"] as const) {
    yield { direction, keys: sa.spec[direction], suite: sa.suite, fields: sa.fields };
    const bundle = sa.fields.object("bundle", "bundle");
    if (sa.spec.outerAh !== undefined && sa.bundleSuite !== undefined && bundle !== undefined)
      yield { direction, keys: sa.spec.outerAh[direction], suite: sa.bundleSuite, fields: bundle };
  }
}
