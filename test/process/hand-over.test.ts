// An upgrade's two processes: whatever the next one does, exactly one of both goes on.
import assert from "node:assert/strict";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { millis, slot, spi } from "#core/units";
import type { ChildState } from "#gateway/plane-state";
import type { GatewayState } from "#process/freezing";
import { HandOver, type HandOverParts, type Successor } from "#process/hand-over";
import { childSpec } from "#test/sim/specs";
import { EMPTY_GATEWAY } from "./empty-gateway.ts";

const PROGRAM = fileURLToPath(import.meta.resolve("#test/process/successor"));

/** A gateway without anything but a key. */
class Running {
  readonly key = new Uint8Array(16).fill(7);
  frozen = 0;
  resumed = 0;

  state(): GatewayState {
    const slots = { inbound: slot(0), outbound: slot(1), inboundAh: undefined, outboundAh: undefined };
    const spis = { inboundSpi: spi(0x1000), outboundSpi: spi(0x2000) };
    const row = { columns: new Int32Array(0), numbers: new Float64Array(0), endpoint: new Int32Array(0) };
    const child: ChildState = {
      child: { id: 1, policy: "net", lane: 0, ...slots, ...spis, remote: "192.0.2.2", mtu: 1400 },
      inboundSpis: [spis.inboundSpi],
      ranges: { windows: [], selectors: { offset: 0, length: 0 } },
      spec: childSpec(),
      rows: [{ slot: slots.inbound, ...row, encryptionKey: this.key, integrityKey: new Uint8Array(0) }],
      windows: [],
      selectors: new Int32Array(0),
    };
    return {
      plane: {
        version: 1,
        commands: 0,
        ids: 4711,
        offered: [],
        policies: [],
        held: [],
        room: { used: new Uint8Array(256), nextFree: 0, windows: [], selectors: [] },
        children: [child],
        outbound: [],
      },
      ike: undefined,
      lanes: [],
      manual: [],
      controlSeconds: 0,
      stillSince: millis(0),
    };
  }

  parts(manner: string, change: Partial<HandOverParts> = {}): HandOverParts {
    return {
      program: [PROGRAM, manner],
      handover: {
        descriptors: {
          tun: {
            name: "esp0",
            fds: [],
            vnetHeader: true,
            offloads: { checksum: true, tso4: true, tso6: true, uso4: false, uso6: false },
          },
          lanes: [],
          ike: [],
        },
        guarded: true,
        freeze: async () => {
          this.frozen++;
          return this.state();
        },
        resume: async () => void this.resumed++,
        letGo: async () => undefined,
      },
      events: () => undefined,
      leaves: () => undefined,
      config: EMPTY_GATEWAY,
      unchanged: () => true,
      file: undefined,
      mtu: 1400,
      version: "0",
      listening: { control: undefined, vici: undefined, http: [] },
      keeper: undefined,
      kept: false,
      ...change,
    };
  }
}

async function outcomeOf(
  parts: HandOverParts,
): Promise<{ readonly outcome: Successor | string; readonly letGo: boolean }> {
  const handOver = new HandOver();
  const outcome = await handOver.run(parts);
  if (typeof outcome !== "string") outcome.channel.close();
  return { outcome, letGo: handOver.letGo };
}

test("the next process gets the state and takes over; this one never comes back", async () => {
  const running = new Running();
  const { outcome, letGo } = await outcomeOf(running.parts("takes over"));
  assert.ok(typeof outcome !== "string" && outcome.pid > 0, String(outcome));
  assert.ok(letGo);
  assert.deepEqual([running.frozen, running.resumed], [1, 0]);
  assert.ok(
    running.key.every((octet) => octet === 0),
    "keys of the state are wiped",
  );
});

const REFUSALS = [
  ["ends", /ended before it took over/, 0],
  ["refuses", /^it has no TUN$/, 0],
  ["older", /does not know the state of the running one \(it knows form 999\): stop the gateway and start it again/, 0],
  ["ends with the state", /ended before it took over/, 1],
] as const;

for (const [manner, why, stood] of REFUSALS)
  test(`a next process that ${manner}: this one goes on, and says why`, async () => {
    const running = new Running();
    const { outcome, letGo } = await outcomeOf(running.parts(manner));
    assert.ok(typeof outcome === "string");
    assert.match(outcome, why);
    assert.equal(letGo, false);
    assert.deepEqual([running.frozen, running.resumed], [stood, stood]);
  });

test("another configuration came meanwhile: nothing stood still", async () => {
  const running = new Running();
  const { outcome } = await outcomeOf(running.parts("takes over", { unchanged: () => false }));
  assert.equal(outcome, "the configuration was changed meanwhile; try again");
  assert.deepEqual([running.frozen, running.resumed], [0, 0]);
});
