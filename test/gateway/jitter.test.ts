import assert from "node:assert/strict";
import { test } from "node:test";
import { UNLIMITED } from "#core/child-sa-spec";
import { octets } from "#core/units";
import { DataPlane } from "#gateway/data-plane";
import type { LaneCommand } from "#gateway/lane-command";
import { SaNumber, SaTable } from "#ipsec/sa";
import { ALL_SOCKETS, seededRandom } from "#test/sim/gateway-pair";
import { childSpec, LEFT, protect, protocolSpec, RIGHT, suiteOf } from "#test/sim/specs";

test("soft limits of SAs installed alike differ, within a twentieth below what was asked; hard ones stay", () => {
  const commands: LaneCommand[] = [];
  const link = { sockets: ALL_SOCKETS, send: (command: LaneCommand) => void commands.push(command) };
  const plane = new DataPlane(SaTable.allocate(256), [link], seededRandom(11));
  plane.setPolicies([protect(LEFT, RIGHT)]);
  for (let i = 0; i < 20; i++)
    plane.install(
      childSpec({
        ...protocolSpec("esp", "tunnel", suiteOf("aes128gcm16"), i + 1),
        lifetime: { ...UNLIMITED, softOctets: octets(90_000_000), hardOctets: octets(100_000_000) },
      }),
      false,
    );
  const rows = commands.flatMap((command) => (command.kind === "install" ? command.installs : []));
  const soft = rows.map(({ numbers }) => numbers[SaNumber.SOFT_OCTETS] ?? 0);
  assert.ok(soft.every((limit) => limit >= 85_500_000 && limit <= 90_000_000));
  assert.ok(new Set(soft).size > 10);
  assert.ok(rows.every(({ numbers }) => numbers[SaNumber.HARD_OCTETS] === 100_000_000));
  assert.ok(rows.every(({ numbers }) => numbers[SaNumber.SOFT_TIME] === Number.POSITIVE_INFINITY));
});
