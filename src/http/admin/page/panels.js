// What surrounds the table: health, figures, quota, kill switches, outcomes, the last hour.
import { span } from "./table.js";

export const by = (id) => document.getElementById(id);
export const number = (n) => Number(n).toLocaleString("en");
const plural = (n, one, many = `${one}s`) => `${number(n)} ${n === 1 ? one : many}`;

export function say(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

export function make(tag, text, attributes = {}) {
  const node = document.createElement(tag);
  if (text !== undefined && text !== null) node.textContent = text;
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  return node;
}

export const clock = (at) => new Date(at).toLocaleTimeString([], { hour12: false });
export const seconds = (n) => (n < 90 ? `${n} s` : n < 5400 ? `${Math.round(n / 60)} min` : `${(n / 3600).toFixed(1)} h`);
export const outcomeWord = (outcome) => (outcome ?? "").replaceAll("_", " ");

const HEALTH = { pass: "All is well", warn: "Look into it", fail: "Failing" };

export function showTick({ health, states, quota, kills }) {
  const { status, checks, calls } = health;
  by("health-pill").dataset.tone = status;
  say(by("health-word"), HEALTH[status]);
  document.title = status === "pass" ? `${number(states.live)} calls · callwarden` : `${HEALTH[status]} · callwarden`;
  const wrong = Object.entries(checks).filter(([, check]) => check.status !== "pass");
  same(by("sentences"), wrong.map(([name, check]) => `${check.status}|${name}|${check.message ?? ""}`), (key) => {
    const [tone, name, ...message] = key.split("|");
    const item = make("li", null, { "data-tone": tone });
    item.append(make("b", name), message.join("|"));
    return item;
  });
  by("sentences").hidden = wrong.length === 0;
  same(by("checks"), Object.entries(checks).map(([name, check]) => `${check.off ? "" : check.status}|${name}`), (key) => {
    const [tone, name] = key.split("|");
    const item = make("li");
    item.append(make("span", null, { class: "dot", "data-tone": tone }), make("span", name), make("span", tone || "off", { class: "quiet small" }));
    return item;
  });
  say(by("version"), `${health.version} · up ${seconds(health.uptime_seconds)}`);

  const figure = (name, n) => { const node = by(`n-${name}`); say(node, number(n)); node.parentElement.dataset.on = n > 0; };
  figure("live", states.live);
  figure("stopping", states.stopping);
  figure("confirming", states.confirming);
  figure("overdue", calls.overdue);
  const aside = [[states.observing, "observed"], [states.released, "released"]].filter(([n]) => n > 0).map(([n, word]) => `${number(n)} ${word}`);
  say(by("n-live-more"), aside.length ? `besides: ${aside.join(", ")}` : "within their limits");
  say(by("n-overdue-more"), calls.overdue ? `the oldest by ${seconds(calls.oldest_overdue_seconds)}` : "nothing past its deadline");
  say(by("n-quota"), `${number(quota.remaining)} of ${number(quota.of)}`);
  const meter = by("quota-meter");
  meter.max = quota.of; meter.low = quota.of * 0.2; meter.high = quota.of * 0.5; meter.optimum = quota.of; meter.value = quota.remaining;
  const per = { 1: "a second", 60: "a minute", 3600: "an hour" }[quota.per_seconds] ?? `in ${quota.per_seconds} s`;
  say(by("n-quota-more"), quota.backlog ? `${plural(quota.backlog, "stop")} waiting, clear in ${seconds(quota.clears_in_seconds)}` : `${number(quota.of)} ${per} may leave; nothing waits`);

  by("kills-card").hidden = kills.length === 0;
  same(by("kills"), kills.map((kill) => JSON.stringify(kill)).reverse(), (key) => {
    const { id, matched, waiting, confirming, ended, failed } = JSON.parse(key);
    const item = make("li"), track = make("span", null, { class: "track", role: "progressbar", "aria-label": `Kill switch ${id}`, "aria-valuemin": 0, "aria-valuemax": matched, "aria-valuenow": ended });
    const fill = make("span", null, { class: "fill still" });
    fill.style.transform = `scaleX(${matched ? ended / matched : 1})`;
    track.append(fill);
    const left = waiting + confirming;
    item.append(make("b", left ? `${number(ended)} of ${plural(matched, "call")} ended` : `Done: ${plural(ended, "call")} ended`), track,
      make("span", [waiting && `${number(waiting)} waiting`, confirming && `${number(confirming)} to be confirmed`, failed && `${number(failed)} failed`, id].filter(Boolean).join(" · "), { class: "quiet small" }));
    return item;
  });
}

// Fills a list anew only if its keys changed, so that focus and selection stay.
function same(list, keys, build) {
  const now = keys.join("\n");
  if (list.keys === now) return;
  list.keys = now;
  list.replaceChildren(...keys.map(build));
}

const MOST = 60;

export class Outcomes {
  constructor(list, none, open) { Object.assign(this, { list, none, open, seen: new Map() }); }

  // What is told again is a finer outcome of the same call.
  add(call, last = false) {
    this.seen.get(call.id)?.remove();
    const item = make("li"), button = make("button", null, { type: "button" });
    const over = call.overrun_seconds ? ` +${seconds(call.overrun_seconds)}` : "";
    button.append(make("span", outcomeWord(call.outcome), { class: "tag", "data-outcome": call.outcome }), make("span", call.id, { class: "mono", title: call.id }),
      make("span", `${clock(call.ended_at ?? Date.now())}${over}`, { class: "quiet small" }));
    button.addEventListener("click", () => this.open(call.id));
    item.append(button);
    if (last) this.list.append(item); else this.list.prepend(item);
    this.seen.set(call.id, item);
    this.none.hidden = true;
    while (this.list.childElementCount > MOST) {
      const gone = this.list.lastElementChild;
      for (const [id, node] of this.seen) if (node === gone) this.seen.delete(id);
      gone.remove();
    }
  }
}

const SVG = "http://www.w3.org/2000/svg";
const W = 364, LEFT = 4, RIGHT = 360, STRIPS = { live: [22, 84], stops: [110, 152], late: [178, 226] };

// The last hour in three strips that share their minutes: calls, stops, the latest request.
export class Hour {
  constructor(home, read) {
    Object.assign(this, { read, minutes: new Map(), cross: null });
    this.svg = draw("svg", { viewBox: `0 0 ${W} 246`, role: "img" });
    home.append(this.svg);
    this.svg.addEventListener("pointermove", (event) => {
      const box = this.svg.getBoundingClientRect();
      this.cross = Math.round(59 - ((RIGHT - ((event.clientX - box.left) / box.width) * W) / (RIGHT - LEFT)) * 59);
      this.paint();
    });
    this.svg.addEventListener("pointerleave", () => { this.cross = null; this.paint(); });
  }

  all(minutes) { this.minutes = new Map(minutes.map((minute) => [minute.at, minute])); this.paint(); }

  now(minute) {
    const before = this.minutes.get(minute.at);
    if (before && JSON.stringify(before) === JSON.stringify(minute)) return;
    this.minutes.set(minute.at, minute);
    for (const at of this.minutes.keys()) if (at < minute.at - 3600) this.minutes.delete(at);
    this.paint();
  }

  paint() {
    const newest = Math.max(...this.minutes.keys(), 0);
    const hour = Array.from({ length: 60 }, (_, i) => this.minutes.get(newest - (59 - i) * 60) ?? null);
    const x = (i) => LEFT + (i / 59) * (RIGHT - LEFT);
    const parts = [];
    const add = (tag, attributes, text) => { const node = draw(tag, attributes); if (text !== undefined) node.textContent = text; parts.push(node); };
    const strip = ([top, foot], name, most) => {
      add("text", { x: LEFT, y: top - 8, class: "name" }, name);
      add("text", { x: RIGHT, y: top - 8, "text-anchor": "end" }, most);
      add("line", { x1: LEFT, x2: RIGHT, y1: foot + .5, y2: foot + .5, class: "grid-line" });
    };
    const most = (part) => Math.max(0, ...hour.map((minute) => (minute ? part(minute) : 0)));
    const calls = most((m) => m.live), stops = most((m) => m.stopped + m.failed), late = most((m) => m.latest_us);

    strip(STRIPS.live, "Calls", calls ? `up to ${number(calls)}` : "none");
    const [top, foot] = STRIPS.live, y = (m) => foot - (calls ? m.live / calls : 0) * (foot - top);
    for (const run of runs(hour)) {
      const points = run.map(([i, m]) => `${x(i).toFixed(1)},${y(m).toFixed(1)}`);
      if (points.length === 1) points.unshift(`${(x(run[0][0]) - 3).toFixed(1)},${y(run[0][1]).toFixed(1)}`);
      add("polygon", { class: "area", points: `${points[0].split(",")[0]},${foot} ${points.join(" ")} ${points.at(-1).split(",")[0]},${foot}` });
      add("polyline", { class: "curve", points: points.join(" ") });
    }
    const failed = hour.reduce((sum, m) => sum + (m?.failed ?? 0), 0), stopped = hour.reduce((sum, m) => sum + (m?.stopped ?? 0), 0);
    strip(STRIPS.stops, "Stops", `${number(stopped)} confirmed${failed ? `, ${number(failed)} failed` : ""}`);
    hour.forEach((m, i) => {
      if (!m || !stops) return;
      const [roof, floor] = STRIPS.stops, high = (n) => (n / stops) * (floor - roof);
      if (m.stopped) add("rect", { class: "stop", x: x(i) - 2, width: 4, rx: 1, y: floor - high(m.stopped), height: high(m.stopped) });
      if (m.failed) add("rect", { class: "fail", x: x(i) - 2, width: 4, rx: 1, y: floor - high(m.stopped + m.failed), height: high(m.failed) });
    });
    strip(STRIPS.late, "Latest request after its deadline", late ? `up to ${lateness(late)}` : "none");
    // A decade is as high as another: 0.1 ms at the foot, 100 s at the top.
    hour.forEach((m, i) => {
      if (!m?.sent) return;
      const [roof, floor] = STRIPS.late, share = Math.max(0, Math.min(1, Math.log10(Math.max(m.latest_us, 100) / 100) / 6));
      add("circle", { class: m.latest_us > 1e6 ? "fail" : "late", cx: x(i), cy: floor - 3 - share * (floor - roof - 3), r: 2.6 });
    });
    add("text", { x: LEFT, y: 242 }, newest ? clockOf(newest - 3540) : "");
    add("text", { x: RIGHT, y: 242, "text-anchor": "end" }, newest ? clockOf(newest) : "");
    const chosen = this.cross === null ? null : Math.max(0, Math.min(59, this.cross));
    if (chosen !== null) add("line", { class: "cross", x1: x(chosen), x2: x(chosen), y1: 14, y2: 230 });
    this.svg.replaceChildren(...parts);
    this.svg.setAttribute("aria-label", `The last hour: up to ${number(calls)} calls at once, ${number(stopped)} stops confirmed, ${number(failed)} failed, the latest request ${late ? lateness(late) : "not"} after its deadline.`);
    const m = chosen === null ? null : hour[chosen];
    say(this.read, chosen === null ? "" : m ? `${clockOf(m.at)} · ${number(m.live)} calls · ${number(m.stopped)} stops${m.sent ? ` · ${lateness(m.latest_us)}` : ""}` : "not running");
  }
}

function* runs(hour) {
  let run = [];
  for (const [i, minute] of hour.entries()) {
    if (minute) run.push([i, minute]);
    else if (run.length) { yield run; run = []; }
  }
  if (run.length) yield run;
}

const clockOf = (at) => new Date(at * 1000).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", hour12: false });
const lateness = (us) => (us < 10_000 ? `${(us / 1000).toFixed(1)} ms` : us < 1e6 ? `${Math.round(us / 1000)} ms` : span(-us / 1000).slice(1) + " min");

function draw(tag, attributes) {
  const node = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  return node;
}
