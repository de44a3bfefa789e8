/** One tunnel of a live pair: what is asked of it, and what must hold. */
import assert from "node:assert/strict";
import type { OperatorAction, TunnelStatus } from "#core/operator";
import type { Agent, Target } from "#lab/agent";
import { kernelDrops } from "#lab/counters";
import { namesAt } from "#lab/ike-config";
import { at } from "#lab/lab";
import { siteAt } from "#lab/network";
import type { FlowReport } from "#lab/traffic-messages";
import { mustAnswerPing, mustBeSilent, mustFlow } from "#test/netns/lab";
import type { LivePair } from "./live-pair.ts";

/** Datagrams a second of the stream that runs beside what is tested: charon's socket holds a third of a second of them. */
const STREAM_RATE = 500;
const STREAM_OCTETS = 400;

const UP: ReadonlySet<string> = new Set(["established", "rekeying", "rekeyed"]);

let flows = 1000;

export interface StreamResult {
  readonly lost: number;
  readonly duplicates: number;
  readonly damaged: number;
}

export class LiveTunnel {
  readonly connection: string;
  readonly child: string;
  readonly #pair: LivePair;
  readonly #place: number;

  constructor(pair: LivePair, place: number) {
    const { connection, child } = namesAt(place);
    this.connection = connection;
    this.child = child;
    this.#pair = pair;
    this.#place = place;
  }

  initiate(from: "us" | "them"): Promise<unknown> {
    if (from === "us") return this.#pair.ours.act("initiate", `${this.connection}/${this.child}`);
    return this.#pair.peer.initiate(this.child);
  }

  /** On our child, or on the whole IKE SA. */
  act(action: OperatorAction, what: "child" | "ike"): Promise<void> {
    if (what === "ike") return this.#pair.ours.act(action, this.connection, true);
    return this.#pair.ours.act(action, `${this.connection}/${this.child}`);
  }

  /** On strongSwan's. */
  askPeer(action: "rekey" | "terminate", what: "child" | "ike"): Promise<string> {
    return this.#pair.peer.swanctl(`--${action}`, `--${what}`, what === "ike" ? this.connection : this.child);
  }

  hostA(agent: Agent, family: 4 | 6 = 4): Target {
    return at(agent, siteAt("A", this.#place).host, family);
  }

  hostB(agent: Agent, family: 4 | 6 = 4): Target {
    return at(agent, siteAt("B", this.#place).host, family);
  }

  /** TCP, datagrams and echoes both ways, whole, and nothing of it in clear. */
  async mustCarry(family: 4 | 6 = 4): Promise<void> {
    const { a, b } = this.#pair.hosts;
    await this.#pair.explained(async () => {
      await mustFlow(this.hostA(a, family), this.hostB(b, family), "gentle");
      await mustFlow(this.hostB(b, family), this.hostA(a, family), "gentle");
      mustBeSilent(this.#pair.tap);
    });
  }

  /** ping, where it is installed. */
  async mustPing(): Promise<void> {
    const { address } = this.hostB(this.#pair.hosts.b);
    await this.#pair.explained(() => mustAnswerPing(this.#pair.hosts.a, address));
  }

  /** Round trips from host to host, where more traffic would prove no more. */
  async mustEcho(family: 4 | 6 = 4): Promise<void> {
    const { a, b } = this.#pair.hosts;
    await this.#pair.explained(async () => {
      assert.equal((await a.echo(this.hostB(b, family), 3, 200)).lost, 0);
      mustBeSilent(this.#pair.tap);
    });
  }

  /** Our host talks; nothing of it arrives, nothing is seen. */
  async mustStayQuiet(): Promise<void> {
    const { a, b } = this.#pair.hosts;
    const flow = ++flows;
    await a.flow(this.hostB(b), flow, 20, 400, 100);
    assert.equal((await b.flowReport(flow)).received, 0);
    const { innerPackets, example } = this.#pair.tap.report();
    assert.equal(innerPackets, 0, `in clear: ${example}`);
  }

  /** Numbered datagrams both ways for so long; `during` runs beside them. None may be lost, doubled or damaged. */
  async mustNotLoseWhile(seconds: number, during: () => Promise<void>): Promise<void> {
    const before = await this.#carried();
    const { out, back } = await this.streamWhile(seconds, during);
    const now = await this.#carried();
    const broken = [out, back].some(({ lost, duplicates, damaged }) => lost + duplicates + damaged > 0);
    // Who lost it: what left us and did not arrive was lost behind us, what did not come to us before us.
    if (broken)
      await this.#pair.explained(async () =>
        assert.fail(
          `out ${JSON.stringify(out)}, back ${JSON.stringify(back)}, of ${seconds * STREAM_RATE} each: ` +
            `${now.left - before.left} left us, ${now.came - before.came} came to us; ` +
            `no room in sockets of ${this.#pair.lab.network.boxes.map((box) => `${box.name}: ${kernelDrops(box)}`).join(", ")}`,
        ),
      );
    mustBeSilent(this.#pair.tap);
  }

  /** Packets by all pairs so far. */
  async #carried(): Promise<{ readonly left: number; readonly came: number }> {
    const { packetsOut = 0, packetsIn = 0 } = (await this.status()) ?? {};
    return { left: packetsOut, came: packetsIn };
  }

  /** The same, and what became of them. */
  async streamWhile(
    seconds: number,
    during: () => Promise<void>,
  ): Promise<{ readonly out: StreamResult; readonly back: StreamResult }> {
    const { a, b } = this.#pair.hosts;
    const count = seconds * STREAM_RATE;
    const [out, back] = [++flows, ++flows];
    const [sentOut, sentBack] = await Promise.all([
      a.flow(this.hostB(b), out, count, STREAM_RATE, STREAM_OCTETS),
      b.flow(this.hostA(a), back, count, STREAM_RATE, STREAM_OCTETS),
      during(),
    ]);
    const result = (sent: number, { received, duplicates, damaged }: FlowReport): StreamResult => ({
      lost: sent - received,
      duplicates,
      damaged,
    });
    return {
      out: result(sentOut.sent, await b.finalFlowReport(out, sentOut.sent)),
      back: result(sentBack.sent, await a.finalFlowReport(back, sentBack.sent)),
    };
  }

  /** Our own view; undefined when there is none. */
  async status(): Promise<TunnelStatus | undefined> {
    const { tunnels } = await this.#pair.ours.status();
    return tunnels.find(({ connection }) => connection === this.connection);
  }

  /** Our inbound SPI in use; undefined when there is none. */
  async spi(): Promise<string | undefined> {
    return (await this.status())?.sas.find(({ role }) => role === "current")?.spiIn;
  }

  async mustBeUp(): Promise<void> {
    const installed = new RegExp(`${this.child}: #\\d+.*INSTALLED`);
    await this.#pair.eventually("the tunnel is up at both sides", async () => {
      return (await this.status())?.state === "up" && installed.test(await this.#pair.peer.listSas(this.connection));
    });
  }

  /** Cookies or SPIs of our IKE SAs that stand; IKEv1 says each delete again, and an SA stays for that. */
  async ikeSas(): Promise<readonly string[]> {
    const { ikeSas } = await this.#pair.ours.status();
    return ikeSas
      .filter(({ connection, state }) => connection === this.connection && UP.has(state))
      .map(({ spis }) => spis);
  }

  /** Another pair of SAs, or another IKE SA, by a rekey of either side; theirs may wait for traffic to be used. */
  async mustRekey(what: "child" | "ike" = "child", by: "us" | "them" = "us"): Promise<void> {
    const [spi, spis, ikeSas] = [await this.spi(), await this.#spis(), await this.ikeSas()];
    if (by === "us") await this.act("rekey", what);
    else await this.askPeer("rekey", what);
    await this.#pair.eventually(`another ${what} by ${by}`, async () => {
      if (what === "ike") return (await this.ikeSas()).some((one) => !ikeSas.includes(one));
      if (by === "us") return (await this.spi()) !== spi;
      return (await this.#spis()).some((one) => !spis.includes(one));
    });
  }

  async #spis(): Promise<readonly string[]> {
    return (await this.status())?.sas.map(({ spiIn }) => spiIn) ?? [];
  }

  /** Nothing is left at either side but what drains. */
  async mustBeDown(): Promise<void> {
    await this.#pair.eventually("nothing is left", async () => {
      const draining = (await this.status())?.sas.every(({ role }) => role === "draining") ?? true;
      const gone = (await this.ikeSas()).length === 0;
      return gone && draining && (await this.#pair.peer.listSas(this.connection)) === "";
    });
  }
}
