// As many SAs as a configuration gives rows for: installing one more costs the same, and nothing but rows and memory ends it.
import assert from "node:assert/strict";
import test from "node:test";
import { ConfigError } from "#core/errors";
import { spi } from "#core/units";
import { createLaneCipher } from "#process/lane-cipher";
import { VirtualGateway } from "#test/sim/gateway-pair";
import { childSpec, LEFT, protect, RIGHT } from "#test/sim/specs";

const SLOTS = 4_096;

test("S56: every row of the table takes an SA, one pair more is refused with what to do, and a removed pair makes room", () => {
  const gateway = new VirtualGateway((memory, count) => createLaneCipher("native", memory, count), SLOTS, 5);
  gateway.configure([protect(LEFT, RIGHT)]);
  const { plane } = gateway;
  let made = 0;
  const install = () => {
    const spec = childSpec();
    const inbound = { ...spec.inbound, spi: plane.drawSpi(0) };
    const { child } = plane.install(
      { ...spec, inbound, outbound: { ...spec.outbound, spi: spi(0x1000 + made++) } },
      false,
    );
    gateway.allEvents();
    return child;
  };
  const first = install();
  for (let i = 1; i < SLOTS / 2; i++) install();
  assert.equal(plane.children.length, SLOTS / 2);
  assert.throws(
    install,
    (error) => error instanceof ConfigError && /all 4096 slots are in use; give a larger/.test(error.message),
  );
  plane.remove(first.id);
  gateway.allEvents();
  install();
  assert.equal(plane.children.length, SLOTS / 2);
});
