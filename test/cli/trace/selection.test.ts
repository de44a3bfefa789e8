import assert from "node:assert/strict";
import { test } from "node:test";
import { Selection } from "#cli/trace/selection";
import { datagramsOf } from "#cli/trace/trains";
import { parseAddress } from "#core/address";
import { STATUS, TUNNEL } from "#test/control/sample";
import { checksum } from "#wire/ip/checksum";

const LAB = {
  ...TUNNEL,
  connection: "lab",
  peer: "198.51.100.7:4500",
  localSelectors: ["10.1.0.0-10.1.255.255"],
  remoteSelectors: ["10.9.0.0-10.9.255.255[17/53-53]"],
  sas: TUNNEL.sas.map((sa) => ({ ...sa, spiIn: "0x00003001", spiOut: "0x00004001" })),
};
const TWO = { ...STATUS, tunnels: [TUNNEL, LAB] };

/** An IPv4 packet without options. */
function packet(source: string, destination: string, protocol: number, body: readonly number[]): Uint8Array {
  const octets = new Uint8Array(20 + body.length);
  octets.set([0x45, 0, 0, octets.length, 0, 7, 0, 0, 64, protocol]);
  octets.set(parseAddress(source)?.octets ?? [], 12);
  octets.set(parseAddress(destination)?.octets ?? [], 16);
  octets.set(body, 20);
  return octets;
}

const udp = (from: number, to: number, payload: readonly number[]) => [
  ...[from >> 8, from & 255, to >> 8, to & 255, (payload.length + 8) >> 8, (payload.length + 8) & 255, 0, 0],
  ...payload,
];
const esp = (spi: number, sequence: number, length: number) => [
  ...[0, 0, spi >> 8, spi & 255, 0, 0, sequence >> 8, sequence & 255],
  ...Array.from({ length: length - 8 }, (_, i) => (i * 37 + sequence) & 255),
];

function selectionOf(connection: string): Selection {
  const selection = new Selection((tunnel) => tunnel.connection === connection);
  selection.update(TWO);
  return selection;
}

test("of the wire a tunnel's trace keeps its peer's packets, and none of another tunnel's SAs", () => {
  const hq = selectionOf("hq");
  const kept = (octets: Uint8Array) => hq.keeps(octets, false);
  assert.ok(kept(packet("192.0.2.1", "203.0.113.2", 50, esp(0x2001, 1, 40))));
  assert.ok(kept(packet("203.0.113.2", "192.0.2.1", 17, udp(500, 500, [1, 2, 3, 4, 5, 6, 7, 8]))));
  assert.ok(!kept(packet("192.0.2.1", "198.51.100.7", 17, udp(500, 500, [1, 2, 3, 4]))), "another peer");
  assert.ok(!kept(packet("192.0.2.1", "203.0.113.2", 50, esp(0x4001, 1, 40))), "another tunnel's SA");
  assert.ok(kept(packet("198.18.0.1", "192.0.2.1", 1, [3, 4, 0, 0])), "a router on the way");
  assert.ok(!kept(Uint8Array.of(0x45, 0)), "cut short");
});

test("inside, a tunnel's trace keeps what its selectors take, in both directions", () => {
  const lab = selectionOf("lab");
  const kept = (source: string, destination: string) => lab.keeps(packet(source, destination, 6, [0, 0, 0, 0]), true);
  assert.ok(kept("10.1.0.5", "10.9.0.1"));
  assert.ok(kept("10.9.0.1", "10.1.0.5"));
  assert.ok(!kept("10.1.0.5", "10.2.0.1"));
});

test("of a tunnel that was never up everything is kept that is not another one's", () => {
  const selection = new Selection((tunnel) => tunnel.connection === "new");
  const unborn = { ...TUNNEL, connection: "new", peer: undefined, localSelectors: [], remoteSelectors: [], sas: [] };
  selection.update({ ...TWO, tunnels: [...TWO.tunnels, unborn] });
  assert.ok(selection.keeps(packet("192.0.2.1", "192.0.2.99", 17, udp(500, 500, [0, 0, 0, 1])), false));
  assert.ok(!selection.keeps(packet("192.0.2.1", "203.0.113.2", 50, esp(0x2001, 1, 40)), false));
  assert.ok(selection.keeps(packet("10.1.0.5", "10.2.0.1", 6, [0, 0, 0, 0]), true));
});

test("a train of ESP in UDP that the kernel shows as one packet becomes its datagrams (RFC 3948 §2.1)", () => {
  const parts = [esp(0x2001, 255, 60), esp(0x2001, 256, 60), esp(0x2001, 258, 44)];
  const train = packet("192.0.2.1", "203.0.113.2", 17, udp(4500, 4500, parts.flat()));
  const datagrams = datagramsOf(train, [500, 4500]);
  assert.deepEqual(
    datagrams.map((one) => [...one.subarray(28)]),
    parts,
  );
  for (const [i, one] of datagrams.entries()) {
    const view = new DataView(one.buffer);
    assert.equal(checksum(view, 0, 20), 0);
    assert.deepEqual([view.getUint16(2), view.getUint16(24), view.getUint16(4)], [one.length, one.length - 20, 7 + i]);
  }
});

test("one datagram, IKE, other ports, fragments and cut packets stay as they are", () => {
  const single = packet("192.0.2.1", "203.0.113.2", 17, udp(4500, 4500, esp(0x2001, 1, 900)));
  const ike = packet("192.0.2.1", "203.0.113.2", 17, udp(4500, 4500, [...esp(0, 1, 40), ...esp(0, 2, 40)]));
  const other = packet("192.0.2.1", "203.0.113.2", 17, udp(53, 53, [...esp(0x2001, 1, 40), ...esp(0x2001, 2, 40)]));
  const fragment = packet(
    "192.0.2.1",
    "203.0.113.2",
    17,
    udp(4500, 4500, [...esp(0x2001, 1, 40), ...esp(0x2001, 2, 40)]),
  );
  fragment[6] = 0x20;
  for (const octets of [single, ike, other, fragment, single.subarray(0, 30), new Uint8Array(0)])
    assert.deepEqual(datagramsOf(octets, [500, 4500]), [octets]);
});
