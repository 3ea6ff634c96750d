// Draws the run. Everything shown is text put in as text, never as markup.
"use strict";
const D = JSON.parse(document.getElementById("data").textContent);
const $ = id => document.getElementById(id);
const NS = "http://www.w3.org/2000/svg";
const el = (name, attrs = {}, ...inner) => {
  const node = document.createElementNS(NS, name);
  for (const [key, value] of Object.entries(attrs)) node.setAttribute(key, value);
  node.append(...inner);
  return node;
};
const h = (name, attrs = {}, ...inner) => {
  const node = document.createElement(name);
  for (const [key, value] of Object.entries(attrs)) node.setAttribute(key, value);
  node.append(...inner);
  return node;
};
const secs = us => (us / 1e6).toFixed(3) + " s";
const ms = us => us < 1000 ? us + " µs" : us < 10e6 ? (us / 1000).toFixed(us < 1e5 ? 1 : 0) + " ms" : (us / 1e6).toFixed(1) + " s";
const colour = node => `hsl(${Math.round(node * 137.5) % 360} 62% 52%)`;
const plural = (count, word) => `${count} ${word}${count === 1 ? "" : "s"}`;

// Lanes: nodes by region, regions in the order of the plan.
const regions = [...new Set(D.nodes.map(node => node.region))];
const order = regions.flatMap(region => D.nodes.map((node, i) => i).filter(i => D.nodes[i].region === region));
const LEFT = 128, RIGHT = 16, LANE = Math.max(44, Math.min(74, Math.round(520 / D.nodes.length))), GAP = 14, AXIS = 26;
const lineOf = new Map();
D.lines.forEach((line, i) => { if (line.e !== null && line.e !== undefined) lineOf.set(line.e, i); });
// An unacknowledged line has no id to find its entry by.
const lostLines = D.lines.map((line, i) => i).filter(i => D.lines[i].a === null);
D.entries.forEach(entry => {
  if (entry.at === null) entry.at = Math.min(Infinity, ...entry.d.map(d => d[1]), ...entry.c.map(c => c[2]));
  if (!isFinite(entry.at)) entry.at = 0;
  entry.via = new Map();
  for (const c of entry.c) if (!entry.via.has(c[1])) entry.via.set(c[1], c);
  entry.durable = new Map();
  // The first time; a node whose disk lost it has it more than once.
  for (const d of entry.d) if (!entry.durable.has(d[0])) entry.durable.set(d[0], d[1]);
});
// How far each node is behind: durable on some node, and not on this one.
const lag = (() => {
  const moments = [];
  D.entries.forEach((entry, e) => entry.d.forEach(([node, at]) => moments.push([at, node, e])));
  moments.sort((a, b) => a[0] - b[0]);
  let total = 0;
  const known = new Set(), have = D.nodes.map(() => new Set());
  const curves = D.nodes.map(() => [[0, 0]]);
  for (const [at, node, e] of moments) {
    if (!known.has(e)) { known.add(e); total++; have.forEach((set, n) => { if (n !== node && !set.has(e)) curves[n].push([at, total - set.size]); }); }
    have[node].add(e);
    curves[node].push([at, total - have[node].size]);
  }
  return { curves, max: Math.max(1, ...curves.flatMap(curve => curve.map(point => point[1]))) };
})();
// Share of the other nodes that a node does not reach or is not reached by, as pieces of time.
const isolation = D.nodes.map((_, node) => {
  const cuts = D.cuts.filter(cut => cut[0] === node || cut[1] === node);
  const times = [...new Set(cuts.flatMap(cut => [cut[2], cut[3] ?? D.end]))].sort((a, b) => a - b);
  const pieces = [];
  for (let i = 0; i + 1 < times.length; i++) {
    const [from, until] = [times[i], times[i + 1]];
    const peers = new Set();
    for (const cut of cuts) if (cut[2] <= from && (cut[3] ?? D.end) >= until) peers.add(cut[0] === node ? cut[1] : cut[0]);
    if (peers.size) pieces.push({ from, until, peers: [...peers] });
  }
  return pieces;
});
const down = D.nodes.map(node => {
  const gaps = [];
  let since = 0;
  for (const [from, until] of node.up) { if (from > since) gaps.push([since, from]); since = until ?? D.end; }
  if (since < D.end) gaps.push([since, D.end]);
  return gaps;
});

const state = { from: 0, until: D.end, room: "", chosen: null, alarm: null, arrows: true };
// The beginning, in which accounts are made, is seldom what one wants to see.
const firstLine = Math.min(D.end, ...D.lines.map(line => line.s), ...D.faults.map(fault => fault.at));
const whole = () => [Math.max(0, firstLine - 1e6), Math.min(D.end, Math.max(D.healed + 3e6, (D.converged ?? D.end) + 2e6))];
[state.from, state.until] = whole();
const alarmLines = () => new Set(state.alarm === null ? D.violations.flatMap(v => v.lines) : D.violations[state.alarm].lines);

function faultWords(fault) {
  const names = fault.nodes.map(node => D.nodes[node].name);
  if (fault.name === "partition") {
    const groups = [...fault.what.matchAll(/\[([\d, ]+)\]/g)].map(m => m[1].split(",").map(n => D.nodes[+n]?.name));
    return "cut " + groups.map(g => g.join(" ")).join(" | ");
  }
  if (fault.name === "heal-links") return "links heal";
  const numbers = (fault.what.match(/-?\d+/g) || []).map(Number);
  const extra = numbers.slice(fault.nodes.length);
  if (fault.name === "loss") return extra[0] ? `loss ${extra[0] / 10} %` : "loss ends";
  if (fault.name === "slow-links") return extra[0] > 1 ? `links ${extra[0]}× slower` : "links at full speed";
  if (fault.name === "disk-slow") return extra[0] > 1 ? `disk of ${names} slower by ${extra[0]} ms` : `disk of ${names} fast again`;
  if (fault.name === "clock-step") return `clock of ${names} ${extra[0] > 0 ? "+" : ""}${extra[0] / 1000} s`;
  if (fault.name === "cut-one-way") return `${names[0]} ⇥ ${names[1]}`;
  return [fault.name.replaceAll("-", " "), ...names].join(" ");
}

// Many cuts of one moment are one label.
const marks = (() => {
  const byTime = new Map();
  for (const fault of D.faults) {
    const list = byTime.get(fault.at) || byTime.set(fault.at, []).get(fault.at);
    list.push(fault);
  }
  const marks = [...byTime].map(([at, faults]) => {
    const oneWay = faults.filter(f => f.name === "cut-one-way");
    let words = faults.filter(f => f.name !== "cut-one-way" || oneWay.length < 3).map(faultWords);
    if (oneWay.length >= 3) {
      const sides = side => [...new Set(oneWay.map(f => D.nodes[f.nodes[side]].region))].sort().join(" ");
      const [from, to] = [sides(0), sides(1)];
      const both = oneWay.every(f => oneWay.some(g => g.nodes[0] === f.nodes[1] && g.nodes[1] === f.nodes[0]));
      const names = [...new Set(`${from} ${to}`.split(" "))];
      words.push(!both ? `cut one way: ${from} to ${to}` : names.length === 2 ? `cut: ${names.join(" | ")}` : `cut between ${names.join(", ")}`);
    }
    return { at, words: [...new Set(words)].join(", "), heal: false };
  });
  marks.push({ at: D.healed, words: "everything heals", heal: true });
  if (D.converged !== null) marks.push({ at: D.converged, words: "all equal", heal: true });
  return marks.sort((a, b) => a.at - b.at);
})();

let W = 1000, X = us => 0, laneY = [], view = null;
const inView = us => us >= state.from && us <= state.until;
const inRoom = e => !state.room || D.entries[e].sc === "room " + state.room;

function draw() {
  W = $("chart").clientWidth || 1000;
  const scale = (W - LEFT - RIGHT) / Math.max(1, state.until - state.from);
  X = us => LEFT + (us - state.from) * scale;
  const clampX = us => Math.max(LEFT, Math.min(W - RIGHT, X(us)));
  const labels = placeLabels();
  const top = 10 + labels.rows * 15 + 6;
  let y = top;
  laneY = [];
  const bands = [];
  regions.forEach((region, index) => {
    const start = y;
    for (const node of order.filter(n => D.nodes[n].region === region)) { laneY[node] = y; y += LANE; }
    bands.push([region, start, y]);
    if (index + 1 < regions.length) y += GAP;
  });
  const bottom = y, H = bottom + AXIS;
  const svg = el("svg", { height: H, viewBox: `0 0 ${W} ${H}` });
  const defs = el("defs");
  defs.append(hatch("cut", "var(--cut)"), hatch("pause", "var(--down)"), clip(H));
  svg.append(defs);
  for (const [region, from, until] of bands) {
    svg.append(el("rect", { x: 0, y: from, width: W, height: until - from, fill: "var(--band)" }));
    const label = el("text", { x: 14, y: (from + until) / 2, class: "dim", transform: `rotate(-90 14 ${(from + until) / 2})`, "text-anchor": "middle" }, region);
    svg.append(label);
  }
  const named = new Set(D.violations.filter((_, i) => state.alarm === null || state.alarm === i).flatMap(v => v.nodes));
  for (const node of order) {
    const mid = laneY[node] + LANE / 2;
    svg.append(el("rect", { x: LEFT, y: laneY[node] + 2, width: W - LEFT - RIGHT, height: LANE - 4, fill: "var(--lane)", rx: 3 }));
    svg.append(el("circle", { cx: 32, cy: mid - 3, r: 5, fill: colour(node) }));
    const name = el("text", { x: 43, y: mid + 1, "font-weight": 600 }, D.nodes[node].name);
    if (named.has(node)) name.style.fill = "var(--bad)";
    svg.append(name);
    if (D.nodes[node].zone) svg.append(el("text", { x: 43, y: mid + 15, class: "dim" }, D.nodes[node].zone));
  }
  const inner = el("g", { "clip-path": "url(#plot)" });
  svg.append(inner);
  for (const node of order) {
    const y0 = laneY[node] + 2, height = LANE - 4;
    for (const piece of isolation[node]) {
      if (piece.until < state.from || piece.from > state.until) continue;
      const x = clampX(piece.from), share = piece.peers.length / Math.max(1, D.nodes.length - 1);
      const rect = el("rect", { x, y: y0, width: Math.max(1, clampX(piece.until) - x), height, fill: "url(#h-cut)", opacity: 0.35 + 0.55 * share });
      tipOn(rect, () => [`${D.nodes[node].name} is cut off`, [["from", piece.peers.map(p => D.nodes[p].name).join(", ")], ["since", secs(piece.from)], ["until", secs(piece.until)]]]);
      inner.append(rect);
    }
    for (const [from, until] of down[node]) {
      if (until < state.from || from > state.until) continue;
      const x = clampX(from), width = Math.max(1, clampX(until) - x);
      inner.append(el("rect", { x, y: y0, width, height, fill: "var(--down)", opacity: 0.45 }));
      if (width > 40) inner.append(el("text", { x: x + width / 2, y: y0 + 13, "text-anchor": "middle", class: "dim" }, "down"));
    }
    for (const [from, until] of D.nodes[node].paused) {
      const x = clampX(from);
      inner.append(el("rect", { x, y: y0, width: Math.max(1, clampX(until ?? D.end) - x), height, fill: "url(#h-pause)" }));
    }
    inner.append(lagCurve(node, y0, height));
    inner.append(el("line", { x1: LEFT, x2: W - RIGHT, y1: dotY(node), y2: dotY(node), stroke: "var(--line)" }));
  }
  for (const mark of labels.placed) {
    const shade = mark.heal ? "var(--good)" : "var(--cut)";
    inner.append(el("line", { x1: X(mark.at), x2: X(mark.at), y1: mark.y + 3, y2: bottom, stroke: shade, "stroke-dasharray": "3 3", opacity: 0.7 }));
    if (mark.shown) svg.append(el("text", { x: mark.x, y: mark.y, class: mark.heal ? "heal" : "fault", "text-anchor": mark.anchor }, mark.shown));
  }
  dots(inner);
  axis(svg, bottom);
  svg.append(el("rect", { x: LEFT, y: top, width: W - LEFT - RIGHT, height: bottom - top, fill: "none", stroke: "var(--line)" }));
  $("chart").replaceChildren(svg);
  view = { svg, scale };
  $("range").textContent = `${secs(state.from)} to ${secs(state.until)}`;
}
const dotY = node => laneY[node] + LANE * 0.36;

function placeLabels() {
  const ends = [], placed = [];
  const ROWS = 5;
  for (const mark of marks.filter(mark => inView(mark.at))) {
    let words = mark.words.length > 60 ? mark.words.slice(0, 58) + "…" : mark.words;
    const width = words.length * 6.2 + 10, x = X(mark.at);
    const anchor = x + width > W - RIGHT ? "end" : "start";
    const from = anchor === "end" ? x - width : x;
    let row = ends.findIndex(end => end <= from);
    if (row < 0 && ends.length < ROWS) row = ends.length;
    if (row < 0) { placed.push({ ...mark, x, y: 8 + 15 * ROWS, shown: "", anchor }); continue; }
    ends[row] = Math.max(from + width, x + 2);
    placed.push({ ...mark, x: anchor === "end" ? x - 3 : x + 3, y: 18 + 15 * row, shown: words, anchor });
  }
  return { placed, rows: Math.max(1, ends.length) };
}

function hatch(name, stroke) {
  const pattern = el("pattern", { id: "h-" + name, width: 7, height: 7, patternUnits: "userSpaceOnUse", patternTransform: "rotate(45)" });
  pattern.append(el("rect", { width: 7, height: 7, fill: stroke, opacity: 0.14 }), el("rect", { width: 2, height: 7, fill: stroke, opacity: 0.5 }));
  return pattern;
}
function clip(height) {
  const path = el("clipPath", { id: "plot" });
  path.append(el("rect", { x: LEFT, y: 0, width: W - LEFT - RIGHT, height }));
  return path;
}

function lagCurve(node, y0, height) {
  const base = y0 + height - 2, tall = height * 0.42;
  const level = behind => base - tall * Math.sqrt(behind / lag.max);
  let path = "", last = 0, open = false;
  for (const [at, behind] of lag.curves[node]) {
    if (at < state.from) { last = behind; continue; }
    if (!open) { path = `M${LEFT},${base}V${level(last)}`; open = true; }
    if (at > state.until) break;
    path += `H${X(at).toFixed(1)}V${level(behind).toFixed(1)}`;
    last = behind;
  }
  if (!open) path = `M${LEFT},${base}V${level(last)}`;
  path += `H${W - RIGHT}V${base}Z`;
  const curve = el("path", { d: path, fill: "var(--lag)", "fill-opacity": 0.35, stroke: "var(--lag)", "stroke-width": 0.8 });
  tipOn(curve, event => {
    const at = state.from + (event.offsetX - LEFT) / view.scale;
    let behind = 0;
    for (const point of lag.curves[node]) { if (point[0] > at) break; behind = point[1]; }
    return [`${D.nodes[node].name} is ${plural(behind, "entr").replace(/entrs$/, "entries").replace(/entr$/, "entry")} behind`, [["at", secs(at)]]];
  });
  return curve;
}

const arrival = (entry, node) => node === entry.o ? entry.at : entry.via.get(node)?.[2] ?? entry.durable.get(node);
function arrowsOf(e, strong, parent) {
  const entry = D.entries[e];
  for (const [from, to, at, how] of entry.c) {
    const left = Math.min(at, arrival(entry, from) ?? at);
    if (at < state.from || left > state.until) continue;
    const [x1, y1, x2, y2] = [X(left), dotY(from), X(at), dotY(to)];
    const line = el("path", { d: `M${x1},${y1}L${x2},${y2}`, fill: "none", stroke: how === 2 ? "var(--lag)" : colour(entry.o), "stroke-width": strong ? 2 : 0.8,
      opacity: strong ? 1 : 0.4, "stroke-dasharray": how === 2 ? "5 3" : how === 1 ? "" : "" });
    line.style.pointerEvents = "none";
    parent.append(line);
    if (strong) {
      const angle = Math.atan2(y2 - y1, x2 - x1) * 180 / Math.PI;
      parent.append(el("path", { d: "M-5,0L-13,-4.5V4.5Z", fill: how === 2 ? "var(--lag)" : colour(entry.o), transform: `translate(${x2} ${y2}) rotate(${angle})` }));
    }
  }
}

// What came before a line: the author's own earlier lines and what it was last shown, back a few steps.
function chainOf(line) {
  const chain = new Set();
  let now = [line];
  for (let depth = 0; depth < 4 && now.length; depth++) {
    const next = [];
    for (const i of now) {
      const { c, s, r } = D.lines[i];
      let own = -1, seen = -1, seenAt = -1;
      D.lines.forEach((other, j) => {
        if (other.r !== r || j === i) return;
        if (other.c === c && other.s < s && (own < 0 || other.s > D.lines[own].s)) own = j;
        if (other.c !== c) for (const [client, at] of other.shown) if (client === c && at < s && at > seenAt) { seenAt = at; seen = j; }
      });
      for (const j of [own, seen]) if (j >= 0 && !chain.has(j)) { chain.add(j); next.push(j); }
    }
    now = next;
  }
  return chain;
}

function dots(parent) {
  const alarmed = alarmLines();
  const visible = [];
  D.entries.forEach((entry, e) => {
    if (!inRoom(e)) return;
    const moments = [entry.at, ...entry.d.map(d => d[1]), ...entry.c.map(c => c[2])];
    if (moments.some(inView)) visible.push(e);
  });
  const chain = state.chosen === null ? new Set() : chainOf(state.chosen);
  const named = new Set(shownAlarms().flatMap(v => v.entries));
  const strong = new Set([...(state.chosen === null ? alarmed : [state.chosen])].map(i => D.lines[i].e).filter(e => e !== null && e !== undefined));
  if (state.chosen === null) named.forEach(e => strong.add(e));
  const weak = new Set([...chain].map(i => D.lines[i].e).filter(e => e !== null && e !== undefined));
  const lines = el("g"), points = el("g"), above = el("g");
  parent.append(lines, points, above);
  const few = visible.reduce((sum, e) => sum + D.entries[e].c.length, 0) < 900;
  if (state.arrows) for (const e of visible) if (!strong.has(e) && (weak.has(e) || (few && state.chosen === null && !alarmed.size && !named.size))) arrowsOf(e, false, lines);
  for (const e of strong) arrowsOf(e, true, above);
  const faded = state.chosen !== null;
  for (const e of visible) {
    const entry = D.entries[e], spoken = lineOf.has(e);
    for (const [node, at] of entry.d) {
      if (!inView(at)) continue;
      const mark = strong.has(e), via = entry.via.get(node), synced = via?.[3] === 2 && (node !== entry.o || at >= via[2]);
      const dot = el("circle", { cx: X(at).toFixed(1), cy: dotY(node), r: mark ? 6 : spoken ? 4 : 2.5, fill: synced ? "var(--lane)" : colour(entry.o), stroke: synced ? colour(entry.o) : "var(--lane)",
        "stroke-width": synced ? 2 : 0.8, opacity: faded && !mark && !weak.has(e) ? 0.18 : spoken ? 1 : 0.6 });
      if (mark && (named.has(e) || alarmed.has(lineOf.get(e)))) { dot.setAttribute("stroke", "var(--bad)"); dot.setAttribute("stroke-width", 3); }
      dot.style.cursor = "pointer";
      tipOn(dot, () => tipOf(e));
      dot.addEventListener("click", event => { event.stopPropagation(); choose(e); });
      (mark ? above : points).append(dot);
    }
  }
  // Lines that nobody acknowledged: a cross where they were said.
  for (const i of new Set([...lostLines, ...[...alarmed].filter(i => D.lines[i].e === null || D.lines[i].e === undefined)])) {
    const line = D.lines[i];
    if (!inView(line.s) || (state.room && line.r !== state.room)) continue;
    const x = X(line.s), y = dotY(line.n) - 11, bad = alarmed.has(i);
    const cross = el("path", { d: `M${x - 4},${y - 4}l8,8m0,-8l-8,8`, stroke: bad ? "var(--bad)" : "var(--dim)", "stroke-width": bad ? 3 : 1.5, opacity: faded ? 0.3 : 1 });
    tipOn(cross, () => lineTip(line));
    points.append(cross);
  }
  // Where an alarm says that a node lacks a line, say so in its lane.
  for (const v of shownAlarms()) {
    for (const a of v.acts) actMark(D.acts[a], above);
    for (const at of v.at.filter(inView)) {
      above.append(el("line", { x1: X(at), x2: X(at), y1: laneY[order[0]], y2: laneY[order.at(-1)] + LANE, stroke: "var(--bad)", "stroke-width": 2, "stroke-dasharray": "2 3" }));
      above.append(el("text", { x: X(at) + 4, y: laneY[order[0]] + 14, style: "fill: var(--bad); font-weight: 600" }, secs(at)));
    }
    for (const i of v.lines) for (const node of v.nodes) {
      const e = D.lines[i].e;
      if (e === null || e === undefined || D.entries[e].durable.has(node)) continue;
      const x = Math.max(LEFT + 8, Math.min(W - RIGHT - 8, X(D.lines[i].s))), y = dotY(node);
      above.append(el("circle", { cx: x, cy: y, r: 7, fill: "none", stroke: "var(--bad)", "stroke-width": 2.5, "stroke-dasharray": "3 2" }));
      above.append(el("text", { x: x + 11, y: y + 4, style: "fill: var(--bad); font-weight: 600" }, "never arrives"));
    }
  }
}

const shownAlarms = () => D.violations.filter((_, i) => state.alarm === null || state.alarm === i);

// What somebody did: a diamond at its node, with its words.
function actMark(act, parent) {
  if (!inView(act.at)) return;
  const x = X(act.at), y = dotY(act.n);
  const mark = el("path", { d: `M${x},${y - 9}l8,9l-8,9l-8,-9z`, fill: "var(--bad)", stroke: "var(--lane)", "stroke-width": 1.5 });
  tipOn(mark, () => [act.what, [["by", who(act.c)], ["at", `${secs(act.at)} at ${D.nodes[act.n].name}`]]]);
  const right = x > W * 0.7;
  parent.append(mark, el("text", { x: right ? x - 12 : x + 12, y: y - 10, "text-anchor": right ? "end" : "start", style: "fill: var(--bad); font-weight: 600" }, `${D.clients[act.c]?.[0]}: ${act.what}`));
}

function lineTip(line) {
  const rows = [["said by", who(line.c)], [line.r ? "in" : "told", line.r ?? "to one person"], ["said", `${secs(line.s)} at ${D.nodes[line.n].name}`]];
  rows.push(["acknowledged", line.a === null ? "never" : `after ${ms(line.a - line.s)}`]);
  if (line.id) rows.push(["id", line.id]);
  rows.push(["shown to", plural(new Set(line.shown.map(s => s[0])).size, "client")]);
  return [line.t, rows];
}
const who = client => `${D.clients[client]?.[0]} (client ${client}, ${(D.clients[client]?.[1] ?? "").toUpperCase()})`;
function tipOf(e) {
  const entry = D.entries[e], i = lineOf.get(e);
  const [title, rows] = i === undefined ? [`entry ${entry.q} of ${entry.sc}`, [["id", entry.id], ["written", `${secs(entry.at)} at ${D.nodes[entry.o].name}`]]] : lineTip(D.lines[i]);
  return [title, [...rows, ...nodeRows(entry)]];
}
function nodeRows(entry) {
  return order.map(node => {
    const name = D.nodes[node].name, via = entry.via.get(node), at = entry.durable.get(node);
    if (at === undefined) return [name, "not on its disk", "missing"];
    const way = node === entry.o ? "written" : via ? ["pushed by ", "relayed by ", "synced from "][via[3]] + D.nodes[via[0]].name : "";
    const again = entry.d.filter(d => d[0] === node).slice(1).map(d => `, its disk lost it and has it again +${ms(Math.max(0, d[1] - entry.at))}`);
    return [name, `+${ms(Math.max(0, at - entry.at))} ${way}${again.join("")}`];
  });
}
function table(rows) {
  const table = h("table");
  for (const [key, value, style] of rows) table.append(h("tr", {}, h("th", {}, key), h("td", style ? { class: style } : {}, value)));
  return table;
}
function tipOn(node, make) {
  node.addEventListener("pointermove", event => {
    const [title, rows] = make(event), tip = $("tip");
    tip.replaceChildren(h("b", {}, title), table(rows));
    tip.hidden = false;
    const box = tip.getBoundingClientRect();
    tip.style.left = Math.max(4, Math.min(innerWidth - box.width - 8, event.clientX + 14)) + "px";
    tip.style.top = (event.clientY + 16 + box.height > innerHeight ? Math.max(4, event.clientY - box.height - 10) : event.clientY + 16) + "px";
  });
  node.addEventListener("pointerleave", () => { $("tip").hidden = true; });
}

function choose(e) {
  const line = e === null ? undefined : lineOf.get(e);
  state.chosen = line ?? null;
  const detail = $("detail");
  detail.hidden = e === null;
  if (e !== null) {
    const [title, rows] = tipOf(e);
    detail.replaceChildren(h("h2", {}, title), table(rows));
    if (line !== undefined) {
      const chain = [...chainOf(line)].sort((a, b) => D.lines[b].s - D.lines[a].s);
      if (chain.length) detail.append(h("h2", {}, "Before it: what its author said and had been shown"), table(chain.map(i => [secs(D.lines[i].s), `${D.lines[i].t} by ${who(D.lines[i].c)}`])));
    }
  }
  draw();
}

function axis(svg, y) {
  const span = state.until - state.from, about = span / Math.max(2, (W - LEFT) / 110);
  const unit = 10 ** Math.floor(Math.log10(about));
  const step = [1, 2, 5, 10].map(f => f * unit).find(s => s >= about);
  for (let at = Math.ceil(state.from / step) * step; at <= state.until; at += step) {
    svg.append(el("line", { x1: X(at), x2: X(at), y1: y, y2: y + 5, stroke: "var(--dim)" }));
    const digits = Math.max(0, Math.min(6, 6 - Math.floor(Math.log10(step))));
    svg.append(el("text", { x: X(at), y: y + 18, "text-anchor": "middle", class: "dim" }, (at / 1e6).toFixed(digits) + " s"));
  }
}

function zoom(factor, around = (state.from + state.until) / 2) {
  const span = Math.max(2000, Math.min(D.end, (state.until - state.from) * factor));
  const share = (around - state.from) / (state.until - state.from);
  move(around - span * share, span);
}
function move(from, span = state.until - state.from) {
  from = Math.max(0, Math.min(Math.max(0, D.end - span), from));
  [state.from, state.until] = [from, from + span];
  draw();
}

function header() {
  const broken = D.violations.length;
  $("title").textContent = `Seed ${D.seed}: ` + (broken ? `${plural(broken, "alarm")}` : "everything held");
  const faults = D.faults.length, span = (D.end / 1e6).toFixed(0);
  $("summary").replaceChildren(`${plural(D.nodes.length, "node")} in ${plural(regions.length, "region")}, ${plural(D.clients.length, "client")}, ${plural(faults, "fault event")}, ${D.acknowledged} lines acknowledged in ${span} simulated seconds (class ${D.class}, level ${D.level}). Again: `, h("code", {}, D.repeat));
  const box = $("alarms");
  if (!broken) box.append(h("div", { class: "fine" }, D.converged === null ? "No invariant was broken." : `No invariant was broken; all nodes were equal ${ms(Math.max(0, D.converged - D.healed))} after everything had healed.`));
  const cards = new Map();
  D.violations.forEach((v, i) => {
    if (!cards.has(v.id)) {
      cards.set(v.id, h("div", { class: "card" }, h("b", {}, `${v.id}: `), v.plain));
      box.append(cards.get(v.id));
    }
    const card = h("div", { class: "alarm", tabindex: 0 }, v.what.replace(/\bnodes? (\d+)( and (\d+))?/g, (all, a, _, b) => {
      const named = n => D.nodes[+n] ? `${D.nodes[+n].name}` : `node ${n}`;
      return b ? `${named(a)} and ${named(b)}` : `node ${named(a)}`;
    }));
    card.addEventListener("click", () => pickAlarm(i));
    cards.get(v.id).append(card);
  });
}
function pickAlarm(i) {
  const v = D.violations[i];
  state.alarm = state.alarm === i ? null : i;
  state.chosen = null;
  $("detail").hidden = true;
  document.querySelectorAll(".alarm").forEach((card, j) => card.classList.toggle("chosen", state.alarm === j));
  if (state.alarm !== null && hasPlace(v)) {
    const ofEntry = e => [D.entries[e].at, ...D.entries[e].d.map(d => d[1])];
    const times = [...v.lines.flatMap(l => [D.lines[l].s, D.lines[l].a ?? D.lines[l].s, ...(D.entries[D.lines[l].e]?.d ?? []).map(d => d[1])]),
      ...v.entries.flatMap(ofEntry), ...v.acts.map(a => D.acts[a].at), ...v.at];
    // What an act has come to shows when all are equal again.
    if (v.acts.length && !v.lines.length) times.push(D.converged ?? D.end);
    const [from, until] = [Math.min(...times), Math.max(...times)], room = Math.max(300e3, (until - from) * 0.2);
    [state.from, state.until] = [Math.max(0, from - room), Math.min(D.end, until + room)];
    const first = v.lines.length ? D.lines[v.lines[0]].e : v.entries[0];
    if (first !== null && first !== undefined) { const [title, rows] = tipOf(first); $("detail").replaceChildren(h("h2", {}, title), table(rows)); $("detail").hidden = false; }
  } else if (state.alarm === null) [state.from, state.until] = whole();
  draw();
}
// Whether an alarm names anything that has a place on the page.
const hasPlace = v => v.lines.length + v.entries.length + v.acts.length + v.at.length > 0;

function legend() {
  const sample = (...inner) => el("svg", { width: 26, height: 14 }, ...inner);
  const item = (svg, words) => h("span", {}, svg, words);
  const c = colour(order[0]);
  $("legend").append(
    item(sample(el("circle", { cx: 12, cy: 7, r: 5, fill: c })), "on disk here, coloured by the node that wrote it"),
    item(sample(el("circle", { cx: 12, cy: 7, r: 4, fill: "none", stroke: c, "stroke-width": 2 })), "came by sync"),
    item(sample(el("line", { x1: 1, x2: 25, y1: 7, y2: 7, stroke: c, "stroke-width": 2 })), "pushed or relayed"),
    item(sample(el("line", { x1: 1, x2: 25, y1: 7, y2: 7, stroke: "var(--lag)", "stroke-width": 2, "stroke-dasharray": "5 3" })), "synced"),
    item(sample(el("path", { d: "M12,0l7,7l-7,7l-7,-7z", fill: "var(--bad)" })), "done by somebody whom an alarm is about"),
    item(sample(el("path", { d: "M8,3l8,8m0,-8l-8,8", stroke: "var(--dim)", "stroke-width": 1.5 })), "said, never acknowledged"),
    item(sample(hatch("sample", "var(--cut)"), el("rect", { width: 26, height: 14, fill: "url(#h-sample)" })), "cut off from some or all"),
    item(sample(el("rect", { width: 26, height: 14, fill: "var(--down)", opacity: .45 })), "down"),
    item(sample(el("path", { d: "M0,14V9H8V3H16V10H26V14Z", fill: "var(--lag)", "fill-opacity": .35, stroke: "var(--lag)" })), `behind (up to ${lag.max})`));
  if (D.leftOut) $("legend").append(h("span", {}, `${D.leftOut} entries left out to keep the page small`));
}

function numbers() {
  const m = D.measures, pc = ppm => (ppm / 10000).toFixed(2) + " %";
  const lat = l => l.count ? `${ms(l.p50_us)} half, ${ms(l.p99_us)} 99 of 100` : "none";
  $("numbers").querySelector("table").replaceWith(table([
    ["acknowledged in time by live nodes", pc(m.availability_ppm)], ["acknowledged of all that was to be said", pc(m.served_ppm)],
    ["acknowledgement", lat(m.acknowledge)], ["shown in the same region", lat(m.deliver_near)], ["shown in other regions", lat(m.deliver_far)],
    ["copies of an entry into each other region", (m.copies_per_region_milli / 1000).toFixed(3)], ["bytes between regions per entry", m.wan_bytes_per_entry],
    ["lines lost, doubled, out of order", `${m.lost}, ${m.duplicates}, ${m.disordered}`]]));
  if (D.events.length) { $("log").hidden = false; $("log").querySelector("pre").textContent = D.events.join("\n"); }
}

header();
legend();
numbers();
$("room").append(h("option", { value: "" }, "all"));
for (const room of [...new Set(D.lines.map(line => line.r).filter(Boolean))].sort()) $("room").append(h("option", { value: room }, room));
$("room").onchange = () => { state.room = $("room").value; draw(); };
$("arrows").onchange = () => { state.arrows = $("arrows").checked; draw(); };
$("in").onclick = () => zoom(0.5);
$("out").onclick = () => zoom(2);
$("all").onclick = () => { [state.from, state.until] = whole(); draw(); };
const chart = $("chart");
const at = event => state.from + (event.clientX - chart.getBoundingClientRect().left - LEFT) / view.scale;
chart.addEventListener("wheel", event => { event.preventDefault(); zoom(event.deltaY > 0 ? 1.25 : 0.8, at(event)); }, { passive: false });
let drag = null;
chart.addEventListener("pointerdown", event => { drag = { x: event.clientX, from: state.from, moved: false }; });
addEventListener("pointermove", event => {
  if (!drag) return;
  if (Math.abs(event.clientX - drag.x) > 3) drag.moved = true;
  if (drag.moved) move(drag.from - (event.clientX - drag.x) / view.scale);
});
addEventListener("pointerup", () => { setTimeout(() => { drag = null; }); });
chart.addEventListener("click", () => { if (!drag?.moved && state.chosen !== null) choose(null); });
addEventListener("keydown", event => {
  if (event.target.tagName === "SELECT") return;
  const span = state.until - state.from;
  const acts = { "+": () => zoom(0.5), "=": () => zoom(0.5), "-": () => zoom(2), "0": () => $("all").onclick(), ArrowLeft: () => move(state.from - span / 5), ArrowRight: () => move(state.from + span / 5), Escape: () => choose(null) };
  acts[event.key]?.();
});
addEventListener("resize", draw);
// `#alarm` and `#click` open the page with the first alarm or line chosen.
if (D.violations.some(hasPlace)) pickAlarm(D.violations.findIndex(hasPlace)); else draw();
if (location.hash === "#click") { const line = D.lines.findIndex(l => l.e !== null && l.s > (state.from + state.until) / 2); if (line >= 0) choose(D.lines[line].e); }
