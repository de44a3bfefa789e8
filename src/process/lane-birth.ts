/** What a lane's Worker is born with: shared memory, descriptors that control owns, and its first policies. */
import type { MessagePort } from "node:worker_threads";
import type { LaneMemory } from "#core/lane-memory";
import type { CryptoChoice } from "#core/policy";
import { Train } from "#core/slab";
import type { IkeSink, LaneSocket } from "#gateway/lane-context";
import type { PolicySnapshot } from "#gateway/lane-policies";
import type { SaBuffers } from "#ipsec/sa";

export interface BirthSocket extends LaneSocket {
  readonly fd: number;
}

export interface LaneBirth {
  readonly lane: number;
  readonly memory: LaneMemory;
  readonly sas: SaBuffers;
  readonly events: SharedArrayBuffer;
  /** Word 0 is 1 while control has been told of events it has not taken. */
  readonly told: SharedArrayBuffer;
  /** Word 0 counts IKE messages that control has not taken. */
  readonly ikeWaiting: SharedArrayBuffer;
  readonly drops: Float64Array;
  /** gateway/lane-telemetry.ts */
  readonly telemetry: Float64Array;
  readonly policies: PolicySnapshot;
  readonly sockets: readonly BirthSocket[];
  readonly tunFd: number;
  readonly wakeFd: number;
  /** Of all lanes: what others give them (gateway/lane-inbox.ts), and what ends their waits. One lane has no inbox. */
  readonly inboxes: readonly SharedArrayBuffer[];
  readonly wakeFds: readonly number[];
  readonly commands: MessagePort;
  readonly gate: SharedArrayBuffer;
  readonly crypto: CryptoChoice;
  readonly offloads: {
    readonly vnetHeader: boolean;
    readonly gso: boolean;
    readonly gro: boolean;
    readonly uso: boolean;
  };
}

/** Not for the engine: whether the lane still comes to its commands. */
export interface LaneQuestion {
  readonly kind: "turn";
}

/** Words of `LaneBirth.gate`. A lane whose gate is shut takes commands, by the bell, and touches no packet. */
export const Gate = { OPEN: 0, BELL: 1 } as const;

/** "real-time": before all others as long as it keeps up; "raised": nice -10. */
export type LanePriority = "real-time" | "raised" | "normal";

/** What a lane's Worker posts. Events themselves are in the ring. */
export type LaneMessage =
  /** `thread`: Linux' number of it. */
  | {
      readonly kind: "ready";
      readonly cipher: string;
      readonly priority: LanePriority;
      readonly thread: number | undefined;
    }
  | { readonly kind: "events" }
  /** Answers a LaneQuestion. */
  | { readonly kind: "turned" }
  /** Its last words: the slot that each policy goes by. */
  | { readonly kind: "rests"; readonly outbound: readonly number[] }
  /** Once a suite of the lane's SAs. */
  | { readonly kind: "serves"; readonly suite: string; readonly impl: string }
  | { readonly kind: "ike"; readonly bytes: Uint8Array; readonly train: Int32Array };

/** IKE messages that came on the ESP socket; few may wait, because everybody can send them. */
export class IkeQueue implements IkeSink {
  static readonly LIMIT = 256;
  readonly #waiting: Int32Array;
  readonly #post: (message: LaneMessage) => void;

  constructor(waiting: SharedArrayBuffer, post: (message: LaneMessage) => void) {
    this.#waiting = new Int32Array(waiting);
    this.#post = post;
  }

  take(bytes: Uint8Array, offset: number, length: number, train: Int32Array, row: number): boolean {
    if (Atomics.load(this.#waiting, 0) >= IkeQueue.LIMIT) return false;
    Atomics.add(this.#waiting, 0, 1);
    this.#post({
      kind: "ike",
      bytes: Uint8Array.from(bytes.subarray(offset, offset + length)),
      train: Int32Array.from(train.subarray(row, row + Train.INTERFACE + 1)),
    });
    return true;
  }
}
