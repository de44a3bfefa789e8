// Raw sockets on the loopback of a namespace of their own, and a path with a narrow middle:
//   [left] left0 10.66.1.1 ---- [router] mtu 1500 | mtu 1280 ---- right0 10.66.2.2 [right]
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { test } from "node:test";
import { addressWords, type IpAddress, parseAddress, parsePrefix } from "#core/address";
import { Drop } from "#core/drop";
import { READY_ERROR, READY_SOCKET, Row, TRAIN_COLUMNS, Train } from "#core/slab";
import { changeLink, createVeth, ensureAddress, getLink } from "#io/links";
import { ensureRoute } from "#io/routes";
import { openRaw, openUdp } from "#io/sockets";
import { LaneRig } from "#test/io/lane-rig";
import { build, internetSum, octets, PLAIN } from "#test/io/packets";
import { NEEDS_ROOT, Netns } from "./root.ts";

function address(text: string): IpAddress {
  const parsed = parseAddress(text);
  assert.ok(parsed);
  return parsed;
}

/** An IP packet from one address to another with `payload` of a protocol. */
function ipPacket(source: IpAddress, destination: IpAddress, protocol: number, payload: Uint8Array): Uint8Array {
  const { family } = source;
  const packet = build({ ...PLAIN, family, protocol: "udp", trafficClass: 0x2e, payload: octets(payload.length - 8) });
  const view = new DataView(packet.buffer);
  packet[family === 4 ? 9 : 6] = protocol;
  packet.set(source.octets, family === 4 ? 12 : 8);
  packet.set(destination.octets, family === 4 ? 16 : 24);
  packet.set(payload, family === 4 ? 20 : 40);
  if (family === 4) {
    view.setUint16(10, 0);
    view.setUint16(10, ~internetSum(packet.subarray(0, 20)) & 0xffff);
  }
  return packet;
}

for (const [family, loopback] of [
  [4, "127.0.0.1"],
  [6, "::1"],
] as const)
  for (const protocol of [50, 51] as const)
    test(`whole packets of protocol ${protocol} over IPv${family} go and come`, NEEDS_ROOT, () => {
      using netns = new Netns();
      using socket = netns.run(() => {
        changeLink(getLink("lo").index, { up: true });
        return openRaw({ family, protocol, buffers: 1 << 20 });
      });
      using rig = new LaneRig({}, [{ fd: socket.descriptor.fd, kind: socket.kind, protocol }]);
      const self = address(loopback);
      const packets = [100, 1400, 8, 60].map((length, i) => ipPacket(self, self, protocol, octets(length, i)));
      rig.place(rig.memory.out, packets);
      rig.lane.send(0, packets.length);
      assert.equal(rig.counter("SEND_PACKETS"), packets.length);
      const received: Uint8Array[] = [];
      while (received.length < packets.length) {
        assert.equal(rig.lane.wait(5000), READY_SOCKET);
        received.push(...rig.inPackets(rig.lane.receive(0)));
      }
      assert.deepEqual(received, packets);
      assert.equal(rig.row(rig.memory.in, 0, Row.TOS), 0x2e);
      const train = rig.row(rig.memory.in, 0, Row.GROUP) * TRAIN_COLUMNS;
      assert.deepEqual(
        [...rig.memory.trains.subarray(train + Train.ADDRESS, train + Train.ADDRESS + 4)],
        [...addressWords(self)],
      );
      assert.equal(rig.memory.trains[train + Train.FAMILY], family);
      assert.equal(rig.memory.trains[train + Train.PORT], 0);
    });

test("what is no IP packet of the socket's family is refused", NEEDS_ROOT, () => {
  using netns = new Netns();
  using socket = netns.run(() => {
    changeLink(getLink("lo").index, { up: true });
    return openRaw({ family: 4, protocol: 50 });
  });
  using rig = new LaneRig({}, [{ fd: socket.descriptor.fd, kind: "raw4", protocol: 50 }]);
  rig.place(rig.memory.out, [ipPacket(address("::1"), address("::1"), 50, octets(40)), octets(10).fill(0x45)]);
  rig.lane.send(0, 2);
  for (const i of [0, 1]) assert.equal(rig.row(rig.memory.out, i, Row.VERDICT), Drop.SEND_FAILED);
});

/** Two hosts and a router whose second link is narrower. */
class NarrowPath implements Disposable {
  readonly left: Netns = new Netns();
  readonly router: Netns = new Netns();
  readonly right: Netns = new Netns();

  constructor() {
    const end = (netns: Netns) => ({ fd: netns.descriptor.fd });
    this.router.run(() => {
      createVeth({ name: "toleft" }, { name: "left0", namespace: end(this.left) });
      createVeth({ name: "toright" }, { name: "right0", namespace: end(this.right) });
      writeFileSync("/proc/sys/net/ipv4/ip_forward", "1");
    });
    this.#address(this.router, "toleft", "10.66.1.254", 1500);
    this.#address(this.router, "toright", "10.66.2.254", 1280);
    this.#address(this.left, "left0", "10.66.1.1", 1500);
    this.#address(this.right, "right0", "10.66.2.2", 1280);
    this.#default(this.left, "10.66.1.254");
    this.#default(this.right, "10.66.2.254");
  }

  #address(netns: Netns, name: string, text: string, mtu: number): void {
    netns.run(() => {
      const { index } = getLink(name);
      ensureAddress(index, { address: address(text), length: 24 });
      changeLink(index, { up: true, mtu });
    });
  }

  #default(netns: Netns, gateway: string): void {
    const destination = parsePrefix("0.0.0.0/0");
    assert.ok(destination);
    netns.run(() => ensureRoute({ kind: "unicast", destination, gateway: address(gateway) }));
  }

  [Symbol.dispose](): void {
    for (const netns of [this.left, this.router, this.right]) netns[Symbol.dispose]();
  }
}

test(
  "'fragmentation needed' on the path tells next hop's MTU and quotes the ESP packet, by UDP and raw",
  NEEDS_ROOT,
  () => {
    using path = new NarrowPath();
    using udp = path.left.run(() => openUdp({ address: address("0.0.0.0"), port: 0 }));
    using raw = path.left.run(() => openRaw({ family: 4, protocol: 50 }));
    using rig = new LaneRig({}, [
      { fd: udp.descriptor.fd, kind: "udp4", protocol: 0 },
      { fd: raw.descriptor.fd, kind: "raw4", protocol: 50 },
    ]);
    rig.setEndpoint(0, 4, addressWords(address("10.66.2.2")), 4500);
    const esp = octets(1400, 3);
    const packets = [esp, ipPacket(address("10.66.1.1"), address("10.66.2.2"), 50, esp)];
    for (const [socket, packet] of packets.entries()) {
      rig.place(rig.memory.out, [packet], { [Row.SOCKET]: socket, [Row.DF]: 1 });
      rig.lane.send(0, 1);
      assert.equal(rig.row(rig.memory.out, 0, Row.VERDICT), 0);
      assert.notEqual(rig.lane.wait(5000) & READY_ERROR, 0, "no error came");
      const error = rig.lane.takeError();
      assert.ok(error);
      assert.equal(error.mtu, 1280);
      assert.equal(error.socket, socket);
      assert.deepEqual(error.destination, [addressWords(address("10.66.2.2"))[0]]);
      assert.ok(error.quoted.length >= 8);
      assert.deepEqual(error.quoted, esp.subarray(0, error.quoted.length));
      assert.equal(rig.lane.takeError(), undefined);
    }
  },
);

test("without DF the path fragments, and a train larger than the link's MTU goes in single sends", NEEDS_ROOT, () => {
  using path = new NarrowPath();
  using near = path.left.run(() => openUdp({ address: address("0.0.0.0"), port: 0 }));
  using far = path.right.run(() => openUdp({ address: address("0.0.0.0"), port: 0, buffers: 1 << 20 }));
  using sender = new LaneRig({}, [{ fd: near.descriptor.fd, kind: "udp4", protocol: 0 }]);
  using receiver = new LaneRig({}, [{ fd: far.descriptor.fd, kind: "udp4", protocol: 0 }]);
  sender.setEndpoint(0, 4, addressWords(address("10.66.2.2")), far.port);
  const datagrams = [octets(3000, 1), octets(3000, 2), octets(3000, 3)];
  sender.place(sender.memory.out, datagrams);
  sender.lane.send(0, 3);
  assert.equal(sender.counter("GSO_FALLBACKS"), 1);
  assert.equal(sender.counter("SENDS"), 3);
  const received: Uint8Array[] = [];
  while (received.length < 3) {
    assert.equal(receiver.lane.wait(5000), READY_SOCKET);
    received.push(...receiver.inPackets(receiver.lane.receive(0)));
  }
  assert.deepEqual(received, datagrams);
});
