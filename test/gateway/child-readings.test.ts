import assert from "node:assert/strict";
import { test } from "node:test";
import { addressOf } from "#core/address";
import { millis, spi } from "#core/units";
import { childReadings, type ReadingParts } from "#gateway/child-readings";
import { keyOf, TotalsOfChildren } from "#gateway/child-totals";
import type { ChildFigures, ChildUsage } from "#gateway/child-usage";
import type { Installed } from "#gateway/installed-pairs";
import { type Pair, PairFamily } from "#gateway/pair-family";
import type { Tunnel } from "#gateway/tunnels";
import { SaState } from "#ipsec/sa";

const NET: Tunnel = { policy: "hq/net", connection: "hq", child: "net" };
const OWN: Tunnel = { ...NET, policy: "hq/net#1" };
const DOWN: Tunnel = { policy: "hq/down", connection: "hq", child: "down" };

const END = { address: addressOf(Uint8Array.of(192, 0, 2, 1)), port: 4500 };
const FACTS = { local: END, remote: END, localSelectors: [], remoteSelectors: [] };
const SPIS = { inboundSpi: spi(0x1001), outboundSpi: spi(0x1002) };

function pair(id: number, expiresAt: number): Pair {
  const limit = (time: number) => ({ time: millis(time), octets: 1000, packets: Number.POSITIVE_INFINITY });
  return {
    id,
    limits: { hard: limit(expiresAt), rekey: limit(expiresAt / 2), jitter: 0 },
    addedAt: millis(10),
    replaces: undefined,
    leads: true,
    proven: true,
    awaited: false,
    ripeAt: millis(0),
    linked: false,
    heardPackets: 0,
    heardAt: millis(0),
    retiredAt: millis(0),
    deleteAt: undefined,
    deleted: false,
    forgotten: false,
  };
}

/** Pairs by policy: the first is the one in use. Counts what the data plane is asked. */
class World implements ReadingParts {
  readonly totals = new TotalsOfChildren();
  asked = 0;
  dead = new Set<number>();
  readonly #tunnels: readonly Tunnel[];
  readonly #families = new Map<string, PairFamily>();

  constructor(tunnels: readonly Tunnel[], pairs: Readonly<Record<string, readonly Pair[]>>) {
    this.#tunnels = tunnels;
    for (const [policy, [current, ...spares]] of Object.entries(pairs)) {
      const family = new PairFamily(policy);
      family.current = current;
      family.spares.push(...spares);
      this.#families.set(policy, family);
    }
  }

  readonly tunnels = {
    byChild: () => {
      const names = new Set(this.#tunnels.map(keyOf));
      return new Map([...names].map((name) => [name, this.#tunnels.filter((one) => keyOf(one) === name)]));
    },
  };
  readonly director = { family: (policy: string) => this.#families.get(policy) };
  readonly pairs = {
    get: (id: number | undefined): Installed | undefined =>
      id === undefined ? undefined : { id, plane: id, sas: SPIS, tunnel: NET, facts: FACTS, updown: undefined },
  };
  readonly plane = {
    figures: (): ChildFigures => {
      this.asked++;
      const side = { packets: 2, octets: 200, drops: 1, icvFailures: 0, replays: 1, misfits: 0, lastUsed: 7 };
      return { inbound: side, outbound: side };
    },
    usage: (id: number): ChildUsage => {
      this.asked++;
      const state = this.dead.has(id) ? SaState.DEAD : SaState.MATURE;
      const side = { keyOctets: 400, octets: 200, packets: 2, lastUsed: 7, state };
      return { inbound: side, outbound: side };
    },
  };

  isClear(policy: string): boolean {
    return policy === DOWN.policy;
  }

  read() {
    return [...childReadings(this)];
  }
}

test("of several peers the pair that ends first is shown, and what all of them carried, spares too", () => {
  const world = new World([NET, OWN], { [NET.policy]: [pair(1, 9000), pair(2, 9500)], [OWN.policy]: [pair(3, 5000)] });
  const [net, ...others] = world.read();
  assert.deepEqual(others, []);
  assert.equal(net?.inbound.packets, 6);
  assert.equal(net?.outbound.replays, 3);
  assert.equal(net?.lastInbound, 7);
  assert.equal(net?.life?.expiresAt, 5000);
  assert.equal(net?.remainingOctets, 600);
});

test("a child is up while a pair in use is alive, or is being replaced", () => {
  const world = new World([NET], { [NET.policy]: [pair(1, 9000)] });
  assert.equal(world.read()[0]?.up, true);
  world.dead.add(1);
  assert.equal(world.read()[0]?.up, false);
  const family = world.director.family(NET.policy) ?? assert.fail();
  family.attempt = { id: 1, trigger: "time", since: millis(0) };
  assert.equal(world.read()[0]?.up, true);
});

test("what is configured and down is there with zeros, in clear where it has fallen back", () => {
  const [down] = new World([DOWN], {}).read();
  assert.deepEqual([down?.up, down?.clear, down?.life, down?.remainingOctets], [false, true, undefined, 0]);
  assert.equal(down?.inbound.octets, 0);
});

test("a look at all children costs two questions a pair, however many there are", () => {
  for (const count of [10, 1000]) {
    const tunnels = Array.from({ length: count }, (_, i): Tunnel => ({ ...NET, policy: `hq/c${i}`, child: `c${i}` }));
    const pairs = Object.fromEntries(tunnels.map(({ policy }, i) => [policy, [pair(i, 9000)]]));
    const world = new World(tunnels, pairs);
    assert.equal(world.read().length, count);
    assert.equal(world.asked, 2 * count);
  }
});
