import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { addressFromWords, compareAddresses, type Family, type IpAddress, parsePrefix } from "#core/address";
import { prefixSelector, type TrafficSelector } from "#core/selector";
import { FLAG_ONE_PORT, FLAG_PORTS, Flow, FlowKey, INBOUND, OUTBOUND } from "#ipsec/flow";
import { NO_POLICY, Spd } from "#ipsec/spd";
import { ACTION_BYPASS, ACTION_DISCARD, ACTION_PROTECT, compileSpd, Header, type Policy } from "#ipsec/spd-compile";
import { seeded } from "#test/ipsec/packets";

function selector(text: string, protocol = 0, firstPort = 0, lastPort = 65535): TrafficSelector {
  const prefix = parsePrefix(text);
  assert.ok(prefix !== undefined, text);
  return prefixSelector(prefix, protocol, firstPort, lastPort);
}

function policy(
  name: string,
  local: TrafficSelector,
  remote: TrafficSelector,
  action: Policy["action"] = "protect",
): Policy {
  return { name, action, local: [local], remote: [remote] };
}

interface Probe {
  readonly local: IpAddress;
  readonly remote: IpAddress;
  readonly protocol: number;
  /** undefined = not known. */
  readonly localPort: number | undefined;
  readonly remotePort: number | undefined;
  readonly onePort: boolean;
}

/** The key that a packet of the probe's flow would give. */
function keyOf(probe: Probe, direction: number): Int32Array {
  const { words } = new FlowKey();
  const outbound = direction === OUTBOUND;
  const put = (at: number, { octets }: IpAddress) => {
    const view = new DataView(octets.buffer);
    for (let i = 0; i < octets.length / 4; i++) words[at + i] = view.getInt32(4 * i);
  };
  words[Flow.FAMILY] = probe.local.family;
  put(outbound ? Flow.SOURCE : Flow.DESTINATION, probe.local);
  put(outbound ? Flow.DESTINATION : Flow.SOURCE, probe.remote);
  words[Flow.PROTOCOL] = probe.protocol;
  const source = outbound ? probe.localPort : probe.remotePort;
  const destination = outbound ? probe.remotePort : probe.localPort;
  if (source === undefined || destination === undefined) return words;
  words[Flow.PORTS] = (source << 16) | (probe.onePort ? 0 : destination);
  words[Flow.FLAGS] = FLAG_PORTS | (probe.onePort ? FLAG_ONE_PORT : 0);
  return words;
}

/** RFC 4301 §4.4.1: the first entry in order that takes the packet, said as plainly as possible. */
function linear(policies: readonly Policy[], probe: Probe, direction: number): number {
  return policies.findIndex(
    (p) =>
      p.local.some((s) => takes(s, probe.local, probe, probe.localPort, direction === OUTBOUND)) &&
      p.remote.some((s) => takes(s, probe.remote, probe, probe.remotePort, direction === INBOUND)),
  );
}

function takes(s: TrafficSelector, at: IpAddress, probe: Probe, port: number | undefined, sender: boolean): boolean {
  if (s.first.family !== at.family) return false;
  if (compareAddresses(s.first, at) > 0 || compareAddresses(at, s.last) > 0) return false;
  if (s.protocol !== 0 && s.protocol !== probe.protocol) return false;
  if (s.firstPort === 0 && s.lastPort === 65535) return true;
  if (port === undefined) return s.firstPort === 65535 && s.lastPort === 0;
  if (probe.onePort && !sender) return true;
  return s.firstPort <= port && port <= s.lastPort;
}

const lookup = (policies: readonly Policy[], probe: Probe, direction: number) =>
  new Spd(compileSpd(policies, 1)).lookup(keyOf(probe, direction), direction);

// Few distinct values, so that ranges meet at their edges.
const EDGES = [0, 1, 2, 0x7fffffff, 0x80000000, 0x80000001, 0xfffffffe, 0xffffffff];
const word = fc.oneof(fc.constantFrom(...EDGES), fc.integer({ min: 100, max: 110 }), fc.integer());
const address = (family: Family): fc.Arbitrary<IpAddress> =>
  fc
    .tuple(fc.constantFrom(0, -1), fc.constantFrom(0, 1, -1), fc.constantFrom(0, -1), word)
    .map(([a, b, c, d]) => (family === 4 ? addressFromWords(4, [d]) : addressFromWords(6, [a, b, c, d])));
const ports = fc.oneof(
  fc.constantFrom<[number, number]>([0, 65535], [65535, 0], [80, 80], [0x0800, 0x08ff]),
  fc.tuple(fc.nat(65535), fc.nat(65535)).map(([a, b]): [number, number] => [Math.min(a, b), Math.max(a, b)]),
);
const protocols = fc.constantFrom(0, 0, 1, 6, 17, 47, 58);
const selectors = (family: Family): fc.Arbitrary<TrafficSelector> =>
  fc.tuple(address(family), address(family), protocols, ports).map(([a, b, protocol, [firstPort, lastPort]]) => {
    const [first, last] = compareAddresses(a, b) <= 0 ? [a, b] : [b, a];
    return { first, last, protocol, firstPort, lastPort };
  });
const anySelectors = fc.array(fc.oneof(selectors(4), selectors(6)), { minLength: 1, maxLength: 3 });
const policies = fc.array(
  fc.record({
    name: fc.string(),
    action: fc.constantFrom<Policy["action"]>("protect", "bypass", "discard"),
    local: anySelectors,
    remote: anySelectors,
  }),
  { maxLength: 40 },
);

/** A probe at or next to the edges of one policy's selectors, now and then far from them. */
function probeNear(set: readonly Policy[], random: () => number): Probe {
  const chosen = set[random() % Math.max(1, set.length)];
  const ours = chosen?.local[random() % chosen.local.length];
  const family: Family = ours?.first.family ?? 4;
  const candidates = chosen?.remote.filter((s) => s.first.family === family) ?? [];
  const theirs = candidates[random() % Math.max(1, candidates.length)];
  const near = (s: TrafficSelector | undefined): IpAddress => {
    if (s === undefined || random() % 8 === 0) {
      return addressFromWords(family, [random(), random(), random(), random()]);
    }
    const octets = Uint8Array.from(random() % 2 === 0 ? s.first.octets : s.last.octets);
    const end = octets.length - 1;
    octets[end] = (octets[end] ?? 0) + ([0, 0, 0, 1, -1][random() % 5] ?? 0);
    return { family, octets };
  };
  const port = (s: TrafficSelector | undefined) =>
    ((random() % 2 === 0 ? s?.firstPort : s?.lastPort) ?? random()) + ([0, 0, 0, 1, -1][random() % 5] ?? 0);
  const named = ours?.protocol || theirs?.protocol || 0;
  const protocol = named !== 0 && random() % 8 !== 0 ? named : ([1, 6, 17, 47, 58][random() % 5] ?? 6);
  const addresses = { local: near(ours), remote: near(theirs), protocol };
  if (protocol === 47 || random() % 4 === 0) {
    return { ...addresses, localPort: undefined, remotePort: undefined, onePort: false };
  }
  const localPort = port(ours) & 0xffff;
  const remotePort = port(theirs) & 0xffff;
  return { ...addresses, localPort, remotePort, onePort: protocol === 1 || protocol === 58 };
}

test("a compiled SPD answers as an ordered scan does, for any policies and packets", () => {
  let matched = 0;
  let missed = 0;
  fc.assert(
    fc.property(policies, fc.integer(), (set, seed) => {
      const spd = new Spd(compileSpd(set, 1));
      const random = seeded(seed);
      for (let i = 0; i < 40; i++) {
        const probe = probeNear(set, random);
        for (const direction of [OUTBOUND, INBOUND]) {
          const expected = linear(set, probe, direction);
          assert.equal(spd.lookup(keyOf(probe, direction), direction), expected);
          if (expected < 0) missed++;
          else matched++;
        }
      }
    }),
    { seed: 1, numRuns: 300 },
  );
  assert.ok(matched > 1000 && missed > 1000, `both outcomes were probed: ${matched} and ${missed}`);
});

test("the same with hundreds of policies of one remote network: lists split by local address", () => {
  const random = seeded(3);
  const everywhere = selector("0.0.0.0/0");
  const set = Array.from({ length: 400 }, (_, i): Policy => {
    const first = random() % 5000;
    const local = {
      ...everywhere,
      first: addressFromWords(4, [first]),
      last: addressFromWords(4, [first + (random() % 40)]),
    };
    return policy(`p${i}`, { ...local, protocol: [0, 6, 17][random() % 3] ?? 0 }, everywhere);
  });
  const spd = new Spd(compileSpd(set, 1));
  let matched = 0;
  for (let i = 0; i < 5000; i++) {
    const probe: Probe = {
      local: addressFromWords(4, [random() % 5100]),
      remote: addressFromWords(4, [random()]),
      protocol: random() % 2 === 0 ? 6 : 17,
      localPort: 1,
      remotePort: 2,
      onePort: false,
    };
    const expected = linear(set, probe, INBOUND);
    assert.equal(spd.lookup(keyOf(probe, INBOUND), INBOUND), expected);
    if (expected >= 0) matched++;
  }
  assert.ok(matched > 1000);
});

const PROBE: Probe = {
  local: addressFromWords(4, [0x0a010005]),
  remote: addressFromWords(4, [0x0a020007]),
  protocol: 6,
  localPort: 40000,
  remotePort: 443,
  onePort: false,
};
const LOCAL = "10.1.0.0/16";
const REMOTE = "10.2.0.0/16";

test("the first policy in order wins, in both directions (RFC 4301 §4.4.1)", () => {
  const set = [
    policy("web", selector(LOCAL), selector(REMOTE, 6, 443, 443), "bypass"),
    policy("host", selector(LOCAL), selector("10.2.0.7/32"), "discard"),
    policy("net", selector(LOCAL), selector(REMOTE)),
  ];
  for (const direction of [OUTBOUND, INBOUND]) {
    assert.equal(lookup(set, PROBE, direction), 0);
    assert.equal(lookup(set, { ...PROBE, remotePort: 444 }, direction), 1);
    assert.equal(lookup(set, { ...PROBE, remote: addressFromWords(4, [0x0a020008]), remotePort: 1 }, direction), 2);
    assert.equal(lookup(set, { ...PROBE, remote: addressFromWords(4, [0x0a030000]) }, direction), NO_POLICY);
  }
  const spd = new Spd(compileSpd(set, 7));
  assert.deepEqual(
    [0, 1, 2].map((i) => spd.action(i)),
    [ACTION_BYPASS, ACTION_DISCARD, ACTION_PROTECT],
  );
  assert.deepEqual([spd.version, spd.policyCount], [7, 3]);
});

test("packets without known ports fit ANY and OPAQUE, never a port (RFC 4301 §4.4.1.1, §7)", () => {
  const later: Probe = { ...PROBE, localPort: undefined, remotePort: undefined };
  const port = policy("port", selector(LOCAL), selector(REMOTE, 6, 443, 443));
  const wide = policy("wide", selector(LOCAL), selector(REMOTE, 6, 1, 65535));
  const opaque = policy("opaque", selector(LOCAL), selector(REMOTE, 6, 65535, 0));
  const any = policy("any", selector(LOCAL), selector(REMOTE, 6));
  assert.equal(lookup([port, wide, opaque, any], later, OUTBOUND), 2);
  assert.equal(lookup([port, wide, any], later, OUTBOUND), 2);
  assert.equal(lookup([opaque, any], PROBE, OUTBOUND), 1);
});

test("ICMP type and code are compared on the sender's side (RFC 4301 §4.4.1.1)", () => {
  const request: Probe = { ...PROBE, protocol: 1, localPort: 0x0800, remotePort: 0x0800, onePort: true };
  const reply: Probe = { ...request, localPort: 0, remotePort: 0 };
  // We may ask, they may answer.
  const set = [policy("ping", selector(LOCAL, 1, 0x0800, 0x08ff), selector(REMOTE, 1, 0, 255))];
  assert.equal(lookup(set, request, OUTBOUND), 0);
  assert.equal(lookup(set, reply, INBOUND), 0);
  assert.equal(lookup(set, reply, OUTBOUND), NO_POLICY);
  assert.equal(lookup(set, request, INBOUND), NO_POLICY);
});

test("an SPD without policies or without a family matches nothing; a swap is seen at once", () => {
  const spd = new Spd(compileSpd([], 1));
  assert.equal(spd.lookup(keyOf(PROBE, OUTBOUND), OUTBOUND), NO_POLICY);
  const six: Probe = { ...PROBE, local: addressFromWords(6, [1, 2, 3, 4]), remote: addressFromWords(6, [1, 2, 3, 5]) };
  spd.swap(compileSpd([policy("net", selector(LOCAL), selector(REMOTE))], 2));
  assert.equal(spd.lookup(keyOf(PROBE, OUTBOUND), OUTBOUND), 0);
  assert.equal(spd.lookup(keyOf(six, OUTBOUND), OUTBOUND), NO_POLICY);
  assert.equal(spd.version, 2);
});

/** Reads of the table that a lookup makes, counted from outside. */
function readsOf(table: Int32Array, words: Int32Array, direction: number): number {
  let reads = 0;
  const counting = new Proxy(table, {
    get(target, property): unknown {
      if (typeof property === "string" && /^\d+$/.test(property)) reads++;
      return Reflect.get(target, property);
    },
  });
  new Spd(counting).lookup(words, direction);
  return reads;
}

test("10,000 policies: memory stays near linear and a lookup reads a few hundred words", () => {
  const host = (n: number) => `10.${n >>> 8}.${n & 255}.1/32`;
  const shapes: [string, (n: number) => Policy][] = [
    ["a remote host each", (n) => policy(`p${n}`, selector("192.0.2.0/24"), selector(host(n)))],
    ["a local host each, one remote net", (n) => policy(`p${n}`, selector(host(n)), selector("0.0.0.0/0"))],
    ["a pair of nets each", (n) => policy(`p${n}`, selector(host(n)), selector(host(n ^ 0x1f)))],
    [
      "nested nets",
      (n) => policy(`p${n}`, selector("0.0.0.0/0", 6), selector(`10.${n >>> 8}.${n & 255}.0/${8 + (n % 17)}`)),
    ],
  ];
  for (const [name, shape] of shapes) {
    const set = Array.from({ length: 10_000 }, (_, n) => shape(n));
    const table = compileSpd(set, 1);
    assert.ok(table.length < 2_000_000, `${name}: ${table.length} words`);
    assert.ok(table.buffer instanceof SharedArrayBuffer);
    assert.equal(table[Header.POLICIES], 10_000);
    const random = seeded(5);
    let most = 0;
    for (let i = 0; i < 50; i++) {
      const chosen = set[random() % set.length];
      const local = chosen?.local[0]?.first;
      const remote = chosen?.remote[0]?.last;
      assert.ok(local !== undefined && remote !== undefined);
      const probe = { ...PROBE, local, remote };
      const words = keyOf(probe, OUTBOUND);
      assert.equal(new Spd(table).lookup(words, OUTBOUND), linear(set, probe, OUTBOUND), name);
      most = Math.max(most, readsOf(table, words, OUTBOUND));
    }
    assert.ok(most < 400, `${name}: ${most} reads`);
  }
});
