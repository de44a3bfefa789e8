/** One of ours at site A against strongSwan at site B, from the same plans seen from both sides. */
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
import { Lab } from "#lab/lab";
import { siteAt } from "#lab/network";
import { Strongswan, type StrongswanPlan } from "#lab/strongswan";
import type { WireTap } from "#lab/wire-tap";
import { eventually } from "#test/netns/lab";
import { LiveTunnel, type StreamResult } from "./live-tunnel.ts";

export interface TunnelPlan {
  readonly plan: IkePlan;
  /** What differs at our side only, and at strongSwan's. */
  readonly ours?: Partial<IkePlan>;
  readonly theirs?: Partial<IkePlan>;
}

export interface PairFiles {
  readonly ourFiles?: LabFiles;
  /** In place of the one that both have. */
  readonly ourSecrets?: string;
  /** `secrets` in place of the one that both have. */
  readonly peer?: Omit<Partial<StrongswanPlan>, "connections">;
  readonly mtu?: number;
}

export interface PairPlan extends TunnelPlan, PairFiles {}

export class LivePair implements AsyncDisposable {
  readonly lab: Lab;
  readonly hosts: { readonly a: Agent; readonly b: Agent };
  readonly ours: GatewayProcess;
  readonly peer: Strongswan;
  readonly tap: WireTap;
  /** What ours was started with. */
  readonly files: LabFiles;
  /** The first of its tunnels, and mostly the only one. */
  readonly tunnel: LiveTunnel = new LiveTunnel(this, 0);

  private constructor(lab: Lab, hosts: LivePair["hosts"], ours: GatewayProcess, files: LabFiles, peer: Strongswan) {
    this.lab = lab;
    this.hosts = hosts;
    this.ours = ours;
    this.files = files;
    this.peer = peer;
    this.tap = lab.openTap();
  }

  static start({ plan, ours, theirs, ...files }: PairPlan): Promise<LivePair> {
    return LivePair.startMany([{ plan, ...(ours && { ours }), ...(theirs && { theirs }) }], files);
  }

  /** A connection a plan, each at the place of its number (src/lab/network.ts), all between the same two gateways. */
  static async startMany(
    tunnels: readonly TunnelPlan[],
    { ourFiles, ourSecrets, peer, mtu }: PairFiles = {},
  ): Promise<LivePair> {
    const lab = new Lab(mtu ?? 1500);
    try {
      const { gatewayA, gatewayB } = lab.network;
      for (const place of tunnels.keys()) if (place > 0) lab.network.addPlace(place);
      const secrets = secretsText(freshSecret());
      const connections = (letter: "A" | "B") =>
        tunnels
          .map(({ plan, ours, theirs }, i) =>
            connectionText({ ...plan, ...(letter === "A" ? ours : theirs) }, siteAt(letter, i)),
          )
          .join("\n  ");
      const rest = tunnels.map(({ plan }) => plan.rest ?? "").join("\n");
      const files = { [MAIN_FILE]: mainFile(connections("A"), ourSecrets ?? secrets, rest), ...ourFiles };
      const gateway = lab.launchIke(gatewayA, files);
      const starting = Strongswan.start(gatewayB, { connections: connections("B"), secrets, ...peer });
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

  at(place: number): LiveTunnel {
    return place === 0 ? this.tunnel : new LiveTunnel(this, place);
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

  initiate(from: "us" | "them"): Promise<unknown> {
    return this.tunnel.initiate(from);
  }

  mustCarry(family: 4 | 6 = 4): Promise<void> {
    return this.tunnel.mustCarry(family);
  }

  mustEcho(family: 4 | 6 = 4): Promise<void> {
    return this.tunnel.mustEcho(family);
  }

  mustNotLoseWhile(seconds: number, during: () => Promise<void>): Promise<void> {
    return this.tunnel.mustNotLoseWhile(seconds, during);
  }

  streamWhile(
    seconds: number,
    during: () => Promise<void>,
  ): Promise<{ readonly out: StreamResult; readonly back: StreamResult }> {
    return this.tunnel.streamWhile(seconds, during);
  }

  spi(): Promise<string | undefined> {
    return this.tunnel.spi();
  }

  mustBeUp(): Promise<void> {
    return this.tunnel.mustBeUp();
  }

  mustBeDown(): Promise<void> {
    return this.tunnel.mustBeDown();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.peer[Symbol.asyncDispose]();
    await this.lab[Symbol.asyncDispose]();
  }
}
