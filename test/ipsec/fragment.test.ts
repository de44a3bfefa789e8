import assert from "node:assert/strict";
import { test } from "node:test";
import { Drop } from "#core/drop";
import { millis } from "#core/units";
import { FlowKey } from "#ipsec/flow";
import { Fragmenter } from "#ipsec/fragment";
import { PENDING, Reassembler } from "#ipsec/reassembler";
import { Scratch } from "#ipsec/scratch";
import { ipv4, ipv6, seeded, slab, slowChecksum, udp } from "#test/ipsec/packets";

const AT = 1024;
const SCRATCH = 128 * 1024;
const HEADROOM = 192;
const NOW = millis(1000);

function setUp(scratchLength = 256 * 1024, limit = 128) {
  const memory = slab();
  const scratch = new Scratch(SCRATCH, scratchLength);
  const fragmenter = new Fragmenter(memory.bytes, memory.view, scratch, HEADROOM, 64, limit);
  return { ...memory, scratch, fragmenter };
}

function octets(length: number, seed = 9): Uint8Array {
  const random = seeded(seed);
  return Uint8Array.from({ length }, () => random() >>> 24);
}

/** The fragments as packets of their own. */
function cut(packet: Uint8Array, size: number, id?: number): Uint8Array[] {
  const { bytes, fragmenter } = setUp();
  bytes.set(packet, AT);
  const count = id === undefined ? fragmenter.ipv4(AT, size) : fragmenter.ipv6(AT, size, id);
  assert.ok(count > 0, `${count}`);
  const { fragments } = fragmenter;
  return Array.from({ length: count }, (_, i) => {
    const at = fragments[2 * i] ?? 0;
    return bytes.slice(at, at + (fragments[2 * i + 1] ?? 0));
  });
}

/** Adds packets in order; what the last of them gives. */
function reassemble(
  packets: readonly Uint8Array[],
  reassembler: Reassembler = new Reassembler(4),
  now = NOW,
): number | Uint8Array {
  const { bytes, view } = slab(160 * 1024);
  const key = new FlowKey();
  let verdict: number = PENDING;
  for (const packet of packets) {
    bytes.set(packet, AT);
    assert.equal(key.extract(view, AT, packet.length), 0);
    verdict = reassembler.add(view, key, now);
  }
  if (verdict <= 0) return verdict;
  reassembler.copyTo(view, 80 * 1024);
  return bytes.slice(80 * 1024, 80 * 1024 + verdict);
}

test("fragments of any packet and size fit, verify, and make the packet again in any order (RFC 791 §3.2, RFC 8200 §4.5)", () => {
  const random = seeded(7);
  for (let round = 0; round < 200; round++) {
    const length = 500 + (random() % 3000);
    const size = 100 + (random() % 1400);
    const payload = udp(1, 2, octets(length, round + 1));
    const four = random() % 2 === 0;
    const packet = four ? ipv4({ payload, id: random() & 0xffff }) : ipv6({ payload });
    const pieces = cut(packet, size, four ? undefined : random());
    for (const piece of pieces) {
      assert.ok(piece.length <= size);
      if (four) assert.equal(slowChecksum(piece.subarray(0, 20)), 0);
    }
    if (pieces.length === 1) {
      assert.deepEqual(pieces[0], packet);
      continue;
    }
    for (let i = pieces.length - 1; i > 0; i--) {
      const j = random() % (i + 1);
      [pieces[i], pieces[j]] = [pieces[j] ?? packet, pieces[i] ?? packet];
    }
    assert.deepEqual(reassemble(pieces), packet, `round ${round}`);
  }
});

test("the edges of size: exactly fitting stays whole, one octet less makes two", () => {
  const packet = ipv4({ payload: udp(1, 2, octets(992)) });
  assert.equal(cut(packet, 1020).length, 1);
  assert.deepEqual(
    cut(packet, 1019).map((p) => p.length),
    [1012, 28],
  );
  const six = ipv6({ payload: udp(1, 2, octets(992)) });
  assert.equal(cut(six, 1040, 5).length, 1);
  assert.deepEqual(
    cut(six, 1039, 5).map((p) => p.length),
    [1032, 64],
  );
});

test("a fragment is fragmented again: offsets go on, more-fragments stays (RFC 791 §3.2)", () => {
  const whole = ipv4({ payload: udp(1, 2, octets(2992)) });
  const [first, last] = cut(whole, 1524);
  assert.ok(first !== undefined && last !== undefined);
  assert.deepEqual(reassemble([...cut(last, 500), ...cut(first, 700)]), whole);
});

test("only options with the copied flag go into later fragments (RFC 791 §3.1)", () => {
  // NOP, record route (7, not copied), then router alert (148, copied), end.
  const options = [1, 7, 7, 4, 0, 0, 0, 0, 148, 4, 0, 0];
  const pieces = cut(ipv4({ options, payload: udp(1, 2, octets(192)) }), 112);
  assert.deepEqual(
    pieces.map((p) => (p[0] ?? 0) & 15),
    [8, 6, 6],
  );
  assert.deepEqual([...(pieces[0]?.subarray(20, 32) ?? [])], options);
  for (const piece of pieces.slice(1)) {
    assert.deepEqual([...piece.subarray(20, 24)], [148, 4, 0, 0]);
    assert.equal(slowChecksum(piece.subarray(0, 24)), 0);
  }
  assert.deepEqual(reassemble(pieces), ipv4({ options, payload: udp(1, 2, octets(192)) }));
});

test("what cannot be fragmented says why and gives its scratch back", () => {
  const rows: [string, Uint8Array, number, number][] = [
    ["DF", ipv4({ fragment: 0x4000, payload: octets(1000) }), 576, Drop.PACKET_TOO_BIG],
    ["no room for 8 octets", ipv4({ payload: octets(1000) }), 27, Drop.PACKET_TOO_BIG],
    ["an option past the header", ipv4({ options: [148, 5, 0, 0], payload: octets(1000) }), 576, Drop.INNER_MALFORMED],
    ["an option of length 1", ipv4({ options: [148, 1, 0, 0], payload: octets(1000) }), 576, Drop.INNER_MALFORMED],
    ["too many", ipv4({ payload: octets(1100) }), 28, Drop.FRAGMENT_LIMIT],
  ];
  const { bytes, scratch, fragmenter } = setUp();
  for (const [name, packet, size, expected] of rows) {
    bytes.set(packet, AT);
    const mark = scratch.mark;
    assert.equal(fragmenter.ipv4(AT, size), expected, name);
    assert.equal(scratch.mark, mark, name);
  }
  bytes.set(ipv6({ payload: octets(1000) }), AT);
  assert.equal(fragmenter.ipv6(AT, 55, 1), Drop.PACKET_TOO_BIG);
  const small = setUp(2000);
  small.bytes.set(ipv4({ payload: octets(4000) }), AT);
  assert.equal(small.fragmenter.ipv4(AT, 576), Drop.SCRATCH_FULL);
  assert.equal(small.scratch.mark, SCRATCH);
});

test("overlaps, contradictory ends and oversize kill the datagram for good (RFC 5722 §4)", () => {
  const piece = (fragment: number, length: number, seed = 9) => ipv4({ fragment, payload: octets(length, seed) });
  const zeros = (fragment: number, length: number) => ipv4({ fragment, payload: new Uint8Array(length) });
  const first = ipv4({ fragment: 0x2000, payload: udp(1, 2, octets(40)) }); // 0–48
  const rows: [string, Uint8Array[]][] = [
    ["a later one over the first", [first, piece(0x2005, 16), piece(8, 8)]],
    ["another first", [first, ipv4({ fragment: 0x2000, payload: udp(1, 3, octets(40)) }), piece(6, 8)]],
    ["same range, other octets", [first, piece(0x2006, 16, 1), piece(0x2006, 16, 2)]],
    ["a partial overlap, though its octets are equal", [zeros(0x2000, 48), zeros(0x2005, 16)]],
    ["data past the end", [first, piece(7, 8), piece(0x2008, 8)]],
    ["more fragments at the end", [first, piece(7, 8), piece(0x2007, 8)]],
    ["two ends", [first, piece(7, 8), piece(9, 8)]],
    ["an end before what is there", [first, piece(0x2009, 8), piece(7, 8)]],
  ];
  for (const [name, packets] of rows) {
    const reassembler = new Reassembler(4);
    assert.equal(reassemble(packets, reassembler), Drop.INNER_MALFORMED, name);
    assert.equal(reassemble([first], reassembler), Drop.INNER_MALFORMED, `${name}: still dead`);
    assert.equal(reassemble([first], reassembler, millis(NOW + 15_000)), PENDING, `${name}: dead no longer`);
  }
  // 65,528 octets of data and a header do not make an IPv4 packet.
  const big = [0, 1, 2, 3].map((i) =>
    ipv4({ fragment: (i < 3 ? 0x2000 : 0) | (i * 2048), payload: octets(i < 3 ? 16384 : 16376) }),
  );
  assert.equal(reassemble(big), Drop.INNER_MALFORMED);
});

test("an exact repeat is ignored", () => {
  const packet = ipv4({ payload: udp(1, 2, octets(1000)) });
  const [a, b, c] = cut(packet, 400);
  assert.ok(a !== undefined && b !== undefined && c !== undefined);
  assert.deepEqual(reassemble([a, a, b, b, c]), packet);
});

test("datagrams are told apart by addresses and identification, IPv4 ones by protocol", () => {
  const make = (fields: object) => cut(ipv4({ payload: udp(1, 2, octets(600)), ...fields }), 400);
  const reassembler = new Reassembler(8);
  const others = [{ id: 1 }, { source: [10, 1, 0, 2] }, { destination: [10, 1, 0, 2] }, { protocol: 132 }];
  for (const fields of others) assert.equal(reassemble(make(fields).slice(1), reassembler), PENDING);
  assert.equal(reassemble(make({}).slice(0, 1), reassembler), PENDING);
});

test("IPv6: extension headers before the fragment header stay, those behind it are data (RFC 8200 §4.5)", () => {
  const destination = (next: number) => [next, 0, 1, 4, 0, 0, 0, 0];
  const data = udp(7, 8, octets(24));
  const fragment = (field: number) => [60, 0, field >>> 8, field & 255, 0, 0, 0, 9];
  const first = ipv6({
    next: 60,
    payload: [...destination(44), ...fragment(1), ...destination(17), ...data.slice(0, 16)],
  });
  const last = ipv6({ next: 60, payload: [...destination(44), ...fragment(24), ...data.slice(16)] });
  assert.deepEqual(
    reassemble([last, first]),
    ipv6({ next: 60, payload: [...destination(60), ...destination(17), ...data] }),
  );
});

test("a flood of first fragments pushes out the oldest datagram and is counted; time frees slots", () => {
  const reassembler = new Reassembler(4);
  const first = (id: number) => ipv4({ id, fragment: 0x2000, payload: udp(1, 2, octets(8)) });
  const last = (id: number) => ipv4({ id, fragment: 2, payload: octets(8) });
  for (let id = 0; id < 5; id++) reassemble([first(id)], reassembler, millis(NOW + id));
  assert.equal(reassembler.evicted, 1);
  assert.ok(
    reassemble([last(1)], reassembler, millis(NOW + 9)) instanceof Uint8Array,
    "the second oldest is still there",
  );
  assert.equal(reassemble([last(2)], reassembler, millis(NOW + 2 + 15_000)), PENDING, "too late");
});

test("two hundred thousand random fragments: nothing throws, nothing unfinished comes out", () => {
  const { bytes, view } = slab();
  const reassembler = new Reassembler(8);
  const random = seeded(11);
  const key = new FlowKey();
  const data = octets(64);
  let complete = 0;
  for (let i = 0; i < 200_000; i++) {
    const more = random() & 0x2000;
    const packet = ipv4({
      id: random() % 12,
      fragment: more | (random() % 4),
      payload: data.subarray(0, 8 * (1 + (random() % 3))),
    });
    bytes.set(packet, AT);
    if (key.extract(view, AT, packet.length) !== 0) continue;
    const verdict = reassembler.add(view, key, millis(i / 4));
    if (verdict <= 0) continue;
    complete++;
    reassembler.copyTo(view, AT);
    assert.equal(key.extract(view, AT, verdict), 0);
    assert.equal(key.length, verdict);
    assert.equal(slowChecksum(bytes.subarray(AT, AT + 20)), 0);
  }
  assert.ok(complete > 10, `${complete}`);
});
