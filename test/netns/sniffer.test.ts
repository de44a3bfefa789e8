// [left] left0 10.44.0.1 ---- right0 10.44.0.2 [right], the sniffers sit on right0.
import assert from "node:assert/strict";
import { test } from "node:test";
import { addressWords, parseAddress } from "#core/address";
import { changeLink, createVeth, ensureAddress, getLink } from "#io/links";
import { clearTextFilter, everyFrameFilter } from "#io/packet-filter";
import { Sniffer } from "#io/sniffer";
import { openUdp } from "#io/sockets";
import { eventually } from "#lab/wait";
import { LaneRig } from "#test/io/lane-rig";
import { octets } from "#test/io/packets";
import { NEEDS_ROOT, Netns } from "./root.ts";

test(
  "clear datagrams are counted and shown, those of our ports and neighbour discovery are not",
  NEEDS_ROOT,
  async () => {
    using left = new Netns();
    using right = new Netns();
    const [near, far] = [parseAddress("10.44.0.1"), parseAddress("10.44.0.2")];
    assert.ok(near && far);
    left.run(() => {
      createVeth({ name: "left0" }, { name: "right0", namespace: { fd: right.descriptor.fd } });
      const { index } = getLink("left0");
      ensureAddress(index, { address: near, length: 24 });
      changeLink(index, { up: true });
    });
    right.run(() => {
      const { index } = getLink("right0");
      ensureAddress(index, { address: far, length: 24 });
      changeLink(index, { up: true });
    });
    using socket = left.run(() => openUdp({ address: near, port: 0 }));
    using ours = right.run(() => openUdp({ address: far, port: 0 }));
    using clear = right.run(() => new Sniffer("right0", clearTextFilter([ours.port]), 2));
    using every = right.run(() => new Sniffer("right0", everyFrameFilter(), 0));
    using rig = new LaneRig({ gso: false }, [{ fd: socket.descriptor.fd, kind: "udp4", protocol: 0 }]);
    rig.setEndpoint(0, 4, addressWords(far), ours.port);
    rig.place(rig.memory.out, [octets(100), octets(200)]);
    rig.lane.send(0, 2);
    assert.notEqual(rig.lane.wait(0), -1);
    assert.deepEqual(clear.report(), { packets: 0, octets: 0, samples: [] });

    // Nobody listens there: the host answers that in clear too.
    using other = right.run(() => openUdp({ address: far, port: 0 }));
    rig.setEndpoint(0, 4, addressWords(far), other.port);
    rig.place(rig.memory.out, [octets(100), octets(200), octets(300)]);
    rig.lane.send(0, 3);
    // The neighbour may have to be found first.
    await eventually("they are seen", 10, () => clear.report().packets >= 3);
    const report = clear.report();
    assert.equal(report.packets, 3);
    assert.equal(report.octets, 600 + 3 * 42);
    assert.deepEqual(
      report.samples.map((frame) => Uint8Array.from(frame.subarray(42))),
      [octets(100), octets(200)],
    );
    assert.deepEqual(clear.report(), report, "nothing is counted twice");
    assert.ok(every.report().packets >= 5);
    clear.close();
    clear.close();
  },
);

test("a sniffer on an interface that is not there says so", NEEDS_ROOT, () => {
  using netns = new Netns();
  netns.run(() => assert.throws(() => new Sniffer("nothere0", everyFrameFilter()), /interface nothere0/));
});
