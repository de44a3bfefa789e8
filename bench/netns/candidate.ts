/** What a row of the benchmark is: something that joins two gateways. */
import type { Daemon } from "./process.ts";
import type { Topology } from "./topology.ts";

export type Presence =
  | { readonly kind: "present"; readonly version: string }
  | { readonly kind: "absent"; readonly why: string; readonly remedy: string };

export interface Candidate {
  readonly name: string;
  /** What it is and how it is set up, for the report. */
  readonly title: string;
  find(): Presence;
  /**
   * Brings the tunnel up; afterwards 10.1.0.0/24 and 10.2.0.0/24 are routed through it. `directory` is private and empty.
   * When it rejects, the daemons it has started are ended by its caller.
   */
  start(topology: Topology, directory: string, daemons: Daemon[]): Promise<void>;
}
