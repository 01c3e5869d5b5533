// The two dialogs: a call with what can be done to it, and the kill switch.
import { ask, callPath } from "./api.js";
import { by, clock, make, number, outcomeWord, say, seconds } from "./panels.js";
import { span, stateWord } from "./table.js";

export function toast(text, bad = false) {
  const note = make("p", text, bad ? { class: "bad" } : {});
  by("toasts").append(note);
  setTimeout(() => note.remove(), bad ? 9000 : 5000);
}

for (const dialog of document.querySelectorAll("dialog")) {
  for (const button of dialog.querySelectorAll("[data-close]")) button.addEventListener("click", () => dialog.close());
  dialog.addEventListener("click", (event) => { if (event.target === dialog) dialog.close(); });
}

// A button that asks once more before it acts.
function armed(text, sure, act, tone = "danger") {
  const button = make("button", text, { type: "button" });
  button.className = tone;
  const calm = () => { button.classList.remove("armed", "danger"); if (tone) button.classList.add(tone); say(button, text); };
  button.addEventListener("click", async () => {
    if (!button.classList.contains("armed")) {
      button.classList.add("armed", "danger");
      say(button, sure);
      button.calm = setTimeout(calm, 5000);
      return;
    }
    clearTimeout(button.calm);
    button.disabled = true;
    await act();
    button.disabled = false;
    calm();
  });
  return button;
}

export class CallDialog {
  constructor(now, changed) {
    Object.assign(this, { now, changed, dialog: by("call"), body: by("call-body"), id: null });
    setInterval(() => this.tick(), 1000);
    // The event comes after the closing, perhaps when the next call is open already.
    this.dialog.addEventListener("close", () => { if (!this.dialog.open) this.id = null; });
  }

  async open(id) {
    this.id = id;
    say(by("call-id"), id);
    this.body.replaceChildren(make("p", "Loading…", { class: "quiet" }));
    if (!this.dialog.open) this.dialog.showModal();
    await this.load();
  }

  async load() {
    const id = this.id;
    try {
      const call = await ask("GET", callPath(id));
      if (this.id === id) this.paint(call);
    } catch (error) {
      if (this.id === id) this.body.replaceChildren(make("p", error.message, { class: "error", role: "alert" }));
    }
  }

  // The stream told of a call: if it is the one shown, it is asked for anew, once a second at most.
  told(id) {
    if (id !== this.id || this.soon) return;
    this.soon = setTimeout(() => { this.soon = null; if (this.id) this.load(); }, 1000);
  }

  async order(method, path, body, done) {
    const id = this.id;
    try {
      const call = await ask(method, callPath(id) + path, body);
      toast(done);
      this.changed(call);
      if (this.id === id) this.paint(call);
    } catch (error) {
      toast(error.message, true);
      if (this.id === id) this.load();
    }
  }

  paint(call) {
    this.call = call;
    // Whoever types or is about to confirm is not to lose it to a change of the call.
    const busy = this.acts?.isConnected && this.shown === `${call.id} ${call.state}` ? this.acts : null;
    this.shown = `${call.id} ${call.state}`;
    const top = make("div"), state = make("span", call.outcome ? outcomeWord(call.outcome) : stateWord(call.state), { class: "tag" });
    if (call.outcome) state.dataset.outcome = call.outcome; else state.dataset.state = call.state;
    this.left = make("p", "", { class: "big" });
    top.append(state, this.left);
    const facts = make("dl", null, { class: "facts" });
    const fact = (name, value, note) => { if (value === null || value === undefined) return; facts.append(make("dt", name), make("dd", note ? `${value} ${note}` : value)); };
    fact("Agent", call.agent); fact("To", call.to?.replace(/\*+/, "•••")); fact("Direction", call.direction); fact("Campaign", call.campaign);
    fact("Rule", call.rule ?? "none: the limits of all calls", call.provisional ? "(provisional: not all is known yet)" : "");
    fact("Limit", call.limit); fact("Deadline", call.deadline && stamp(call.deadline)); fact("Requests", String(call.attempts));
    const parts = [top, facts];
    if (call.state !== "ended" && !call.outcome) parts.push(busy ?? this.actions());
    const marks = Object.entries(call.marks).sort(([, a], [, b]) => (a < b ? -1 : 1));
    if (marks.length) {
      const list = make("dl", null, { class: "facts" });
      for (const [name, at] of marks) list.append(make("dt", name.replaceAll("_", " ")), make("dd", stamp(at)));
      parts.push(make("h3", "Marks"), list);
    }
    if (call.history.length) {
      const trail = make("ol", null, { class: "trail" });
      for (const entry of [...call.history].reverse()) {
        const item = make("li"), what = make("span", entry.what.replace(/^event_/, "").replaceAll("_", " "));
        what.append(make("span", ` ${[entry.detail, `by ${entry.by}`].filter(Boolean).join(" · ")}`, { class: "quiet" }));
        item.append(make("span", clock(entry.at), { class: "quiet", title: entry.at }), what);
        trail.append(item);
      }
      parts.push(make("h3", "History"), trail);
    }
    const at = document.activeElement;
    this.body.replaceChildren(...parts);
    if (busy?.contains(at)) at.focus();
    this.tick();
  }

  actions() {
    const acts = make("div", null, { class: "acts", role: "group", "aria-label": "What can be done" });
    const more = make("div"), label = make("label", "Extend by", { for: "extend-by" });
    const extend = (by) => this.order("PATCH", "", { extend: by }, `${this.id} may go on for ${by} more.`);
    more.append(label);
    for (const by of ["5m", "15m", "1h"]) {
      const button = make("button", `+${by}`, { type: "button", "aria-label": `Extend by ${by}` });
      button.addEventListener("click", () => extend(by));
      more.append(button);
    }
    const own = make("input", null, { id: "extend-by", placeholder: "2m 30s", autocomplete: "off" }), go = make("button", "Extend", { type: "button" });
    go.addEventListener("click", () => { if (own.value.trim()) extend(own.value.trim()); else own.focus(); });
    own.addEventListener("keydown", (event) => { if (event.key === "Enter") go.click(); });
    more.append(own, go);
    const last = make("div");
    last.append(
      armed("End now", "Yes, end this call", () => this.order("POST", "/end", undefined, `${this.id} is told to end.`)),
      armed("Release", "Yes, let it go unlimited", () => this.order("POST", "/release", undefined, `${this.id} is out of enforcement.`), ""),
    );
    acts.append(more, last);
    this.acts = acts;
    return acts;
  }

  tick() {
    if (!this.id || !this.left || !this.call) return;
    const { deadline, state, outcome } = this.call;
    const rest = deadline ? Date.parse(deadline) - this.now() : null;
    say(this.left, state === "ended" || outcome ? "" : rest === null ? "no limit" : rest < 0 ? `${span(rest)} past its deadline` : `${span(rest)} left`);
    this.left.hidden = !this.left.textContent;
  }
}

const stamp = (at) => `${new Date(at).toLocaleDateString("sv")} ${clock(at)}`;

const KINDS = {
  agent: { label: "Agent", hint: "agent id", block: "First unpublish the agent, so that no new calls begin" },
  campaign: { label: "Campaign", hint: "campaign id", block: "First pause the campaign, so that no new calls begin" },
  to: { label: "Number", hint: "+55* (* stands for any run)" },
  rule: { label: "Rule", hint: "the rule's name" },
  all: { label: "", hint: "" },
};

export class KillDialog {
  constructor(calls) {
    Object.assign(this, { calls, dialog: by("kill"), form: by("kill-form"), value: by("kill-value"), typed: by("kill-typed"), go: by("kill-go"), count: by("kill-count"), error: by("kill-error"), block: by("kill-block") });
    by("kill-open").addEventListener("click", () => this.open());
    for (const radio of this.form.elements.by) radio.addEventListener("change", () => { this.value.value = ""; this.kind(); this.recount(0); });
    this.value.addEventListener("input", () => this.recount(350));
    this.block.addEventListener("change", () => this.judge());
    this.typed.addEventListener("input", () => this.judge());
    this.form.addEventListener("submit", (event) => { event.preventDefault(); this.pull(); });
  }

  open() {
    this.form.reset();
    this.kind();
    this.recount(0);
    this.dialog.showModal();
    this.value.focus();
  }

  kind() {
    const by_ = this.form.elements.by.value, { label, hint, block } = KINDS[by_];
    this.value.hidden = by_ === "all";
    this.value.placeholder = hint;
    say(by("kill-value-label"), label);
    this.block.checked = false;
    this.block.closest("label").hidden = !block;
    if (block) say(by("kill-block-text"), block);
    const known = by_ === "to" || by_ === "all" ? [] : [...new Set([...this.calls().values()].map((call) => call[by_]).filter(Boolean))].sort().slice(0, 200);
    by("kill-known").replaceChildren(...known.map((value) => make("option", null, { value })));
  }

  selection() {
    const by_ = this.form.elements.by.value, value = this.value.value.trim();
    if (by_ === "all") return { all: true };
    return value ? { [by_]: value } : null;
  }

  // The numbers of a dry run come first; only what was counted can be pulled.
  recount(wait) {
    clearTimeout(this.later);
    const turn = (this.turn = (this.turn ?? 0) + 1);
    this.counted = null;
    this.typed.value = "";
    say(this.error, "");
    const selection = this.selection();
    say(this.count, selection ? "Counting…" : "Say which calls: they are counted first.");
    this.judge();
    if (!selection) return;
    this.later = setTimeout(async () => {
      try {
        const told = await ask("POST", "/api/end", { ...selection, dry_run: true });
        if (turn !== this.turn) return;
        this.counted = { selection, ...told };
        const many = make("b", number(told.matched));
        this.count.replaceChildren(many, told.matched === 1 ? " call would be ended, " : " calls would be ended, ", `in about ${seconds(Math.max(1, told.estimated_seconds))} at the present quota.`);
      } catch (error) {
        if (turn !== this.turn) return;
        say(this.count, error.message);
      }
      this.judge();
    }, wait);
  }

  judge() {
    const can = this.counted !== null && this.counted.matched > 0, phrase = can ? `END ${this.counted.matched}` : "";
    this.typed.disabled = !can;
    say(by("kill-typed-label"), can ? `Type ${phrase} to confirm` : "Type to confirm");
    this.go.disabled = !can || this.typed.value.trim() !== phrase;
    say(this.go, can ? `End ${number(this.counted.matched)} ${this.counted.matched === 1 ? "call" : "calls"}` : "End calls");
  }

  async pull() {
    if (this.go.disabled) return;
    this.go.disabled = true;
    const block_new = this.block.checked && !this.block.closest("label").hidden;
    try {
      const { matched } = await ask("POST", "/api/end", { ...this.counted.selection, block_new });
      toast(`${number(matched)} ${matched === 1 ? "call is" : "calls are"} told to end.`);
      this.dialog.close();
    } catch (error) {
      say(this.error, error.message);
      this.go.disabled = false;
    }
  }
}
