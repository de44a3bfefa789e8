/** What IKE reports, as one line for people. */
import { addressToString, type Endpoint } from "#core/address";
import type { IkeReport, IkeSaSnapshot } from "#core/ike-state";
import { type Millis, spiToString } from "#core/units";

export interface ReportLine {
  readonly level: "info" | "warn";
  readonly text: string;
}

const TRIGGERS = {
  start: "at start",
  trap: "asked for by a packet",
  operator: "by the operator",
  time: "by time",
  octets: "by octets",
  packets: "by packets",
  peer: "by the peer",
  dpd: "after the peer was silent",
  close: "after it was closed",
  roam: "after an address changed",
} as const;

/** `now` is of the clock of the report's times. */
export function reportLine(report: IkeReport, now: Millis): ReportLine {
  switch (report.kind) {
    case "ike-up":
      return info(
        `${report.ike.connection}: up with ${peerText(report.ike)} in ${spanText(report.took)}, ${saText(report.ike)}`,
      );
    case "ike-rekeyed":
      return info(
        `${report.ike.connection}: IKE SA ${report.former} rekeyed ${TRIGGERS[report.trigger]} to ${report.ike.id}, ${saText(report.ike)}`,
      );
    case "ike-down":
      return info(`${report.connection}: IKE SA ${report.ike} is down: ${report.reason}`);
    case "child-up":
      return info(`${report.connection}/${report.child}: up`);
    case "child-down":
      return info(`${report.connection}/${report.child}: down: ${report.reason}`);
    case "failed":
      return { level: "warn", text: failureText(report, now) };
    case "rekey":
      return info(
        `${report.child === undefined ? `${report.connection}: rekey of the IKE SA` : `${report.connection}/${report.child}: rekey`} ${TRIGGERS[report.trigger]}: ${report.result}`,
      );
    case "sa-retired":
      return info(retiredText(report));
    case "fallback": {
      const what = report.inClear ? "goes IN CLEAR from now on" : "does not go in clear any more";
      return { level: "warn", text: oneLine(`${report.policy} ${what}: ${report.because}`) };
    }
    case "warning":
      return { level: "warn", text: oneLine(report.text) };
    default:
      return report satisfies never;
  }
}

function info(text: string): ReportLine {
  return { level: "info", text: oneLine(text) };
}

function failureText(report: Extract<IkeReport, { kind: "failed" }>, now: Millis): string {
  const { connection, child, stage, notify, from, reason, remedy, retryAt } = report;
  const subject = child === undefined ? connection : `${connection}/${child}`;
  const said = notify === undefined ? "" : `${from === "peer" ? "the peer says" : "we say"} ${notify}: `;
  // Silence is told as it is; what was said in an exchange needs the exchange's name.
  const where = from === "nobody" || stage === "" ? "" : `${stage}: `;
  const advice = remedy === "" ? "" : from === "nobody" ? ` (${remedy})` : `; ${remedy}`;
  const again = retryAt === undefined ? "" : `; next attempt in ${spanText(Math.max(0, retryAt - now))}`;
  return oneLine(`${subject}: ${where}${said}${reason}${advice}${again}`);
}

function retiredText(report: Extract<IkeReport, { kind: "sa-retired" }>): string {
  const { connection, child, inboundSpi, outboundSpi, keyOctetsIn, keyOctetsOut } = report;
  const spis = `${spiToString(inboundSpi)} and ${spiToString(outboundSpi)}`;
  return `${connection}/${child}: SAs ${spis} are gone after ${keyOctetsIn} octets in, ${keyOctetsOut} out`;
}

function peerText({ remote, remoteIdentity }: IkeSaSnapshot): string {
  const address = endpointText(remote);
  return remoteIdentity === "" || remoteIdentity === addressToString(remote.address)
    ? address
    : `${address} (${remoteIdentity})`;
}

const FORCED = {
  none: "",
  ours: ", UDP encapsulation forced by us (encap = yes)",
  theirs: ", UDP encapsulation forced by the peer",
  both: ", UDP encapsulation forced by both (encap = yes)",
} as const;

function saText({ version, suite, natLocal, natRemote, udpForced }: IkeSaSnapshot): string {
  const nat =
    natLocal && natRemote
      ? ", both behind NAT"
      : natLocal
        ? ", we are behind NAT"
        : natRemote
          ? ", the peer is behind NAT"
          : "";
  return `IKEv${version} ${suite}${nat}${FORCED[udpForced]}`;
}

/** "192.0.2.2:500", "[2001:db8::2]:500" */
export function endpointText({ address, port }: Endpoint): string {
  const text = addressToString(address);
  return address.family === 4 ? `${text}:${port}` : `[${text}]:${port}`;
}

/** "12 ms", "31 s", "5 min", "2 h" */
export function spanText(millis: number): string {
  if (millis < 1000) return `${Math.round(millis)} ms`;
  if (millis < 10_000 && millis % 1000 >= 50) return `${(millis / 1000).toFixed(1)} s`;
  const seconds = Math.round(millis / 1000);
  if (seconds < 120) return `${seconds} s`;
  const minutes = Math.round(seconds / 60);
  return minutes < 120 ? `${minutes} min` : `${Math.round(minutes / 60)} h`;
}

/** Peers' words may be in it (identities, certificates): nothing that moves a terminal's cursor or begins a line. */
function oneLine(text: string): string {
  return text.replace(/[\p{Cc}\p{Cf}\u2028\u2029]/gu, "?");
}
