// What was secret of an IKE SA is zero once it is gone, however it ended. The machine's own memory is watched: keys where
// they are put into the channel, private values and shared secrets where jobs bring them, nonces where they are drawn.
import assert from "node:assert/strict";
import test from "node:test";
import { KeMethod } from "#crypto/key-exchange";
import { Channel } from "#ike/v2/channel";
import { espProposal, ikeProposal, mirrored } from "#test/sim/ike-config";
import { type EstablishedPair, initiate, only, twoNodes } from "#test/sim/ike-established";
import { ExchangeType } from "#wire/ike/numbers";

class Watch {
  readonly secrets: { readonly name: string; readonly octets: Uint8Array }[] = [];

  add(name: string, octets: Uint8Array): void {
    this.secrets.push({ name, octets });
  }

  /** Names of those that still hold something. */
  get left(): string[] {
    return this.secrets.filter(({ octets }) => octets.some((octet) => octet !== 0)).map(({ name }) => name);
  }

  count(name: string): number {
    return this.secrets.filter((secret) => secret.name === name).length;
  }
}

/** Runs this with all secrets of the pair's engines under watch. */
function watched(config: ReturnType<typeof mirrored>, run: (pair: EstablishedPair, watch: Watch) => void): void {
  const watch = new Watch();
  const pair = twoNodes({}, config);
  const { setKeys } = Channel.prototype;
  Channel.prototype.setKeys = function (this: Channel, seal, open) {
    watch.add("SK_ei or SK_er", seal.encryptionKey);
    watch.add("SK_ei or SK_er", open.encryptionKey);
    setKeys.call(this, seal, open);
  };
  let handling = false;
  for (const { engine } of [pair.a, pair.b]) {
    const { handle } = engine;
    engine.handle = (input, now) => {
      if (input.kind === "computed" && "privateKey" in input.result) watch.add("private key", input.result.privateKey);
      if (input.kind === "computed" && "shared" in input.result) watch.add("shared secret", input.result.shared);
      handling = true;
      const effects = handle.call(engine, input, now);
      handling = false;
      // A job's secrets are its receiver's to wipe.
      for (const effect of effects)
        if (effect.kind === "compute" && effect.work.kind === "ke-agree") {
          const { privateKey } = effect.work;
          pair.sim.after([0, 0], () => privateKey.fill(0));
        }
      return effects;
    };
  }
  const { fill } = pair.sim.random;
  pair.sim.random.fill = (target) => {
    fill.call(pair.sim.random, target);
    if (handling && target.length === 32) watch.add("nonce", target);
  };
  try {
    run(pair, watch);
  } finally {
    Channel.prototype.setKeys = setKeys;
  }
}

const PFS = () => mirrored({ proposals: [ikeProposal()] }, { proposals: [espProposal([KeMethod.CURVE25519])] });

function allGone({ a, b }: EstablishedPair, watch: Watch): void {
  for (const node of [a, b]) assert.equal(node.sas.length, 0, node.name);
  assert.deepEqual(watch.left, []);
}

test("deleted: after rekeys of all kinds nothing secret is left on either side", () => {
  watched(PFS(), (pair, watch) => {
    const { sim, a } = pair;
    initiate(a);
    sim.driveFor(1_000);
    a.give({ kind: "rekey-child", id: only(a), trigger: "octets" });
    sim.driveFor(1_000);
    a.give({ kind: "rekey-ike", ike: a.sas[0]?.id ?? 0, trigger: "time" });
    sim.driveFor(1_000);
    assert.ok(watch.left.length > 0, "the living ones hold theirs");
    a.give({ kind: "delete-ike", ike: a.sas[0]?.id ?? 0, reason: "operator" });
    sim.driveFor(30_000);
    assert.ok(watch.count("SK_ei or SK_er") >= 8 && watch.count("shared secret") >= 6 && watch.count("nonce") >= 6);
    allGone(pair, watch);
  });
});

test("both rekey child and IKE SA at once: what lost the collision is wiped like the rest (RFC 7296 §2.8.1, §2.8.2)", () => {
  watched(PFS(), (pair, watch) => {
    const { sim, a, b } = pair;
    initiate(a);
    sim.driveFor(1_000);
    for (const node of [a, b]) node.give({ kind: "rekey-child", id: only(node), trigger: "octets" });
    sim.driveFor(70_000);
    for (const node of [a, b]) node.give({ kind: "rekey-ike", ike: node.sas[0]?.id ?? 0, trigger: "time" });
    sim.driveFor(70_000);
    assert.ok(a.counter("child_collisions") + a.counter("ike_collisions") > 0);
    a.give({ kind: "delete-ike", ike: a.sas[0]?.id ?? 0, reason: "operator" });
    sim.driveFor(30_000);
    allGone(pair, watch);
  });
});

test("failed AUTH: another secret on the other side", () => {
  const { a, b } = mirrored();
  const credentials = { ...b.credentials, secrets: [{ owners: [], secret: Uint8Array.of(1, 2, 3) }] };
  watched({ a, b: { ...b, credentials } }, (pair, watch) => {
    initiate(pair.a);
    pair.sim.driveFor(60_000);
    assert.ok(watch.count("SK_ei or SK_er") >= 4);
    allGone(pair, watch);
  });
});

for (const [what, exchangeType] of [
  ["IKE_SA_INIT", ExchangeType.IKE_SA_INIT],
  ["IKE_AUTH", ExchangeType.IKE_AUTH],
] as const)
  test(`time-out: nobody answers ${what}`, () => {
    watched(mirrored(), (pair, watch) => {
      pair.sim.translate = (datagram) => (datagram.octets[18] === exchangeType ? undefined : datagram);
      initiate(pair.a);
      pair.sim.driveFor(300_000);
      assert.ok(watch.count("private key") > 0);
      allGone(pair, watch);
    });
  });

test("time-out: the peer of an established IKE SA falls silent in the middle of a rekey", () => {
  watched(PFS(), (pair, watch) => {
    const { sim, a, b } = pair;
    initiate(a);
    sim.driveFor(1_000);
    sim.translate = () => undefined;
    a.give({ kind: "rekey-child", id: only(a), trigger: "octets" });
    b.give({ kind: "rekey-ike", ike: b.sas[0]?.id ?? 0, trigger: "octets" });
    sim.driveFor(300_000);
    allGone(pair, watch);
  });
});
