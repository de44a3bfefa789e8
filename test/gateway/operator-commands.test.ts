// What operators ask is answered by what is told of: with IKEv1 only of the ISAKMP SA that is spoken over.
import assert from "node:assert/strict";
import { test } from "node:test";
import { addressOf } from "#core/address";
import type { IkeSaSnapshot } from "#core/ike-state";
import { millis } from "#core/units";
import { ChildStarts } from "#gateway/child-starts";
import { ControlCommands } from "#gateway/control-commands";
import type { ControlEffect } from "#gateway/control-doors";
import { OperatorCommands } from "#gateway/operator-commands";
import { RekeyDirector } from "#gateway/rekey-director";
import { Tunnels } from "#gateway/tunnels";
import type { IkeInput } from "#ike/effects";
import { countingRandom } from "#test/ike/counting-random";

const NOW = millis(1_000);
const endpoint = (last: number) => ({ address: addressOf(Uint8Array.of(192, 0, 2, last)), port: 4500 });

function isakmp(id: number, state: IkeSaSnapshot["state"]): IkeSaSnapshot {
  return {
    id,
    connection: "gw",
    version: 1,
    state,
    initiator: true,
    initiatorSpi: "0000000000000001",
    responderSpi: "0000000000000002",
    local: endpoint(1),
    remote: endpoint(2),
    localIdentity: "a",
    remoteIdentity: "b",
    suite: "aes128-sha256-ecp256",
    natLocal: false,
    natRemote: false,
    udpForced: "none",
    establishedAt: NOW,
    rekeyAt: undefined,
    reauthAt: undefined,
    expiresAt: undefined,
    children: [],
  };
}

/** A line with a former ISAKMP SA, one that ends, one on its way and the one it speaks over. */
const SAS = [isakmp(1, "rekeyed"), isakmp(2, "deleting"), isakmp(3, "connecting"), isakmp(4, "established")];

function scene() {
  const commands = new ControlCommands();
  const [inputs, effects]: [IkeInput[], ControlEffect[]] = [[], []];
  const operator = new OperatorCommands({
    director: new RekeyDirector({ random: countingRandom(), usage: () => assert.fail("nothing is installed") }),
    tunnels: new Tunnels(),
    starts: new ChildStarts(countingRandom()),
    commands,
    ending: new Set(),
    isInstalled: () => false,
    ikeSas: () => SAS,
    engine: (input) => inputs.push(input),
    direct: () => undefined,
    start: () => undefined,
    tell: (...told) => effects.push(...told),
    allowClear: () => false,
  });
  return { commands, inputs, effects, operator };
}

const target = { kind: "ike", connection: "gw" } as const;

test("terminate is done when the current ISAKMP SA is down; all others are ended too, and nobody waits for them", () => {
  const { commands, inputs, effects, operator } = scene();
  operator.take({ kind: "terminate", command: 9, target }, NOW);
  assert.deepEqual(
    inputs.map((input) => (input.kind === "delete-ike" ? input.ike : input.kind)),
    [1, 2, 3, 4],
  );
  assert.deepEqual(effects, []);
  assert.deepEqual(commands.happened("ike-gone 4"), [{ kind: "done", command: 9, outcome: { kind: "ok", count: 1 } }]);
});

test("rekey renews the current ISAKMP SA alone", () => {
  const { commands, inputs, operator } = scene();
  operator.take({ kind: "rekey", command: 9, target, reauthenticate: false }, NOW);
  assert.deepEqual(inputs, [{ kind: "rekey-ike", ike: 4, trigger: "operator" }]);
  assert.equal(commands.happened("ike-rekeyed 4").length, 1);
});
