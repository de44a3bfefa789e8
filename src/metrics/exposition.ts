/**
 * Every family of Esplanade's own that is formatted by hand, from counters as they stand (docs/monitoring.md lists them).
 * Labels are connection, child, direction and closed sets, so a rekey begins no series; what is configured and down is 0.
 */
import type { ChildMeasures, DirectionMeasures, Measures } from "./measures.ts";
import { escapeValue, labelText, MetricText } from "./text.ts";

const DIRECTIONS = ["in", "out"] as const;
const IKE_STATES = ["connecting", "established", "rekeying", "rekeyed", "deleting", "ended"] as const;
const CHILD_STATES = ["installed", "rekeying", "rekeyed", "deleting"] as const;

/** Words of Prometheus' side for the triggers of core/ike-state.ts; the rest is `other`. */
const TRIGGERS: Readonly<Record<string, string>> = {
  time: "time",
  octets: "bytes",
  packets: "packets",
  peer: "peer",
  operator: "manual",
};
const TRIGGER_LABELS: readonly string[] = [...Object.values(TRIGGERS), "other"];
const RESULT_LABELS = ["done", "failed", "overtaken"] as const;

/** Pieces of the text, in order. */
export function* exposition(measures: Measures): Generator<string> {
  const text = new MetricText();
  const sheet = { ...measures, labels: measures.children.map(childLabels) };
  for (const family of FAMILIES) {
    for (const _ of family(text, sheet)) yield* text.take(false);
    yield* text.take(false);
  }
  yield* text.take(true);
}

/** `labels`: of each child, without braces; formatted once a scrape, as escaping is most of the work. */
interface Sheet extends Measures {
  readonly labels: readonly string[];
}

/** Yields where a reader may take what is whole. */
type Family = (text: MetricText, sheet: Sheet) => Generator<void>;

const FAMILIES: readonly Family[] = [build, tunnels, traffic, drops, pairs, sas, exchanges, peers, config, dataplane];

function* build(text: MetricText, { version, node, backend, implementations }: Measures): Generator<void> {
  text.family("ipsec_build_info", "gauge", "Version of Esplanade and Node, and what serves the packets; always 1.");
  text.sample("ipsec_build_info", labelText({ version, node, backend }), 1);
  const help = "Which implementation serves a suite that is or was in use; always 1.";
  text.family("ipsec_crypto_backend_info", "gauge", help);
  for (const { suite, impl } of implementations)
    text.sample("ipsec_crypto_backend_info", labelText({ suite, impl }), 1);
  yield;
}

/** One sample a child. */
function* perChild(
  text: MetricText,
  { children, labels }: Sheet,
  name: string,
  value: (child: ChildMeasures) => number,
): Generator<void> {
  for (const [i, child] of children.entries()) {
    text.sample(name, `{${labels[i]}}`, value(child));
    if (text.isFull) yield;
  }
}

/** By hand: of thousands of children this is one turn of the event loop. */
function childLabels({ connection, child }: ChildMeasures): string {
  return `connection="${escapeValue(connection)}",child="${escapeValue(child)}"`;
}

function* tunnels(text: MetricText, measures: Sheet): Generator<void> {
  text.family("ipsec_tunnel_up", "gauge", "1 while a pair of SAs carries the child's packets.");
  yield* perChild(text, measures, "ipsec_tunnel_up", ({ up }) => (up ? 1 : 0));
  text.family("ipsec_tunnel_in_clear", "gauge", "1 while the child has fallen back to clear.");
  yield* perChild(text, measures, "ipsec_tunnel_in_clear", ({ clear }) => (clear ? 1 : 0));
}

function* traffic(text: MetricText, { children, labels }: Sheet): Generator<void> {
  for (const [name, of, help] of [
    ["ipsec_child_bytes_total", "octets", "Octets of inner packets, across all rekeys."],
    ["ipsec_child_packets_total", "packets", "Inner packets, across all rekeys."],
  ] as const) {
    text.family(name, "counter", help);
    for (const [i, child] of children.entries()) {
      for (const direction of DIRECTIONS)
        text.sample(name, `{${labels[i]},direction="${direction}"}`, sideOf(child, direction)[of]);
      if (text.isFull) yield;
    }
  }
}

function* drops(text: MetricText, { children, labels, drops: reasons }: Sheet): Generator<void> {
  const help =
    "Packets dropped under an SA of the child, by a coarse reason; ipsec_dropped_packets_total has all reasons.";
  const name = "ipsec_child_dropped_packets_total";
  text.family(name, "counter", help);
  for (const [i, { inbound, outbound }] of children.entries()) {
    const { icvFailures, replays, misfits } = inbound;
    // Counters of one row are read one after the other while its lane goes on.
    const other = Math.max(0, inbound.drops - icvFailures - replays - misfits);
    text.sample(name, `{${labels[i]},direction="in",reason="integrity"}`, icvFailures);
    text.sample(name, `{${labels[i]},direction="in",reason="replay"}`, replays);
    text.sample(name, `{${labels[i]},direction="in",reason="selector"}`, misfits);
    text.sample(name, `{${labels[i]},direction="in",reason="other"}`, other);
    text.sample(name, `{${labels[i]},direction="out",reason="other"}`, outbound.drops);
    if (text.isFull) yield;
  }
  text.family("ipsec_dropped_packets_total", "counter", "Packets dropped by the data plane, by reason.");
  for (const [reason, count] of reasons) text.sample("ipsec_dropped_packets_total", labelText({ reason }), count);
  yield;
}

function sideOf(child: ChildMeasures, direction: "in" | "out"): DirectionMeasures {
  return direction === "in" ? child.inbound : child.outbound;
}

function* pairs(text: MetricText, measures: Sheet): Generator<void> {
  for (const [name, of, help] of [
    [
      "ipsec_child_sa_established_timestamp_seconds",
      "established",
      "When the pair of SAs in use was installed; 0 = none is.",
    ],
    [
      "ipsec_child_sa_rekey_timestamp_seconds",
      "rekey",
      "When it is replaced at the latest; 0 = no SA, +Inf = no limit.",
    ],
    ["ipsec_child_sa_expiry_timestamp_seconds", "expiry", "When it ends; 0 = no SA, +Inf = no limit."],
    [
      "ipsec_child_sa_remaining_bytes",
      "remainingOctets",
      "Octets its keys may still process; 0 = no SA, +Inf = no limit.",
    ],
  ] as const) {
    text.family(name, "gauge", help);
    yield* perChild(text, measures, name, (child) => child[of]);
  }
}

function* sas(text: MetricText, { ikeSas, childSas, halfOpen }: Measures): Generator<void> {
  text.family(
    "ipsec_ike_sas",
    "gauge",
    "IKE SAs by state and version; ended = IKEv1 pairs that outlive their ISAKMP SA.",
  );
  const ike = counted(ikeSas, ({ state, version }) => `${state} ${version}`);
  for (const version of ["1", "2"])
    for (const state of IKE_STATES)
      text.sample("ipsec_ike_sas", labelText({ state, version }), ike.get(`${state} ${version}`) ?? 0);
  text.family("ipsec_ike_half_open_sas", "gauge", "IKE SAs whose peer has proven nothing yet.");
  text.sample("ipsec_ike_half_open_sas", "", halfOpen);
  text.family("ipsec_child_sas", "gauge", "Pairs of SAs by state, protocol and mode.");
  const child = counted(childSas, ({ state, protocol, mode }) => `${state} ${protocol} ${mode}`);
  for (const protocol of ["esp", "ah"])
    for (const mode of ["tunnel", "transport"])
      for (const state of CHILD_STATES)
        text.sample(
          "ipsec_child_sas",
          labelText({ state, protocol, mode }),
          child.get(`${state} ${protocol} ${mode}`) ?? 0,
        );
  yield;
}

/** How many of each kind. */
function counted<Item>(items: readonly Item[], kindOf: (item: Item) => string): ReadonlyMap<string, number> {
  const counts = new Map<string, number>();
  for (const item of items) {
    const kind = kindOf(item);
    counts.set(kind, (counts.get(kind) ?? 0) + 1);
  }
  return counts;
}

function* exchanges(text: MetricText, { messages, ike, fallbacks }: Measures): Generator<void> {
  text.family(
    "ipsec_ike_messages_total",
    "counter",
    "IKE messages by direction and exchange, repeats and hostile ones too.",
  );
  for (const direction of DIRECTIONS)
    for (const [exchange, count] of Object.entries(messages[direction]))
      text.sample("ipsec_ike_messages_total", labelText({ direction, exchange }), count);
  counter(text, "ipsec_ike_retransmits_total", "IKE messages that we had to repeat.", ike["retransmissions"]);
  text.family("ipsec_ike_dropped_messages_total", "counter", "IKE messages that were dropped, by reason.");
  for (const [name, count] of Object.entries(ike))
    if (name.startsWith("drop_"))
      text.sample("ipsec_ike_dropped_messages_total", labelText({ reason: name.slice("drop_".length) }), count);
  text.family("ipsec_ike_authentications_total", "counter", "Peers that have proven who they are, by method.");
  for (const [name, count] of Object.entries(ike)) {
    const [, version, method] = /^auth_v(\d)_(\w+)$/.exec(name) ?? [];
    if (version !== undefined && method !== undefined)
      text.sample("ipsec_ike_authentications_total", labelText({ version, method }), count);
  }
  text.family("ipsec_dpd_probes_total", "counter", "Questions whether a peer lives: sent, and peers taken for dead.");
  text.sample("ipsec_dpd_probes_total", labelText({ result: "sent" }), ike["dpd_sent"] ?? 0);
  text.sample("ipsec_dpd_probes_total", labelText({ result: "dead" }), ike["ike_peer_dead"] ?? 0);
  counter(text, "ipsec_fallback_to_clear_total", "Times a child fell back to clear.", fallbacks);
  yield;
}

function counter(text: MetricText, name: string, help: string, value = 0): void {
  text.family(name, "counter", help);
  text.sample(name, "", value);
}

function* peers(text: MetricText, { peers: all, certificates }: Measures): Generator<void> {
  const name = "ipsec_peer_last_inbound_timestamp_seconds";
  text.family(name, "gauge", "When the last packet that verified came from the connection's peers; 0 = never.");
  for (const { connection, lastInbound } of all) {
    text.sample(name, labelText({ connection }), lastInbound);
    if (text.isFull) yield;
  }
  const expiry = "ipsec_certificate_expiry_timestamp_seconds";
  text.family(expiry, "gauge", "When a certificate of the configuration ends to be valid.");
  for (const { connection, use, subject, notAfter } of certificates) {
    text.sample(expiry, labelText({ connection, use, subject }), notAfter);
    yield;
  }
}

function* config(text: MetricText, { rekeys, lastReload }: Measures): Generator<void> {
  const counts = new Map<string, number>();
  for (const kind of ["ike", "child"] as const) {
    for (const trigger of TRIGGER_LABELS)
      for (const result of RESULT_LABELS) counts.set(labelText({ kind, trigger, result }), 0);
    for (const [trigger, results] of Object.entries(rekeys[kind]))
      for (const [result, count] of Object.entries(results)) {
        const key = labelText({ kind, trigger: TRIGGERS[trigger] ?? "other", result });
        counts.set(key, (counts.get(key) ?? 0) + count);
      }
  }
  text.family("ipsec_rekeys_total", "counter", "Rekeys by what is rekeyed, what caused it and how it ended.");
  for (const [labels, count] of counts) text.sample("ipsec_rekeys_total", labels, count);
  text.family(
    "ipsec_config_last_reload_successful",
    "gauge",
    "1 if the last configuration that was offered is in use.",
  );
  text.sample("ipsec_config_last_reload_successful", "", lastReload.successful ? 1 : 0);
  const at = "ipsec_config_last_reload_success_timestamp_seconds";
  text.family(at, "gauge", "When the configuration in use was taken.");
  text.sample(at, "", lastReload.successAt);
  yield;
}

function* dataplane(
  text: MetricText,
  { roundPackets, roundSeconds, threads, controlDelay }: Measures,
): Generator<void> {
  text.family("ipsec_dataplane_batch_packets", "histogram", "Packets that one round of a lane moves.");
  text.histogram("ipsec_dataplane_batch_packets", roundPackets);
  const help = "Time of packets in a lane's hands, from the arrival of their batch until it has left.";
  text.family("ipsec_dataplane_packet_latency_seconds", "histogram", help);
  text.histogram("ipsec_dataplane_packet_latency_seconds", roundSeconds);
  text.family("ipsec_dataplane_cpu_seconds_total", "counter", "Processor time by thread.");
  for (const { thread, seconds } of threads)
    text.sample("ipsec_dataplane_cpu_seconds_total", labelText({ thread }), seconds);
  const late = "ipsec_control_delay_seconds";
  text.family(
    late,
    "gauge",
    "How late the control thread came to its turn in the last minute: half, 99 of 100, the worst.",
  );
  for (const [part, seconds] of Object.entries(controlDelay)) text.sample(late, labelText({ part }), seconds);
  yield;
}
