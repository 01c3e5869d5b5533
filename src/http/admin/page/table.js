// The table of calls: all of them in memory, only the rows in sight in the document.
const MARGIN = 6;
const NEAR = 30_000;
const WORDS = { live: "Live", stopping: "Stopping", confirming: "Confirming", observing: "Observing", released: "Released", ended: "Ended" };
const RANK = { stopping: 0, confirming: 1, observing: 2, live: 3, released: 4 };

export const stateWord = (state) => WORDS[state] ?? state;

export function span(milliseconds) {
  const late = milliseconds < 0;
  let seconds = Math.ceil(Math.abs(milliseconds) / 1000);
  if (late) seconds = Math.floor(Math.abs(milliseconds) / 1000);
  const two = (n) => String(n).padStart(2, "0");
  const days = Math.floor(seconds / 86400), hours = Math.floor(seconds / 3600) % 24, minutes = Math.floor(seconds / 60) % 60;
  const text = days ? `${days}d ${hours}h` : hours ? `${hours}:${two(minutes)}:${two(seconds % 60)}` : `${minutes}:${two(seconds % 60)}`;
  return late ? `+${text}` : text;
}

// A CALL of a list or a line of the stream, as the table keeps it.
export function kept(call) {
  const began = call.began ?? Object.values(call.marks ?? {}).sort()[0];
  const { id, agent, to, campaign, direction, state, limit, rule, provisional, attempts, outcome } = call;
  const deadline = call.deadline ? Date.parse(call.deadline) : null;
  // Masked digits tell nothing by their number.
  const shownTo = to?.replace(/\*+/, "•••") ?? null;
  const words = [id, agent, to, campaign, rule, limit, direction].filter(Boolean).join(" ").toLowerCase();
  return { id, agent, to, shownTo, campaign, direction, state, limit, rule, provisional, attempts, outcome, deadline, began: began ? Date.parse(began) : null, words };
}

const ORDERS = {
  left: (a, b) => (a.deadline ?? Infinity) - (b.deadline ?? Infinity) || 0,
  began: (a, b) => (a.began ?? Infinity) - (b.began ?? Infinity) || 0,
  agent: (a, b) => compare(a.agent ?? "\uffff", b.agent ?? "\uffff"),
  state: (a, b) => RANK[a.state] - RANK[b.state] || ORDERS.left(a, b),
  id: (a, b) => compare(a.id, b.id),
};
const compare = (a, b) => (a < b ? -1 : a > b ? 1 : 0);

export class Table {
  constructor({ grid, rows, none, shown, now, open }) {
    Object.assign(this, { grid, rows, none, shown, now, open });
    this.calls = new Map();
    this.list = [];
    this.pool = [];
    this.height = 44;
    this.sight = 0;
    this.filter = "";
    this.state = "";
    this.order = "left";
    this.selected = null;
    this.stale = true;
    grid.addEventListener("scroll", () => this.paintSoon(), { passive: true });
    grid.addEventListener("keydown", (event) => this.key(event));
    rows.addEventListener("click", (event) => {
      const row = event.target.closest(".row");
      if (row) { this.select(row.dataset.key); open(row.dataset.key); }
    });
    // What is asked of the layout is asked here, not while painting.
    new ResizeObserver(() => {
      this.height = parseFloat(getComputedStyle(document.documentElement).getPropertyValue("--row")) || 44;
      this.sight = grid.clientHeight;
      this.paintSoon();
    }).observe(grid);
    setInterval(() => { if (this.stale) this.arrange(); }, 250);
    setInterval(() => this.paintSoon(), 1000);
  }

  put(call) {
    if (call.outcome) this.calls.delete(call.id); else this.calls.set(call.id, call);
    this.stale = true;
  }

  // A whole list came; `fresher` are the calls that the stream told of meanwhile.
  replace(calls, fresher) {
    const next = new Map(calls.filter((call) => !fresher.has(call.id)).map((call) => [call.id, call]));
    for (const id of fresher) { const call = this.calls.get(id); if (call) next.set(id, call); }
    this.calls = next;
    this.arrange();
  }

  show({ filter, state, order }) {
    if (filter !== undefined) this.filter = filter.trim().toLowerCase();
    if (state !== undefined) this.state = state;
    if (order !== undefined) this.order = order;
    this.grid.scrollTop = 0;
    this.arrange();
  }

  arrange() {
    this.stale = false;
    const { filter, state } = this;
    const wanted = (call) => (!state || call.state === state || (state === "stops" && (call.state === "stopping" || call.state === "confirming"))) && (!filter || call.words.includes(filter));
    const order = ORDERS[this.order];
    this.list = [...this.calls.values()].filter(wanted).sort((a, b) => order(a, b) || compare(a.id, b.id));
    const all = this.calls.size;
    const number = (n) => n.toLocaleString("en");
    const text = this.list.length === all ? `${number(all)} under watch` : `${number(this.list.length)} of ${number(all)}`;
    if (this.shown.textContent !== text) this.shown.textContent = text;
    this.none.hidden = this.list.length > 0;
    this.grid.hidden = this.list.length === 0;
    this.none.textContent = all ? "No call fits the filter." : "No calls are under way.";
    this.grid.setAttribute("aria-rowcount", this.list.length);
    this.paintSoon();
  }

  paintSoon() {
    this.frame ??= requestAnimationFrame(() => { this.frame = null; this.paint(); });
  }

  paint() {
    const { height, sight } = this, top = this.grid.scrollTop;
    const whole = this.list.length * height;
    if (this.whole !== whole) { this.whole = whole; this.rows.style.height = `${whole}px`; }
    const first = Math.max(0, Math.floor(top / height) - MARGIN);
    const last = Math.min(this.list.length, Math.ceil((top + sight) / height) + MARGIN);
    const now = this.now();
    while (this.pool.length < last - first) this.pool.push(this.row());
    let selected = "";
    for (let i = 0; i < this.pool.length; i++) {
      // Each place of the list has its row by its number, so that scrolling moves only what is new.
      const row = this.pool[i], at = first + ((i - first) % this.pool.length + this.pool.length) % this.pool.length, call = at < last ? this.list[at] : null;
      if (row.hidden === !!call) row.hidden = !call;
      if (!call) continue;
      this.fill(row, call, at, now);
      if (call.id === this.selected) selected = row.id;
    }
    if (selected) this.grid.setAttribute("aria-activedescendant", selected); else this.grid.removeAttribute("aria-activedescendant");
  }

  row() {
    const row = document.createElement("div");
    row.className = "row";
    row.id = `row-${this.pool.length}`;
    row.setAttribute("role", "row");
    const cells = ["mono", "", "", "tag", "", "left"].map((name) => {
      const cell = document.createElement("span");
      cell.className = name;
      cell.setAttribute("role", "gridcell");
      row.append(cell);
      return cell;
    });
    const left = document.createElement("b"), track = document.createElement("i"), fill = document.createElement("i");
    track.className = "track"; fill.className = "fill";
    track.append(fill); cells[5].append(left, track);
    row.parts = { cells, left, fill };
    this.rows.append(row);
    return row;
  }

  fill(row, call, at, now) {
    const { cells, left, fill } = row.parts;
    const set = (node, text) => { if (node.textContent !== text) node.textContent = text; };
    const moved = row.dataset.key !== call.id;
    const place = at * this.height;
    if (row.place !== place) {
      row.place = place;
      row.style.transform = `translateY(${place}px)`;
      row.setAttribute("aria-rowindex", at + 1);
    }
    const selected = String(call.id === this.selected);
    if (row.ariaSelected !== selected) row.ariaSelected = selected;
    if (row.call !== call) {
      row.call = call;
      row.dataset.key = call.id;
      set(cells[0], call.id); cells[0].title = call.id;
      set(cells[1], call.agent ?? "–"); cells[1].title = call.agent ?? "";
      set(cells[2], call.shownTo ?? "–");
      set(cells[3], stateWord(call.state)); cells[3].dataset.state = call.state;
      set(cells[4], (call.limit ?? "–") + (call.provisional ? " ?" : "")); cells[4].title = call.rule ? `rule: ${call.rule}` : "no rule: the limits of all calls";
    }
    const rest = call.deadline === null ? null : call.deadline - now;
    const idle = rest === null || call.state === "released";
    set(left, idle ? "no limit" : span(rest));
    const tone = idle ? "" : rest < 0 ? "late" : rest < NEAR ? "near" : "";
    if (row.tone !== tone) {
      row.tone = tone;
      row.dataset.near = tone === "near";
      row.dataset.late = tone === "late";
    }
    const whole = call.deadline - (call.began ?? call.deadline - 60_000);
    const share = idle ? 0 : rest < 0 ? 1 : Math.max(0, Math.min(1, (rest - 1000) / Math.max(whole, 1)));
    const scale = `scaleX(${share.toFixed(3)})`;
    if (row.scale !== scale) {
      row.scale = scale;
      fill.classList.toggle("still", moved);
      fill.style.transform = scale;
    }
  }

  select(id) {
    this.selected = id;
    this.paintSoon();
  }

  key(event) {
    const at = this.list.findIndex((call) => call.id === this.selected);
    const page = Math.max(1, Math.floor(this.grid.clientHeight / this.height) - 1);
    const to = { ArrowDown: at + 1, ArrowUp: at < 0 ? 0 : at - 1, PageDown: at + page, PageUp: at - page, Home: 0, End: this.list.length - 1 }[event.key];
    if (event.key === "Enter" && at >= 0) { this.open(this.selected); event.preventDefault(); }
    if (to === undefined || !this.list.length) return;
    event.preventDefault();
    const next = Math.max(0, Math.min(this.list.length - 1, to));
    const top = next * this.height, { scrollTop, clientHeight } = this.grid;
    if (top < scrollTop) this.grid.scrollTop = top;
    if (top + this.height > scrollTop + clientHeight) this.grid.scrollTop = top + this.height - clientHeight;
    this.select(this.list[next].id);
  }
}
