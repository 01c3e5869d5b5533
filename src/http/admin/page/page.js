// The page's wiring: door, stream, snapshot, table, panels, dialogs.
import { ask, follow, useToken } from "./api.js";
import { CallDialog, KillDialog, toast } from "./dialogs.js";
import { Hour, Outcomes, by, say, showTick } from "./panels.js";
import { Table, kept } from "./table.js";

// The daemon's clock is what deadlines are told by.
let offset = 0;
const now = () => Date.now() + offset;

let table, call, outcomes, hour;
let fresher = null;
let isLoading = false;
let wrongCount = 0;

by("door-form").addEventListener("submit", async (event) => {
  event.preventDefault();
  useToken(by("token").value.trim());
  say(by("door-error"), "");
  try {
    await ask("GET", "/api/calls?limit=1");
  } catch (error) {
    say(by("door-error"), error.status === 401 ? "That is not the token." : error.message ?? "callwarden does not answer.");
    by("token").select();
    return;
  }
  by("token").value = "";
  enter();
});

function enter() {
  by("door").hidden = true;
  by("house").hidden = false;
  if (!table) build();
  by("grid").focus({ preventScroll: true });
  follow({ open: opened, event: told, lost, refused });
}

function build() {
  const open = (id) => call.open(id);
  table = new Table({ grid: by("grid"), rows: by("rows"), none: by("none"), shown: by("shown"), now, open });
  call = new CallDialog(now, (changed) => table.put(kept(changed)));
  outcomes = new Outcomes(by("ended"), by("ended-none"), open);
  hour = new Hour(by("hour"), by("hour-read"));
  new KillDialog(() => table.calls);
  by("filter").addEventListener("input", () => table.show({ filter: by("filter").value }));
  by("state").addEventListener("change", () => table.show({ state: by("state").value }));
  by("sort").addEventListener("change", () => table.show({ order: by("sort").value }));
  document.addEventListener("keydown", (event) => {
    if (event.key !== "/" || event.ctrlKey || event.metaKey || /^(INPUT|SELECT|TEXTAREA)$/.test(event.target.tagName) || document.querySelector("dialog[open]")) return;
    event.preventDefault();
    by("filter").focus();
  });
}

function opened() {
  line("pass", "live");
  delete by("house").dataset.stale;
  by("lost").hidden = true;
  load();
}

// The list is read once the stream is open, so nothing falls between the two; what the stream tells
// meanwhile is fresher than the list.
async function load() {
  if (isLoading) return;
  isLoading = true;
  fresher = new Set();
  try {
    const calls = [];
    let after = null;
    do {
      const page = await ask("GET", `/api/calls?limit=1000${after ? `&after=${encodeURIComponent(after)}` : ""}`);
      for (const one of page.calls) calls.push(kept(one));
      after = page.next;
    } while (after);
    table.replace(calls, fresher);
    const past = await ask("GET", "/api/history?limit=40");
    for (const one of past.calls) if (!outcomes.seen.has(one.id)) outcomes.add(one, true);
  } catch (error) {
    toast(`The calls could not be read: ${error.message}`, true);
  } finally {
    fresher = null;
    isLoading = false;
  }
}

function told(name, data) {
  if (name === "call") {
    fresher?.add(data.id);
    table.put(kept(data));
    if (data.outcome) outcomes.add(data);
    call.told(data.id);
  } else if (name === "tick") {
    offset = Date.parse(data.at) - Date.now();
    showTick(data);
    if (data.minute) hour.now(data.minute);
    reckon(data.states);
  } else if (name === "hour") {
    hour.all(data);
  }
}

// Should the table ever come to differ from the daemon's count, it is read anew.
function reckon(states) {
  // Released calls have their outcome: the list does not hold them.
  const theirs = states.live + states.stopping + states.confirming + states.observing;
  wrongCount = isLoading || theirs === table.calls.size ? 0 : wrongCount + 1;
  if (wrongCount >= 5) { wrongCount = 0; load(); }
}

function lost(why, wait) {
  line("fail", "lost");
  // What was true then may not be now.
  by("house").dataset.stale = true;
  delete by("health-pill").dataset.tone;
  say(by("health-word"), "unknown");
  say(by("lost"), `The stream is lost (${why}): what is shown is old. Trying again in ${wait} s.`);
  by("lost").hidden = false;
}

function refused() {
  by("house").hidden = true;
  by("door").hidden = false;
  for (const dialog of document.querySelectorAll("dialog[open]")) dialog.close();
  say(by("door-error"), "The token is not valid any more.");
  by("token").focus();
}

function line(tone, word) {
  by("line-pill").dataset.tone = tone;
  say(by("line-word"), word);
}
