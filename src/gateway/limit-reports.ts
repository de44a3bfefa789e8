/** What a lane tells of limits (RFC 4301 §4.4.2.1): each once an SA, and an SA that is dead stays dead. */
import type { EventRing } from "#core/event-ring";
import { LaneEvent } from "#core/event-ring";
import { SA_COLUMNS, Sa, SaFlag, SaState, type SaTable } from "#ipsec/sa";

export class LimitReports {
  readonly #columns: Int32Array;
  readonly #events: EventRing;

  constructor(table: SaTable, events: EventRing) {
    this.#columns = table.columns;
    this.#events = events;
  }

  /** It goes on, and control should replace it. */
  soft(slot: number): void {
    const flags = this.#columns[slot * SA_COLUMNS + Sa.FLAGS] ?? 0;
    if ((flags & (SaFlag.SOFT_TOLD | SaFlag.HARD_TOLD)) === 0)
      this.#tell(slot, flags | SaFlag.SOFT_TOLD, SaState.DYING, LaneEvent.SOFT);
  }

  /** It seals and opens nothing more. */
  hard(slot: number, event: typeof LaneEvent.HARD | typeof LaneEvent.SEQUENCE_END): void {
    const flags = this.#columns[slot * SA_COLUMNS + Sa.FLAGS] ?? 0;
    if ((flags & SaFlag.HARD_TOLD) === 0) this.#tell(slot, flags | SaFlag.HARD_TOLD, SaState.DEAD, event);
  }

  #tell(slot: number, flags: number, state: number, event: number): void {
    this.#columns[slot * SA_COLUMNS + Sa.FLAGS] = flags;
    Atomics.store(this.#columns, slot * SA_COLUMNS + Sa.STATE, state);
    this.#events.push(event, slot, 0);
  }
}
