/** What is configured, carried and wanted in each scenario. */

import { median } from "#bench/report/statistics";
import { atLeast, atMost, exactly, type Target } from "#bench/report/targets";
import type { Trigger } from "#core/ike-state";
import { type IkeLoss, ikeLoss, loseIke } from "./ike-loss.ts";
import { carry, type LoadFigures, warmUp } from "./load.ts";
import type { RekeyOptions } from "./options.ts";
import { type AccountSummary, summary } from "./sa-accounts.ts";
import {
  ourTunnel,
  type RekeysOf,
  strongswanTunnel,
  type Tunnel,
  type TunnelFigures,
  type TunnelPlan,
} from "./tunnels.ts";

export interface Run {
  readonly name: string;
  /** What was configured beyond the lab's plan. */
  readonly configured: string;
  readonly load: LoadFigures;
  readonly tunnel: Omit<TunnelFigures, "accounts">;
  readonly accounts: AccountSummary | undefined;
  readonly ikeLoss: IkeLoss | undefined;
}

/** Throughput beside the mean of the runs without rekeys. */
export const THROUGHPUT_SHARE = 0.9;
/** Of life_bytes, as an operator would write it. */
const REKEY_SHARE = 0.8;
const LOSS_PERCENT = 1;
/** swanctl.conf knows no shorter times. */
const PERIOD_SECONDS = 1;
/** A successor's time begins when it is there. */
const PERIOD_MARGIN = 1.15;
/**
 * The side that did not begin the IKE SA steps in half-way from rekey_time to life_time, then leads. By IKEv1 the other side
 * is told of the lifetime (RESPONDER-LIFETIME) and would rekey 2.6 s before its end: half-way has to come first.
 */
const LIFE_SECONDS = 10;
const TIME_START_SECONDS = 8;

const NEVER = { connection: "rekey_time = 0s", child: "rekey_time = 0s" };

type Version = TunnelPlan["version"];

export function octetPlan(version: Version, limit: number): TunnelPlan {
  const child = `rekey_time = 0s\n        rekey_bytes = ${Math.round(limit * REKEY_SHARE)}\n        life_bytes = ${limit}`;
  const side = { ...NEVER, child };
  return { version, a: side, b: side };
}

const baselinePlan = (version: Version): TunnelPlan => ({ version, a: NEVER, b: NEVER });

const BY_TIME = {
  child: `rekey_time = ${PERIOD_SECONDS}s\n        life_time = ${LIFE_SECONDS}s\n        rand_time = 0s`,
  connection: `rekey_time = ${PERIOD_SECONDS}s\n    over_time = 60s\n    rand_time = 0s`,
};

/** One side leads the child, the other the IKE SA; then the other way round. */
const TIME_PLANS: readonly Omit<TunnelPlan, "version">[] = [
  { a: { ...NEVER, child: BY_TIME.child }, b: { ...NEVER, connection: BY_TIME.connection } },
  { a: { ...NEVER, connection: BY_TIME.connection }, b: { ...NEVER, child: BY_TIME.child } },
];

/** Seconds until so many rekeys have happened by both timers together. */
export function timeSeconds(rekeys: number): number {
  return Math.ceil((rekeys / 2) * PERIOD_SECONDS * PERIOD_MARGIN) + TIME_START_SECONDS;
}

interface Order {
  readonly name: string;
  readonly seconds: number;
  readonly plan: TunnelPlan;
  readonly start: (plan: TunnelPlan) => Promise<Tunnel>;
  readonly loseIke?: boolean;
}

export async function perform(order: Order, { rate, limit }: RekeyOptions): Promise<Run> {
  await using tunnel = await order.start(order.plan);
  const gateways = [tunnel.lab.network.gatewayA, tunnel.lab.network.gatewayB];
  if (order.loseIke === true) for (const box of gateways) loseIke(box, LOSS_PERCENT);
  await warmUp(tunnel.agents);
  const load = await carry(tunnel.agents, order.seconds, rate);
  const { accounts, ...figures } = await tunnel.figures();
  const losses = order.loseIke === true ? gateways.map(ikeLoss) : undefined;
  return {
    name: order.name,
    configured: `A: ${inOneLine(order.plan.a)}; B: ${inOneLine(order.plan.b)}`,
    load,
    tunnel: figures,
    accounts: accounts.length === 0 ? undefined : summary(accounts, limit),
    ikeLoss: losses?.reduce((sum, one) => ({ messages: sum.messages + one.messages, lost: sum.lost + one.lost })),
  };
}

function inOneLine({ connection, child }: TunnelPlan["a"]): string {
  const words = (text: string | undefined) => (text ?? "").split(/\n\s*/).join(", ");
  return `${words(connection)}; child ${words(child)}`;
}

export function orders(options: RekeyOptions): Readonly<Record<"baseline" | "octets" | "loss", Order>> {
  const limited = octetPlan(options.version, options.limit);
  return {
    baseline: {
      name: "baseline",
      seconds: options.baselineSeconds,
      plan: baselinePlan(options.version),
      start: ourTunnel,
    },
    octets: { name: "octets", seconds: options.seconds, plan: limited, start: ourTunnel },
    loss: { name: "loss", seconds: options.lossSeconds, plan: limited, start: ourTunnel, loseIke: true },
  };
}

export function timeOrders({ version, rekeys }: RekeyOptions): readonly Order[] {
  return TIME_PLANS.map((plan, i) => ({
    name: `time ${i + 1} of ${TIME_PLANS.length}`,
    seconds: timeSeconds(rekeys / TIME_PLANS.length),
    plan: { version, ...plan },
    start: ourTunnel,
  }));
}

export function strongswanOrders({ version, limit, peerSeconds }: RekeyOptions): readonly [Order, Order] {
  const common = { seconds: peerSeconds, start: strongswanTunnel };
  return [
    { ...common, name: "strongswan baseline", plan: baselinePlan(version) },
    { ...common, name: "strongswan octets", plan: octetPlan(version, limit) },
  ];
}

/** Of a stream that nothing may happen to. */
function whole(load: LoadFigures): Target[] {
  return [
    exactly("datagrams lost", load.lost, 0),
    exactly("datagrams duplicated", load.duplicated, 0),
    exactly("damaged", load.damaged, 0),
  ];
}

export function baselineTargets({ load }: Run): Target[] {
  return whole(load);
}

/** Each key makes room for another before it is full: fewer rekeys than this cannot have carried the load. */
export function fewestRekeys({ gbitPerSecond, seconds }: LoadFigures, limit: number): number {
  return Math.floor((gbitPerSecond * 1e9 * seconds) / 8 / limit);
}

export function octetTargets(run: Run, baselines: readonly Run[], limit: number): Target[] {
  const { load, accounts, tunnel } = run;
  return [
    ...whole(load),
    atMost("octets of the fullest SPI", accounts?.largest.keyOctets ?? Number.NaN, limit),
    exactly("SPIs beyond the limit", accounts?.beyond.length ?? Number.NaN, 0),
    atLeast("rekeys by octets", rekeysBy("octets", tunnel.rekeys), fewestRekeys(load, limit)),
    ...(baselines.length === 0 ? [] : [atLeast("throughput, of baseline", shareOf(run, baselines), THROUGHPUT_SHARE)]),
    ...(run.ikeLoss === undefined ? [] : [atLeast("IKE messages lost", run.ikeLoss.lost, 1)]),
  ];
}

export function shareOf({ load }: Run, baselines: readonly Run[]): number {
  return load.gbitPerSecond / median(baselines.map((run) => run.load.gbitPerSecond));
}

function rekeysBy(trigger: Trigger, rekeys: TunnelFigures["rekeys"]): number {
  return rekeys === undefined ? Number.NaN : (rekeys.a.child[trigger] ?? 0) + (rekeys.b.child[trigger] ?? 0);
}

/** Both plans together: every kind at every side its share. */
export function timeTargets(runs: readonly Run[], rekeys: number): Target[] {
  const count = (side: "a" | "b", kind: "child" | "ike") =>
    runs.reduce((total, { tunnel }) => total + (tunnel.rekeys?.[side][kind].time ?? 0), 0);
  const others = runs.reduce((total, { tunnel }) => total + otherRekeys(tunnel.rekeys), 0);
  const each = Math.floor(rekeys / 4);
  return [
    ...runs.flatMap(({ load }) => whole(load)),
    atLeast("rekeys of the child by A's time", count("a", "child"), each),
    atLeast("rekeys of the IKE SA by B's time", count("b", "ike"), each),
    atLeast("rekeys of the IKE SA by A's time", count("a", "ike"), each),
    atLeast("rekeys of the child by B's time", count("b", "child"), each),
    exactly("rekeys by anything but time", others, 0),
  ];
}

/** The peer's are the other side's own, and `start` is the test of PFS at set-up. */
function otherRekeys(rekeys: TunnelFigures["rekeys"]): number {
  const unexpected = (of: RekeysOf) =>
    [of.child, of.ike]
      .flatMap((counts) => Object.entries(counts))
      .filter(([trigger]) => trigger !== "time" && trigger !== "peer" && trigger !== "start")
      .reduce((total, [, count]) => total + count, 0);
  return rekeys === undefined ? Number.NaN : unexpected(rekeys.a) + unexpected(rekeys.b);
}
