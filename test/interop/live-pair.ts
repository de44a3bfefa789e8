/** One of ours at site A against strongSwan at site B, from one plan seen from both sides. */
import assert from "node:assert/strict";
import { statusText } from "#control/status-text";
import type { Agent } from "#lab/agent";
import type { GatewayProcess } from "#lab/gateway-process";
import {
  connectionText,
  freshSecret,
  type IkePlan,
  type LabFiles,
  MAIN_FILE,
  mainFile,
  secretsText,
} from "#lab/ike-config";
import { hostA, hostB, Lab } from "#lab/lab";
import { SITE_A, SITE_B } from "#lab/network";
import { Strongswan, type StrongswanPlan } from "#lab/strongswan";
import type { FlowReport } from "#lab/traffic-messages";
import type { WireTap } from "#lab/wire-tap";
import { eventually, mustBeSilent, mustFlow } from "#test/netns/lab";

/** Datagrams a second of the stream that runs beside what is tested: charon's socket holds a third of a second of them. */
const STREAM_RATE = 500;
const STREAM_OCTETS = 400;

export interface StreamResult {
  readonly lost: number;
  readonly duplicates: number;
  readonly damaged: number;
}

export interface PairPlan {
  readonly plan: IkePlan;
  /** What differs at our side only, and at strongSwan's. */
  readonly ours?: Partial<IkePlan>;
  readonly theirs?: Partial<IkePlan>;
  readonly ourFiles?: LabFiles;
  /** `secrets` in place of the one that both have. */
  readonly peer?: Omit<Partial<StrongswanPlan>, "connections">;
  readonly mtu?: number;
}

export class LivePair implements AsyncDisposable {
  readonly lab: Lab;
  readonly hosts: { readonly a: Agent; readonly b: Agent };
  readonly ours: GatewayProcess;
  readonly peer: Strongswan;
  readonly tap: WireTap;
  /** What ours was started with. */
  readonly files: LabFiles;
  #flows = 1000;

  private constructor(lab: Lab, hosts: LivePair["hosts"], ours: GatewayProcess, files: LabFiles, peer: Strongswan) {
    this.lab = lab;
    this.hosts = hosts;
    this.ours = ours;
    this.files = files;
    this.peer = peer;
    this.tap = lab.openTap();
  }

  static async start({ plan, ours, theirs, ourFiles, peer, mtu }: PairPlan): Promise<LivePair> {
    const lab = new Lab(mtu ?? 1500);
    try {
      const { gatewayA, gatewayB } = lab.network;
      const secrets = secretsText(freshSecret());
      const connection = connectionText({ ...plan, ...ours }, SITE_A);
      const files = { [MAIN_FILE]: mainFile(connection, secrets, plan.rest), ...ourFiles };
      const gateway = lab.launchIke(gatewayA, files);
      const connections = connectionText({ ...plan, ...theirs }, SITE_B);
      const starting = Strongswan.start(gatewayB, { connections, secrets, ...peer });
      try {
        const [hosts, strongswan] = await Promise.all([lab.startHosts(), starting, gateway.ready()]);
        return new LivePair(lab, hosts, gateway, files, strongswan);
      } catch (error) {
        // The lab knows nothing of it: left alone it would keep the test's process for ever.
        await starting.then(
          (strongswan) => strongswan[Symbol.asyncDispose](),
          () => undefined,
        );
        throw error;
      }
    } catch (error) {
      await lab[Symbol.asyncDispose]();
      throw error;
    }
  }

  initiate(from: "us" | "them"): Promise<unknown> {
    return from === "us" ? this.ours.act("initiate", "s2s/net") : this.peer.initiate("net");
  }

  /** TCP, datagrams and echoes both ways, whole, and nothing of it in clear. */
  async mustCarry(family: 4 | 6 = 4): Promise<void> {
    const { a, b } = this.hosts;
    await this.explained(async () => {
      await mustFlow(hostA(a, family), hostB(b, family), "gentle");
      await mustFlow(hostB(b, family), hostA(a, family), "gentle");
      mustBeSilent(this.tap);
    });
  }

  /** Round trips from host to host, where more traffic would prove no more. */
  async mustEcho(family: 4 | 6 = 4): Promise<void> {
    const { a, b } = this.hosts;
    await this.explained(async () => {
      assert.equal((await a.echo(hostB(b, family), 3, 200)).lost, 0);
      mustBeSilent(this.tap);
    });
  }

  eventually(what: string, holds: () => boolean | Promise<boolean>): Promise<void> {
    return this.explained(() => eventually(what, holds));
  }

  /** A failure says what both sides knew of it. */
  async explained<Result>(work: () => Promise<Result>): Promise<Result> {
    try {
      return await work();
    } catch (error) {
      if (!(error instanceof Error)) throw error;
      const [ours, theirs] = [statusText(await this.ours.status(), true), await this.peer.listSas()];
      error.message += `\n--- ours\n${ours}${this.ours.process.log}\n--- theirs\n${theirs}\n${this.peer.logTail(40)}`;
      throw error;
    }
  }

  /** Numbered datagrams both ways for so long; `during` runs beside them. None may be lost, doubled or damaged. */
  async mustNotLoseWhile(seconds: number, during: () => Promise<void>): Promise<void> {
    const { out, back } = await this.streamWhile(seconds, during);
    const whole = { lost: 0, duplicates: 0, damaged: 0 };
    await this.explained(async () => assert.deepEqual({ out, back }, { out: whole, back: whole }));
    mustBeSilent(this.tap);
  }

  /** The same, and what became of them. */
  async streamWhile(
    seconds: number,
    during: () => Promise<void>,
  ): Promise<{ readonly out: StreamResult; readonly back: StreamResult }> {
    const { a, b } = this.hosts;
    const count = seconds * STREAM_RATE;
    const [out, back] = [++this.#flows, ++this.#flows];
    const [sentOut, sentBack] = await Promise.all([
      a.flow(hostB(b), out, count, STREAM_RATE, STREAM_OCTETS),
      b.flow(hostA(a), back, count, STREAM_RATE, STREAM_OCTETS),
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

  /** Our inbound SPI in use; undefined when there is none. */
  async spi(): Promise<string | undefined> {
    const { tunnels } = await this.ours.status();
    return tunnels[0]?.sas.find(({ role }) => role === "current")?.spiIn;
  }

  async mustBeUp(): Promise<void> {
    await this.eventually("the tunnel is up at both sides", async () => {
      const { tunnels } = await this.ours.status();
      return tunnels[0]?.state === "up" && /net: #\d+.*INSTALLED/.test(await this.peer.listSas());
    });
  }

  /** Nothing is left at either side but what drains. */
  async mustBeDown(): Promise<void> {
    await this.eventually("nothing is left", async () => {
      const { tunnels, ikeSas } = await this.ours.status();
      const draining = tunnels.every(({ sas }) => sas.every(({ role }) => role === "draining"));
      return ikeSas.length === 0 && draining && (await this.peer.listSas()) === "";
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.peer[Symbol.asyncDispose]();
    await this.lab[Symbol.asyncDispose]();
  }
}
