/** The status page: what the gateway sends (/v1/events) is drawn; nothing is ever asked of it. */
import { linePlot, timeLine } from "./plots.js";

const SAMPLES = 300;
const SPAN = 300_000;
const REKEY_SPAN = 600_000;
const SHOWN_TUNNELS = 200;
const SHOWN_FAILURES = 8;
const SHOWN_EVENTS = 100;
const KEPT_EVENTS = 1000;

const byId = (id) => document.getElementById(id);
/** Texts come from peers and files: they become text nodes, never markup. */
function make(name, classes = "", ...content) {
  const made = document.createElement(name);
  if (classes !== "") made.className = classes;
  made.append(...content.filter((part) => part !== undefined));
  return made;
}

const samples = [];
let entries = [];
let status;
const open = new Set();

function octetsText(octets) {
  const units = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];
  let value = octets;
  let unit = 0;
  while (value >= 1000 && unit < units.length - 1) {
    value /= 1024;
    unit++;
  }
  return `${unit > 0 && value < 10 ? value.toFixed(1) : Math.round(value)} ${units[unit]}`;
}

function rateText(octets) {
  const bits = octets * 8;
  if (bits < 1) return "0";
  const [value, unit] = bits >= 1e9 ? [bits / 1e9, "G"] : bits >= 1e6 ? [bits / 1e6, "M"] : [bits / 1e3, "k"];
  return `${value < 10 ? value.toFixed(1) : Math.round(value)} ${unit}bit/s`;
}

function spanText(millis) {
  const seconds = Math.floor(Math.abs(millis) / 1000);
  if (seconds < 120) return `${seconds} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 120) return `${minutes} min`;
  const hours = Math.floor(minutes / 60);
  return hours < 48 ? `${hours} h ${minutes % 60} min` : `${Math.floor(hours / 24)} d ${hours % 24} h`;
}

function countText(count) {
  return count >= 1e6 ? `${(count / 1e6).toFixed(1)} M` : count >= 1e4 ? `${(count / 1e3).toFixed(1)} k` : `${Math.round(count)}`;
}

const STATES = { up: "good", rekeying: "good", connecting: "warn", clear: "bad", ended: "bad", down: "bad" };
const sum = (numbers) => numbers.reduce((total, one) => total + one, 0);

function takeStatus(next) {
  // Another process: its numbers and counters begin anew.
  if (status !== undefined && status.pid !== next.pid) {
    samples.length = 0;
    entries = entries.filter(({ at }) => at >= Date.now() - next.upMillis - 1000);
    drawSoon();
  }
  const at = Date.now();
  const totals = {
    at,
    in: sum(next.tunnels.map(({ octetsIn }) => octetsIn)),
    out: sum(next.tunnels.map(({ octetsOut }) => octetsOut)),
    drops: sum(Object.values(next.drops)),
  };
  const before = samples.at(-1);
  const passed = before === undefined ? 0 : (at - before.at) / 1000;
  const rate = (name) => (passed > 0 ? Math.max(0, (totals[name] - before[name]) / passed) : 0);
  samples.push({ ...totals, rateIn: rate("in"), rateOut: rate("out"), rateDrops: rate("drops") });
  if (samples.length > SAMPLES) samples.shift();
  status = next;
  draw();
}

function draw() {
  if (status === undefined) return;
  byId("gateway").textContent = `${status.tun}, MTU ${status.mtu}, up ${spanText(status.upMillis)}; ${status.description}`;
  drawTiles();
  drawPlots();
  drawTunnels();
}

function drawTiles() {
  const { tunnels, ikeSas, halfOpen, rekeys, fallbacks, stall } = status;
  const up = tunnels.filter(({ state }) => state === "up" || state === "rekeying").length;
  const last = samples.at(-1);
  const counts = { done: 0, failed: 0 };
  for (const results of Object.values(rekeys)) {
    counts.done += results.done ?? 0;
    counts.failed += results.failed ?? 0;
  }
  const tiles = [
    ["tunnels up", `${up}`, ` of ${tunnels.length}`, up === tunnels.length ? "good" : "bad"],
    ["IKE SAs", `${ikeSas.length}`, halfOpen > 0 ? ` + ${halfOpen} half-open` : "", ""],
    ["in", rateText(last.rateIn), "", ""],
    ["out", rateText(last.rateOut), "", ""],
    ["dropped", countText(last.drops), ` ${countText(last.rateDrops)}/s`, ""],
    ["rekeys", countText(counts.done), counts.failed > 0 ? ` ${counts.failed} failed` : "", counts.failed > counts.done ? "bad" : ""],
    ["control late (p99)", `${stall.p99.toFixed(1)} ms`, "", stall.p99 > 100 ? "bad" : ""],
  ];
  if (fallbacks.now > 0) tiles.push(["IN CLEAR", `${fallbacks.now}`, " tunnels", "bad"]);
  byId("tiles").replaceChildren(
    ...tiles.map(([name, value, more, mood]) =>
      make("dl", "tile", make("dt", "", name), make("dd", mood, value, make("small", "", more))),
    ),
  );
}

function drawPlots() {
  const times = samples.map(({ at }) => at);
  linePlot(byId("throughput"), {
    times,
    span: SPAN,
    least: 12_500,
    series: [
      { name: "in", label: "in ", values: samples.map(({ rateIn }) => rateIn) },
      { name: "out", label: "out ", values: samples.map(({ rateOut }) => rateOut) },
    ],
    format: rateText,
    output: byId("throughput-now"),
  });
  linePlot(byId("drops"), {
    times,
    span: SPAN,
    least: 10,
    series: [{ name: "bad", label: "", values: samples.map(({ rateDrops }) => rateDrops) }],
    format: (value) => `${countText(value)}/s`,
    output: byId("drops-now"),
  });
  const reasons = Object.entries(status.drops).sort(([, a], [, b]) => b - a);
  byId("drop-reasons").textContent =
    reasons.length === 0 ? "none yet" : reasons.slice(0, 4).map(([name, count]) => `${name.replaceAll("_", " ")} ${countText(count)}`).join(" · ");
  drawRekeys();
}

function drawRekeys() {
  const now = Date.now();
  const dots = entries.flatMap((entry) => {
    const title = `${clock(entry.at)} ${entry.line}`;
    if (entry.kind === "ike-rekeyed") return [{ at: entry.at, lane: 0, result: "done", title }];
    // A preflight replaces nothing.
    if (entry.kind !== "rekey" || entry.result.startsWith("preflight")) return [];
    const result = entry.result.startsWith("done") ? "done" : entry.result === "failed" ? "failed" : "other";
    return [{ at: entry.at, lane: entry.child === undefined ? 0 : 1, result, title }];
  });
  timeLine(byId("rekeys"), { dots, lanes: ["IKE SAs", "children"], now, span: REKEY_SPAN });
  const recent = dots.filter(({ at }) => at >= now - REKEY_SPAN).length;
  byId("rekeys-now").textContent = recent === 0 ? "none" : `${recent}`;
}

const nameOf = ({ connection, child }) => `${connection}/${child}`;

function drawTunnels() {
  const wanted = byId("filter").value.trim().toLowerCase();
  const all = status.tunnels.filter((tunnel) =>
    `${nameOf(tunnel)} ${tunnel.peer ?? ""} ${tunnel.state}`.toLowerCase().includes(wanted),
  );
  // What is not up comes first: that is what somebody looks for.
  const ranked = all.map((tunnel, i) => [tunnel, STATES[tunnel.state] === "good" ? 1 : 0, i]);
  ranked.sort(([, a, i], [, b, j]) => a - b || i - j);
  const list = byId("tunnels");
  const focused = document.activeElement?.dataset?.tunnel;
  const shown = ranked.slice(0, SHOWN_TUNNELS).map(([tunnel]) => tunnelItem(tunnel));
  list.replaceChildren(...(shown.length > 0 ? shown : [make("li", "quiet", wanted === "" ? "no tunnel is configured" : "no tunnel fits the filter")]));
  if (focused !== undefined) [...list.querySelectorAll("button")].find(({ dataset }) => dataset.tunnel === focused)?.focus();
  const more = byId("more");
  more.hidden = ranked.length <= SHOWN_TUNNELS;
  more.textContent = `and ${ranked.length - SHOWN_TUNNELS} more: use the filter`;
}

function tunnelItem(tunnel) {
  const name = nameOf(tunnel);
  const isOpen = open.has(name);
  const button = make(
    "button",
    "tunnel",
    make("span", "name", name),
    make("span", `pill ${STATES[tunnel.state] ?? ""}`, tunnel.upMillis === undefined ? tunnel.state : `${tunnel.state} ${spanText(tunnel.upMillis)}`),
    make("span", "peer quiet", tunnel.peer ?? "no peer"),
    make("span", "octets number quiet", `${octetsText(tunnel.octetsIn)} in · ${octetsText(tunnel.octetsOut)} out`),
    make("span", "rate", rateText(tunnel.rate)),
    make("span", "arrow", "›"),
  );
  button.type = "button";
  button.dataset.tunnel = name;
  button.setAttribute("aria-expanded", `${isOpen}`);
  button.addEventListener("click", () => {
    if (open.has(name)) open.delete(name);
    else open.add(name);
    drawTunnels();
  });
  const item = make("li", "", button);
  if (tunnel.failure !== undefined && STATES[tunnel.state] !== "good") item.append(make("p", "why small", tunnel.failure));
  if (tunnel.clear !== undefined)
    item.append(make("p", "why small", `in clear for ${spanText(tunnel.clear.millis)} because ${tunnel.clear.because}`));
  if (isOpen) item.append(details(tunnel));
  return item;
}

function fact(name, value) {
  return make("div", "", make("dt", "", name), make("dd", "", value));
}

function details(tunnel) {
  const { life, suite, localSelectors, remoteSelectors, packetsIn, packetsOut, sas } = tunnel;
  const made = make(
    "div",
    "details",
    make(
      "dl",
      "facts",
      fact("cipher", suite ?? "none yet"),
      fact("ours", localSelectors.join(", ") || "–"),
      fact("theirs", remoteSelectors.join(", ") || "–"),
      fact("packets", `${countText(packetsIn)} in, ${countText(packetsOut)} out`),
    ),
  );
  if (life !== undefined) made.append(...budgets(life));
  if (sas.length > 0) made.append(saTable(sas));
  return made;
}

function budgets(life) {
  const { ageMillis, rekeyMillis, expiryMillis, octets, rekeyOctets, lifeOctets, packets, rekeyPackets, lifePackets } = life;
  const bars = [];
  const total = expiryMillis === undefined ? undefined : ageMillis + expiryMillis;
  bars.push(
    budget(
      "time",
      ageMillis,
      total,
      rekeyMillis === undefined ? undefined : ageMillis + rekeyMillis,
      total === undefined
        ? `${spanText(ageMillis)} old, no limit`
        : `${spanText(ageMillis)} of ${spanText(total)}${rekeyMillis === undefined ? "" : rekeyMillis > 0 ? `, rekey in ${spanText(rekeyMillis)}` : ", rekey is due"}`,
    ),
    budget(
      "octets",
      octets,
      lifeOctets,
      rekeyOctets,
      lifeOctets === undefined ? `${octetsText(octets)}, no limit` : `${octetsText(octets)} of ${octetsText(lifeOctets)}`,
    ),
  );
  if (rekeyPackets !== undefined)
    bars.push(budget("packets", packets, lifePackets, rekeyPackets, `${countText(packets)} of ${countText(lifePackets)}`));
  return bars;
}

function budget(name, used, limit, mark, text) {
  const bar = make("div", "bar");
  bar.setAttribute("role", "meter");
  bar.setAttribute("aria-label", `${name} of the pair of SAs: ${text}`);
  const part = limit === undefined ? 0 : Math.min(1, used / limit);
  bar.setAttribute("aria-valuenow", `${Math.round(part * 100)}`);
  const fill = make("div", "fill");
  fill.style.width = `${part * 100}%`;
  bar.append(fill);
  if (limit !== undefined && mark !== undefined && mark < limit) {
    const line = make("div", "mark");
    line.style.left = `${(mark / limit) * 100}%`;
    bar.append(line);
  }
  if (part >= 0.97) bar.classList.add("past");
  else if (mark !== undefined && used >= mark) bar.classList.add("near");
  return make("div", "budget", make("span", "quiet small", name), bar, make("span", "text quiet small", text));
}

function saTable(sas) {
  const head = make("tr", "", ...["role", "in", "octets", "out", "octets", "state"].map((name) => make("th", "", name)));
  const rows = sas.map(({ role, spiIn, spiOut, keyOctetsIn, keyOctetsOut, state }) =>
    make("tr", "", ...[role, spiIn, octetsText(keyOctetsIn), spiOut, octetsText(keyOctetsOut), state].map((cell) => make("td", "", cell))),
  );
  return make("div", "scroll", make("table", "sas", make("thead", "", head), make("tbody", "", ...rows)));
}

function clock(at) {
  return new Date(at).toLocaleTimeString([], { hour12: false });
}

function timeOf(at) {
  const made = make("time", "", clock(at));
  made.dateTime = new Date(at).toISOString();
  made.title = new Date(at).toLocaleString();
  return made;
}

function takeEntry(entry) {
  if (entries.some(({ number }) => number === entry.number)) return;
  entries.push(entry);
  if (entries.length > KEPT_EVENTS) entries = entries.slice(-KEPT_EVENTS);
  drawSoon();
}

let waits = false;
/** Events come in bursts: one drawing for all of them. */
function drawSoon() {
  if (waits) return;
  waits = true;
  requestAnimationFrame(() => {
    waits = false;
    drawEntries();
  });
}

function drawEntries() {
  const failures = entries.filter(({ kind }) => kind === "failed" || kind === "child-down").slice(-SHOWN_FAILURES).reverse();
  byId("failures").replaceChildren(
    ...(failures.length === 0 ? [make("li", "none", "none since this gateway started, as far as it remembers")] : failures.map(failureItem)),
  );
  const latest = entries.slice(-SHOWN_EVENTS).reverse();
  byId("events").replaceChildren(
    ...(latest.length === 0
      ? [make("li", "none", "nothing yet")]
      : latest.map(({ at, level, line }) => make("li", level === "warn" ? "warn" : "", timeOf(at), make("span", "", line)))),
  );
  drawRekeys();
}

function failureItem(entry) {
  const subject = entry.child === undefined ? entry.connection : `${entry.connection}/${entry.child}`;
  if (entry.kind === "child-down")
    return make("li", "", timeOf(entry.at), make("span", "what", `${subject} went down`), make("span", "reason", entry.reason));
  const said = entry.notify === undefined ? "" : ` (${entry.from === "peer" ? "the peer says" : "we say"} ${entry.notify})`;
  return make(
    "li",
    "",
    timeOf(entry.at),
    make("span", "what", `${subject}: ${entry.stage}${said}`),
    make("span", "reason", entry.reason),
    entry.remedy === "" ? undefined : make("span", "remedy", entry.remedy),
  );
}

function live(text, mood) {
  const pill = byId("live");
  pill.textContent = text;
  pill.className = `pill ${mood}`;
}

const source = new EventSource("/v1/events?status=1");
source.addEventListener("open", () => live("live", "good"));
source.addEventListener("error", () => live("reconnecting…", "bad"));
source.addEventListener("status", ({ data }) => takeStatus(JSON.parse(data)));
source.addEventListener("journal", ({ data }) => takeEntry(JSON.parse(data)));
byId("filter").addEventListener("input", () => status !== undefined && drawTunnels());
addEventListener("resize", () => draw());
drawEntries();
