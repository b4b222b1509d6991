// The page of one query: asks the API, shows a table or draws a graph. State lives in the address, as in Prometheus.
"use strict";

const byId = (id) => document.getElementById(id);
const MAX_DRAWN = 200;
const WIDTH = 1200, HEIGHT = 420, LEFT = 70, BOTTOM = 24, TOP = 8;
const UNITS = { ms: 0.001, s: 1, m: 60, h: 3600, d: 86400, w: 604800, y: 31536000 };

// Seconds of "90", "1h30m" and the like; NaN for anything else.
function seconds(text) {
  if (/^[0-9.]+$/.test(text)) return Number(text);
  if (!/^([0-9]+(ms|[smhdwy]))+$/.test(text)) return NaN;
  let sum = 0;
  for (const [, count, unit] of text.matchAll(/([0-9]+)(ms|[smhdwy])/g)) sum += count * UNITS[unit];
  return sum;
}

function element(name, text, className) {
  const made = document.createElement(name);
  if (text !== undefined) made.textContent = text;
  if (className) made.className = className;
  return made;
}

function svg(name, attributes) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  return made;
}

function metricText(metric) {
  const { __name__: name = "", ...labels } = metric;
  const pairs = Object.entries(labels).map(([key, value]) => `${key}=${JSON.stringify(value)}`);
  return pairs.length || !name ? `${name}{${pairs.join(", ")}}` : name;
}

function sampleText(sample) {
  if (typeof sample[1] === "string") return sample[1];
  return `count ${sample[1].count}, sum ${sample[1].sum}`;
}

function showTable({ resultType, result }) {
  const table = element("table");
  const row = (name, value) => {
    const tr = table.insertRow();
    tr.append(element("td", name), element("td", value, "value"));
  };
  if (resultType === "scalar" || resultType === "string") row(resultType, result[1]);
  if (resultType === "vector") {
    for (const series of result) row(metricText(series.metric), sampleText(series.value || series.histogram));
  }
  if (resultType === "matrix") {
    for (const series of result) {
      const samples = [...(series.values || []), ...(series.histograms || [])];
      row(metricText(series.metric), samples.map((s) => `${sampleText(s)} @${s[0]}`).join("\n"));
    }
  }
  byId("result").replaceChildren(table.rows.length ? table : element("p", "Empty result"));
}

// About `count` round numbers from min to max.
function ticks(min, max, count) {
  const raw = (max - min) / count || 1;
  const power = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 5, 10].map((f) => f * power).find((s) => s >= raw);
  const list = [];
  for (let t = Math.ceil(min / step) * step; t <= max; t += step) list.push(Number(t.toPrecision(12)));
  return list;
}

function tickText(value) {
  const size = Math.abs(value);
  if (size !== 0 && (size >= 1e15 || size < 1e-4)) return value.toExponential(1);
  for (const [unit, factor] of [["T", 1e12], ["G", 1e9], ["M", 1e6], ["k", 1e3]]) {
    if (size >= factor) return `${Number((value / factor).toPrecision(6))}${unit}`;
  }
  return String(Number(value.toPrecision(6)));
}

// The d attribute of a line that breaks where samples are missing or not finite.
function linePath(values, step, x, y) {
  let path = "", last = NaN;
  for (const [time, text] of values) {
    const value = Number(text.replace("Inf", "Infinity"));
    if (!Number.isFinite(value)) { last = NaN; continue; }
    path += time - last <= step * 1.5 ? "L" : "M";
    path += `${x(time).toFixed(1)} ${y(value).toFixed(1)}`;
    if (!(time - last <= step * 1.5)) path += "h0.1";
    last = time;
  }
  return path;
}

function showGraph({ result }, start, end, step) {
  if (!result.length) return byId("result").replaceChildren(element("p", "Empty result"));
  const drawn = result.slice(0, MAX_DRAWN).filter((series) => series.values);
  let min = Infinity, max = -Infinity;
  for (const { values } of drawn) {
    for (const [, text] of values) {
      const value = Number(text);
      if (Number.isFinite(value)) { min = Math.min(min, value); max = Math.max(max, value); }
    }
  }
  if (min > max) [min, max] = [0, 1];
  if (min === max) [min, max] = [min - Math.abs(min || 1) / 2, max + Math.abs(max || 1) / 2];
  const x = (time) => LEFT + (WIDTH - LEFT) * (time - start) / (end - start || 1);
  const y = (value) => TOP + (HEIGHT - TOP - BOTTOM) * (max - value) / (max - min);
  const root = svg("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", "aria-label": "Graph" });
  for (const tick of ticks(min, max, 6)) {
    root.append(svg("line", { class: "grid", x1: LEFT, x2: WIDTH, y1: y(tick), y2: y(tick) }));
    const label = svg("text", { x: LEFT - 6, y: y(tick) + 4, "text-anchor": "end" });
    label.textContent = tickText(tick);
    root.append(label);
  }
  for (let i = 0; i <= 6; i++) {
    const time = start + (end - start) * i / 6;
    const anchor = i === 0 ? "start" : i === 6 ? "end" : "middle";
    const label = svg("text", { x: x(time), y: HEIGHT - 6, "text-anchor": anchor });
    const date = new Date(time * 1000);
    label.textContent = end - start > 86400 ? date.toLocaleString() : date.toLocaleTimeString();
    root.append(label);
  }
  const legend = element("div", undefined, "legend");
  drawn.forEach((series, index) => {
    const color = `hsl(${(index * 137.5) % 360} 65% 50%)`;
    const path = svg("path", { d: linePath(series.values, step, x, y), stroke: color });
    const button = element("button", metricText(series.metric));
    button.style.setProperty("--color", color);
    button.onclick = () => { path.classList.toggle("off"); button.classList.toggle("off"); };
    root.append(path);
    legend.append(button);
  });
  if (result.length > MAX_DRAWN) legend.append(element("p", `${result.length - MAX_DRAWN} more series are not drawn.`));
  byId("result").replaceChildren(root, legend);
}

let running = null;

async function execute() {
  const expr = byId("expr").value.trim();
  const mode = document.querySelector("[name=mode]:checked").value;
  const end = byId("end").value ? new Date(byId("end").value).getTime() / 1000 : Date.now() / 1000;
  const range = seconds(byId("range").value.trim());
  if (!expr) return;
  running?.abort();
  running = new AbortController();
  const { signal } = running;
  const messages = byId("messages");
  messages.replaceChildren();
  const say = (kind, text) => messages.append(element("div", text, kind));
  if (mode === "graph" && !(range > 0)) return say("error", "The range is not a duration.");
  const start = end - range;
  const step = seconds(byId("step").value.trim()) || Math.max(Math.floor(range / 250), 1);
  remember(expr, mode);
  const parameters = mode === "graph" ? { query: expr, start, end, step } : { query: expr, time: end };
  const began = performance.now();
  try {
    const path = mode === "graph" ? "api/v1/query_range" : "api/v1/query";
    const answer = await fetch(path, { method: "POST", body: new URLSearchParams(parameters), signal });
    const text = await answer.text();
    let parsed;
    try { parsed = JSON.parse(text); } catch { throw new Error(`${answer.status}: ${text.slice(0, 1000)}`); }
    byId("took").textContent = `${Math.round(performance.now() - began)} ms`;
    if (parsed.status !== "success") throw new Error(`${parsed.errorType}: ${parsed.error}`);
    for (const warning of parsed.warnings || []) say("warning", warning);
    for (const info of parsed.infos || []) say("info", info);
    if (mode === "graph") showGraph(parsed.data, start, end, step); else showTable(parsed.data);
  } catch (error) {
    if (error.name === "AbortError") return;
    byId("result").replaceChildren();
    say("error", error.message);
  }
}

function remember(expr, mode) {
  const state = { "g0.expr": expr, "g0.tab": mode === "graph" ? "graph" : "table", "g0.range_input": byId("range").value };
  if (byId("end").value) state["g0.end_input"] = byId("end").value;
  if (byId("step").value) state["g0.step_input"] = byId("step").value;
  history.replaceState(null, "", `?${new URLSearchParams(state)}`);
}

function recall() {
  const state = new URLSearchParams(location.search);
  byId("expr").value = state.get("g0.expr") || "";
  byId("range").value = state.get("g0.range_input") || "1h";
  byId("end").value = state.get("g0.end_input") || "";
  byId("step").value = state.get("g0.step_input") || "";
  const isGraph = ["graph", "0"].includes(state.get("g0.tab"));
  document.querySelector(`[name=mode][value=${isGraph ? "graph" : "table"}]`).checked = true;
  if (byId("expr").value) execute();
}

byId("query").addEventListener("submit", (event) => { event.preventDefault(); execute(); });
byId("query").addEventListener("change", (event) => { if (event.target.name === "mode") execute(); });
byId("expr").addEventListener("keydown", (event) => {
  if (event.key === "Enter" && !event.shiftKey) { event.preventDefault(); execute(); }
});
recall();
