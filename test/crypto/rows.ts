/** Builds descriptor rows for tests of ciphers: one slab, one table. */
import { ROW_STRIDE, Row } from "#core/slab";

export interface EspRow {
  readonly slot: number;
  /** Where the packet's SPI stands. */
  readonly offset: number;
  /** Octets of plaintext or ciphertext. */
  readonly length: number;
  readonly high?: number;
}

export interface AhRow extends EspRow {
  readonly prefixOffset: number;
  readonly prefixLength: number;
  readonly icvOffset: number;
}

export function newRows(count: number): Int32Array {
  return new Int32Array(new SharedArrayBuffer(count * ROW_STRIDE * 4));
}

export function setRow(rows: Int32Array, index: number, row: EspRow | AhRow): void {
  const at = index * ROW_STRIDE;
  rows.fill(0, at, at + ROW_STRIDE);
  rows[at + Row.SLOT] = row.slot;
  rows[at + Row.CRYPT_OFFSET] = row.offset;
  rows[at + Row.CRYPT_LENGTH] = row.length;
  rows[at + Row.SEQ_HIGH] = row.high ?? 0;
  if ("prefixOffset" in row) {
    rows[at + Row.PREFIX_OFFSET] = row.prefixOffset;
    rows[at + Row.PREFIX_LENGTH] = row.prefixLength;
    rows[at + Row.ICV_OFFSET] = row.icvOffset;
  }
}

export function verdict(rows: Int32Array, index: number): number {
  return rows[index * ROW_STRIDE + Row.VERDICT] ?? 0;
}
