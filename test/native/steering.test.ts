// UDP on the loopback, two lanes at one port: [sender] --- datagrams and trains of mixed SPIs --> [lane 0] [lane 1]
import assert from "node:assert/strict";
import { test } from "node:test";
import { addressWords, parseAddress } from "#core/address";
import { READY_SOCKET } from "#core/slab";
import { openUdp, steerPort, type UdpSocket } from "#io/sockets";
import { LaneRig } from "#test/io/lane-rig";
import { octets } from "#test/io/packets";

function rigOf({ descriptor, kind, protocol }: UdpSocket): LaneRig {
  return new LaneRig({}, [{ fd: descriptor.fd, kind, protocol }]);
}

function esp(spi: number, length = 200): Uint8Array {
  const packet = octets(length, spi);
  new DataView(packet.buffer).setUint32(0, spi);
  return packet;
}

/** What waits at a lane, as SPIs or lengths of what has none; the loopback delivers before the send returns. */
function received(rig: LaneRig): number[] {
  const all: Uint8Array[] = [];
  while ((rig.lane.wait(0) & READY_SOCKET) !== 0) all.push(...rig.inPackets(rig.lane.receive(0)));
  return all.map((packet) =>
    packet.length < 8 ? packet.length : new DataView(packet.buffer, packet.byteOffset).getUint32(0),
  );
}

for (const text of ["127.0.0.1", "::1"])
  test(`the kernel brings each datagram to ${text} to the lane of its SPI, and a train to the lane of its first`, () => {
    const address = parseAddress(text);
    assert.ok(address);
    const common = { address, buffers: 1 << 20 };
    using from = openUdp({ ...common, port: 0 });
    using first = openUdp({ ...common, port: 0, reusePort: true });
    steerPort(first, 2);
    using second = openUdp({ ...common, port: first.port, reusePort: true });
    using sender = rigOf(from);
    using lane0 = rigOf(first);
    using lane1 = rigOf(second);
    sender.setEndpoint(0, address.family, addressWords(address), first.port);
    const send = (packets: readonly Uint8Array[]) => {
      sender.place(sender.memory.out, packets);
      sender.lane.send(0, packets.length);
      assert.deepEqual(
        packets.map((_, i) => sender.row(sender.memory.out, i, 2)),
        packets.map(() => 0),
      );
    };

    // Each longer than the one before, so that none joins a train.
    send([0x1000, 0x1001, 0xffffffff, 0x80000000, 0x1003].map((spi, i) => esp(spi, 100 + 10 * i)));
    assert.deepEqual(received(lane0), [0x1000, 0x80000000]);
    assert.deepEqual(received(lane1), [0x1001, 0xffffffff, 0x1003]);

    send([Uint8Array.of(0xff)]);
    send([Uint8Array.of(0, 0, 0, 1, 0, 0, 1)]);
    send([esp(0)]);
    assert.deepEqual(received(lane0), [1, 7, 0]);
    assert.deepEqual(received(lane1), []);

    send([0x2001, 0x2002, 0x2003, 0x2004].map((spi) => esp(spi)));
    assert.deepEqual(received(lane0), []);
    assert.deepEqual(received(lane1), [0x2001, 0x2002, 0x2003, 0x2004], "the train came whole: the lanes sort it");
    assert.equal(sender.counter("SENDS"), 5 + 3 + 1);
  });
