/**
 * `esplanade status` for people: a line a tunnel, its pair of SAs being one thing (S76), and lines of health below.
 *
 *     TUNNEL  CHILD  STATE   PEER              IN        OUT     RATE        REKEY    CIPHER
 *     hq      net    up 42s  203.0.113.2:4500  1.0 GiB   20 MiB  812 Mbit/s  in 55 m  aes256gcm16/x25519
 */
import type { GatewayStatus, IkeSaStatus, StallReport, TunnelStatus } from "#core/operator";

const HEAD = ["TUNNEL", "CHILD", "STATE", "PEER", "IN", "OUT", "RATE", "REKEY", "CIPHER"];
const UNITS = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];
/** So many reasons of drops are shown. */
const REASONS = 5;

export function statusText(status: GatewayStatus, sas: boolean): string {
  const rows = status.tunnels.map(tunnelRow);
  const lines = status.tunnels.length === 0 ? ["no tunnels are configured"] : align([HEAD, ...rows]);
  const body = lines.flatMap((line, i) => {
    const tunnel = status.tunnels[i - 1];
    return tunnel === undefined ? [line] : [line, ...below(tunnel, sas)];
  });
  return `${[...body, "", ...healthLines(status, sas)].join("\n")}\n`;
}

function tunnelRow(tunnel: TunnelStatus): string[] {
  const { connection, child, state, peer, octetsIn, octetsOut, rate, rekeyMillis, suite, upMillis } = tunnel;
  return [
    connection,
    child,
    upMillis === undefined ? state : `${state} ${spanText(upMillis)}`,
    peer ?? "-",
    octetsText(octetsIn),
    octetsText(octetsOut),
    rateText(rate),
    rekeyMillis === undefined ? "-" : rekeyMillis <= 0 ? "now" : `in ${spanText(rekeyMillis)}`,
    suite ?? "-",
  ];
}

function below(tunnel: TunnelStatus, sas: boolean): string[] {
  const failure = tunnel.failure === undefined || tunnel.state === "up" ? [] : [`  ! ${tunnel.failure}`];
  if (tunnel.clear !== undefined)
    failure.unshift(`  ! in clear since ${spanText(tunnel.clear.millis)} because ${tunnel.clear.because}`);
  if (!sas) return failure;
  const selectors = `  ${tunnel.localSelectors.join(" ")} === ${tunnel.remoteSelectors.join(" ")}`;
  const pairs = tunnel.sas.map(
    (sa) =>
      `  ${sa.role.padEnd(8)} in ${sa.spiIn} ${octetsText(sa.keyOctetsIn)}, out ${sa.spiOut} ${octetsText(sa.keyOctetsOut)}, ${sa.state}`,
  );
  return [...failure, selectors, ...pairs];
}

function healthLines(status: GatewayStatus, sas: boolean): string[] {
  const up = status.tunnels.filter((tunnel) => tunnel.state === "up" || tunnel.state === "rekeying").length;
  const drops = Object.entries(status.drops)
    .toSorted(([, a], [, b]) => b - a)
    .slice(0, REASONS)
    .map(([reason, count]) => `${reason} ${count}`);
  const rekeys = Object.entries(status.rekeys).flatMap(([trigger, results]) =>
    Object.entries(results).flatMap(([result, count]) => (count === 0 ? [] : [`${count} by ${trigger} ${result}`])),
  );
  return [
    `${status.tun} mtu ${status.mtu}, up ${spanText(status.upMillis)}; ${status.description}`,
    `tunnels up: ${up} of ${status.tunnels.length}; IKE SAs: ${status.ikeSas.length}${status.halfOpen === 0 ? "" : `, ${status.halfOpen} half-open`}`,
    ...(sas ? status.ikeSas.map(ikeLine) : []),
    ...(status.fallbacks.total === 0
      ? []
      : [`IN CLEAR: ${status.fallbacks.now} tunnels now, ${status.fallbacks.total} times in all`]),
    ...(rekeys.length === 0 ? [] : [`rekeys: ${rekeys.join(", ")}`]),
    ...(sas ? [stallLine(status.stall)] : []),
    drops.length === 0 ? "no packet was dropped" : `dropped: ${drops.join(", ")}`,
  ];
}

function stallLine({ p99, max }: StallReport): string {
  return `control thread: late by ${p99.toFixed(1)} ms in 1 of 100 looks, at worst ${max.toFixed(1)} ms`;
}

function ikeLine(ike: IkeSaStatus): string {
  const { connection, id, version, state, localIdentity, remoteIdentity, local, remote, suite, nat } = ike;
  const rekey = ike.rekeyMillis === undefined ? "" : `, rekey in ${spanText(ike.rekeyMillis)}`;
  const between = nat === "none" ? "" : `, NAT: ${nat}`;
  return `  ${connection} #${id} IKEv${version} ${state}: ${localIdentity} (${local}) to ${remoteIdentity} (${remote}), ${suite}${rekey}${between}`;
}

/** Columns as wide as their widest cell, two blanks between. */
export function align(rows: readonly (readonly string[])[]): string[] {
  const widths = rows[0]?.map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0))) ?? [];
  return rows.map((row) =>
    row
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join("  ")
      .trimEnd(),
  );
}

/** "812 B", "1.0 KiB", "20 MiB". */
export function octetsText(octets: number): string {
  let value = octets;
  let unit = 0;
  while (value >= 1000 && unit < UNITS.length - 1) {
    value /= 1024;
    unit++;
  }
  return `${unit > 0 && value < 10 ? value.toFixed(1) : Math.round(value)} ${UNITS[unit] ?? ""}`;
}

/** Octets a second as bits: "812 Mbit/s"; "-" for nothing. */
export function rateText(octets: number): string {
  const bits = octets * 8;
  if (bits < 1) return "-";
  const [value, unit] = bits >= 1e9 ? [bits / 1e9, "G"] : bits >= 1e6 ? [bits / 1e6, "M"] : [bits / 1e3, "k"];
  return `${value < 10 ? value.toFixed(1) : Math.round(value)} ${unit}bit/s`;
}

/** "42 s", "55 m", "3 h 20 m", "2 d 4 h". */
export function spanText(millis: number): string {
  const seconds = Math.floor(millis / 1000);
  if (seconds < 120) return `${seconds} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 120) return `${minutes} m`;
  const hours = Math.floor(minutes / 60);
  if (hours < 48) return minutes % 60 === 0 ? `${hours} h` : `${hours} h ${minutes % 60} m`;
  return `${Math.floor(hours / 24)} d ${hours % 24} h`;
}
