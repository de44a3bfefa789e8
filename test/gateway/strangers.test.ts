/** What strangers and operators do while the gateway itself is at work, with the real engine. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Connection, IkeConfig } from "#core/connection";
import { ProtocolId, TransformType } from "#core/proposal";
import { IkeEngine } from "#ike/engine";
import { childConfig, connectionConfig, ikeConfig, JoinedControls } from "#test/sim/control-pair";
import { address } from "#test/sim/gateway-pair";
import { credentials, espProposal, ikeProposal } from "#test/sim/ike-config";
import { encodeMessage } from "#wire/ike/chain";
import { ExchangeType, IkeFlag } from "#wire/ike/numbers";

const LEFT = "192.0.2.1";
const RIGHT = "192.0.2.2";

function config(own: string, peer: string, change: Partial<Connection> = {}): IkeConfig {
  const child = childConfig({ proposals: [espProposal()] });
  const mine = own === LEFT ? child : { ...child, local: child.remote, remote: child.local };
  const connection = connectionConfig([mine], {
    proposals: [ikeProposal()],
    localAddresses: [{ kind: "address", address: address(own) }],
    remoteAddresses: [{ kind: "address", address: address(peer) }],
    ...change,
  });
  return { ...ikeConfig([connection]), credentials: credentials() };
}

function joined(change: Partial<Connection> = {}): JoinedControls<IkeEngine> {
  const pair = new JoinedControls(({ random, spis }) => new IkeEngine({ random, spis }), { delay: 20 });
  pair.left.give({ kind: "configure", ike: config(LEFT, RIGHT, change), policies: [] });
  pair.right.give({ kind: "configure", ike: config(RIGHT, LEFT), policies: [] });
  return pair;
}

/** IKE_SA_INIT that proposes what nobody knows. */
function foreignInit(): Uint8Array {
  const header = {
    initiatorSpi: 0x1234n,
    responderSpi: 0n,
    majorVersion: 2,
    minorVersion: 0,
    exchangeType: ExchangeType.IKE_SA_INIT,
    flags: IkeFlag.INITIATOR,
    messageId: 0,
  };
  const transforms = [{ type: TransformType.ENCR, id: 99, keyBits: 0 }];
  return encodeMessage(header, [
    { kind: "SA", proposals: [{ number: 1, protocol: ProtocolId.IKE, spi: new Uint8Array(0), transforms }] },
    { kind: "KE", method: 31, data: new Uint8Array(32) },
    { kind: "Nonce", data: new Uint8Array(16) },
  ]);
}

function outcomes({ told }: JoinedControls<IkeEngine>["left"]) {
  return told.flatMap((effect) => (effect.kind === "done" ? [effect.outcome] : []));
}

function failures({ told }: JoinedControls<IkeEngine>["left"]) {
  return told.flatMap((effect) => (effect.kind === "report" && effect.report.kind === "failed" ? [effect.report] : []));
}

test("a datagram that anybody can forge does not fail the command and the start that are under way", () => {
  const pair = joined();
  const { left } = pair;
  const local = { address: address(LEFT), port: 4500 };
  left.give({ kind: "initiate", command: 1, target: { kind: "child", child: "net", connection: undefined } });
  left.give({ kind: "datagram", octets: foreignInit(), local, remote: { address: address(RIGHT), port: 4500 } });
  assert.deepEqual(
    failures(left).map(({ asked, notify }) => [asked, notify]),
    [["peer", "NO_PROPOSAL_CHOSEN"]],
  );
  assert.deepEqual(outcomes(left), []);
  pair.run(300);
  assert.deepEqual(outcomes(left), [{ kind: "ok", count: 1 }]);
});

test("a refused stranger is named by its address, of IPv6 too", () => {
  const pair = joined({ remoteAddresses: [{ kind: "any" }], localAddresses: [{ kind: "any" }] });
  const [local, remote] = ["2001:db8::1", "2001:db8::bad"].map((text) => ({ address: address(text), port: 500 }));
  assert.ok(local && remote);
  pair.left.give({ kind: "datagram", octets: foreignInit(), local, remote });
  assert.match(failures(pair.left)[0]?.reason ?? "", /\(peer 2001:db8::bad\)$/);
});

test("an IKE SA that stands already is what an operator asked for: the answer comes at once", () => {
  const pair = joined();
  const { left } = pair;
  left.give({ kind: "initiate", command: 1, target: { kind: "ike", connection: "gw" } });
  pair.run(300);
  assert.deepEqual(outcomes(left), [{ kind: "ok", count: 1 }]);
  left.give({ kind: "initiate", command: 2, target: { kind: "ike", connection: "gw" } });
  assert.equal(outcomes(left).length, 2);
  assert.equal(left.engine.snapshot().sas.length, 1);
});

test("an operator starts the IKE SA of a peer that is configured by its name", () => {
  const pair = joined({ remoteAddresses: [{ kind: "name", name: "right.example" }] });
  const { left } = pair;
  left.give({ kind: "initiate", command: 1, target: { kind: "ike", connection: "gw" } });
  left.give({ kind: "resolved", name: "right.example", addresses: [address(RIGHT)] });
  pair.run(300);
  assert.deepEqual(outcomes(left), [{ kind: "ok", count: 1 }]);
});

test("a stranger's proposals are compared with those of many connections once, where these are alike", () => {
  const { left } = joined();
  let looks = 0;
  const connections = Array.from({ length: 200 }, (_, i) => {
    const proposal = ikeProposal();
    const { transforms } = proposal;
    const watched = Object.defineProperty({ ...proposal }, "transforms", {
      enumerable: true,
      get: () => {
        looks++;
        return transforms;
      },
    });
    return connectionConfig([], { name: `c${i}`, remoteAddresses: [{ kind: "any" }], proposals: [watched] });
  });
  left.give({ kind: "configure", ike: { connections, credentials: credentials() }, policies: [] });
  const from = (host: number) => ({ address: address(`203.0.113.${host}`), port: 500 });
  const local = { address: address(LEFT), port: 500 };
  left.give({ kind: "datagram", octets: foreignInit(), local, remote: from(1) });
  looks = 0;
  left.give({ kind: "datagram", octets: foreignInit(), local, remote: from(2) });
  assert.equal(failures(left).length, 2);
  assert.ok(looks < 200, `${looks} looks at our proposals`);
});

test("strangers that are refused without end fill no log: 50 reports, then one a second, the others are counted", () => {
  const pair = joined();
  const { left } = pair;
  const local = { address: address(LEFT), port: 500 };
  const remote = { address: address(RIGHT), port: 500 };
  for (let i = 0; i < 2000; i++) {
    pair.run(5);
    left.give({ kind: "datagram", octets: foreignInit(), local, remote });
  }
  const told = failures(left).length;
  assert.ok(told >= 58 && told <= 61, `${told} reports in ten seconds`);
  const { ike_failed: failed = 0, refusals_untold: untold = 0 } = left.engine.snapshot().counters;
  assert.equal(told + untold, failed);
  assert.ok(failed > 1000, `${failed} refusals`);
});
