// Asks the admin API. The token lives in this module's memory and nowhere else.
let token = "";

export class Refused extends Error {
  constructor(status, problem) {
    super(problem.detail || problem.title || `the answer was ${status}`);
    this.status = status;
    this.state = problem.state;
  }
}

export function useToken(given) { token = given; }

function headers(more) { return { authorization: `Bearer ${token}`, ...more }; }

async function refusal(response) {
  const problem = await response.json().catch(() => ({}));
  return new Refused(response.status, problem);
}

export async function ask(method, path, body) {
  const request = { method, headers: headers(), cache: "no-store", redirect: "error", credentials: "omit" };
  if (body !== undefined) {
    request.body = JSON.stringify(body);
    request.headers["content-type"] = "application/json";
  }
  const response = await fetch(path, request);
  if (!response.ok) throw await refusal(response);
  return response.json();
}

export const callPath = (id) => `/api/calls/${encodeURIComponent(id).replaceAll(".", "%2E")}`;

// Follows the stream for ever: `on.open`, `on.event(name, data)`, `on.lost(why, seconds)`. EventSource
// can send no header, so the events are read from fetch's body. A stream silent for 5 s is lost.
export async function follow(on) {
  let wait = 1;
  for (;;) {
    const cut = new AbortController();
    let watch;
    const alive = () => { clearTimeout(watch); watch = setTimeout(() => cut.abort(), 5000); };
    try {
      alive();
      const response = await fetch("/api/stream", { headers: headers(), signal: cut.signal, cache: "no-store", credentials: "omit" });
      if (!response.ok) throw await refusal(response);
      on.open();
      const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
      let text = "";
      for (;;) {
        const { done, value } = await reader.read();
        if (done) break;
        alive();
        wait = 1;
        text += value;
        const events = text.split("\n\n");
        text = events.pop();
        for (const event of events) {
          const [name, data] = event.split("\n");
          on.event(name.slice(7), JSON.parse(data.slice(6)));
        }
      }
      on.lost("the stream ended", wait);
    } catch (error) {
      if (error.status === 401) { on.refused(error); return; }
      on.lost(error.status ? error.message : "callwarden does not answer", wait);
    } finally {
      clearTimeout(watch);
      cut.abort();
    }
    await new Promise((go) => setTimeout(go, wait * 1000));
    wait = Math.min(wait * 2, 10);
  }
}
