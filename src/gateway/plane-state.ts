/**
 * The data plane as plain data, for the process that takes it over: SAs with keys, sequence numbers and replay windows exactly
 * as the lanes left them. Read and written while no lane runs.
 */
import type { ChildSaSpec, ProtocolSpec, SaKeys } from "#core/child-sa-spec";
import { assert } from "#core/errors";
import type { Policy } from "#core/policy";
import { ENDPOINT_COLUMNS } from "#core/slab";
import type { Spi } from "#core/units";
import { wipe } from "#crypto/octets";
import { SA_COLUMNS, SA_NUMBERS, type SaTable } from "#ipsec/sa";
import type { InstalledChild } from "./data-plane.ts";
import type { LaneKey } from "./lane-command.ts";
import { sharedOctets } from "./sa-install.ts";
import type { RoomState, SaRanges } from "./sa-room.ts";

/** Where copies of keys lie, by slot: a cipher gives its own back to nobody. */
export interface KeyVault {
  /** False: there is no room. */
  put(slot: number, encryptionKey: Uint8Array, integrityKey: Uint8Array): boolean;
  /** Fills both; false: unknown, or of other lengths. */
  read(slot: number, encryptionKey: Uint8Array, integrityKey: Uint8Array): boolean;
  remove(slot: number): void;
}

export interface RowState {
  readonly slot: number;
  readonly columns: Int32Array;
  readonly numbers: Float64Array;
  /** Where its packets go; NAT may have moved it. */
  readonly endpoint: Int32Array;
  readonly encryptionKey: Uint8Array;
  readonly integrityKey: Uint8Array;
}

export interface ChildState {
  readonly child: InstalledChild;
  readonly inboundSpis: readonly Spi[];
  readonly ranges: SaRanges;
  /** Without keys. */
  readonly spec: ChildSaSpec;
  readonly rows: readonly RowState[];
  readonly windows: readonly Int32Array[];
  readonly selectors: Int32Array;
}

export interface PlaneState {
  readonly version: number;
  readonly commands: number;
  readonly ids: number;
  readonly offered: readonly Spi[];
  readonly policies: readonly Policy[];
  readonly held: readonly string[];
  readonly room: RoomState;
  readonly children: readonly ChildState[];
  /** Of each lane, the slot that each policy goes by; -1 = none. */
  readonly outbound: readonly (readonly number[])[];
}

interface Part {
  readonly slot: number;
  readonly protocol: ProtocolSpec;
  readonly direction: "inbound" | "outbound";
}

/** The rows of a child, in the order they were installed. */
function partsOf(child: InstalledChild, spec: ChildSaSpec): Part[] {
  const { outerAh } = spec;
  const own: Part[] = [
    { slot: child.inbound, protocol: spec, direction: "inbound" },
    { slot: child.outbound, protocol: spec, direction: "outbound" },
  ];
  if (outerAh === undefined || child.inboundAh === undefined || child.outboundAh === undefined) return own;
  return [
    ...own,
    { slot: child.inboundAh, protocol: outerAh, direction: "inbound" },
    { slot: child.outboundAh, protocol: outerAh, direction: "outbound" },
  ];
}

/** Copies of the keys in shared memory, where the lane takes and wipes them. */
export function laneKeys(child: InstalledChild, spec: ChildSaSpec, vault: KeyVault): LaneKey[] {
  return partsOf(child, spec).map(({ slot, protocol, direction }) => {
    const lengths = direction === "inbound" ? protocol.inbound : protocol.outbound;
    const key: LaneKey = {
      slot,
      encryption: protocol.suite.encryption,
      integrity: protocol.suite.integrity,
      encryptionKey: sharedOctets(lengths.encryptionKey.length),
      integrityKey: sharedOctets(lengths.integrityKey.length),
      esn: spec.esn,
      direction: direction === "inbound" ? "open" : "seal",
    };
    assert(vault.read(slot, key.encryptionKey, key.integrityKey), `the keys of slot ${slot} were kept`);
    return key;
  });
}

/** Shows the pair with its keys, and wipes them. The outer AH of a bundle enciphers nothing. */
export function showPair(
  { inbound, outbound }: InstalledChild,
  spec: ChildSaSpec,
  vault: KeyVault,
  show: (pair: ProtocolSpec) => void,
): void {
  const keysOf = (slot: number, lengths: SaKeys): SaKeys => {
    const encryptionKey = new Uint8Array(lengths.encryptionKey.length);
    const integrityKey = new Uint8Array(lengths.integrityKey.length);
    assert(vault.read(slot, encryptionKey, integrityKey), `the keys of slot ${slot} were kept`);
    return { spi: lengths.spi, encryptionKey, integrityKey };
  };
  const pair = { ...spec, inbound: keysOf(inbound, spec.inbound), outbound: keysOf(outbound, spec.outbound) };
  show(pair);
  for (const { encryptionKey, integrityKey } of [pair.inbound, pair.outbound]) wipe(encryptionKey, integrityKey);
}

export interface Kept {
  readonly child: InstalledChild;
  readonly inboundSpis: readonly Spi[];
  readonly ranges: SaRanges;
  readonly spec: ChildSaSpec;
}

/** `endpoints`: those of the child's lane. Keys in what it returns are the caller's to wipe. */
export function freezeChild(kept: Kept, table: SaTable, endpoints: Int32Array, vault: KeyVault): ChildState {
  const { child, inboundSpis, ranges, spec } = kept;
  const { windows, selectors } = ranges;
  return {
    child,
    inboundSpis,
    ranges,
    spec,
    rows: partsOf(child, spec).map(({ slot, protocol, direction }) => {
      const lengths = direction === "inbound" ? protocol.inbound : protocol.outbound;
      const encryptionKey = new Uint8Array(lengths.encryptionKey.length);
      const integrityKey = new Uint8Array(lengths.integrityKey.length);
      assert(vault.read(slot, encryptionKey, integrityKey), `the keys of slot ${slot} were kept`);
      return {
        slot,
        columns: copy32(table.columns, slot * SA_COLUMNS, SA_COLUMNS),
        numbers: Float64Array.from(table.numbers.subarray(slot * SA_NUMBERS, (slot + 1) * SA_NUMBERS)),
        endpoint: copy32(endpoints, slot * ENDPOINT_COLUMNS, ENDPOINT_COLUMNS),
        encryptionKey,
        integrityKey,
      };
    }),
    windows: windows.map(({ offset, length }) => copy32(table.windows, offset, length)),
    selectors: copy32(table.selectors, selectors.offset, selectors.length),
  };
}

/** Out of shared memory, which does not leave the process. */
function copy32(words: Int32Array, offset: number, length: number): Int32Array {
  return Int32Array.from(words.subarray(offset, offset + length));
}

/** Fills the rows and the vault; the state's keys are wiped. */
export function thawChild(state: ChildState, table: SaTable, endpoints: Int32Array, vault: KeyVault): void {
  const { ranges, rows, windows, selectors } = state;
  for (const { slot, columns, numbers, endpoint, encryptionKey, integrityKey } of rows) {
    assert(columns.length === SA_COLUMNS && numbers.length === SA_NUMBERS, "a row has the columns of this program");
    table.columns.set(columns, slot * SA_COLUMNS);
    table.numbers.set(numbers, slot * SA_NUMBERS);
    endpoints.set(endpoint, slot * ENDPOINT_COLUMNS);
    assert(vault.put(slot, encryptionKey, integrityKey), "there is memory for keys");
    encryptionKey.fill(0);
    integrityKey.fill(0);
  }
  for (const [i, { offset }] of ranges.windows.entries()) table.windows.set(windows[i] ?? [], offset);
  table.selectors.set(selectors, ranges.selectors.offset);
}
