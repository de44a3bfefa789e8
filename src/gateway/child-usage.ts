/** What the SAs of a child have carried, read in place from shared memory: no lane is asked. */
import { type Slot, type Spi, spiToString } from "#core/units";
import { SaNumber, SaState, type SaTable, saStateName } from "#ipsec/sa";

/** What one direction of a pair has carried and dropped. */
export interface DirectionFigures {
  readonly packets: number;
  /** Octets of inner packets. */
  readonly octets: number;
  readonly drops: number;
  readonly icvFailures: number;
  readonly replays: number;
  /** Inner packets that did not fit the selectors. */
  readonly misfits: number;
  /** Of the monotonic clock. */
  readonly lastUsed: number;
}

export interface DirectionCounters extends DirectionFigures {
  readonly spi: string;
  readonly state: string;
  /** Octets the key has processed. */
  readonly keyOctets: number;
}

/** How far one direction of a pair has come: what lifetimes are about. */
export interface DirectionUsage {
  readonly keyOctets: number;
  readonly octets: number;
  readonly packets: number;
  readonly lastUsed: number;
  /** A `SaState`. */
  readonly state: number;
}

export interface ChildUsage {
  readonly inbound: DirectionUsage;
  readonly outbound: DirectionUsage;
}

export interface ChildFigures {
  readonly inbound: DirectionFigures;
  readonly outbound: DirectionFigures;
}

export interface ChildCounters {
  readonly policy: string;
  readonly remote: string;
  readonly inbound: DirectionCounters;
  readonly outbound: DirectionCounters;
}

function usageOf(table: SaTable, slot: Slot): DirectionUsage {
  const number = (column: number) => table.number(slot, column);
  return {
    keyOctets: number(SaNumber.KEY_OCTETS),
    octets: number(SaNumber.OCTETS),
    packets: number(SaNumber.PACKETS),
    lastUsed: number(SaNumber.LAST_USED),
    state: table.state(slot),
  };
}

/** What came through both SAs of a direction, and what the one that is further has used: it ends the pair. */
export function bundleUsage(table: SaTable, esp: Slot, ah: Slot | undefined): DirectionUsage {
  const inner = usageOf(table, esp);
  if (ah === undefined) return inner;
  const outer = usageOf(table, ah);
  return {
    ...inner,
    keyOctets: Math.max(inner.keyOctets, outer.keyOctets),
    state: outer.state === SaState.DEAD ? outer.state : inner.state,
  };
}

export function countersOf(table: SaTable, slot: Slot, spi: Spi): DirectionCounters {
  return {
    spi: spiToString(spi),
    state: saStateName(table.state(slot)),
    keyOctets: table.number(slot, SaNumber.KEY_OCTETS),
    ...figuresOf(table, slot),
  };
}

export function figuresOf(table: SaTable, slot: Slot): DirectionFigures {
  const number = (column: number) => table.number(slot, column);
  return {
    packets: number(SaNumber.PACKETS),
    octets: number(SaNumber.OCTETS),
    drops: number(SaNumber.DROPS),
    icvFailures: number(SaNumber.ICV_FAILURES),
    replays: number(SaNumber.REPLAYS),
    misfits: number(SaNumber.MISFITS),
    lastUsed: number(SaNumber.LAST_USED),
  };
}
