// One namespace a test; a veth pair where there are two:
//   [left] left0 10.77.0.1 fd77::1 ---- right0 10.77.0.2 fd77::2 [right]
import assert from "node:assert/strict";
import { readlinkSync } from "node:fs";
import { test } from "node:test";
import { type IpAddress, type Prefix, parseAddress, parsePrefix } from "#core/address";
import {
  changeLink,
  createVeth,
  ensureAddress,
  ensureNoAddress,
  ensureNoLink,
  findLink,
  getLink,
  listAddresses,
  listLinks,
} from "#io/links";
import { inNamespace } from "#io/namespace";
import {
  type DeadRoute,
  ensureNoRoute,
  ensureNoRule,
  ensureRoute,
  ensureRule,
  listRoutes,
  listRules,
  type Rule,
  routeToString,
  type UnicastRoute,
} from "#io/routes";
import { openWake } from "#io/sockets";
import { NEEDS_ROOT, Netns } from "./root.ts";

function prefix(text: string): Prefix {
  const parsed = parsePrefix(text);
  assert.ok(parsed);
  return parsed;
}

function address(text: string): IpAddress {
  const parsed = parseAddress(text);
  assert.ok(parsed);
  return parsed;
}

/** A new namespace has loopback, and the tunnels that some kernels make in each. */
const names = () => listLinks().map((link) => link.name);

test("a veth pair is made across namespaces, changed, found and removed", NEEDS_ROOT, () => {
  using left = new Netns();
  using right = new Netns();
  left.run(() => createVeth({ name: "left0" }, { name: "right0", namespace: { fd: right.descriptor.fd } }));
  left.run(() => {
    assert.ok(!names().includes("right0"));
    const link = getLink("left0");
    assert.equal(link.kind, "veth");
    assert.equal(link.hardwareAddress.length, 6);
    assert.equal(link.up, false);
    changeLink(link.index, { up: true, mtu: 1400, txQueueLength: 123, gsoMaxSize: 40000, groMaxSize: 40000 });
    const changed = getLink("left0");
    assert.deepEqual([changed.up, changed.mtu, changed.txQueueLength], [true, 1400, 123]);
  });
  right.run(() => {
    const link = getLink("right0");
    changeLink(link.index, { name: "wire" });
    assert.equal(findLink("right0"), undefined);
    changeLink(link.index, { up: true });
    changeLink(link.index, { namespace: { fd: left.descriptor.fd } });
    assert.ok(!names().includes("wire"));
  });
  left.run(() => {
    assert.ok(names().includes("wire"));
    ensureNoLink("left0");
    ensureNoLink("left0");
    assert.ok(!names().includes("wire"), "a veth goes with its peer");
  });
});

test("the thread is back home after the work, also when that throws", NEEDS_ROOT, () => {
  using netns = new Netns();
  const home = readlinkSync("/proc/thread-self/ns/net");
  const away = netns.run(() => readlinkSync("/proc/thread-self/ns/net"));
  assert.notEqual(away, home);
  assert.throws(
    () =>
      netns.run(() => {
        throw new RangeError("from the work");
      }),
    RangeError,
  );
  assert.equal(readlinkSync("/proc/thread-self/ns/net"), home);
  const wrong = openWake();
  assert.throws(() => inNamespace(wrong, () => {}), { name: "SystemError", syscall: "setns" });
  wrong.close();
});

test("what does not exist is said by name, with errno's name", NEEDS_ROOT, () => {
  using netns = new Netns();
  netns.run(() => {
    assert.throws(() => getLink("nothere0"), { name: "SystemError", code: "ENODEV", syscall: "RTM_GETLINK" });
    assert.throws(() => getLink("nothere0"), /interface nothere0/);
    assert.throws(() => changeLink(4711, { up: true }), { code: "ENODEV" });
    // The kernel's own words.
    assert.throws(
      () => ensureRoute({ kind: "unicast", destination: prefix("10.0.0.0/8"), gateway: address("192.0.2.1") }),
      /invalid gateway/i,
    );
  });
});

test("addresses are added once, listed and removed", NEEDS_ROOT, () => {
  using netns = new Netns();
  netns.run(() => {
    const { index } = getLink("lo");
    changeLink(index, { up: true });
    const v4 = { address: address("10.77.0.1"), length: 24 };
    const v6 = { address: address("fd77::1"), length: 64 };
    for (let i = 0; i < 2; i++) for (const given of [v4, v6]) ensureAddress(index, given);
    const listed = listAddresses(index);
    for (const given of [v4, v6])
      assert.equal(
        listed.filter((a) => `${a.address.octets}/${a.length}` === `${given.address.octets}/${given.length}`).length,
        1,
      );
    for (let i = 0; i < 2; i++) for (const given of [v4, v6]) ensureNoAddress(index, given);
    assert.ok(!listAddresses(index).some((a) => a.length === 24));
  });
});

for (const [family, where, gateway, source] of [
  [4, "10.99.0.0/16", "10.77.0.2", "10.77.0.1"],
  [6, "fd99::/32", "fd77::2", "fd77::1"],
] as const)
  test(
    `IPv${family} routes: an unreachable one stays below the tunnel's, and comes to light when that goes`,
    NEEDS_ROOT,
    () => {
      using netns = new Netns();
      netns.run(() => {
        createVeth({ name: "left0" }, { name: "peer0" });
        const { index } = getLink("left0");
        for (const name of ["left0", "peer0"]) changeLink(getLink(name).index, { up: true });
        ensureAddress(index, { address: address(source), length: family === 4 ? 24 : 64 });
        const dead: DeadRoute = { kind: "unreachable", destination: prefix(where), metric: 4000, protocol: 77 };
        const alive: UnicastRoute = {
          kind: "unicast",
          destination: prefix(where),
          device: index,
          gateway: address(gateway),
          preferredSource: address(source),
          metric: 50,
          protocol: 77,
          mtu: 1300,
        };
        const ours = () => listRoutes(family).filter((route) => route.protocol === 77);
        for (let i = 0; i < 2; i++) {
          ensureRoute(dead);
          ensureRoute(alive);
        }
        assert.equal(ours().length, 2, ours().map(routeToString).join("; "));
        const found = ours().find((route) => route.kind === "unicast");
        assert.deepEqual(found, {
          kind: "unicast",
          destination: alive.destination,
          table: 254,
          metric: 50,
          protocol: 77,
          device: index,
          gateway: alive.gateway,
          preferredSource: alive.preferredSource,
        });
        ensureNoLink("left0");
        assert.deepEqual(
          ours().map((route) => route.kind),
          ["unreachable"],
        );
        ensureNoRoute(alive);
        ensureNoRoute(dead);
        ensureNoRoute(dead);
        assert.deepEqual(ours(), []);
      });
    },
  );

test("a device route, a blackhole and a table above 255", NEEDS_ROOT, () => {
  using netns = new Netns();
  netns.run(() => {
    const { index } = getLink("lo");
    changeLink(index, { up: true });
    const table = 71234;
    ensureRoute({ kind: "unicast", destination: prefix("0.0.0.0/0"), device: index, table });
    ensureRoute({ kind: "blackhole", destination: prefix("192.0.2.0/24"), table });
    assert.deepEqual(
      listRoutes(4, table).map((route) => [route.kind, route.destination.length, route.device]),
      [
        ["unicast", 0, index],
        ["blackhole", 24, undefined],
      ],
    );
  });
});

test("rules are added once and removed, whatever they match", NEEDS_ROOT, () => {
  using netns = new Netns();
  netns.run(() => {
    const rules: readonly Rule[] = [
      { family: 4, priority: 100, action: { kind: "lookup", table: 71234 }, source: prefix("10.1.0.0/16") },
      { family: 4, priority: 101, action: { kind: "unreachable" }, destination: prefix("10.2.0.0/16") },
      { family: 4, priority: 102, action: { kind: "blackhole" }, inInterface: "lo" },
      { family: 4, priority: 103, action: { kind: "lookup", table: 7 }, mark: { value: 5, mask: 0xff }, invert: true },
      {
        family: 6,
        priority: 104,
        action: { kind: "lookup", table: 7 },
        protocol: 17,
        sourcePorts: { first: 500, last: 500 },
        destinationPorts: { first: 4500, last: 4501 },
        source: prefix("fd00::/8"),
        destination: prefix("fd01::/16"),
      },
    ];
    const ours = (family: 4 | 6) => listRules(family).filter((rule) => rule.priority >= 100 && rule.priority < 200);
    for (let i = 0; i < 2; i++) for (const rule of rules) ensureRule(rule);
    assert.deepEqual(ours(4), [
      { priority: 100, table: 71234 },
      { priority: 101, table: 0 },
      { priority: 102, table: 0 },
      { priority: 103, table: 7 },
    ]);
    assert.deepEqual(ours(6), [{ priority: 104, table: 7 }]);
    for (let i = 0; i < 2; i++) for (const rule of rules) ensureNoRule(rule);
    assert.deepEqual([...ours(4), ...ours(6)], []);
  });
});
