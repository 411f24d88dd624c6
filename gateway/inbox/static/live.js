// Live events. A fetch stream rather than EventSource: heartbeats (comments) are seen, so a dead
// connection is noticed, and Last-Event-ID survives a 503, after which EventSource gives up for good.

const SILENCE = 40_000; // the server sends a heartbeat every 15 s
const FIRST_WAIT = 500;
const LONGEST_WAIT = 10_000;

/** Parser of text/event-stream: feed it chunks, it calls `emit({event, data, id})`; an id alone counts too. */
export function parser(emit) {
  let rest = "";
  let event = { event: "message", data: [], id: undefined };
  const line = (text) => {
    if (text === "") {
      if (event.data.length || event.id !== undefined) emit({ ...event, data: event.data.join("\n") });
      event = { event: "message", data: [], id: undefined };
      return;
    }
    const [, name, value] = /^([^:]*)(?:: ?(.*))?$/s.exec(text);
    if (name === "data") event.data.push(value ?? "");
    if (name === "event" || name === "id") event[name] = value ?? "";
  };
  return (chunk) => {
    const lines = (rest + chunk).split(/\r\n|\n|\r(?!$)/);
    rest = lines.pop();
    lines.forEach(line);
  };
}

/**
 * Keeps one stream open for ever. `onState`: "live", "reconnecting", "offline" or "signed_out".
 * `onOpen(resumed)`: false when the server could not be told where we were: everything must be loaded.
 * Returns a function that stops it.
 */
export function connect(url, { onState, onOpen, onEvent }) {
  let stopped = false;
  let lastId = null;
  let wait = FIRST_WAIT;
  let controller = null;
  let wake = () => {};

  async function stream() {
    controller = new AbortController();
    let watchdog = setTimeout(() => controller.abort(), SILENCE);
    try {
      const headers = { Accept: "text/event-stream", ...(lastId !== null && { "Last-Event-ID": lastId }) };
      const answer = await fetch(url, { headers, signal: controller.signal, cache: "no-store" });
      if (answer.status === 401) return "signed_out";
      if (!answer.ok) return "reconnecting";
      onState("live");
      onOpen(lastId !== null);
      wait = FIRST_WAIT;
      const feed = parser((event) => {
        if (event.id !== undefined) lastId = event.id;
        if (event.data) onEvent(event.event, JSON.parse(event.data)); // a heartbeat has an id only
      });
      const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
      for (;;) {
        const { done, value } = await reader.read();
        if (done) return "reconnecting";
        clearTimeout(watchdog);
        watchdog = setTimeout(() => controller.abort(), SILENCE);
        feed(value);
      }
    } catch (error) {
      if (error.name !== "AbortError" && error.name !== "TypeError") {
        reportError(error); // not the network: an event we could not take, so load everything again
        lastId = null;
      }
      return "reconnecting";
    } finally {
      clearTimeout(watchdog);
    }
  }

  async function run() {
    while (!stopped) {
      const outcome = await stream();
      if (stopped) return;
      if (outcome === "signed_out") return onState("signed_out");
      onState(navigator.onLine ? "reconnecting" : "offline");
      await new Promise((done) => {
        const timer = setTimeout(done, wait * (0.75 + Math.random() / 2));
        wake = () => (clearTimeout(timer), done());
      });
      wait = Math.min(wait * 2, LONGEST_WAIT);
    }
  }

  const online = () => wake();
  const offline = () => controller?.abort();
  addEventListener("online", online);
  addEventListener("offline", offline);
  run();
  return () => {
    stopped = true;
    removeEventListener("online", online);
    removeEventListener("offline", offline);
    controller?.abort();
    wake();
  };
}
