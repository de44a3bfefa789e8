/**
 * A peer behind a NAT may come from another address or port (RFC 3948 §5, RFC 7296 §2.23). It is followed only after a
 * good ICV, and only on the newest packet, so that neither a forger nor a late packet moves it.
 */
import * as eventRing from "#core/event-ring";
import * as slab from "#core/slab";
import * as sas from "#ipsec/sa";
import type { LaneContext } from "./lane-context.ts";

// Constants of its own are folded into the machine code, imported ones are loaded at each use: a third of a packet's time.
const { LaneEvent } = eventRing;
const { ENDPOINT_COLUMNS, EndpointColumn, Row, TRAIN_COLUMNS, Train } = slab;
const { SA_COLUMNS, SA_NUMBERS, Sa, SaNumber } = sas;

const TWO_32 = 2 ** 32;

export class PeerWatch {
  readonly #context: LaneContext;
  /** family, port, address words: what an event carries. */
  readonly #moved: Int32Array = new Int32Array(6);

  constructor(context: LaneContext) {
    this.#context = context;
  }

  look(rows: Int32Array, row: number, slot: number): void {
    const { memory, table } = this.#context;
    const trains = memory.trains;
    const train = (rows[row + Row.GROUP] ?? 0) * TRAIN_COLUMNS;
    const columns = table.columns;
    const sa = slot * SA_COLUMNS;
    if (
      trains[train + Train.PORT] === columns[sa + Sa.REMOTE_PORT] &&
      trains[train + Train.ADDRESS] === columns[sa + Sa.REMOTE] &&
      trains[train + Train.ADDRESS + 1] === columns[sa + Sa.REMOTE + 1] &&
      trains[train + Train.ADDRESS + 2] === columns[sa + Sa.REMOTE + 2] &&
      trains[train + Train.ADDRESS + 3] === columns[sa + Sa.REMOTE + 3]
    )
      return;
    if (this.#isNewest(rows, row, slot)) this.#follow(slot, train);
  }

  #isNewest(rows: Int32Array, row: number, slot: number): boolean {
    const { view, table } = this.#context;
    const low = view.getUint32((rows[row + Row.CRYPT_OFFSET] ?? 0) + 4);
    const sequence = (rows[row + Row.SEQ_HIGH] ?? 0) * TWO_32 + low;
    return sequence === table.numbers[slot * SA_NUMBERS + SaNumber.SEQUENCE];
  }

  #follow(slot: number, train: number): void {
    const { memory, table, events } = this.#context;
    const { trains, endpoints } = memory;
    const columns = table.columns;
    const sa = slot * SA_COLUMNS;
    const pair = columns[sa + Sa.PAIR] ?? -1;
    // A socket of one family cannot send to the other: such a move is control's to decide.
    const endpoint = pair * ENDPOINT_COLUMNS;
    const moved = this.#moved;
    moved[0] = trains[train + Train.FAMILY] ?? 0;
    moved[1] = trains[train + Train.PORT] ?? 0;
    for (let i = 0; i < 4; i++) moved[2 + i] = trains[train + Train.ADDRESS + i] ?? 0;
    columns[sa + Sa.REMOTE_PORT] = moved[1] ?? 0;
    for (let i = 0; i < 4; i++) columns[sa + Sa.REMOTE + i] = moved[2 + i] ?? 0;
    if (pair >= 0 && endpoints[endpoint + EndpointColumn.FAMILY] === moved[0]) {
      columns[pair * SA_COLUMNS + Sa.REMOTE_PORT] = moved[1] ?? 0;
      endpoints[endpoint + EndpointColumn.PORT] = moved[1] ?? 0;
      for (let i = 0; i < 4; i++) {
        columns[pair * SA_COLUMNS + Sa.REMOTE + i] = moved[2 + i] ?? 0;
        endpoints[endpoint + EndpointColumn.ADDRESS + i] = moved[2 + i] ?? 0;
      }
    }
    events.push(LaneEvent.PEER_MOVED, slot, 0, moved);
  }
}
