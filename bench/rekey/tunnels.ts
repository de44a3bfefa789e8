/** Two gateways of one kind, joined: ours with ours, strongSwan with strongSwan, from the same lines of swanctl.conf. */
import type { IkeReport, Trigger } from "#core/ike-state";
import type { GatewayStatus } from "#core/operator";
import { dropsOf } from "#lab/device-drops";
import type { GatewayProcess } from "#lab/gateway-process";
import {
  connectionText,
  freshSecret,
  IKE_PLAN,
  IKE_PLAN_1,
  type IkePlan,
  MAIN_FILE,
  mainFile,
  secretsText,
} from "#lab/ike-config";
import { Lab } from "#lab/lab";
import { SITE_A, SITE_B } from "#lab/network";
import { Strongswan } from "#lab/strongswan";
import { eventually } from "#lab/wait";
import { type LoadAgents, startAgents } from "./load.ts";
import { SaAccounts } from "./sa-accounts.ts";

const LINK_MTU = 1500;
const UP_SECONDS = 10;

/** More lines of the connection and of the child, at both sides or at one. */
export interface TunnelPlan {
  /** Of IKE. */
  readonly version: IkePlan["version"];
  readonly a: Pick<IkePlan, "connection" | "child">;
  readonly b: Pick<IkePlan, "connection" | "child">;
}

/** Rekeys that this side's own limits caused, by what caused them. */
export interface RekeysOf {
  readonly child: Readonly<Partial<Record<Trigger, number>>>;
  readonly ike: Readonly<Partial<Record<Trigger, number>>>;
  /** Attempts of children that failed and were made again. */
  readonly failed: number;
}

export interface TunnelFigures {
  /** undefined where the implementation does not tell. */
  readonly rekeys: { readonly a: RekeysOf; readonly b: RekeysOf } | undefined;
  /** Pairs of Child SAs that were made, as A saw it. */
  readonly childSas: number;
  readonly accounts: readonly SaAccounts[];
  /** Packets thrown away by the gateways, by reason. */
  readonly gatewayDrops: Readonly<Record<string, number>>;
  readonly kernelDrops: Readonly<Record<string, number>>;
}

export interface Tunnel extends AsyncDisposable {
  readonly lab: Lab;
  readonly agents: LoadAgents;
  /** After the load. */
  figures(): Promise<TunnelFigures>;
}

/** UDP around ESP at both: strongSwan's kernel-libipsec knows nothing else. */
const CONNECTION = { 1: "encap = yes", 2: "encap = yes\n    mobike = no" } as const;

function plan(version: TunnelPlan["version"], of: TunnelPlan["a"]): IkePlan {
  return {
    ...(version === 1 ? IKE_PLAN_1 : IKE_PLAN),
    connection: `${CONNECTION[version]}\n    ${of.connection ?? ""}`,
    child: of.child ?? "",
  };
}

type Joined = Omit<Tunnel, "lab" | typeof Symbol.asyncDispose>;

/** `keep`: what is to end before the lab does. */
async function inLab(make: (lab: Lab, keep: (started: AsyncDisposable) => void) => Promise<Joined>): Promise<Tunnel> {
  const lab = new Lab(LINK_MTU);
  const started: AsyncDisposable[] = [];
  const end = async () => {
    await Promise.all(started.map((process) => process[Symbol.asyncDispose]()));
    await lab[Symbol.asyncDispose]();
  };
  try {
    return { lab, ...(await make(lab, (process) => started.push(process))), [Symbol.asyncDispose]: end };
  } catch (error) {
    await end();
    throw error;
  }
}

class OurSide {
  readonly gateway: GatewayProcess;
  readonly accounts: SaAccounts;
  readonly #ike: Partial<Record<Trigger, number>> = {};
  childSas = 0;

  constructor(letter: string, gateway: GatewayProcess) {
    this.gateway = gateway;
    this.accounts = new SaAccounts(letter);
    gateway.followReports((report) => this.#take(report));
  }

  #take(report: IkeReport): void {
    this.accounts.report(report);
    if (report.kind === "sa-retired") this.childSas++;
    if (report.kind === "ike-rekeyed") this.#ike[report.trigger] = (this.#ike[report.trigger] ?? 0) + 1;
  }

  async isUp(): Promise<boolean> {
    const { tunnels } = await this.gateway.status();
    return tunnels[0]?.state === "up";
  }

  async finish(): Promise<{ readonly rekeys: RekeysOf; readonly status: GatewayStatus }> {
    const status = await this.gateway.status();
    this.accounts.status(status);
    this.childSas += status.tunnels.reduce((count, { sas }) => count + sas.length, 0);
    return { status, rekeys: { ...childRekeys(status.rekeys), ike: { ...this.#ike } } };
  }
}

/** Of the status: what caused them → how they ended → count. */
export function childRekeys(table: GatewayStatus["rekeys"]): Pick<RekeysOf, "child" | "failed"> {
  const rows = Object.entries(table);
  return {
    child: Object.fromEntries(rows.map(([trigger, counts]) => [trigger, counts["done"] ?? 0])),
    failed: rows.reduce((total, [, counts]) => total + (counts["failed"] ?? 0), 0),
  };
}

export function ourTunnel(of: TunnelPlan): Promise<Tunnel> {
  return inLab(async (lab) => {
    const { gatewayA, gatewayB } = lab.network;
    const secrets = secretsText(freshSecret());
    const launch = (box: typeof gatewayA, side: TunnelPlan["a"], site: typeof SITE_A) =>
      lab.launchIke(box, { [MAIN_FILE]: mainFile(connectionText(plan(of.version, side), site), secrets) });
    const a = new OurSide("A", launch(gatewayA, of.a, SITE_A));
    const b = new OurSide("B", launch(gatewayB, of.b, SITE_B));
    const [agents] = await Promise.all([startAgents(lab), a.gateway.ready(), b.gateway.ready()]);
    await a.gateway.act("initiate", "s2s/net");
    await eventually("both gateways are up", UP_SECONDS, async () => (await a.isUp()) && (await b.isUp()));
    return {
      agents,
      figures: async () => {
        const [left, right] = await Promise.all([a.finish(), b.finish()]);
        return {
          rekeys: { a: left.rekeys, b: right.rekeys },
          childSas: a.childSas,
          accounts: [a.accounts, b.accounts],
          gatewayDrops: added(left.status.drops, right.status.drops),
          kernelDrops: dropsOf(lab.network.boxes),
        };
      },
    };
  });
}

export function strongswanTunnel(of: TunnelPlan): Promise<Tunnel> {
  return inLab(async (lab, keep) => {
    const { gatewayA, gatewayB } = lab.network;
    const secrets = secretsText(freshSecret());
    const connections = {
      a: connectionText(plan(of.version, of.a), SITE_A),
      b: connectionText(plan(of.version, of.b), SITE_B),
    };
    const a = await Strongswan.start(gatewayA, { connections: connections.a, secrets });
    keep(a);
    keep(await Strongswan.start(gatewayB, { connections: connections.b, secrets }));
    const agents = await startAgents(lab);
    await a.initiate("net");
    return {
      agents,
      figures: async () => ({
        rekeys: undefined,
        childSas: (a.log.match(/CHILD_SA net\{\d+\} established/g) ?? []).length,
        accounts: [],
        gatewayDrops: {},
        kernelDrops: dropsOf(lab.network.boxes),
      }),
    };
  });
}

function added(
  one: Readonly<Record<string, number>>,
  other: Readonly<Record<string, number>>,
): Readonly<Record<string, number>> {
  const sum: Record<string, number> = { ...one };
  for (const [name, count] of Object.entries(other)) sum[name] = (sum[name] ?? 0) + count;
  return sum;
}
