/** Plots of the status page: small SVGs, drawn anew with every sample. */
const SVG = "http://www.w3.org/2000/svg";
const LEFT = 62;
const BOTTOM = 18;
const TOP = 6;

export function element(name, attributes = {}, text = undefined) {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, `${value}`);
  if (text !== undefined) made.textContent = text;
  return made;
}

/** 1, 2 or 5 times a power of `base`, at least `value`. */
export function roundUp(value, base = 10) {
  if (value <= 0) return 1;
  const power = base ** Math.floor(Math.log(value) / Math.log(base));
  return [1, 2, 5, base].map((factor) => factor * power).find((one) => one >= value) ?? value;
}

/**
 * `series`: [{ name, values }], as long as `times` (milliseconds, ascending); `span`: milliseconds shown; `format`: number → text.
 * The pointer's place is kept in the SVG and read out into `output`.
 */
export function linePlot(svg, { times, series, span, format, output }) {
  const { clientWidth: width, clientHeight: height } = svg;
  if (width === 0) return;
  svg.replaceChildren();
  const now = times.at(-1) ?? 0;
  const largest = roundUp(Math.max(1, ...series.flatMap(({ values }) => values)));
  const x = (time) => LEFT + ((time - now + span) / span) * (width - LEFT);
  const y = (value) => TOP + (1 - value / largest) * (height - TOP - BOTTOM);
  for (const part of [0, 0.5, 1]) {
    const at = y(largest * part);
    svg.append(element("line", { class: "grid", x1: LEFT, x2: width, y1: at, y2: at }));
    svg.append(element("text", { x: LEFT - 6, y: at + 4, "text-anchor": "end" }, format(largest * part)));
  }
  timeLabels(svg, span, width, height);
  for (const { name, values } of series) {
    const points = values.map((value, i) => `${x(times[i]).toFixed(1)},${y(value).toFixed(1)}`);
    if (points.length < 2) continue;
    const first = x(times[0]).toFixed(1);
    const last = x(now).toFixed(1);
    svg.append(element("polygon", { class: `area ${name}`, points: `${first},${y(0)} ${points.join(" ")} ${last},${y(0)}` }));
    svg.append(element("polyline", { class: name, points: points.join(" ") }));
  }
  readOut(svg, { times, series, x, format, output, height });
}

function timeLabels(svg, span, width, height) {
  const minutes = span / 60_000;
  for (const part of [0, 0.5, 1]) {
    const text = part === 1 ? "now" : `−${minutes * (1 - part)} min`;
    const anchor = part === 0 ? "start" : part === 1 ? "end" : "middle";
    svg.append(element("text", { x: LEFT + part * (width - LEFT), y: height - 3, "text-anchor": anchor }, text));
  }
}

function readOut(svg, { times, series, x, format, output, height }) {
  svg.onpointermove = ({ offsetX }) => {
    svg.dataset.pointer = `${offsetX}`;
    show();
  };
  svg.onpointerleave = () => {
    delete svg.dataset.pointer;
    show();
  };
  const show = () => {
    svg.querySelector(".cross")?.remove();
    const pointer = svg.dataset.pointer === undefined ? undefined : Number(svg.dataset.pointer);
    const at = pointer === undefined ? times.length - 1 : nearest(times, x, pointer);
    if (pointer !== undefined && times[at] !== undefined) {
      const place = x(times[at]);
      svg.append(element("line", { class: "cross", x1: place, x2: place, y1: TOP, y2: height - BOTTOM }));
    }
    output.textContent = at < 0 ? "" : series.map(({ label, values }) => `${label}${format(values[at] ?? 0)}`).join(" · ");
  };
  show();
}

function nearest(times, x, pointer) {
  let best = -1;
  for (let i = 0; i < times.length; i++)
    if (best < 0 || Math.abs(x(times[i]) - pointer) < Math.abs(x(times[best]) - pointer)) best = i;
  return best;
}

/** `dots`: [{ at, lane, result, title }]; `lanes`: names of rows. */
export function timeLine(svg, { dots, lanes, now, span }) {
  const { clientWidth: width, clientHeight: height } = svg;
  if (width === 0) return;
  svg.replaceChildren();
  const x = (time) => LEFT + ((time - now + span) / span) * (width - LEFT - 6);
  const y = (lane) => TOP + ((lane + 0.5) / lanes.length) * (height - TOP - BOTTOM);
  for (const [i, name] of lanes.entries()) {
    svg.append(element("line", { class: "grid", x1: LEFT, x2: width, y1: y(i), y2: y(i) }));
    svg.append(element("text", { x: LEFT - 6, y: y(i) + 4, "text-anchor": "end" }, name));
  }
  timeLabels(svg, span, width, height);
  for (const { at, lane, result, title } of dots) {
    if (at < now - span) continue;
    const dot = element("circle", { class: `dot ${result}`, cx: x(at).toFixed(1), cy: y(lane), r: 4.5 });
    dot.append(element("title", {}, title));
    svg.append(dot);
  }
}
