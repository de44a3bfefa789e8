/** What vici's commands reach of the process around them. */
import type { Inventory } from "#core/inventory";
import type { OperatedGateway } from "#core/operator";
import type { Millis } from "#core/units";

/** What does not change while a gateway runs. */
export interface HostFacts {
  readonly version: string;
  /** As uname(1) says it. */
  readonly sysname: string;
  readonly release: string;
  readonly machine: string;
  /** "Nov 22 04:35:44 2026" */
  readonly since: string;
  /** Threads that carry packets. */
  readonly lanes: number;
}

/** Octets. */
export interface MemoryFacts {
  readonly heapTotal: number;
  readonly heapUsed: number;
  /** Outside of the heap. */
  readonly external: number;
}

export interface ViciWorld {
  readonly gateway: OperatedGateway;
  readonly inventory: Inventory;
  readonly host: HostFacts;
  memory(): MemoryFacts;
  /** IKE messages by exchange, direction and whether they ask: "ike_sa_init-in-req" → count. */
  messages(): ReadonlyMap<string, number>;
  /** Does `work` after `span`, unless the returned function is called before. */
  after(span: Millis, work: () => void): () => void;
}
