/** One SA's row in a table of its own, for tests of what works on rows alone. */
import { windowWords } from "#ipsec/replay-window";
import { SA_COLUMNS, SA_NUMBERS, Sa, SaFlag, SaNumber, SaTable } from "#ipsec/sa";

/** The row lies in the middle of the table, so that a write beside it is seen. */
export const SLOT = 2;

export interface SaRow {
  readonly window?: number;
  readonly esn?: boolean;
  readonly sequence?: number;
  readonly limits?: Readonly<Partial<Record<LimitName, number>>>;
}

type LimitName = "SOFT_OCTETS" | "HARD_OCTETS" | "SOFT_PACKETS" | "HARD_PACKETS" | "SOFT_TIME" | "HARD_TIME";
const LIMITS: readonly LimitName[] = [
  "SOFT_OCTETS",
  "HARD_OCTETS",
  "SOFT_PACKETS",
  "HARD_PACKETS",
  "SOFT_TIME",
  "HARD_TIME",
];

export function saTable(row: SaRow = {}): SaTable {
  const table = SaTable.allocate(4);
  const window = row.window ?? 0;
  table.columns[SLOT * SA_COLUMNS + Sa.FLAGS] = row.esn === true ? SaFlag.ESN : 0;
  table.columns[SLOT * SA_COLUMNS + Sa.WINDOW] = window;
  table.columns[SLOT * SA_COLUMNS + Sa.WINDOW_OFFSET] = 64;
  table.columns[SLOT * SA_COLUMNS + Sa.WINDOW_WORDS] = windowWords(window);
  table.numbers[SLOT * SA_NUMBERS + SaNumber.SEQUENCE] = row.sequence ?? 0;
  for (const name of LIMITS)
    table.numbers[SLOT * SA_NUMBERS + SaNumber[name]] = row.limits?.[name] ?? Number.POSITIVE_INFINITY;
  return table;
}
