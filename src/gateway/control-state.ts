/** `IkeControl` as plain data, for the process that goes on with it: both read the same clock. */
import type { Policy } from "#core/policy";
import type { FrozenIke } from "#ike/frozen";
import type { ChildStartsState } from "./child-starts.ts";
import type { ChildTotals } from "./child-totals.ts";
import type { FallbacksState } from "./clear-fallback.ts";
import type { DirectorState } from "./director-doors.ts";
import type { Installed } from "./installed-pairs.ts";
import type { KeeperState } from "./pair-keeper.ts";
import type { PeerNamesState } from "./peer-names.ts";
import type { TunnelsState } from "./tunnels.ts";

/** What the data plane has, and names of policies whose packets wait. */
export interface PoliciesInForce {
  readonly policies: readonly Policy[];
  readonly held: readonly string[];
}

/** Commands of operators are none of it: their callers are told. */
export interface ControlState {
  /** With keys. */
  readonly engine: FrozenIke;
  readonly director: DirectorState;
  readonly starts: ChildStartsState;
  readonly tunnels: TunnelsState;
  readonly names: PeerNamesState;
  readonly pairs: readonly Installed[];
  readonly totals: readonly ChildTotals[];
  readonly fallbacks: FallbacksState;
  readonly keeper: KeeperState;
  readonly policies: PoliciesInForce | undefined;
}
