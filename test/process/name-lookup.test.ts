import assert from "node:assert/strict";
import { test } from "node:test";
import { setImmediate } from "node:timers/promises";
import { addressToString } from "#core/address";
import { NameLookup, type Resolver } from "#io/name-lookup";

/** A look-up whose answers are given by hand. */
class Rig {
  readonly asked: string[] = [];
  readonly told: [string, string[]][] = [];
  readonly #answers = new Map<string, { resolve(found: readonly string[]): void; reject(error: Error): void }>();
  readonly lookup: NameLookup;

  constructor() {
    const resolver: Resolver = (name) => {
      this.asked.push(name);
      return new Promise((resolve, reject) => {
        this.#answers.set(name, { resolve, reject });
      });
    };
    this.lookup = new NameLookup((name, addresses) => this.told.push([name, addresses.map(addressToString)]), resolver);
  }

  async answer(name: string, found: readonly string[] | Error): Promise<void> {
    const waiting = this.#answers.get(name);
    assert.ok(waiting, `${name} was not asked for`);
    if (found instanceof Error) waiting.reject(found);
    else waiting.resolve(found);
    await setImmediate();
  }
}

test("a name is asked for once at a time, and told with every address; what is no address is left out", async () => {
  const rig = new Rig();
  rig.lookup.ask("gw.example");
  rig.lookup.ask("gw.example");
  assert.deepEqual(rig.asked, ["gw.example"]);
  await rig.answer("gw.example", ["192.0.2.1", "2001:db8::1", "fe80::1%eth0", "?"]);
  assert.deepEqual(rig.told, [["gw.example", ["192.0.2.1", "2001:db8::1"]]]);
  rig.lookup.ask("gw.example");
  assert.equal(rig.asked.length, 2);
  await rig.answer("gw.example", []);
});

test("few questions are under way at once, the others follow; a failure is told as no address", async () => {
  const rig = new Rig();
  for (const name of ["a", "b", "c"]) rig.lookup.ask(name);
  assert.deepEqual(rig.asked, ["a", "b"]);
  await rig.answer("b", new Error("ENOTFOUND"));
  assert.deepEqual(rig.told, [["b", []]]);
  assert.deepEqual(rig.asked, ["a", "b", "c"]);
  await rig.answer("a", []);
  await rig.answer("c", ["192.0.2.3"]);
  assert.deepEqual(rig.told.at(-1), ["c", ["192.0.2.3"]]);
});

test("after its end nothing is told", async () => {
  const rig = new Rig();
  rig.lookup.ask("a");
  rig.lookup.close();
  await rig.answer("a", ["192.0.2.1"]);
  assert.deepEqual(rig.told, []);
});
