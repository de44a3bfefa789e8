/**
 * Which outbound SA takes over when one ends. At some gigabits an SA of 100 MB lives for a fifth of a second: the way to
 * control and back is too long, so what waits behind an SA is written in its row, and the lane goes over by itself.
 *
 *     policy ──► in use ──SUCCESSOR──► spare ──SUCCESSOR──► spare        PREDECESSOR the other way
 */

import type { EventRing } from "#core/event-ring";
import { LaneEvent } from "#core/event-ring";
import { SA_COLUMNS, Sa, SaFlag, SaState, type SaTable } from "#ipsec/sa";
import { SELECTOR_STRIDE } from "#ipsec/selector-table";
import type { LanePolicies } from "./lane-policies.ts";

export class Succession {
  readonly #table: SaTable;
  readonly #policies: LanePolicies;
  readonly #events: EventRing;

  constructor({ table, policies, events }: { table: SaTable; policies: LanePolicies; events: EventRing }) {
    this.#table = table;
    this.#policies = policies;
    this.#events = events;
  }

  /**
   * `successor` waits behind `slot`; -1 = nobody does any more. One that carries other selectors, or is no live outbound
   * SA, is refused: then nobody waits.
   */
  set(slot: number, successor: number): void {
    const { columns } = this.#table;
    this.#unlink(slot, Sa.SUCCESSOR, Sa.PREDECESSOR);
    if (successor < 0 || successor === slot || !this.#isAlive(successor) || !this.#carrySame(slot, successor)) return;
    this.#unlink(successor, Sa.PREDECESSOR, Sa.SUCCESSOR);
    columns[slot * SA_COLUMNS + Sa.SUCCESSOR] = successor;
    columns[successor * SA_COLUMNS + Sa.PREDECESSOR] = slot;
  }

  /** Control chose this SA: it waits behind nobody any more. False: it has ended meanwhile, and another took over. */
  use(policy: number, slot: number): boolean {
    if (!this.#isAlive(slot)) return false;
    this.#unlink(slot, Sa.PREDECESSOR, Sa.SUCCESSOR);
    this.#policies.setOutbound(policy, slot);
    return true;
  }

  /**
   * The SA in `slot` has ended: policies that use it go over to the first in its chain that lives. Returns that slot;
   * -1 = nobody waits, and policies stay as they are.
   */
  next(slot: number): number {
    const { columns } = this.#table;
    let next = columns[slot * SA_COLUMNS + Sa.SUCCESSOR] ?? -1;
    if (next < 0) return -1;
    this.#unlink(slot, Sa.SUCCESSOR, Sa.PREDECESSOR);
    while (next >= 0 && !this.#isAlive(next)) {
      const further = columns[next * SA_COLUMNS + Sa.SUCCESSOR] ?? -1;
      this.#unlink(next, Sa.SUCCESSOR, Sa.PREDECESSOR);
      next = further;
    }
    if (next >= 0 && this.#policies.replaceOutbound(slot, next) >= 0) this.#events.push(LaneEvent.SWITCHED, next, slot);
    return next;
  }

  /** The SA goes: what waits behind it takes its place, in policies or in the chain. Returns `next`'s answer. */
  end(slot: number): number {
    const { columns } = this.#table;
    const former = columns[slot * SA_COLUMNS + Sa.PREDECESSOR] ?? -1;
    const next = columns[slot * SA_COLUMNS + Sa.SUCCESSOR] ?? -1;
    if (former < 0) return this.next(slot);
    this.set(former, -1);
    this.set(slot, -1);
    if (next >= 0) this.set(former, next);
    return -1;
  }

  #isAlive(slot: number): boolean {
    const state = this.#table.state(slot);
    const outbound = (this.#table.column(slot, Sa.FLAGS) & SaFlag.INBOUND) === 0;
    return outbound && (state === SaState.MATURE || state === SaState.DYING);
  }

  /** A packet that was looked up for one fits the other. */
  #carrySame(a: number, b: number): boolean {
    const table = this.#table;
    for (const column of [Sa.LOCAL_SELECTORS, Sa.REMOTE_SELECTORS])
      if (table.column(a, column) !== table.column(b, column)) return false;
    const length = SELECTOR_STRIDE * (table.column(a, Sa.LOCAL_SELECTORS) + table.column(a, Sa.REMOTE_SELECTORS));
    const ofA = table.column(a, Sa.SELECTOR_OFFSET);
    const ofB = table.column(b, Sa.SELECTOR_OFFSET);
    for (let i = 0; i < length; i++) if (table.selectors[ofA + i] !== table.selectors[ofB + i]) return false;
    return true;
  }

  #unlink(slot: number, forward: number, backward: number): void {
    const { columns } = this.#table;
    const at = slot * SA_COLUMNS + forward;
    const other = columns[at] ?? -1;
    columns[at] = -1;
    if (other >= 0 && columns[other * SA_COLUMNS + backward] === slot) columns[other * SA_COLUMNS + backward] = -1;
  }
}
