/** From a `ChildSaSpec` to the rows that lanes fill: one direction and protocol at a time. */
import { addressWords } from "#core/address";
import type { ChildSaSpec, ProtocolSpec, SaKeys } from "#core/child-sa-spec";
import { assert } from "#core/errors";
import { ENDPOINT_COLUMNS, EndpointColumn } from "#core/slab";
import type { Slot } from "#core/units";
import { encryptionTransform, integrityTransform } from "#crypto/transforms";
import { type AhLayout, type EspLayout, innerMtu } from "#ipsec/pmtu";
import { windowWords } from "#ipsec/replay-window";
import { SA_COLUMNS, SA_NUMBERS, Sa, SaFlag, type SaInstall, SaNumber } from "#ipsec/sa";
import { SELECTOR_STRIDE, writeSelectors } from "#ipsec/selector-table";
import type { LaneKey } from "./lane-command.ts";

/** Sizes of a protocol's packets, from the transforms. */
export interface PacketShape {
  readonly ivOctets: number;
  readonly icvOctets: number;
  /** ESP: plaintext with trailer is a multiple of this. AH: 4. */
  readonly align: number;
}

/** Where control has put an SA. */
export interface Placement {
  readonly slot: Slot;
  readonly pair: number;
  /** The other protocol of a bundle, same direction; -1 = none. */
  readonly bundle: number;
  readonly direction: "inbound" | "outbound";
  readonly policy: number;
  readonly socket: number;
  readonly windowOffset: number;
  readonly selectorOffset: number;
  /** Path MTU less what the child's packets add: the largest packet that fits. */
  readonly mtu: number;
}

const HOP_LIMIT = 64;

/** The suite was checked by configuration or IKE; what is not in the registry here is our bug. */
function packetShape(spec: ProtocolSpec): PacketShape {
  const keyOctets = spec.outbound.encryptionKey.length;
  const integrity = integrityTransform(spec.suite.integrity);
  if (spec.protocol === "ah") {
    assert(integrity !== undefined, "AH has an integrity transform");
    return { ivOctets: integrity.ivOctets, icvOctets: integrity.icvOctets, align: 4 };
  }
  const encryption = encryptionTransform(spec.suite.encryption, keyOctets);
  assert(encryption !== undefined, "ESP has an encryption transform");
  return {
    ivOctets: encryption.ivOctets,
    icvOctets: encryption.aead ? encryption.icvOctets : (integrity?.icvOctets ?? 0),
    align: Math.max(4, encryption.blockOctets),
  };
}

/** Largest inner packet (tunnel) or whole packet (transport) that fits the path to the peer. */
export function childMtu(spec: ChildSaSpec, pathMtu: number): number {
  const family = spec.remote.address.family;
  const udp = spec.encapsulation === "udp";
  const protocols: readonly ProtocolSpec[] = spec.outerAh === undefined ? [spec] : [spec, spec.outerAh];
  return innerMtu(
    protocols.map((protocol) => ({ mode: protocol.mode, family, layer: layerOf(protocol, udp) })),
    pathMtu,
  );
}

function layerOf(protocol: ProtocolSpec, udp: boolean): EspLayout | AhLayout {
  const { ivOctets, icvOctets, align } = packetShape(protocol);
  if (protocol.protocol === "ah") return { protocol: "ah", icvLength: ivOctets + icvOctets };
  return { protocol: "esp", ivLength: ivOctets, icvLength: icvOctets, alignment: align, udp };
}

export function buildInstall(child: ChildSaSpec, protocol: ProtocolSpec, at: Placement): SaInstall {
  const columns = new Int32Array(SA_COLUMNS);
  const shape = packetShape(protocol);
  const keys = at.direction === "inbound" ? protocol.inbound : protocol.outbound;
  columns[Sa.SPI] = keys.spi;
  columns[Sa.FLAGS] = flagsOf(child, protocol, at);
  const window = at.direction === "inbound" ? child.replayWindow : 0;
  columns[Sa.WINDOW] = window;
  columns[Sa.WINDOW_OFFSET] = at.windowOffset;
  columns[Sa.WINDOW_WORDS] = windowWords(window);
  columns[Sa.IV_OCTETS] = shape.ivOctets;
  columns[Sa.ICV_OCTETS] = shape.icvOctets;
  columns[Sa.ALIGN] = shape.align;
  columns[Sa.MTU] = at.mtu;
  columns[Sa.PATH_MTU] = child.pathMtu;
  columns[Sa.TFC_OCTETS] = protocol.protocol === "esp" ? Math.min(child.tfcLength, at.mtu) : 0;
  columns[Sa.DSCP] = child.dscp === "copy" ? -1 : child.dscp;
  columns[Sa.BUNDLE] = at.bundle;
  columns[Sa.PAIR] = at.pair;
  columns[Sa.SELECTOR_OFFSET] = at.selectorOffset;
  columns[Sa.LOCAL_SELECTORS] = child.localSelectors.length;
  columns[Sa.REMOTE_SELECTORS] = child.remoteSelectors.length;
  columns[Sa.SOCKET] = at.socket;
  columns[Sa.POLICY] = at.policy;
  columns[Sa.SUCCESSOR] = -1;
  columns[Sa.PREDECESSOR] = -1;
  columns[Sa.MSS] = child.mssClamp;
  columns[Sa.HOP_LIMIT] = HOP_LIMIT;
  columns[Sa.KEEPALIVE] = at.direction === "outbound" && child.encapsulation === "udp" ? child.keepaliveInterval : 0;
  columns.set(addressWords(child.local.address), Sa.LOCAL);
  columns.set(addressWords(child.remote.address), Sa.REMOTE);
  columns[Sa.REMOTE_PORT] = child.remote.port;
  return {
    slot: at.slot,
    columns,
    numbers: numbersOf(child),
    selectors: compiledSelectors(child),
    endpoint: endpointOf(child),
  };
}

/** Copies a direction's keys into shared memory, where the lane takes and wipes them. */
export function buildKey(child: ChildSaSpec, protocol: ProtocolSpec, at: Placement): LaneKey {
  const keys: SaKeys = at.direction === "inbound" ? protocol.inbound : protocol.outbound;
  return {
    slot: at.slot,
    encryption: protocol.suite.encryption,
    integrity: protocol.suite.integrity,
    encryptionKey: sharedCopy(keys.encryptionKey),
    integrityKey: sharedCopy(keys.integrityKey),
    esn: child.esn,
    direction: at.direction === "inbound" ? "open" : "seal",
  };
}

export function selectorWords(child: ChildSaSpec): number {
  return (child.localSelectors.length + child.remoteSelectors.length) * SELECTOR_STRIDE;
}

export function sharedOctets(length: number): Uint8Array {
  return new Uint8Array(new SharedArrayBuffer(length));
}

function sharedCopy(octets: Uint8Array): Uint8Array {
  const copy = sharedOctets(octets.length);
  copy.set(octets);
  return copy;
}

/** Flags of a fresh row. */
export function flagsOf(
  child: ChildSaSpec,
  protocol: ProtocolSpec,
  at: Pick<Placement, "direction" | "bundle">,
): number {
  let flags = 0;
  if (at.direction === "inbound") flags |= SaFlag.INBOUND;
  if (child.esn) flags |= SaFlag.ESN;
  if (protocol.mode === "tunnel") flags |= SaFlag.TUNNEL;
  if (protocol.protocol === "ah") flags |= SaFlag.AH;
  if (child.encapsulation === "udp") flags |= SaFlag.UDP;
  // Without anti-replay service a copy of the newest packet, sent from elsewhere, would move the peer.
  if (child.encapsulation === "udp" && child.replayWindow > 0) flags |= SaFlag.FOLLOW_PEER;
  if (child.remote.address.family === 6) flags |= SaFlag.OUTER_IPV6;
  if (child.df === "copy") flags |= SaFlag.DF_COPY;
  if (child.df === "set") flags |= SaFlag.DF_SET;
  if (child.ecn) flags |= SaFlag.ECN;
  if (child.fragmentation === "after") flags |= SaFlag.FRAGMENT_AFTER;
  if (at.bundle >= 0) flags |= SaFlag.BUNDLED;
  return flags;
}

function numbersOf(child: ChildSaSpec): Float64Array {
  const numbers = new Float64Array(SA_NUMBERS);
  const { lifetime } = child;
  numbers[SaNumber.SOFT_OCTETS] = lifetime.softOctets;
  numbers[SaNumber.HARD_OCTETS] = lifetime.hardOctets;
  numbers[SaNumber.SOFT_PACKETS] = lifetime.softPackets;
  numbers[SaNumber.HARD_PACKETS] = lifetime.hardPackets;
  numbers[SaNumber.SOFT_TIME] = lifetime.softTime;
  numbers[SaNumber.HARD_TIME] = lifetime.hardTime;
  return numbers;
}

function compiledSelectors(child: ChildSaSpec): Int32Array {
  const words = new Int32Array(selectorWords(child));
  writeSelectors(words, 0, [...child.localSelectors, ...child.remoteSelectors]);
  return words;
}

/** Where the child's packets go. */
export function endpointOf(child: ChildSaSpec): Int32Array {
  const row = new Int32Array(ENDPOINT_COLUMNS);
  row[EndpointColumn.FAMILY] = child.remote.address.family;
  row[EndpointColumn.PORT] = child.remote.port;
  row.set(addressWords(child.remote.address), EndpointColumn.ADDRESS);
  row.set(addressWords(child.local.address), EndpointColumn.LOCAL_ADDRESS);
  return row;
}
