/** A section of `children`: what one pair of SAs carries and how long it lives. */
import type { ChildAction, ChildConfig } from "#core/connection";
import { type Octets, octets } from "#core/units";
import { readFallback } from "./fallback.ts";
import type { Section } from "./inherit.ts";
import { readChildLifetime } from "./lifetimes.ts";
import { type OfferPolicy, readChildOffers } from "./offers.ts";
import { SectionReader } from "./section-reader.ts";
import { readSelectors } from "./selectors.ts";

export interface PlacedChild {
  readonly config: ChildConfig;
  readonly reader: SectionReader;
}

const WINDOW_DEFAULT = 2048;
const WINDOW_SMALLEST = 32;
const WINDOW_LARGEST = 131_072;
const FROM_MTU = -1;
const LARGEST_TFC = 65_535;

/** Older words, and both orders of the newest. */
const ACTIONS: ReadonlyMap<string, ChildAction> = new Map([
  ["none", "none"],
  ["clear", "none"],
  ["trap", "trap"],
  ["hold", "trap"],
  ["route", "trap"],
  ["start", "start"],
  ["restart", "start"],
  ["trap|start", "trap|start"],
  ["start|trap", "trap|start"],
]);

export function readChild(section: Section, connection: SectionReader, policy: OfferPolicy): PlacedChild {
  const reader = new SectionReader(
    section,
    "child",
    `child '${section.name}' of ${connection.title}`,
    connection.findings,
  );
  const mode = reader.choice("mode", ["tunnel", "transport", "pass", "drop"], "tunnel");
  const config: ChildConfig = {
    name: section.name,
    mode,
    ...readChildOffers(reader, policy),
    fallback: readFallback(reader, mode, policy),
    acceptClear: readAcceptClear(reader, mode),
    local: readSelectors(reader, "local_ts"),
    remote: readSelectors(reader, "remote_ts"),
    lifetime: readChildLifetime(reader, policy.level),
    expectedRate: readExpectedRate(reader),
    startAction: readAction(reader, "start_action"),
    closeAction: readAction(reader, "close_action"),
    dpdAction: readDpdAction(reader),
    replayWindow: readWindow(reader),
    tfcLength: readTfc(reader),
    df: reader.boolean("copy_df", true) ? "copy" : "clear",
    ecn: reader.boolean("copy_ecn", true),
    dscp: readDscp(reader),
    mssClamp: readMssClamp(reader),
    priority: reader.integer("priority", { minimum: 0, maximum: 2 ** 32 - 1 }, 0),
    updown: reader.text("updown"),
  };
  return { config, reader };
}

/** Octets a second; 0 says nothing. */
function readExpectedRate(reader: SectionReader): Octets | undefined {
  const rate = reader.count("expected_rate");
  return rate === undefined || rate === 0 ? undefined : octets(rate);
}

/** Inbound pass-through (S81). */
function readAcceptClear(reader: SectionReader, mode: ChildConfig["mode"]): boolean {
  const accepts = reader.boolean("accept_clear", false);
  if (!accepts) return false;
  if (mode === "pass" || mode === "drop") {
    reader.wrong("accept_clear", `a child with mode = ${mode} has nothing to answer with`, "remove it");
    return false;
  }
  reader.warn(
    "accept_clear",
    "packets in clear are taken from whoever writes the peer's addresses into them",
    "remove it as soon as the peer protects its first packet too",
  );
  return true;
}

function readAction(reader: SectionReader, key: string): ChildAction {
  const text = reader.text(key)?.toLowerCase().replaceAll(" ", "");
  if (text === undefined) return "none";
  const action = ACTIONS.get(text);
  if (action !== undefined) return action;
  return reader.choice(key, ["none", "trap", "start", "trap|start"], "none");
}

function readDpdAction(reader: SectionReader): ChildConfig["dpdAction"] {
  const text = reader.text("dpd_action")?.toLowerCase();
  if (text === "none") return "clear";
  if (text === "hold") return "trap";
  if (text === "start") return "restart";
  return reader.choice("dpd_action", ["clear", "trap", "restart"], "clear");
}

function readWindow(reader: SectionReader): number {
  if (reader.text("replay_window") === "-1") return WINDOW_DEFAULT;
  const wanted = reader.integer("replay_window", { minimum: 0, maximum: WINDOW_LARGEST }, WINDOW_DEFAULT);
  if (wanted === 0) {
    reader.warn("replay_window", "without a window packets may be replayed (RFC 4303 §3.4.3)", "remove it for 2048");
    return 0;
  }
  // Both are powers of two.
  return Math.max(WINDOW_SMALLEST, 2 ** Math.ceil(Math.log2(wanted)));
}

function readTfc(reader: SectionReader): number {
  if (reader.text("tfc_padding") === "mtu") {
    reader.warn("tfc_padding", "'mtu' is known, has no effect here", "give the length in octets, for example 1300");
    return 0;
  }
  return reader.integer("tfc_padding", { minimum: 0, maximum: LARGEST_TFC }, 0);
}

/** RFC 4301 §5.1.2: outwards only; what comes in keeps the DSCP it had. */
function readDscp(reader: SectionReader): "copy" | 0 {
  const choice = reader.choice("copy_dscp", ["out", "in", "yes", "no"], "out");
  if (choice === "in" || choice === "yes")
    reader.warn("copy_dscp", "the outer DSCP of what comes in is not copied (RFC 4301 §5.1.2)", "say out or no");
  return choice === "out" || choice === "yes" ? "copy" : 0;
}

function readMssClamp(reader: SectionReader): number {
  const text = reader.text("mss_clamp")?.toLowerCase();
  if (text === undefined || text === "auto" || text === "yes") return FROM_MTU;
  if (text === "no" || text === "0") return 0;
  return reader.integer("mss_clamp", { minimum: 88, maximum: 65_535 }, FROM_MTU);
}
