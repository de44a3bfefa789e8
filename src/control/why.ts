/** `esplanade why`: the last failure of a tunnel, explained: what was sent, what came, the first difference, the line to change. */
import { type OfferDifference, offerDifferences } from "#config/offer-differences";
import type { JournalEntry } from "#core/journal";
import type { TunnelStatus } from "#core/operator";

type Ended = Extract<JournalEntry, { readonly kind: "failed" | "child-down" }>;
type Failed = Extract<JournalEntry, { readonly kind: "failed" }>;

/** A line of the configuration that mends it. */
export interface Fix {
  /** Sections and the setting: "connections", "hq", "proposals". */
  readonly setting: readonly string[];
  /** What to write or to do there. */
  readonly line: string;
}

export interface Explanation {
  /** "hq/net" */
  readonly tunnel: string;
  readonly state: TunnelStatus["state"];
  /** Wall clock of the failure, in milliseconds since 1970; undefined: nothing has failed. */
  readonly at: number | undefined;
  /** "IKE_SA_INIT"; empty where there is none. */
  readonly stage: string;
  readonly summary: string;
  /** What we said, and what came back, line by line. */
  readonly sent: readonly string[];
  readonly came: readonly string[];
  readonly differences: readonly OfferDifference[];
  readonly fixes: readonly Fix[];
  /** Commands that tell more. */
  readonly commands: readonly string[];
  readonly retryAt: number | undefined;
  /** Warnings about its connection, the newest last. */
  readonly noticed: readonly string[];
}

/** The newest event that says why this tunnel is not up, or fails though it is; nothing that was over when it came up. */
export function lastFailure(
  events: readonly JournalEntry[],
  tunnel: Pick<TunnelStatus, "connection" | "child" | "state">,
): Ended | undefined {
  const last = newestEnd(events, tunnel);
  return last === undefined || last.number > upSince(events, tunnel) ? last : undefined;
}

/** Number of the event by which the tunnel came up; 0 when it is not. */
function upSince(
  events: readonly JournalEntry[],
  { connection, child, state }: Pick<TunnelStatus, "connection" | "child" | "state">,
): number {
  if (!isUp(state)) return 0;
  const up = events.findLast(
    (event) => event.kind === "child-up" && event.connection === connection && event.child === child,
  );
  return up?.number ?? 0;
}

function isUp(state: TunnelStatus["state"]): boolean {
  return state === "up" || state === "rekeying";
}

function newestEnd(
  events: readonly JournalEntry[],
  { connection, child }: Pick<TunnelStatus, "connection" | "child">,
): Ended | undefined {
  const ends = events.filter(
    (event): event is Ended =>
      (event.kind === "failed" || event.kind === "child-down") &&
      event.connection === connection &&
      (event.child === undefined || event.child === child),
  );
  // How the last attempt failed says more than that the pair went.
  const last = ends.at(-1);
  return last?.kind === "child-down" ? (ends.findLast(({ kind }) => kind === "failed") ?? last) : last;
}

/** Warnings that are told. */
const NOTICED = 3;

/** What was said of its connection beside failures, and failures that are over: "hq: the peer is at …". */
export function noticedOf(
  events: readonly JournalEntry[],
  tunnel: Pick<TunnelStatus, "connection" | "child" | "state">,
): string[] {
  const { connection } = tunnel;
  const up = upSince(events, tunnel);
  const lines = events.flatMap((event) =>
    event.kind === "warning" || (event.kind === "failed" && event.number < up) ? [event.line] : [],
  );
  return lines.filter((line) => line.startsWith(`${connection}: `)).slice(-NOTICED);
}

export function explain(tunnel: TunnelStatus, last: Ended | undefined, noticed: readonly string[] = []): Explanation {
  const { connection, child, state } = tunnel;
  const about = { tunnel: `${connection}/${child}`, state, noticed };
  if (last === undefined) return { ...about, ...nothing(tunnel), ...quietTunnel(tunnel) };
  if (last.kind === "child-down")
    return {
      ...about,
      ...nothing(tunnel),
      at: last.at,
      summary: `it went down: ${last.reason}`,
      ...quietTunnel(tunnel),
    };
  const { stage, reason, at, retryAt } = last;
  return {
    ...about,
    at,
    stage,
    summary: reason.split("\n")[0] ?? reason,
    sent: sentLines(last),
    came: cameLines(last),
    differences: offerDifferences(last.details?.ourOffer ?? [], last.details?.theirOffer ?? []).filter(
      ({ theirs }) => theirs.length > 0,
    ),
    fixes: fixesOf(last, child),
    commands: commandsOf(last, tunnel),
    retryAt,
  };
}

function nothing({ connection, child, state }: TunnelStatus) {
  return {
    at: undefined,
    stage: "",
    summary:
      state === "down"
        ? "nothing has failed: nobody has asked for it yet"
        : `nothing has failed since ${isUp(state) ? "it came up" : "the gateway started"}`,
    sent: [],
    came: [],
    differences: [],
    fixes: [],
    commands: state === "down" ? [`esplanade initiate ${connection}/${child}`] : [],
    retryAt: undefined,
  };
}

/** Up, and yet nothing comes back: none of IKE's business. */
function quietTunnel({ state, connection, child, packetsIn, packetsOut }: TunnelStatus): Partial<Explanation> {
  if (!isUp(state)) return {};
  if (packetsOut > 0 && packetsIn > 0) return {};
  const [what, where] =
    packetsOut === 0
      ? ["it is up, but no packet of ours has entered it", "a masquerade rule, a route or a firewall here takes them"]
      : ["it is up and carries our packets, but none came back", "look at the peer, and at ESP between you"];
  return {
    summary: `${what}: ${where}`,
    commands: ["esplanade doctor", `esplanade ping ${connection}/${child}`],
  };
}

function sentLines({ asked, details }: Failed): string[] {
  if (details === undefined) return [];
  const { local, remote, ourOffer, localSelectors, remoteSelectors, localIdentity, remoteIdentity } = details;
  const way = local === undefined || remote === undefined ? [] : [`from ${local} to ${remote}`];
  const verb = asked === "us" ? "offered" : "allowed";
  return [
    ...way,
    ...ourOffer.map((offer) => `${verb} ${offer}`),
    ...(localSelectors.length === 0
      ? []
      : [`selectors ${localSelectors.join(", ")} === ${remoteSelectors.join(", ")}`]),
    `identities: ours ${localIdentity ?? "our address"}, theirs ${remoteIdentity ?? "anybody's"}`,
  ];
}

function cameLines({ from, notify, reason, details }: Failed): string[] {
  const theirs = (details?.theirOffer ?? []).map((offer) => `offered ${offer}`);
  const silence = details?.silence;
  if (silence !== undefined) {
    const icmp = {
      silent: "nothing, and no ICMP error",
      refused: "ICMP port unreachable",
      unreachable: "ICMP host or network unreachable",
    };
    return [`${icmp[silence.answer]}, after ${silence.sends} sends in ${Math.round(silence.millis / 1000)} s`];
  }
  const [, ...more] = reason.split("\n");
  if (from === "peer" && notify !== undefined)
    return [
      notify,
      ...theirs,
      ...more,
      ...(theirs.length + more.length === 0 ? ["(it does not say what it would take)"] : []),
    ];
  if (from === "us") return [...theirs, ...(notify === undefined ? [] : [`we answered ${notify}`])];
  return theirs;
}

const CERTIFICATE = /certificat|expired|not valid before|revo[ck]|\bCRL\b|signature|authority/i;

/** Which settings it is about, the likeliest first. */
function fixesOf(failed: Failed, childName: string): Fix[] {
  const { connection, notify, reason, remedy, details, stage } = failed;
  const own = ["connections", connection];
  const child = [...own, "children", failed.child ?? childName];
  if (details?.silence !== undefined && stage !== "IKE_AUTH")
    return [{ setting: [...own, "remote_addrs"], line: remedy }];
  if (notify === "NO_PROPOSAL_CHOSEN" || notify === "INVALID_KE_PAYLOAD" || /proposal|no common/.test(reason)) {
    const [theirs] = details?.theirOffer ?? [];
    const isChild = failed.child !== undefined;
    const name = isChild ? "esp_proposals" : "proposals";
    const suite = theirs?.split(" with ")[0];
    const line = suite === undefined ? remedy : `${name} = ${[suite, ...(details?.ourOffer ?? [])].join(", ")}`;
    return [{ setting: [...(isChild ? child : own), name], line }];
  }
  if (notify === "TS_UNACCEPTABLE" || notify === "INVALID_ID_INFORMATION" || /selector/.test(reason))
    return [
      { setting: [...child, "remote_ts"], line: "remote_ts = what the peer has as local_ts" },
      { setting: [...child, "local_ts"], line: "local_ts = what the peer has as remote_ts" },
    ];
  if (CERTIFICATE.test(reason)) {
    const side = failed.from === "us" ? "remote" : "local";
    return [{ setting: [...own, side, side === "local" ? "certs" : "cacerts"], line: remedy === "" ? reason : remedy }];
  }
  if (notify === "AUTHENTICATION_FAILED" || /secret|proof|identit/.test(reason))
    return [
      { setting: ["secrets"], line: "secrets { ike-… { id = both identities  secret = the same on both sides } }" },
      { setting: [...own, "remote", "id"], line: "id = what the peer has as local.id" },
    ];
  return remedy === "" ? [] : [{ setting: own, line: remedy }];
}

function commandsOf({ details, notify, from }: Failed, { connection, child }: TunnelStatus): string[] {
  const peer = details?.remote?.replace(/:\d+$/, "").replace(/[[\]]/g, "");
  const probe = peer === undefined ? [] : [`esplanade probe ${peer}`];
  const again = [`esplanade initiate ${connection}/${child}`];
  if (details?.silence !== undefined) return [...probe, "esplanade doctor", ...again];
  if (notify === "NO_PROPOSAL_CHOSEN" && from === "peer") return [...probe, ...again];
  return again;
}

/** `place` says where a setting stands: "hq.conf:12:5". */
export function explanationText(
  explanation: Explanation,
  now: number,
  place: (setting: readonly string[]) => string | undefined,
): string {
  const { tunnel, state, at, stage, summary, sent, came, differences, fixes, commands, retryAt, noticed } = explanation;
  const when = at === undefined ? "" : `, ${agoText(now - at)} ago`;
  const first = differences.find(({ common }) => common.length === 0);
  const lines = [
    `${tunnel} is ${state}`,
    "",
    `${stage === "" ? "" : `${stage}: `}${summary}${when}`,
    ...block("we sent", sent),
    ...block("came back", came),
    ...block(
      "compared",
      differences.map((one) => {
        const mark = one === first ? "  <- the first difference" : "";
        return `${one.type}: ours ${one.ours.join(", ") || "none"}; theirs ${one.theirs.join(", ") || "none"}${mark}`;
      }),
    ),
    ...block("noticed", noticed),
    ...block(
      "to mend it",
      fixes.map(({ setting, line }) => `${place(setting) ?? setting.join(".")}: ${line}`),
    ),
    ...block("try", commands),
    ...(retryAt === undefined || retryAt <= now ? [] : ["", `it is tried again in ${agoText(retryAt - now)}`]),
  ];
  return `${lines.join("\n")}\n`;
}

function block(title: string, lines: readonly string[]): string[] {
  return lines.length === 0 ? [] : ["", `${title}:`, ...lines.map((line) => `  ${line}`)];
}

function agoText(millis: number): string {
  const seconds = Math.max(0, Math.round(millis / 1000));
  return seconds < 120
    ? `${seconds} s`
    : seconds < 7200
      ? `${Math.round(seconds / 60)} min`
      : `${Math.round(seconds / 3600)} h`;
}
