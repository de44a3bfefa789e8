/** What every codec is put through: octets ↔ value, cut at every octet, each length field one more and one less. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { WireError } from "#core/errors";
import { hex, toHex } from "#test/vectors/load";
import { decodeChain, encodeChain, type Payload, type PayloadKind } from "#wire/ike/chain";
import { PayloadType } from "#wire/ike/numbers";

export interface CodecRow<T = Payload> {
  readonly what: string;
  /** The body, in hex; spaces for readers. */
  readonly body: string;
  readonly value: T;
  /** Lengths of the body, cut, that are a valid payload too. Everything else is a WireError. */
  readonly validCuts: readonly number[];
  /** Offsets of octets that are the low end of a length or a count: one more and one less is a WireError. */
  readonly lengths: readonly number[];
}

export const typeOf = (kind: Exclude<PayloadKind, "Unknown">): number => PayloadType[kind];

/** from … to, both with it. */
export function range(from: number, to: number): number[] {
  return Array.from({ length: to - from + 1 }, (_, i) => from + i);
}

/** A chain of one payload. */
export function chainOf(body: Uint8Array): Uint8Array {
  const length = body.length + 4;
  return Uint8Array.of(0, 0, length >>> 8, length & 0xff, ...body);
}

export function bodyOf(text: string): Uint8Array {
  return hex(text.replaceAll(/\s/g, ""));
}

function isWireError(error: unknown): boolean {
  return error instanceof WireError && error.code === "WIRE" && error.message.startsWith(error.field);
}

/** Decodes one payload of this type. */
export function decodeBody(type: number, body: Uint8Array): Payload | undefined {
  return decodeChain(type, chainOf(body))[0];
}

export function refused(type: number, body: string, message: string): void {
  assert.throws(() => decodeBody(type, bodyOf(body)), { name: "WireError", message });
}

/** The chains of one version of IKE. */
export interface Chains<T> {
  decode(firstType: number, octets: Uint8Array): readonly T[];
  encode(payloads: readonly T[]): { readonly firstType: number; readonly octets: Uint8Array };
}

const VERSION_2: Chains<Payload> = { decode: decodeChain, encode: encodeChain };

export function proveCodec(type: number, section: string, rows: readonly CodecRow[]): void {
  proveRows(VERSION_2, type, section, rows);
}

export function proveRows<T>(chains: Chains<T>, type: number, section: string, rows: readonly CodecRow<T>[]): void {
  for (const { what, body: text, value, validCuts, lengths } of rows) {
    const body = bodyOf(text);
    test(`${what}: octets and value are each other's (${section})`, () => {
      assert.deepEqual(chains.decode(type, chainOf(body)), [value]);
      const encoded = chains.encode([value]);
      assert.equal(encoded.firstType, type);
      assert.equal(toHex(encoded.octets), toHex(chainOf(body)));
    });

    test(`${what}: cut anywhere it is refused, or another valid payload (${section})`, () => {
      for (let length = 0; length < body.length; length++) {
        const cut = body.subarray(0, length);
        if (validCuts.includes(length)) {
          const again = chains.encode(chains.decode(type, chainOf(cut)));
          assert.equal(toHex(again.octets), toHex(chainOf(cut)), `${length} octets`);
        } else {
          assert.throws(() => chains.decode(type, chainOf(cut)), isWireError, `${length} octets`);
        }
        // The payload's own length goes beyond what is there.
        assert.throws(
          () => chains.decode(type, chainOf(body).subarray(0, length + 4)),
          isWireError,
          `${length} octets`,
        );
      }
    });

    test(`${what}: no length is one octet off (${section})`, () => {
      for (const at of lengths) {
        for (const by of [-1, 1]) {
          const changed = Uint8Array.from(body);
          changed[at] = (changed[at] ?? 0) + by;
          assert.throws(() => chains.decode(type, chainOf(changed)), isWireError, `octet ${at} ${by}`);
        }
      }
      for (const by of [-1, 1]) {
        const changed = chainOf(body);
        changed[3] = (changed[3] ?? 0) + by;
        assert.throws(() => chains.decode(type, changed), isWireError, `payload length ${by}`);
      }
    });
  }
}
