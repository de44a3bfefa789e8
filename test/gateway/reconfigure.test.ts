// Another configuration under way, with the real engines of both versions, on the virtual clock.
import assert from "node:assert/strict";
import { test } from "node:test";
import { offeredProposals } from "#config/swanctl/proposals";
import type { ChildConfig, Connection, IkeConfig } from "#core/connection";
import { ProtocolId } from "#core/proposal";
import type { TunnelSnapshot } from "#gateway/control-doors";
import { IkeEngine } from "#ike/engine";
import { childConfig, connectionConfig, JoinedControls } from "#test/sim/control-pair";
import { address } from "#test/sim/gateway-pair";
import { credentials, id, localAuth, remoteAuth } from "#test/sim/ike-config";
import { NumberedStream } from "#test/sim/numbered-stream";
import { selector } from "#test/sim/specs";

type Version = 1 | 2;
type Pair = JoinedControls<IkeEngine>;

const SIDES = [
  { name: "left.example", at: "192.0.2.1" },
  { name: "right.example", at: "192.0.2.2" },
] as const;

/** As the left side sees it; the right one gets its mirror. */
interface Wanted {
  readonly net?: Partial<ChildConfig>;
  /** Remote prefix of a second child; undefined = there is none. */
  readonly voice?: string | undefined;
  readonly gw?: Partial<Connection>;
  /** Another connection, whose peer is not there. */
  readonly other?: Partial<Connection> | undefined;
  readonly gone?: boolean;
  readonly credentials?: IkeConfig["credentials"];
}

const fixed = (prefix: string) => [{ kind: "fixed", selector: selector(prefix) }] as const;
const esp = (version: Version) => offeredProposals(["aes128-sha256"], ProtocolId.ESP, version);

function config(version: Version, side: 0 | 1, wanted: Wanted): IkeConfig {
  const [own, peer] = side === 0 ? SIDES : [SIDES[1], SIDES[0]];
  const child = (name: string, local: string, remote: string, change: Partial<ChildConfig> = {}): ChildConfig => {
    const made = childConfig({
      name,
      proposals: esp(version),
      local: fixed(local),
      remote: fixed(remote),
      startAction: side === 0 ? "start" : "none",
      ...change,
    });
    if (side === 0) return made;
    return { ...made, local: made.remote, remote: made.local, closeAction: "none", dpdAction: "clear" };
  };
  const children = [child("net", "10.1.0.0/16", "10.2.0.0/16", wanted.net)];
  if (wanted.voice !== undefined) children.push(child("voice", "10.11.0.0/16", wanted.voice));
  const gw: Partial<Connection> = {
    version,
    proposals: offeredProposals(["aes128-sha256-ecp256"], ProtocolId.IKE, version),
    localAddresses: [{ kind: "address", address: address(own.at) }],
    remoteAddresses: [{ kind: "address", address: address(peer.at) }],
    local: localAuth({ identity: id(own.name) }),
    remote: remoteAuth({ identity: id(peer.name) }),
    keyingTries: 0,
    ...wanted.gw,
  };
  const connections = wanted.gone === true ? [] : [connectionConfig(children, gw)];
  if (wanted.other !== undefined && side === 0)
    connections.push(
      connectionConfig([child("far", "10.1.0.0/16", "10.9.0.0/16")], {
        ...gw,
        name: "other",
        remoteAddresses: [{ kind: "address", address: address("192.0.2.77") }],
        ...wanted.other,
      }),
    );
  return { connections, credentials: wanted.credentials ?? credentials() };
}

function reconfigure(pair: Pair, version: Version, wanted: Wanted, sides: readonly (0 | 1)[] = [1, 0]): void {
  for (const side of sides)
    (side === 0 ? pair.left : pair.right).give({ kind: "configure", ike: config(version, side, wanted), policies: [] });
}

function up(version: Version, wanted: Wanted = {}): Pair {
  const pair = new JoinedControls(({ random, spis }) => new IkeEngine({ random, spis }), { delay: 5, jobTime: 2 });
  reconfigure(pair, version, wanted);
  pair.run(400);
  assert.equal(tunnel(pair, "net").state, "up");
  return pair;
}

function tunnel(pair: Pair, child: string, side: "left" | "right" = "left"): TunnelSnapshot {
  const found = pair[side].control.view.tunnels().find((one) => one.child === child);
  assert.ok(found !== undefined, `${child} is there`);
  return found;
}

const ikeSas = (pair: Pair, side: "left" | "right" = "left") =>
  pair[side].engine.snapshot().sas.filter(({ state }) => state !== "ended" && state !== "deleting");

/** "10.2.0.0/16", of the pairs of a child that IKE knows. */
const selectorsOf = (pair: Pair, child: string) =>
  pair.left.engine
    .snapshot()
    .sas.flatMap(({ children }) => children)
    .filter(({ name, state }) => name === child && state !== "deleting")
    .flatMap(({ remoteSelectors }) => remoteSelectors);

for (const version of [2, 1] as const) {
  test(`IKEv${version}: 60 reloads with changes to others under a stream: none lost, its SAs are the same, its counters go on`, () => {
    const pair = up(version, { voice: "10.12.0.0/16" });
    const before = tunnel(pair, "net").current;
    const ike = ikeSas(pair)[0]?.id;
    const stream = new NumberedStream(pair);
    for (let i = 0; i < 60; i++) {
      const voice = i % 3 === 2 ? undefined : `10.${12 + (i % 3)}.0.0/16`;
      const other = i % 2 === 0 ? { dpdDelay: 1000 as Connection["dpdDelay"], encap: i % 4 === 0 } : undefined;
      reconfigure(pair, version, { voice, other });
      stream.run(60, 2);
    }
    pair.run(500);
    stream.take();
    stream.assertWhole();
    const after = tunnel(pair, "net");
    assert.deepEqual([after.current, after.state], [before, "up"]);
    assert.equal(ikeSas(pair)[0]?.id, ike);
    assert.equal(after.packetsOut, stream.sent);
    assert.equal(pair.right.control.view.tunnels().length, 1, "what was removed is not there any more");
  });

  test(`IKEv${version}: the same configuration again does nothing at all`, () => {
    const pair = up(version, { voice: "10.12.0.0/16" });
    pair.left.told.length = 0;
    pair.left.sends.length = 0;
    reconfigure(pair, version, { voice: "10.12.0.0/16" }, [0]);
    assert.deepEqual([pair.left.told, pair.left.sends], [[], []]);
  });

  test(`IKEv${version}: a child of other selectors is deleted at the peer and made anew; the one beside it stays`, () => {
    const pair = up(version, { voice: "10.12.0.0/16" });
    const net = tunnel(pair, "net").current;
    const voice = tunnel(pair, "voice").current;
    reconfigure(pair, version, { voice: "10.13.0.0/16" });
    pair.run(1000);
    assert.deepEqual(selectorsOf(pair, "voice"), ["10.13.0.0/16"]);
    assert.notEqual(tunnel(pair, "voice").current, voice);
    assert.equal(tunnel(pair, "net").current, net);
    pair.run(10_000);
    assert.equal(pair.right.gateway.plane.children.length, 2, "the former pair is gone on both sides");
    assert.equal(pair.left.gateway.plane.children.length, 2);
    assert.equal(pair.clear, 0);
  });

  test(`IKEv${version}: a child that is gone is deleted at the peer, and its policy goes`, () => {
    const pair = up(version, { voice: "10.12.0.0/16" });
    reconfigure(pair, version, {}, [0]);
    assert.deepEqual(
      pair.left.policies.map(({ name }) => name),
      ["gw/net"],
    );
    pair.run(10_000);
    assert.deepEqual([pair.left.gateway.plane.children.length, pair.right.gateway.plane.children.length], [1, 1]);
    assert.equal(tunnel(pair, "voice", "right").state, "down");
    assert.equal(tunnel(pair, "net").state, "up");
  });

  test(`IKEv${version}: a connection that is gone is deleted at the peer with its IKE SA, and nothing brings it back`, () => {
    const pair = up(version, { net: { closeAction: "start", dpdAction: "restart" } });
    reconfigure(pair, version, { gone: true }, [0]);
    pair.run(40_000);
    assert.deepEqual([ikeSas(pair), ikeSas(pair, "right")], [[], []]);
    assert.deepEqual([pair.left.gateway.plane.children, pair.right.gateway.plane.children], [[], []]);
    assert.deepEqual([pair.left.control.view.tunnels(), pair.left.policies], [[], []]);
  });

  test(`IKEv${version}: a gateway that began without any connection takes them later`, () => {
    const pair = new JoinedControls(({ random, spis }) => new IkeEngine({ random, spis }), { delay: 5 });
    reconfigure(pair, version, { gone: true });
    pair.run(100);
    reconfigure(pair, version, {});
    pair.run(400);
    assert.equal(tunnel(pair, "net").state, "up");
  });

  test(`IKEv${version}: other IKE proposals end the IKE SA, and what was to be started is up again by the new ones`, () => {
    const pair = up(version);
    const before = ikeSas(pair)[0];
    const proposals = offeredProposals(["aes256-sha384-ecp384"], ProtocolId.IKE, version);
    reconfigure(pair, version, { gw: { proposals } });
    pair.run(2000);
    const [after] = ikeSas(pair);
    assert.notEqual(after?.id, before?.id);
    assert.match(after?.suite ?? "", /aes256-sha384.*ecp384/);
    assert.equal(tunnel(pair, "net").state, "up");
    assert.equal(pair.clear, 0);
  });

  test(`IKEv${version}: a larger replay window comes with a rekey under a stream: none lost`, () => {
    const pair = up(version);
    const before = tunnel(pair, "net").current;
    const stream = new NumberedStream(pair);
    stream.run(200, 2);
    reconfigure(pair, version, { net: { replayWindow: 4096 } }, [0]);
    stream.run(2000, 2);
    stream.assertWhole();
    assert.notEqual(tunnel(pair, "net").current, before);
    assert.equal(pair.left.rekeys["operator"]?.["done"], 1);
  });

  test(`IKEv${version}: a change while the child is negotiated: what comes of it is not what was given up`, () => {
    for (let at = 1; at <= 120; at += 7) {
      const pair = new JoinedControls(({ random, spis }) => new IkeEngine({ random, spis }), { delay: 9, jobTime: 3 });
      reconfigure(pair, version, {});
      pair.run(at);
      reconfigure(pair, version, { net: { remote: fixed("10.2.0.0/17") } });
      pair.run(10_000);
      assert.deepEqual(selectorsOf(pair, "net"), ["10.2.0.0/17"], `after ${at} ms`);
      assert.equal(tunnel(pair, "net").state, "up");
      assert.deepEqual([pair.left.gateway.plane.children.length, pair.right.gateway.plane.children.length], [1, 1]);
    }
  });

  test(`IKEv${version}: a secret that is mended brings up what has failed, at once; SAs that are up do not mind one`, () => {
    const wrong = credentials();
    for (const one of wrong.secrets) one.secret.fill(7);
    const pair = new JoinedControls(({ random, spis }) => new IkeEngine({ random, spis }), { delay: 5 });
    reconfigure(pair, version, {}, [1]);
    reconfigure(pair, version, { gw: { keyingTries: 1 }, credentials: wrong }, [0]);
    pair.run(60_000);
    assert.equal(tunnel(pair, "net").state, "down");
    reconfigure(pair, version, { gw: { keyingTries: 1 } }, [0]);
    pair.run(400);
    const { state, current } = tunnel(pair, "net");
    assert.equal(state, "up");
    reconfigure(pair, version, { gw: { keyingTries: 1 }, credentials: wrong }, [0]);
    pair.run(1000);
    assert.deepEqual([tunnel(pair, "net").state, tunnel(pair, "net").current], ["up", current]);
  });
}
