/** The demo's gateways: their certificates, how they come to keys, and how they change them under traffic. */
import { setTimeout as after } from "node:timers/promises";
import type { IkeReport } from "#core/ike-state";
import type { GatewayStatus, IkeSaStatus } from "#core/operator";
import type { Agent } from "#lab/agent";
import { freshCertificates } from "#lab/certificates";
import { LabError } from "#lab/children";
import type { TunnelPlan } from "#lab/gateway-config";
import type { GatewayProcess } from "#lab/gateway-process";
import { connectionText, IKE_PLAN, type IkePlan, type LabFiles, MAIN_FILE, mainFile } from "#lab/ike-config";
import { type Gateways, hostA, hostB, type Lab } from "#lab/lab";
import { SITE_A, SITE_B } from "#lab/network";
import { rounded } from "./figures.ts";
import type { NegotiationFigures, RekeyFigures } from "./report.ts";
import type { Hosts } from "./steps.ts";

const CERTIFICATES = "ecdsa256";
export const AUTHENTICATION = "ECDSA P-256";
const CHILD = "s2s/net";
const CONNECTION = "s2s";

const NEGOTIATION_SECONDS = 20;
const SMALL_OCTETS = 64;
const SETTLE_MILLIS = 20;
const SETTLE_ATTEMPTS = 250;

export interface Sites {
  readonly a: LabFiles;
  readonly b: LabFiles;
}

/** swanctl.conf files, certificates and keys of both gateways. */
export function prepareSites(plan: TunnelPlan): Sites {
  const certificates = freshCertificates(CERTIFICATES);
  const ike = ikePlan(plan);
  return {
    a: { [MAIN_FILE]: mainFile(connectionText(ike, SITE_A), ""), ...certificates.a },
    b: { [MAIN_FILE]: mainFile(connectionText(ike, SITE_B), ""), ...certificates.b },
  };
}

function ikePlan({ suite, mode, outside, encapsulation }: TunnelPlan): IkePlan {
  return {
    ...IKE_PLAN,
    auth: "pubkey",
    ike: "aes256gcm16-prfsha384-x25519",
    esp: `${suite}-x25519`,
    mode,
    outside,
    inside: [4, 6],
    startAction: "trap",
    connection: `encap = ${encapsulation === "udp" ? "yes" : "no"}`,
  };
}

/** Both, ready and without keys yet. */
export async function startSites(lab: Lab, sites: Sites): Promise<Gateways> {
  const { gatewayA, gatewayB } = lab.network;
  const gateways = { a: lab.launchIke(gatewayA, sites.a), b: lab.launchIke(gatewayB, sites.b) };
  await Promise.all([gateways.a.ready(), gateways.b.ready()]);
  return gateways;
}

/** A datagram from host A makes gateway A negotiate; it waits in the gateway meanwhile and is answered. */
export async function negotiate({ a, b }: Hosts, gateways: Gateways): Promise<NegotiationFigures> {
  const up = outcomeOf(gateways.a);
  // Whichever fails first is told.
  const [took, firstAnswerMs] = await Promise.all([up, firstAnswer(a, b)]);
  const [ours, theirs] = await Promise.all([settled(gateways.a), settled(gateways.b)]);
  return {
    firstAnswerMs: rounded(firstAnswerMs, 1),
    tookMs: rounded(took, 1),
    authentication: AUTHENTICATION,
    identities: [ours.ike.remoteIdentity, theirs.ike.remoteIdentity],
    ikeSuite: ours.ike.suite,
    espSuite: ours.tunnel.suite ?? "",
  };
}

/** Milliseconds from the first datagram to the first answer; each one is waited for a second, as long as a negotiation may take. */
export async function firstAnswer(a: Agent, b: Agent): Promise<number> {
  const started = performance.now();
  while (performance.now() - started < NEGOTIATION_SECONDS * 1000) {
    const { lost } = await a.echo(hostB(b), 1, SMALL_OCTETS);
    if (lost === 0) return performance.now() - started;
  }
  throw new LabError(`host A got no answer within ${NEGOTIATION_SECONDS} s`);
}

/** How long the IKE SA took, in milliseconds; throws what stood in its way. */
async function outcomeOf(gateway: GatewayProcess): Promise<number> {
  const report = await gateway.process.until<IkeReport>("its negotiation", NEGOTIATION_SECONDS, (resolve) =>
    gateway.followReports((said) => {
      if (said.kind === "ike-up" || said.kind === "failed") resolve(said);
    }),
  );
  if (report.kind === "ike-up") return report.took;
  if (report.kind !== "failed") throw new Error("bug: neither up nor failed");
  throw new LabError(`${report.stage}: ${report.reason}; ${report.remedy}`);
}

/** A gives the Child SA new keys, B the IKE SA, while `stream` is under way. */
export async function rekeyBoth(
  gateways: Gateways,
  { a, b }: Hosts,
  flows: { readonly there: number; readonly back: number },
  traffic: { readonly perSecond: number; readonly seconds: number; readonly octets: number },
): Promise<Omit<RekeyFigures, "kernelDrops">> {
  const { perSecond, seconds, octets } = traffic;
  const before = await settled(gateways.a);
  const packets = Math.ceil(perSecond * seconds);
  const [there, back, times] = await Promise.all([
    a.flow(hostB(b), flows.there, packets, perSecond, octets),
    b.flow(hostA(a), flows.back, packets, perSecond, octets),
    rekeyInTurn(gateways, seconds),
  ]);
  const reports = [
    await b.finalFlowReport(flows.there, there.sent),
    await a.finalFlowReport(flows.back, back.sent),
  ] as const;
  const now = await settled(gateways.a);
  const sum = (key: "received" | "duplicates" | "damaged") => reports[0][key] + reports[1][key];
  return {
    ...times,
    changed: now.spi !== before.spi && now.ike.spis !== before.ike.spis,
    sent: there.sent + back.sent,
    received: sum("received"),
    duplicates: sum("duplicates"),
    damaged: sum("damaged"),
  };
}

async function rekeyInTurn(gateways: Gateways, seconds: number): Promise<Pick<RekeyFigures, "childMs" | "ikeMs">> {
  const pause = (seconds * 1000) / 4;
  await after(pause);
  const childMs = await timed(() => gateways.a.act("rekey", CHILD));
  await after(pause);
  const ikeMs = await timed(() => gateways.b.act("rekey", CONNECTION, true));
  return { childMs, ikeMs };
}

async function timed(work: () => Promise<void>): Promise<number> {
  const started = performance.now();
  await work();
  return rounded(performance.now() - started, 1);
}

interface Settled {
  readonly ike: IkeSaStatus;
  readonly tunnel: GatewayStatus["tunnels"][number];
  /** Of the pair that carries our packets. */
  readonly spi: string;
}

/** Once one IKE SA and one tunnel are left and up. */
export async function settled(gateway: GatewayProcess): Promise<Settled> {
  for (let attempt = 0; attempt < SETTLE_ATTEMPTS; attempt++) {
    const { ikeSas, tunnels } = await gateway.status();
    const [ike, other] = ikeSas;
    const [tunnel] = tunnels;
    const spi = tunnel?.sas.find(({ role }) => role === "current")?.spiIn;
    if (other === undefined && ike?.state === "established" && tunnel?.state === "up" && spi !== undefined)
      return { ike, tunnel, spi };
    await after(SETTLE_MILLIS);
  }
  throw gateway.process.failure("has not exactly one IKE SA and one tunnel");
}
