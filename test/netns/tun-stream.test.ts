// A TUN device read and written packet by packet: [netns] 10.55.0.1/24 tun <- Tun -> this test, which is 10.55.0.2.
import assert from "node:assert/strict";
import { once } from "node:events";
import { test } from "node:test";
import { Worker } from "node:worker_threads";
import { addressWords, parseAddress } from "#core/address";
import { READY_SOCKET } from "#core/slab";
import { getLink } from "#io/links";
import { openUdp } from "#io/sockets";
import { Tun } from "#io/tun";
import { LaneRig } from "#test/io/lane-rig";
import { checksumsHold, octets } from "#test/io/packets";
import { NEEDS_ROOT, Netns } from "./root.ts";

function bringUp(netns: Netns): Tun {
  return netns.run(() => {
    const tun = new Tun();
    tun.mtu = 1400;
    tun.ipv4 = "10.55.0.1/24";
    tun.ipv6 = "fd55::1/64";
    tun.isUp = true;
    return tun;
  });
}

/** The same packet on its way back. */
function turned(packet: Uint8Array): Uint8Array {
  const out = Uint8Array.from(packet);
  out.set(packet.subarray(12, 16), 16);
  out.set(packet.subarray(16, 20), 12);
  out.set(packet.subarray(20, 22), 22);
  out.set(packet.subarray(22, 24), 20);
  return out;
}

const isUdp4 = (packet: Uint8Array) => (packet[0] ?? 0) >> 4 === 4 && packet[9] === 17;

test("properties are those of the interface, and can be set", NEEDS_ROOT, () => {
  using netns = new Netns();
  const tun = bringUp(netns);
  netns.run(() => {
    assert.deepEqual([tun.mtu, tun.ipv4, tun.ipv6, tun.isUp], [1400, "10.55.0.1/24", "fd55::1/64", true]);
    assert.deepEqual([tun.isTun, tun.isTap, tun.mac], [true, false, "00:00:00:00:00:00"]);
    assert.equal(getLink(tun.name).kind, "tun");
    tun.ipv4 = "10.56.0.1/30";
    assert.equal(tun.ipv4, "10.56.0.1/30");
    tun.isUp = false;
    assert.equal(tun.isUp, false);
    for (const wrong of ["", "10.0.0.1", "10.0.0.1/33", "fd00::1/64", "10.0.0.1/x"])
      assert.throws(() => {
        tun.ipv4 = wrong;
      }, /ipv4: .* give e\.g\. 10\.0\.0\.1\/24/);
  });
  tun.release();
});

test("each chunk is one packet, and what is written arrives at the kernel", NEEDS_ROOT, async () => {
  using netns = new Netns();
  const tun = bringUp(netns);
  const remote = parseAddress("10.55.0.2");
  const any = parseAddress("0.0.0.0");
  assert.ok(remote && any);
  using socket = netns.run(() => openUdp({ address: any, port: 0 }));
  using rig = new LaneRig({}, [{ fd: socket.descriptor.fd, kind: "udp4", protocol: 0 }]);
  rig.setEndpoint(0, 4, addressWords(remote), 7);
  const datagrams = [octets(30, 1), octets(1200, 2), octets(1, 3)];
  rig.place(rig.memory.out, datagrams);
  rig.lane.send(0, 3);
  let echoed = 0;
  for await (const packet of tun) {
    assert.ok(packet instanceof Uint8Array);
    if (!isUdp4(packet)) continue;
    assert.ok(checksumsHold(packet));
    assert.deepEqual(Uint8Array.from(packet.subarray(28)), datagrams[echoed]);
    tun.write(turned(packet));
    echoed++;
    if (echoed === 3) break;
  }
  const received: Uint8Array[] = [];
  while (received.length < 3) {
    assert.equal(rig.lane.wait(5000), READY_SOCKET);
    received.push(...rig.inPackets(rig.lane.receive(0)));
  }
  assert.deepEqual(received, datagrams);
  await netnsIsFree(netns, tun);
});

/** Leaving the loop destroyed the stream: the device is gone. */
async function netnsIsFree(netns: Netns, tun: Tun): Promise<void> {
  if (!tun.closed) await once(tun, "close");
  netns.run(() => assert.throws(() => getLink(tun.name), { code: "ENODEV" }));
}

test("a device may be closed twice, in its own callback, and before anything was read", NEEDS_ROOT, async () => {
  using netns = new Netns();
  const unread = bringUp(netns);
  unread.release();
  unread.release();
  await new Promise<void>((resolve) => unread.release(() => resolve()));
  await netnsIsFree(netns, unread);

  const tun = bringUp(netns);
  // The kernel's own IPv6 solicitations come without being asked for.
  tun.once("data", () => {
    tun.release();
    tun.release();
  });
  await once(tun, "close");
  await netnsIsFree(netns, tun);
});

test("a write to a device that is down fails with a remedy", NEEDS_ROOT, async () => {
  using netns = new Netns();
  const tun = bringUp(netns);
  netns.run(() => {
    tun.isUp = false;
  });
  tun.write(octets(40).fill(0x45, 0, 1));
  const [error] = await once(tun, "error");
  assert.match(String(error), /EIO; set isUp before/);
});

const DYING = `
import(require("node:worker_threads").workerData.tun).then(({ Tun }) => {
  globalThis.tun = new Tun();
  globalThis.tun.on("data", () => {});
  globalThis.tun.isUp = true;
  require("node:worker_threads").parentPort.postMessage("open");
});
`;

for (const how of ["terminated", "exiting"] as const)
  test(`a Worker may die with a device open: ${how}`, NEEDS_ROOT, async () => {
    for (let i = 0; i < 3; i++) {
      const script = how === "exiting" ? DYING.replace(/\n}\);/, "\n  process.exit(0);\n});") : DYING;
      const worker = new Worker(script, { eval: true, workerData: { tun: import.meta.resolve("#io/tun") } });
      const exit = once(worker, "exit");
      if (how === "terminated") {
        await once(worker, "message");
        await worker.terminate();
      }
      await exit;
    }
  });
