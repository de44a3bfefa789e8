/** Which of a child's selectors a quick mode is for: IKEv1 names one a side (RFC 2409 §5.5), so that a child of several has a pair for each two that packets need. */
import { selectorContains, type TrafficSelector } from "#core/selector";
import { resolveSelectors } from "#ike/traffic-selectors";
import { isKept, type Pair, sameSelector } from "./pairs.ts";
import type { PeerLine } from "./peer-line.ts";
import type { PacketSelectors, QuickWork } from "./tasks.ts";

/** What it names, local first: those that hold the packet, without one the first of each side; undefined = the child has none. */
export function wantedSelectors(
  { path }: PeerLine,
  work: QuickWork,
): readonly [TrafficSelector | undefined, TrafficSelector | undefined] {
  if (work.kind === "replace-pair") return [work.pair.localSelector, work.pair.remoteSelector];
  const { config, packet } = work;
  const local = resolveSelectors(config.local, path.local.address);
  const remote = resolveSelectors(config.remote, path.remote.address);
  return [holding(local, packet, "local"), holding(remote, packet, "remote")];
}

function holding(
  selectors: readonly TrafficSelector[],
  packet: PacketSelectors | undefined,
  side: "local" | "remote",
): TrafficSelector | undefined {
  const asked = packet && selectors.find((one) => selectorContains(one, packet[side]));
  return asked ?? selectors[0];
}

type NewPair = Extract<QuickWork, { readonly kind: "new-pair" }>;

/** It stays, and is for what is asked: for any of the child's packets where none is named. */
export function isServedBy(line: PeerLine, { config, packet }: NewPair, pair: Pair): boolean {
  if (pair.config.name !== config.name || !isKept(pair)) return false;
  if (packet === undefined) return true;
  const { localSelector, remoteSelector } = pair;
  if (selectorContains(localSelector, packet.local) && selectorContains(remoteSelector, packet.remote)) return true;
  const [local, remote] = wantedSelectors(line, { kind: "new-pair", config, packet });
  return same(local, localSelector) && same(remote, remoteSelector);
}

/** One quick mode does for both. */
export function isSameWish(line: PeerLine, a: NewPair, b: NewPair): boolean {
  if (a.config.name !== b.config.name) return false;
  const [aLocal, aRemote] = wantedSelectors(line, a);
  const [bLocal, bRemote] = wantedSelectors(line, b);
  return same(aLocal, bLocal) && same(aRemote, bRemote);
}

function same(a: TrafficSelector | undefined, b: TrafficSelector | undefined): boolean {
  return a === undefined || b === undefined ? a === b : sameSelector(a, b);
}
