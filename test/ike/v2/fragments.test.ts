// Cutting and putting together (RFC 7383), with real seals between the two.
import assert from "node:assert/strict";
import { test } from "node:test";
import { millis } from "#core/units";
import { messageRoom } from "#ike/message-room";
import {
  ASSEMBLY_TIMEOUT,
  type Assembly,
  FragmentAssembler,
  MAX_FRAGMENTS,
  MAX_MESSAGE_OCTETS,
  sealInPieces,
} from "#ike/v2/fragments";
import { MessageOpener, MessageSealer } from "#ike/v2/sealed";
import { PayloadType } from "#wire/ike/numbers";
import { countingRandom } from "../counting-random.ts";
import { IKE_SUITES } from "./suites.ts";

const HEADER = new Uint8Array(28);
const T0 = millis(1000);

function chain(length: number): { readonly firstType: number; readonly octets: Uint8Array } {
  return { firstType: PayloadType.IDi, octets: Uint8Array.from({ length }, (_, i) => (i * 7) & 0xff) };
}

function part(number: number, total: number, length = 10): Parameters<FragmentAssembler["add"]>[1] {
  const inner = new Uint8Array(length).fill(number);
  return { kind: "fragment", firstType: number === 1 ? 35 : 0, number, total, inner };
}

/** The pieces of a flood: the same 63 over and over, for messages that never become whole. */
const FLOOD = Array.from({ length: 63 }, (_, i) => part(i + 1, 64, 1000));

function reason(assembly: Assembly): string {
  return assembly.kind === "dropped" ? assembly.reason : assembly.kind;
}

test("room of a datagram: IP, UDP and on the NAT port the non-ESP marker are taken off", () => {
  assert.equal(messageRoom(1280, 4, "ike"), 1252);
  assert.equal(messageRoom(1280, 4, "nat"), 1248);
  assert.equal(messageRoom(1280, 6, "nat"), 1228);
});

for (const keys of IKE_SUITES.filter(({ name }) => /^(aes128gcm16|chacha.*|aes256-sha256|3des-sha1)$/.test(name))) {
  test(`${keys.name}: pieces fit their room and are the message again in any order`, () => {
    const sealer = new MessageSealer(keys, countingRandom());
    const opener = new MessageOpener(keys);
    for (const room of [548, 1252]) {
      for (const length of [0, 100, 1180, 1260, 4000, 12_000]) {
        const datagrams = sealInPieces(sealer, HEADER, chain(length), room);
        assert.ok(datagrams !== undefined);
        for (const { length: octets } of datagrams) assert.ok(octets <= room);
        const assembler = new FragmentAssembler();
        const results = datagrams.toReversed().map((datagram) => {
          const opened = opener.open(datagram);
          assert.ok(opened);
          return opened.kind === "whole" ? opened : assembler.add(3, opened, T0);
        });
        const last = results.at(-1);
        assert.ok(last?.kind === "whole" || last?.kind === "complete");
        assert.equal(last.firstType, PayloadType.IDi);
        assert.deepEqual(Uint8Array.from(last.inner), chain(length).octets);
        assert.equal(results.filter(({ kind }) => kind === "stored").length, datagrams.length - 1);
        assert.equal(assembler.nextTimeout, undefined);
      }
    }
  });
}

test("a message goes whole where it has room, and never in more than 64 pieces", () => {
  const keys = IKE_SUITES.find(({ name }) => name === "aes128gcm16");
  assert.ok(keys);
  const sealer = new MessageSealer(keys, countingRandom());
  const whole = sealer.sealedLength(500);
  assert.equal(sealInPieces(sealer, HEADER, chain(500), whole)?.length, 1);
  assert.equal(sealInPieces(sealer, HEADER, chain(500), whole - 1)?.length, 2);
  assert.equal(sealInPieces(sealer, HEADER, chain(20_000), Number.POSITIVE_INFINITY)?.length, 1);
  assert.equal(sealInPieces(sealer, HEADER, chain(70_000), Number.POSITIVE_INFINITY), undefined);
  const piece = sealer.pieceLimit(548);
  assert.equal(sealInPieces(sealer, HEADER, chain(64 * piece), 548)?.length, 64);
  assert.equal(sealInPieces(sealer, HEADER, chain(64 * piece + 1), 548), undefined);
  assert.equal(sealInPieces(sealer, HEADER, chain(500), 40), undefined);
});

test("duplicates and numbers of a full set are ignored (RFC 7383 §2.6)", () => {
  const assembler = new FragmentAssembler();
  assert.equal(reason(assembler.add(5, part(2, 2), T0)), "stored");
  assert.equal(assembler.wants(5, { number: 2, total: 2 }), false);
  assert.equal(reason(assembler.add(5, part(2, 2), T0)), "duplicate");
  assert.equal(assembler.wants(5, { number: 1, total: 2 }), true);
  const done = assembler.add(5, part(1, 2), T0);
  assert.ok(done.kind === "complete");
  assert.deepEqual([done.firstType, done.inner.length, done.inner[0], done.inner[10]], [35, 20, 1, 2]);
});

test("more fragments in total begin anew, fewer are an old cut and dropped (RFC 7383 §2.6.1)", () => {
  const assembler = new FragmentAssembler();
  assembler.add(5, part(1, 3), T0);
  assert.equal(assembler.wants(5, { number: 2, total: 2 }), false);
  assert.equal(reason(assembler.add(5, part(2, 2), T0)), "smaller-total");
  // Number 1 again, of a finer cut: not a duplicate.
  assert.equal(reason(assembler.add(5, part(1, 4, 7), T0)), "stored");
  assert.equal(reason(assembler.add(5, part(2, 3), T0)), "smaller-total");
  for (const number of [2, 3]) assert.equal(reason(assembler.add(5, part(number, 4, 7), T0)), "stored");
  const done = assembler.add(5, part(4, 4, 7), T0);
  assert.ok(done.kind === "complete");
  assert.equal(done.inner.length, 28);
});

test("one message per SA: another message ID takes the place of the one under way", () => {
  const assembler = new FragmentAssembler();
  assembler.add(5, part(1, 2), T0);
  assert.equal(reason(assembler.add(6, part(1, 2), T0)), "stored");
  assert.equal(reason(assembler.add(5, part(2, 2), T0)), "stored", "the first half of 5 is gone");
});

test("row 11: at most 64 fragments and 64 KiB; a flood leaves nothing behind", () => {
  const assembler = new FragmentAssembler();
  assert.equal(assembler.wants(0, { number: 1, total: MAX_FRAGMENTS + 1 }), false);
  assert.equal(reason(assembler.add(0, part(1, MAX_FRAGMENTS + 1), T0)), "too-many");
  assert.equal(assembler.nextTimeout, undefined);
  const third = Math.ceil(MAX_MESSAGE_OCTETS / 3) + 1;
  for (const number of [1, 2]) assert.equal(reason(assembler.add(1, part(number, 3, third), T0)), "stored");
  assert.equal(reason(assembler.add(1, part(3, 3, third), T0)), "too-large");
  assert.equal(assembler.nextTimeout, undefined, "what was stored is gone too");
  assert.deepEqual(assembler.stored, { pieces: 0, octets: 0 });
  const counts = new Map<string, number>();
  let [pieces, octets] = [0, 0];
  for (let i = 0; i < 1_000_000; i++) {
    // Every 32nd begins another message; number 64 never comes.
    const kind = reason(assembler.add(i >>> 5, FLOOD[i % 63] ?? part(1, 64), T0));
    counts.set(kind, (counts.get(kind) ?? 0) + 1);
    const { stored } = assembler;
    pieces = Math.max(pieces, stored.pieces);
    octets = Math.max(octets, stored.octets);
  }
  assert.equal(counts.get("complete"), undefined);
  assert.deepEqual([pieces, octets], [32, 32_000], "one message, and what came of it");
  assert.equal(assembler.expire(millis(T0 + ASSEMBLY_TIMEOUT)), true);
  assert.deepEqual(assembler.stored, { pieces: 0, octets: 0 });
});

test("row 11: what stays incomplete is forgotten 30 s after its first piece", () => {
  const assembler = new FragmentAssembler();
  assembler.add(5, part(1, 3), T0);
  assembler.add(5, part(2, 3), millis(T0 + 29_000));
  assert.equal(assembler.nextTimeout, T0 + ASSEMBLY_TIMEOUT);
  assert.equal(assembler.expire(millis(T0 + 29_999)), false);
  assert.equal(assembler.expire(millis(T0 + 30_000)), true);
  assert.equal(assembler.nextTimeout, undefined);
  assert.equal(reason(assembler.add(5, part(3, 3), millis(T0 + 30_001))), "stored");
});

test("pieces are wiped when they are joined or forgotten: they may carry secrets", () => {
  const assembler = new FragmentAssembler();
  const one = part(1, 2);
  const two = part(2, 2);
  assembler.add(5, one, T0);
  const done = assembler.add(5, two, T0);
  assert.ok(done.kind === "complete" && done.inner.every((octet) => octet !== 0));
  assert.ok([...one.inner, ...two.inner].every((octet) => octet === 0));
  assembler.add(6, two, T0);
  assembler.clear();
  assert.equal(assembler.nextTimeout, undefined);
});
