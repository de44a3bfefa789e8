/** The real LanePort: the addon's `Lane` over descriptors that the control thread opened. */
import { type LaneOptions, type LaneSetup, type NativeLane, nativeIo } from "./native.ts";

/** Everything the kernel offers; narrow it by what the opened devices say. */
export const FAST_LANE: LaneOptions = { vnetHeader: true, gso: true, gro: true, uso: true, join: true };

/**
 * Opens a lane's port in the thread that will wait in it. It borrows the descriptors: close the port first, and signal
 * the wake-up before the thread shall end, for a waiting thread cannot be terminated.
 */
export function openLanePort(setup: LaneSetup): NativeLane {
  return new (nativeIo().Lane)(setup);
}
