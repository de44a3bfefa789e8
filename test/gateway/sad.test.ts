import assert from "node:assert/strict";
import { test } from "node:test";
import type { ChildSaSpec } from "#core/child-sa-spec";
import { LaneSad } from "#gateway/lane-sad";
import { SA_COLUMNS, Sa, SaFlag, SaNumber, SaState, SaTable } from "#ipsec/sa";
import { ALL_SOCKETS } from "#test/sim/gateway-pair";
import {
  ahSuiteOf,
  childSpec,
  joined,
  LEFT,
  mirrored,
  protect,
  protocolSpec,
  RIGHT,
  virtualGateway,
} from "#test/sim/specs";
import { captured, dropsOf, LEFT_4, offer, RIGHT_4, rightward, told } from "#test/sim/traffic";

/** A table of so many inbound SAs; every third SPI is one that people chose, which does not carry its slot. */
function filled(count: number): { table: SaTable; sad: LaneSad; spis: number[]; reads: () => number } {
  const whole = SaTable.allocate(count);
  let reads = 0;
  const columns = new Proxy(whole.columns, {
    get(target, key) {
      if (typeof key === "string" && /^\d+$/.test(key)) reads++;
      const value: unknown = Reflect.get(target, key, target);
      return value;
    },
  });
  const table = Object.create(whole, { columns: { value: columns }, capacity: { value: count } });
  const sad = new LaneSad(table);
  const spis = Array.from({ length: count }, (_, slot) => {
    const spi = slot % 3 === 0 ? (0x40000000 + 7 * slot + 1) | 0 : ((0x20000000 | (slot * 0x10001)) & -count) | slot;
    whole.columns[slot * SA_COLUMNS + Sa.SPI] = spi;
    whole.columns[slot * SA_COLUMNS + Sa.STATE] = SaState.MATURE;
    whole.columns[slot * SA_COLUMNS + Sa.FLAGS] = SaFlag.INBOUND;
    sad.add(spi, slot);
    return spi;
  });
  return { table, sad, spis, reads: () => reads };
}

test("S36: an SPI finds its SA among 16 and among 65,536 with the same few reads", () => {
  const costs = [16, 65_536].map((count) => {
    const { sad, spis, reads } = filled(count);
    let worst = 0;
    for (const [slot, spi] of spis.entries()) {
      const before = reads();
      assert.equal(sad.inboundSlot(spi), slot);
      worst = Math.max(worst, reads() - before);
    }
    const before = reads();
    assert.equal(sad.inboundSlot(0x7fffff01), -1);
    return [worst, reads() - before];
  });
  assert.deepEqual(costs[0], costs[1]);
  assert.ok((costs[0]?.[0] ?? 9) <= 3);
});

const RAW: Partial<ChildSaSpec> = { encapsulation: "none" };
const AH: Partial<ChildSaSpec> = { ...protocolSpec("ah", "tunnel", ahSuiteOf("sha256"), 81), ...RAW };
const BUNDLE: Partial<ChildSaSpec> = { ...RAW, outerAh: protocolSpec("ah", "transport", ahSuiteOf("sha256"), 82) };

test("an SA takes packets only by the road it was made for: UDP, raw, AH, AH over ESP", () => {
  const byUdp = joined(childSpec());
  const [inUdp] = captured(byUdp.left, byUdp.right, [rightward()]);
  const byRaw = joined(childSpec(RAW));
  const [raw] = captured(byRaw.left, byRaw.right, [rightward()]);
  assert.ok(inUdp !== undefined && raw !== undefined);
  const espSocket = ALL_SOCKETS.findIndex(({ kind, family }) => kind === "esp" && family === 4);
  const header = raw.bytes.slice(0, 20);
  assert.deepEqual(
    offer(byUdp.right, [{ ...inUdp, socket: espSocket, bytes: Uint8Array.from([...header, ...inUdp.bytes]) }]),
    [],
  );
  assert.deepEqual(dropsOf(byUdp.right), { WRONG_ENCAPSULATION: 1 });
  assert.deepEqual(offer(byRaw.right, [{ ...raw, socket: 0, bytes: raw.bytes.slice(20) }]), []);
  assert.deepEqual(dropsOf(byRaw.right), { WRONG_ENCAPSULATION: 1 });
  assert.equal(offer(byUdp.right, [inUdp]).length + offer(byRaw.right, [raw]).length, 2);
});

test("the ESP of a bundle without its AH, and AH that carries anything else, are refused (RFC 2401 §4.5)", () => {
  const spec = childSpec(BUNDLE);
  const { right } = joined(spec);
  // The same ESP SA, sent by somebody who leaves out the AH.
  const { left: lazy } = joined({ ...spec, outerAh: undefined });
  assert.deepEqual(offer(right, captured(lazy, right, [rightward()])), []);
  assert.deepEqual(dropsOf(right), { BUNDLE_INCOMPLETE: 1 });
  // The same AH SA, in tunnel mode around a clear packet.
  const { outerAh } = spec;
  assert.ok(outerAh !== undefined);
  const { left: naked } = joined({ ...spec, ...outerAh, mode: "tunnel", outerAh: undefined });
  assert.deepEqual(offer(right, captured(naked, right, [rightward()])), []);
  assert.deepEqual(dropsOf(right), { BUNDLE_INCOMPLETE: 2 });
});

test("another key: nothing is delivered, the failures are the SA's, and it does not count as used", () => {
  for (const change of [{}, RAW, AH, BUNDLE]) {
    const spec = childSpec(change);
    const { left } = joined(spec);
    const wrong = (octets: Uint8Array) => octets.map((octet) => octet ^ 0x55);
    const outer = spec.outerAh ?? spec;
    const inbound = {
      ...outer.inbound,
      encryptionKey: wrong(outer.inbound.encryptionKey),
      integrityKey: wrong(outer.inbound.integrityKey),
    };
    const outbound = { ...outer.outbound, ...keysOnly(inbound) };
    const changed =
      spec.outerAh === undefined ? { ...spec, outbound } : { ...spec, outerAh: { ...spec.outerAh, outbound } };
    const right = virtualGateway();
    const [child] = right.configure([protect(RIGHT, LEFT)], mirrored(changed));
    assert.ok(child !== undefined);
    right.events();
    assert.deepEqual(offer(right, captured(left, right, [rightward(), rightward()])), []);
    assert.deepEqual(dropsOf(right), { ICV_MISMATCH: 2 });
    assert.equal(right.table.number(child.inboundAh ?? child.inbound, SaNumber.ICV_FAILURES), 2);
    assert.deepEqual(told(right), []);
  }
});

function keysOnly({ encryptionKey, integrityKey }: ChildSaSpec["inbound"]): Partial<ChildSaSpec["inbound"]> {
  return { encryptionKey, integrityKey };
}

test("a packet from a forged inside: our own prefix as source, or a third network, is not delivered (RFC 4301 §5.2)", () => {
  const open = ["0.0.0.0/0", "::/0"];
  const spec = childSpec();
  const { right } = joined(spec);
  const liar = virtualGateway();
  liar.configure([protect(open, open)], {
    ...spec,
    localSelectors: protect(open, open).local,
    remoteSelectors: protect(open, open).remote,
  });
  const lies = [
    { source: RIGHT_4, destination: RIGHT_4 },
    { source: LEFT_4, destination: LEFT_4 },
    { source: "198.51.100.1", destination: RIGHT_4 },
    { source: LEFT_4, destination: "224.0.0.1" },
    { source: "fd03::1", destination: "fd02::9" },
  ];
  const datagrams = captured(
    liar,
    right,
    lies.map((lie) => rightward(10, lie)),
  );
  assert.equal(datagrams.length, lies.length);
  assert.deepEqual(offer(right, datagrams), []);
  assert.deepEqual(dropsOf(right), { SELECTOR_MISMATCH: lies.length });
});
