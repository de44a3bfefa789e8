import assert from "node:assert/strict";
import { test } from "node:test";
import { answerLine, findTargets } from "#control/answer";
import type { OperatedGateway, OperatorTarget } from "#core/operator";
import type { PacketQuery } from "#core/packet-verdict";
import { millis } from "#core/units";
import { EventJournal } from "#gateway/journal";
import { packetVerdict } from "#gateway/packet-verdict";
import { CHANGES, SampleConfiguration, STATUS, TUNNEL } from "./sample.ts";

const TWO = { ...STATUS, tunnels: [TUNNEL, { ...TUNNEL, child: "voice" }, { ...TUNNEL, connection: "lab" }] };

class Recorded implements OperatedGateway {
  readonly configuration: SampleConfiguration = new SampleConfiguration();
  readonly journal: EventJournal = new EventJournal({ wall: () => 1_800_000_000_000, now: () => millis(0) });
  readonly asked: (readonly [string, OperatorTarget])[] = [];
  outcome: { readonly count: number } | { readonly why: string } = { count: 1 };
  explainPacket(packet: PacketQuery) {
    return packetVerdict(packet, [], undefined);
  }
  details() {
    return undefined;
  }
  status() {
    return TWO;
  }
  async gatherStatus() {
    return TWO;
  }
  tunnelNames() {
    return TWO.tunnels;
  }
  async act(action: string, target: OperatorTarget) {
    this.asked.push([action, target]);
    return this.outcome;
  }
}

test("a connection's name means all of its children, or its IKE SA", () => {
  assert.deepEqual(findTargets("hq", false, TWO.tunnels), [
    { kind: "child", child: "net", connection: "hq" },
    { kind: "child", child: "voice", connection: "hq" },
  ]);
  assert.deepEqual(findTargets("hq", true, TWO.tunnels), [{ kind: "ike", connection: "hq" }]);
});

test("connection/child means one child, a child's name all of that name", () => {
  assert.deepEqual(findTargets("hq/net", false, TWO.tunnels), [{ kind: "child", child: "net", connection: "hq" }]);
  assert.deepEqual(findTargets("net", false, TWO.tunnels), [
    { kind: "child", child: "net", connection: "hq" },
    { kind: "child", child: "net", connection: "lab" },
  ]);
});

test("an unknown name gets the nearest one, or all there are", () => {
  assert.equal(findTargets("hq/nett", false, TWO.tunnels), "no tunnel is called 'hq/nett'; did you mean 'hq/net'?");
  assert.equal(findTargets("paris", true, TWO.tunnels), "no connection is called 'paris'; there are: hq, lab");
  assert.equal(findTargets("hq", false, []), "no tunnel is called 'hq'; none is configured");
});

test("a request reaches the gateway once for each target, and counts come back in one answer", async () => {
  const gateway = new Recorded();
  assert.deepEqual(JSON.parse(await answerLine('{"kind":"rekey","target":"hq"}', gateway)), { ok: true, count: 2 });
  assert.deepEqual(gateway.asked, [
    ["rekey", { kind: "child", child: "net", connection: "hq" }],
    ["rekey", { kind: "child", child: "voice", connection: "hq" }],
  ]);
  gateway.outcome = { why: "no answer" };
  assert.deepEqual(JSON.parse(await answerLine('{"kind":"initiate","target":"hq"}', gateway)), {
    ok: false,
    why: "no answer",
  });
});

test("what is no request is answered with what one looks like and reaches nobody", async () => {
  const gateway = new Recorded();
  for (const line of [
    "",
    "x",
    "null",
    "[]",
    "7",
    '{"kind":"reboot"}',
    '{"kind":"rekey"}',
    '{"kind":"rekey","target":7}',
    '{"kind":"reload","file":7}',
    '{"kind":"reload","file":"hq.conf"}',
    '{"kind":"diff","file":"/etc/\\u0000"}',
  ]) {
    const answer = JSON.parse(await answerLine(line, gateway));
    assert.equal(answer.ok, false);
    assert.match(answer.why, /^no request; write one JSON object a line/);
  }
  assert.deepEqual(gateway.asked, []);
  assert.deepEqual(gateway.configuration.asked, []);
});

test("a reload and what it would change are asked of the configuration, and what it says is the answer", async () => {
  const gateway = new Recorded();
  const good = JSON.parse(JSON.stringify({ ok: true, changes: CHANGES, warnings: [] }));
  assert.deepEqual(JSON.parse(await answerLine('{"kind":"reload"}', gateway)), good);
  assert.deepEqual(JSON.parse(await answerLine('{"kind":"diff","file":"/etc/hq.conf"}', gateway)), good);
  gateway.configuration.outcome = { why: "hq.conf:4:5: unknown key" };
  assert.deepEqual(JSON.parse(await answerLine('{"kind":"reload","file":"/etc/hq.conf"}', gateway)), {
    ok: false,
    why: "hq.conf:4:5: unknown key",
  });
  assert.deepEqual(gateway.configuration.asked, ["reload undefined", "diff /etc/hq.conf", "reload /etc/hq.conf"]);
});

test("a fault while answering is told to who asked: it does not become an unhandled rejection", async () => {
  const gateway = new Recorded();
  gateway.configuration.reload = async () => {
    throw new RangeError("out of order");
  };
  const { ok, why } = JSON.parse(await answerLine('{"kind":"reload"}', gateway));
  assert.equal(ok, false);
  assert.match(why, /a fault of this program.*: out of order; report it/);
});

test("events are told from a number on, in lines of JSON", async () => {
  const gateway = new Recorded();
  for (const text of ["one", "two", "three"])
    gateway.journal.report({ kind: "warning", text }, { level: "warn", text });
  const answer = JSON.parse(await answerLine('{"kind":"events","after":1,"limit":1}', gateway));
  assert.deepEqual(answer, {
    ok: true,
    events: {
      events: [{ kind: "warning", text: "three", number: 3, at: 1_800_000_000_000, level: "warn", line: "three" }],
      last: 3,
      lost: 0,
    },
  });
  const all = JSON.parse(await answerLine('{"kind":"events","after":"x","limit":-1}', gateway));
  assert.equal(all.events.events.length, 3);
});

test("a packet is asked for with its addresses checked, and the answer is what becomes of it", async () => {
  const ask = async (packet: object) =>
    JSON.parse(await answerLine(JSON.stringify({ kind: "packet", packet }), new Recorded()));
  const found = await ask({
    source: "10.1.0.5",
    destination: "10.2.0.7",
    protocol: 6,
    sourcePort: 1,
    destinationPort: 22,
  });
  assert.deepEqual(
    [found.ok, found.verdict.ways[0].fate, found.verdict.packet.destinationPort],
    [true, "no policy", 22],
  );
  const wrong = await ask({ source: "10.1.0", destination: "10.2.0.7" });
  assert.deepEqual(wrong, { ok: false, why: "'10.1.0' is no address; for example 10.1.0.5" });
  for (const packet of [
    { source: "10.1.0.5" },
    { source: 1, destination: 2 },
    { source: "a".repeat(65), destination: "b" },
  ])
    assert.match((await ask(packet)).why, /^no request/);
});
