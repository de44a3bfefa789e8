/** The SAs of a lane: rows filled, keys handed to the cipher and wiped, everything given back at removal. */
import { assert } from "#core/errors";
import { ENDPOINT_COLUMNS } from "#core/slab";
import { SA_COLUMNS, SA_NUMBERS, Sa, SaFlag, type SaInstall, type SaMove, SaNumber, SaState } from "#ipsec/sa";
import type { LaneKey } from "./lane-command.ts";
import type { LaneContext } from "./lane-context.ts";
import { LaneSad } from "./lane-sad.ts";

export class LaneSas {
  readonly sad: LaneSad;
  readonly installed: Set<number> = new Set();
  /** Outbound SPI → slot, for ICMP errors that quote one. */
  readonly outboundBySpi: Map<number, number> = new Map();
  /** Octets of the largest TFC padding of any SA. */
  largestTfc = 0;
  readonly #context: LaneContext;
  /** SAs with a limit in time or a keepalive. */
  #timed = 0;

  constructor(context: LaneContext) {
    this.#context = context;
    this.sad = new LaneSad(context.table);
  }

  /** True when some SA has something that `timers` must look at. */
  get watched(): boolean {
    return this.#timed > 0;
  }

  /** SAs that lived in another lane: their rows are filled, and published as they are. */
  adopt(slots: readonly number[], keys: readonly LaneKey[]): void {
    this.#takeKeys(keys);
    for (const slot of slots) this.#enter(slot);
  }

  install(installs: readonly SaInstall[], keys: readonly LaneKey[], now: number): void {
    this.#takeKeys(keys);
    for (const install of installs) this.#fill(install, now);
    // Only now may packets meet them (design: one store of the state publishes a row).
    for (const install of installs)
      Atomics.store(this.#context.table.columns, install.slot * SA_COLUMNS + Sa.STATE, SaState.MATURE);
  }

  #takeKeys(keys: readonly LaneKey[]): void {
    for (const key of keys) {
      this.#context.cipher.install(key.slot, key);
      key.encryptionKey.fill(0);
      key.integrityKey.fill(0);
    }
  }

  remove(slots: readonly number[]): void {
    const { table, cipher, policies, memory, succession } = this.#context;
    for (const slot of slots) {
      if (!this.installed.delete(slot)) continue;
      const sa = slot * SA_COLUMNS;
      const spi = table.column(slot, Sa.SPI);
      Atomics.store(table.columns, sa + Sa.STATE, SaState.FREE);
      cipher.remove(slot);
      if ((table.column(slot, Sa.FLAGS) & SaFlag.INBOUND) !== 0) this.sad.remove(spi, slot);
      else {
        if (succession.end(slot) < 0) policies.clearOutbound(slot);
        if (this.outboundBySpi.get(spi) === slot) this.outboundBySpi.delete(spi);
      }
      if (this.#isTimed(slot)) this.#timed--;
      table.columns.fill(0, sa, sa + SA_COLUMNS);
      memory.endpoints.fill(0, slot * ENDPOINT_COLUMNS, (slot + 1) * ENDPOINT_COLUMNS);
    }
  }

  /** A pair's peer is at another place: what is of the place changes, keys, numbers and windows stay. */
  move(moves: readonly SaMove[]): void {
    const { table, memory } = this.#context;
    for (const { slot, columns, set, clear, endpoint } of moves) {
      if (!this.installed.has(slot)) continue;
      const sa = slot * SA_COLUMNS;
      if (this.#isTimed(slot)) this.#timed--;
      for (const [column, value] of columns) table.columns[sa + column] = value;
      table.columns[sa + Sa.FLAGS] = (table.column(slot, Sa.FLAGS) & ~clear) | set;
      memory.endpoints.set(endpoint, slot * ENDPOINT_COLUMNS);
      if (this.#isTimed(slot)) this.#timed++;
    }
  }

  setPathMtu(slot: number, mtu: number, pathMtu: number): void {
    const { columns } = this.#context.table;
    columns[slot * SA_COLUMNS + Sa.MTU] = mtu;
    columns[slot * SA_COLUMNS + Sa.PATH_MTU] = pathMtu;
  }

  #fill(install: SaInstall, now: number): void {
    const { table, memory } = this.#context;
    const slot = install.slot;
    const sa = slot * SA_COLUMNS;
    const row = slot * SA_NUMBERS;
    assert(table.state(slot) === SaState.FREE || table.state(slot) === SaState.LARVAL, `slot ${slot} is in use`);
    table.columns.set(install.columns, sa);
    table.columns[sa + Sa.STATE] = SaState.LARVAL;
    const window = table.column(slot, Sa.WINDOW_OFFSET);
    table.windows.fill(0, window, window + table.column(slot, Sa.WINDOW_WORDS));
    table.selectors.set(install.selectors, table.column(slot, Sa.SELECTOR_OFFSET));
    table.numbers.set(install.numbers, row);
    for (const column of [SaNumber.SOFT_TIME, SaNumber.HARD_TIME])
      table.numbers[row + column] = (table.numbers[row + column] ?? 0) + now;
    table.numbers[row + SaNumber.ADDED] = now;
    table.numbers[row + SaNumber.LAST_USED] = now;
    memory.endpoints.set(install.endpoint, slot * ENDPOINT_COLUMNS);
    this.#enter(slot);
  }

  #enter(slot: number): void {
    const { table } = this.#context;
    this.installed.add(slot);
    if (this.#isTimed(slot)) this.#timed++;
    const spi = table.column(slot, Sa.SPI);
    if ((table.column(slot, Sa.FLAGS) & SaFlag.INBOUND) !== 0) this.sad.add(spi, slot);
    else this.outboundBySpi.set(spi, slot);
    this.largestTfc = Math.max(this.largestTfc, table.column(slot, Sa.TFC_OCTETS));
  }

  #isTimed(slot: number): boolean {
    const { table } = this.#context;
    return (
      Number.isFinite(table.number(slot, SaNumber.SOFT_TIME)) ||
      Number.isFinite(table.number(slot, SaNumber.HARD_TIME)) ||
      table.column(slot, Sa.KEEPALIVE) > 0
    );
  }
}
