/**
 * `esplanade top`: one look at a running gateway, and what has changed since the one before.
 *
 *     esp0 up 3 h 0 m: 1 of 1 tunnels up, 1 IKE SA; in 812 Mbit/s, out 1.2 Mbit/s; control thread late by 2.4 ms
 *     TUNNEL  STATE  PEER              IN          OUT         PACKETS/S  SAS  BUDGET             REKEY
 *     hq/net  up     203.0.113.2:4500  812 Mbit/s  1.2 Mbit/s  71k        2    [###.......] 31 %  in 55 m
 *     dropped: no-sa 40 (+2/s), replayed 3
 */
import type { GatewayStatus, LifeStatus, TunnelStatus } from "#core/operator";
import { align, rateText, spanText } from "./status-text.ts";

const HEAD = ["TUNNEL", "STATE", "PEER", "IN", "OUT", "PACKETS/S", "SAS", "BUDGET", "REKEY"];
const BAR = 10;
/** So many reasons of drops are shown. */
const REASONS = 6;
/** Lines that are no tunnels'. */
const FRAME = 5;

export interface TopSize {
  readonly columns: number;
  readonly rows: number;
}

/** Lines that fit; `before`: the last look, if there was one. The tunnels that carry most come first. */
export function topLines(status: GatewayStatus, before: GatewayStatus | undefined, size: TopSize): string[] {
  const seconds = before === undefined ? 0 : (status.upMillis - before.upMillis) / 1000;
  // A gateway that began anew counts from nothing.
  const since = before !== undefined && seconds > 0 && before.pid === status.pid ? before : undefined;
  const former = new Map(since?.tunnels.map((tunnel) => [nameOf(tunnel), tunnel]));
  const flows = status.tunnels
    .map((tunnel) => flowOf(tunnel, former.get(nameOf(tunnel)), seconds))
    .toSorted((a, b) => b.in + b.out - (a.in + a.out));
  const room = Math.max(1, size.rows - FRAME);
  const shown = flows.slice(0, room);
  const lines = [
    headLine(status, flows, since !== undefined),
    ...(flows.length === 0 ? ["no tunnels are configured"] : align([HEAD, ...shown.map(row)])),
    ...(flows.length > room ? [`… and ${flows.length - room} tunnels more`] : []),
    dropLine(status, since, seconds),
    ...rekeyLine(status),
    ...shown.flatMap(({ tunnel }) =>
      tunnel.failure === undefined || tunnel.state === "up" ? [] : [`! ${nameOf(tunnel)}: ${tunnel.failure}`],
    ),
  ];
  return lines.slice(0, size.rows).map((line) => line.slice(0, size.columns));
}

interface Flow {
  readonly tunnel: TunnelStatus;
  /** Octets a second. */
  readonly in: number;
  readonly out: number;
  /** A second, both directions; undefined: nothing to compare with. */
  readonly packets: number | undefined;
}

function flowOf(tunnel: TunnelStatus, before: TunnelStatus | undefined, seconds: number): Flow {
  if (before === undefined) return { tunnel, in: 0, out: 0, packets: undefined };
  const rate = (now: number, then: number) => Math.max(0, now - then) / seconds;
  return {
    tunnel,
    in: rate(tunnel.octetsIn, before.octetsIn),
    out: rate(tunnel.octetsOut, before.octetsOut),
    packets: rate(tunnel.packetsIn + tunnel.packetsOut, before.packetsIn + before.packetsOut),
  };
}

function nameOf({ connection, child }: TunnelStatus): string {
  return `${connection}/${child}`;
}

function headLine(status: GatewayStatus, flows: readonly Flow[], compared: boolean): string {
  const up = status.tunnels.filter(({ state }) => state === "up" || state === "rekeying").length;
  const sum = (key: "in" | "out") => rateText(flows.reduce((total, flow) => total + flow[key], 0));
  const ikeSas = `${status.ikeSas.length} IKE SA${status.ikeSas.length === 1 ? "" : "s"}`;
  const rates = compared ? `; in ${sum("in")}, out ${sum("out")}` : "";
  const clear = status.fallbacks.now === 0 ? "" : `; IN CLEAR: ${status.fallbacks.now}`;
  return `${status.tun} up ${spanText(status.upMillis)}: ${up} of ${status.tunnels.length} tunnels up, ${ikeSas}${status.halfOpen === 0 ? "" : `, ${status.halfOpen} half-open`}${rates}; control thread late by ${status.stall.p99.toFixed(1)} ms${clear}`;
}

function row({ tunnel, in: input, out, packets }: Flow): string[] {
  const { state, peer, sas, life, rekeyMillis } = tunnel;
  return [
    nameOf(tunnel),
    state,
    peer ?? "-",
    rateText(input),
    rateText(out),
    packets === undefined ? "-" : countText(packets),
    String(sas.length),
    life === undefined ? "-" : budgetText(life),
    rekeyMillis === undefined ? "-" : rekeyMillis <= 0 ? "now" : `in ${spanText(rekeyMillis)}`,
  ];
}

/** Of the limit that comes first: how much of it is used. */
function budgetText(life: LifeStatus): string {
  const { ageMillis, expiryMillis, octets, lifeOctets, packets, lifePackets } = life;
  const used = Math.min(
    1,
    Math.max(
      expiryMillis === undefined ? 0 : ageMillis / (ageMillis + expiryMillis),
      lifeOctets === undefined ? 0 : octets / lifeOctets,
      lifePackets === undefined ? 0 : packets / lifePackets,
    ),
  );
  const full = Math.round(used * BAR);
  return `[${"#".repeat(full)}${".".repeat(BAR - full)}] ${Math.round(used * 100)} %`;
}

function countText(count: number): string {
  return count >= 9950 ? `${Math.round(count / 1000)}k` : String(Math.round(count));
}

function dropLine({ drops }: GatewayStatus, before: GatewayStatus | undefined, seconds: number): string {
  const reasons = Object.entries(drops).toSorted(([, a], [, b]) => b - a);
  if (reasons.length === 0) return "no packet was dropped";
  const texts = reasons.slice(0, REASONS).map(([reason, count]) => {
    const more = before === undefined ? 0 : Math.max(0, count - (before.drops[reason] ?? 0)) / seconds;
    return `${reason} ${count}${more === 0 ? "" : ` (+${more < 10 ? more.toFixed(1).replace(/\.0$/, "") : countText(more)}/s)`}`;
  });
  return `dropped: ${texts.join(", ")}`;
}

function rekeyLine({ rekeys }: GatewayStatus): string[] {
  const texts = Object.entries(rekeys).flatMap(([trigger, results]) =>
    Object.entries(results).flatMap(([result, count]) => (count === 0 ? [] : [`${count} by ${trigger} ${result}`])),
  );
  return texts.length === 0 ? [] : [`rekeys: ${texts.join(", ")}`];
}
