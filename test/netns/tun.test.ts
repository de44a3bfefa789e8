// Two hosts, each with a TUN device whose lane runs in a Worker; the lanes talk by UDP in clear, on the loopback of a
// third namespace, which is the wire.
//   [left] tun 10.88.0.1/24 fd88::1/64 == lane == UDP 127.0.0.1 == lane == tun 10.88.0.2/24 fd88::2/64 [right]
import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { test } from "node:test";
import { Worker } from "node:worker_threads";
import { addressWords, type IpAddress, parseAddress } from "#core/address";
import { allocateLaneMemory, type LaneMemory } from "#core/lane-memory";
import { EndpointColumn, IoCounter } from "#core/slab";
import { FAST_LANE } from "#io/lane-port";
import { changeLink, ensureAddress, ensureNoLink, getLink } from "#io/links";
import type { Descriptor, LaneOptions } from "#io/native";
import { openUdp, openWake, type UdpSocket } from "#io/sockets";
import { openTunDevice, type TunDevice } from "#io/tun-device";
import { LaneRig } from "#test/io/lane-rig";
import { octets } from "#test/io/packets";
import { NEEDS_ROOT, Netns } from "./root.ts";

function address(text: string): IpAddress {
  const parsed = parseAddress(text);
  assert.ok(parsed);
  return parsed;
}

const LOOPBACK = address("127.0.0.1");

function newWire(): Netns {
  const wire = new Netns();
  wire.run(() => changeLink(getLink("lo").index, { up: true }));
  return wire;
}

class Host implements AsyncDisposable {
  readonly netns: Netns = new Netns();
  readonly tun: TunDevice;
  readonly socket: UdpSocket;
  readonly memory: LaneMemory = allocateLaneMemory(1);
  readonly #wake: Descriptor = openWake();
  readonly #children: ChildProcess[] = [];
  #worker: Worker | undefined;

  constructor(wire: Netns, number: number, vnetHeader = true) {
    this.socket = wire.run(() => openUdp({ address: LOOPBACK, port: 0, buffers: 8 << 20 }));
    this.tun = this.netns.run(() => {
      const tun = openTunDevice({ name: "tun%d", vnetHeader });
      const { index } = getLink(tun.name);
      ensureAddress(index, { address: address(`10.88.0.${number}`), length: 24 });
      ensureAddress(index, { address: address(`fd88::${number}`), length: 64 });
      changeLink(index, { up: true, mtu: 1400 });
      changeLink(getLink("lo").index, { up: true });
      return tun;
    });
  }

  start(peer: Host, options: Partial<LaneOptions> = {}): void {
    const { endpoints } = this.memory;
    endpoints[EndpointColumn.FAMILY] = 4;
    endpoints[EndpointColumn.PORT] = peer.socket.port;
    endpoints.set(addressWords(LOOPBACK), EndpointColumn.ADDRESS);
    const { kind, protocol, descriptor } = this.socket;
    const { uso4, uso6 } = this.tun.offloads;
    const workerData = {
      memory: this.memory,
      tunFd: this.tun.queues[0]?.fd,
      wakeFd: this.#wake.fd,
      sockets: [{ fd: descriptor.fd, kind, protocol }],
      options: { ...FAST_LANE, vnetHeader: this.tun.vnetHeader, uso: uso4 && uso6, ...options },
    };
    this.#worker = new Worker(new URL(import.meta.resolve("#test/netns/pipe-lane")), { workerData });
  }

  counter(name: keyof typeof IoCounter): number {
    return this.memory.ioCounters[IoCounter[name]] ?? 0;
  }

  /** Runs Node inside the host. */
  node(script: string, ...args: string[]): ChildProcess {
    const child = this.netns.run(() =>
      spawn(process.execPath, ["-e", script, ...args], { stdio: ["ignore", "pipe", "inherit"] }),
    );
    this.#children.push(child);
    return child;
  }

  /** Ends the lane: its counters are final then. */
  async stop(): Promise<void> {
    if (this.#worker === undefined) return;
    const ended = once(this.#worker, "exit");
    this.#worker = undefined;
    this.#wake.signal();
    await ended;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const child of this.#children) if (child.exitCode === null && child.kill("SIGKILL")) await once(child, "exit");
    await this.stop();
    this.#wake.close();
    this.socket[Symbol.dispose]();
    this.tun.close();
    this.netns[Symbol.dispose]();
  }
}

/** Receives until the end of the stream and prints how many octets it was and their hash. */
const SINK = `
const hash = require("node:crypto").createHash("sha256");
let octets = 0;
const server = require("node:net").createServer((socket) => {
  socket.on("data", (data) => { octets += data.length; hash.update(data); });
  socket.on("end", () => { console.log(octets + " " + hash.digest("hex")); socket.end(); server.close(); });
});
server.listen(0, process.argv[1], () => console.log(server.address().port));
`;

/** Sends so many octets and prints their hash. */
const SOURCE = `
const hash = require("node:crypto").createHash("sha256");
const [host, port, total] = process.argv.slice(1);
const socket = require("node:net").connect(Number(port), host);
const block = require("node:crypto").randomBytes(1 << 18);
let left = Number(total);
const more = () => {
  while (left > 0) {
    const part = block.subarray(0, Math.min(left, block.length));
    left -= part.length;
    hash.update(part);
    if (!socket.write(part)) return socket.once("drain", more);
  }
  socket.end();
  console.log(total + " " + hash.digest("hex"));
};
socket.on("connect", more);
`;

async function* linesOf(child: ChildProcess): AsyncGenerator<string> {
  let text = "";
  assert.ok(child.stdout);
  for await (const chunk of child.stdout) {
    text += chunk;
    for (let end = text.indexOf("\n"); end >= 0; end = text.indexOf("\n")) {
      yield text.slice(0, end);
      text = text.slice(end + 1);
    }
  }
}

async function line(lines: AsyncGenerator<string>): Promise<string> {
  const { value, done } = await lines.next();
  assert.ok(done !== true, "the process ended without saying what was expected");
  return value;
}

async function transfer(from: Host, to: Host, host: string, total: number): Promise<void> {
  const sink = linesOf(to.node(SINK, host));
  const port = await line(sink);
  const source = linesOf(from.node(SOURCE, host, port, String(total)));
  const [sent, received] = await Promise.all([line(source), line(sink)]);
  assert.equal(received, sent);
  await Promise.all([from.stop(), to.stop()]);
}

const TOTAL = 32 << 20;

for (const [family, host] of [
  ["IPv4", "10.88.0.2"],
  ["IPv6", "fd88::2"],
] as const)
  test(`TCP over ${family} passes as super-packets, unchanged, both ways of the octets`, NEEDS_ROOT, async () => {
    using wire = newWire();
    await using left = new Host(wire, 1);
    await using right = new Host(wire, 2);
    left.start(right);
    right.start(left);
    await transfer(left, right, host, TOTAL);
    assert.ok(left.tun.offloads.tso4 && left.tun.offloads.tso6, "this kernel has no TSO on TUN");
    const cut = left.counter("TUN_READ_PACKETS") / left.counter("TUN_READS");
    const joined = right.counter("TUN_WRITE_PACKETS") / right.counter("TUN_WRITES");
    const train = left.counter("SEND_PACKETS") / left.counter("SENDS");
    for (const [what, ratio] of Object.entries({ cut, joined, train }))
      assert.ok(ratio > 2, `${what}: ${ratio.toFixed(1)} packets a call`);
    assert.equal(left.counter("TUN_READ_BAD") + right.counter("TUN_READ_BAD"), 0);
    assert.equal(right.counter("TUN_WRITE_ERRORS"), 0);
    assert.equal(left.counter("GSO_FALLBACKS"), 0);
  });

test("TCP passes with every offload off", NEEDS_ROOT, async () => {
  using wire = newWire();
  await using left = new Host(wire, 1, false);
  await using right = new Host(wire, 2, false);
  left.start(right, { gso: false, gro: false, join: false });
  right.start(left, { gso: false, gro: false, join: false });
  await transfer(left, right, "10.88.0.2", TOTAL / 4);
  assert.equal(left.counter("TUN_READS"), left.counter("TUN_READ_PACKETS"));
  assert.equal(right.counter("TUN_WRITES"), right.counter("TUN_WRITE_PACKETS"));
  assert.equal(left.counter("SENDS"), left.counter("SEND_PACKETS"));
});

for (const [family, from, to] of [
  ["IPv4", "10.88.0.1", "10.88.0.2"],
  ["IPv6", "fd88::1", "fd88::2"],
] as const)
  test(`trains of UDP over ${family} pass TUN as super-packets`, NEEDS_ROOT, async (context) => {
    using wire = newWire();
    await using left = new Host(wire, 1);
    await using right = new Host(wire, 2);
    if (!left.tun.offloads.uso4) return context.skip("this kernel has no USO on TUN");
    left.start(right);
    right.start(left);
    using source = left.netns.run(() => openUdp({ address: address(from), port: 0 }));
    using target = right.netns.run(() => openUdp({ address: address(to), port: 0, buffers: 4 << 20 }));
    using sender = new LaneRig({}, [{ fd: source.descriptor.fd, kind: source.kind, protocol: 0 }]);
    using receiver = new LaneRig({}, [{ fd: target.descriptor.fd, kind: target.kind, protocol: 0 }]);
    sender.setEndpoint(0, address(to).family, addressWords(address(to)), target.port);
    const probe = octets(1, 0);
    const received: Uint8Array[] = [];
    // A new interface's first packets may be lost.
    for (let tries = 0; received.length === 0; tries++) {
      assert.ok(tries < 100, "nothing comes through");
      sender.place(sender.memory.out, [probe]);
      sender.lane.send(0, 1);
      if (receiver.lane.wait(200) !== 0) received.push(...receiver.inPackets(receiver.lane.receive(0)));
    }
    received.length = 0;
    const datagrams = Array.from({ length: 40 }, (_, i) => octets(1300, i));
    sender.place(sender.memory.out, datagrams);
    sender.lane.send(0, 40);
    while (received.length < 40) {
      assert.notEqual(receiver.lane.wait(5000), 0, `only ${received.length} of 40 came`);
      const came = receiver.inPackets(receiver.lane.receive(0));
      received.push(...came.filter(({ length }) => length !== probe.length));
    }
    assert.deepEqual(received, datagrams);
    await Promise.all([left.stop(), right.stop()]);
    assert.equal(left.counter("TUN_READ_PACKETS") - left.counter("TUN_READS"), 39);
    assert.ok(right.counter("TUN_WRITE_PACKETS") > right.counter("TUN_WRITES"));
  });

test("a device that is taken away ends the lane's reading with an error, not with a spin", NEEDS_ROOT, async () => {
  using wire = newWire();
  await using host = new Host(wire, 1);
  using rig = new LaneRig();
  const { openLanePort } = await import("#io/lane-port");
  const tunFd = host.tun.queues[0]?.fd ?? -1;
  const lane = openLanePort({ memory: rig.memory, tunFd, sockets: [], wakeFd: rig.wake.fd, options: FAST_LANE });
  while (lane.readTun(0) > 0);
  host.netns.run(() => ensureNoLink(host.tun.name));
  assert.throws(() => lane.readTun(0), { code: /EBADFD|EIO|Unknown/, syscall: "read TUN" });
  lane.close();
});

test("a TUN device has as many queues as were asked for, and its name is taken while it is open", NEEDS_ROOT, () => {
  using netns = new Netns();
  netns.run(() => {
    using device = openTunDevice({ name: "multi0", queues: 3 });
    assert.equal(device.queues.length, 3);
    assert.equal(getLink("multi0").kind, "tun");
    assert.throws(() => openTunDevice({ name: "multi0" }), { name: "SystemError", syscall: "TUNSETIFF" });
    assert.throws(() => openTunDevice({ name: "lo" }), /an interface of this name and another kind exists/);
    assert.throws(() => openTunDevice({ name: "a-name-of-sixteen" }), { code: "ENAMETOOLONG" });
    device.close();
    device.close();
    assert.throws(() => getLink("multi0"), { code: "ENODEV" });
  });
});

test("a persistent device stays, and goes when it is opened again without", NEEDS_ROOT, () => {
  using netns = new Netns();
  netns.run(() => {
    openTunDevice({ name: "stay0", persist: true }).close();
    assert.equal(getLink("stay0").kind, "tun");
    openTunDevice({ name: "stay0" }).close();
    assert.throws(() => getLink("stay0"), { code: "ENODEV" });
  });
});

test("offloads that were not asked for are off", NEEDS_ROOT, () => {
  using netns = new Netns();
  netns.run(() => {
    const none = { checksum: false, tso4: false, tso6: false, uso4: false, uso6: false };
    for (const offloads of [none, { ...none, checksum: true }, { ...none, checksum: true, tso4: true, tso6: true }]) {
      using device = openTunDevice({ name: "", offloads });
      assert.deepEqual(device.offloads, offloads);
    }
  });
});
