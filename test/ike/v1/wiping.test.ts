// S28: what keys were made of is zero once they are made. The machine's own memory is watched: private values and shared
// secrets where jobs bring them.
import assert from "node:assert/strict";
import test from "node:test";
import type { Connection } from "#core/connection";
import { KeMethod } from "#crypto/key-exchange";
import { type EstablishedPair, initiate, only } from "#test/sim/ike-established";
import { esp, pairOf } from "./phase2-pair.ts";

interface Secret {
  readonly name: string;
  readonly octets: Uint8Array;
}

/** With a quick mode that has a key exchange of its own (RFC 2409 §5.5), and all that jobs bring under watch. */
function watched(both: Partial<Connection> = {}): { readonly pair: EstablishedPair; readonly secrets: Secret[] } {
  const pair = pairOf({
    both,
    child: { proposals: [esp(KeMethod.ECP_256)] },
    options: { jobs: "real", jobTime: [400, 400] },
  });
  const secrets: Secret[] = [];
  for (const { name, engine } of [pair.a, pair.b]) {
    const { handle } = engine;
    engine.handle = (input, now) => {
      if (input.kind === "computed" && "privateKey" in input.result)
        secrets.push({ name: `${name}: private value`, octets: input.result.privateKey });
      if (input.kind === "computed" && "shared" in input.result)
        secrets.push({ name: `${name}: DH secret`, octets: input.result.shared });
      const effects = handle.call(engine, input, now);
      // A job's secrets are its receiver's to wipe: of a worker they are a copy.
      for (const effect of effects)
        if (effect.kind === "compute" && effect.work.kind === "ke-agree") {
          const { privateKey } = effect.work;
          pair.sim.after([0, 0], () => privateKey.fill(0));
        }
      return effects;
    };
  }
  return { pair, secrets };
}

function left(secrets: readonly Secret[]): string[] {
  return secrets.filter(({ octets }) => octets.some((octet) => octet !== 0)).map(({ name }) => name);
}

function count(secrets: readonly Secret[], what: string): number {
  return secrets.filter(({ name }) => name.endsWith(what)).length;
}

test("S28: g^xy of main mode is wiped when SKEYID is made, that of quick mode when KEYMAT is, on both sides (RFC 2409 §5, §5.5)", () => {
  const { pair, secrets } = watched();
  const { sim, a, b } = pair;
  initiate(a);
  sim.driveFor(5_000);
  assert.deepEqual([a.children.length, b.children.length], [1, 1]);
  // Main mode's and the first quick mode's, of each side; the living ISAKMP SA keeps none of them.
  assert.deepEqual([count(secrets, "DH secret"), count(secrets, "private value")], [4, 2]);
  assert.ok(secrets.every(({ octets }) => octets.length > 0));
  assert.deepEqual(left(secrets), []);
  a.give({ kind: "rekey-child", id: only(a), trigger: "octets" });
  sim.driveFor(5_000);
  assert.equal(count(secrets, "DH secret"), 6);
  assert.deepEqual(left(secrets), []);
});

test("S28: also with PFS of the master key: every pair has two secrets of its own, and none is left", () => {
  const { pair, secrets } = watched({ masterPfs: true });
  const { sim, a } = pair;
  initiate(a);
  sim.driveFor(5_000);
  a.give({ kind: "rekey-child", id: only(a), trigger: "octets" });
  sim.driveFor(10_000);
  // Two main modes and two quick modes.
  assert.equal(count(secrets, "DH secret"), 8);
  assert.deepEqual(left(secrets), []);
});

test("S28: a DH secret that comes too late for its exchange is wiped as well", () => {
  const { pair, secrets } = watched();
  const { sim, a, b } = pair;
  initiate(a);
  sim.driveFor(5_000);
  const before = count(secrets, "DH secret");
  a.give({ kind: "rekey-child", id: only(a), trigger: "octets" });
  const ike = b.sas[0]?.id ?? 0;
  // Deleted by the peer between message 2 and the result of its key exchange.
  sim.observers.push({
    done: (node, effect) => {
      if (node === a && effect.kind === "compute" && effect.work.kind === "ke-agree")
        sim.after([0, 0], () => b.give({ kind: "delete-ike", ike, reason: "operator" }));
    },
  });
  sim.driveFor(30_000);
  assert.equal(count(secrets, "DH secret"), before + 2);
  assert.equal(a.counter("jobs_late"), 1);
  assert.deepEqual(left(secrets), []);
});
