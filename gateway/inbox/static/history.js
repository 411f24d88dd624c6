// The history of a conversation: stays at the newest while there, never moves otherwise (V1–V4).
import { html, useEffect, useLayoutEffect, useMemo, useRef, useSignal } from "./html.js";
import { dayKey, isoTime, language, longDay, t } from "./i18n.js";
import { arrows } from "./list.js";
import { Message, Pending, SystemLine } from "./message.js";
import { countNew, picks, rows, unconfirmed, unreadStart } from "./reduce.js";
import { conversations, historyOf, me, pending, session } from "./store.js";
import { loadGap, loadOlder, markRead, refresh } from "./sync.js";

const NEAR = 48; // pixels from the end that still count as "at the newest"
const EARLY = 300; // pixels from the start at which older messages are loaded

const toEnd = (log) => (log.scrollTop = log.scrollHeight);

/** Keeps the view still when older messages are put above, and at the end when it was there. */
function useScroll(log, history, mine, atEnd) {
  const before = useRef({ first: null, height: 0, mine: 0 });
  useLayoutEffect(() => {
    const el = log.current;
    if (!el || history.state === "empty") return;
    const { first, height, mine: had } = before.current;
    const now = history.items[0]?.id ?? null;
    if (first === null && now !== null) showStart(el);
    else if (now !== first && !atEnd.peek()) el.scrollTop += el.scrollHeight - height;
    else if (atEnd.peek() || mine > had) toEnd(el);
    before.current = { first: now, height: el.scrollHeight, mine };
  });
  useEffect(() => {
    const keep = new ResizeObserver(() => atEnd.peek() && log.current && toEnd(log.current));
    keep.observe(log.current);
    return () => keep.disconnect();
  }, []);
}

function showStart(log) {
  toEnd(log);
  const line = log.querySelector(".newline");
  if (line && line.offsetTop < log.scrollTop) log.scrollTop = line.offsetTop - 8;
}

/** The unread line is set when the conversation is opened and stays until it is left. */
function useUnreadLine(id, history) {
  const from = useRef(undefined);
  const unread = useRef(conversations.value.get(id)?.unread ?? 0);
  if (from.current === undefined && history.state === "ready") from.current = unreadStart(history, unread.current);
  return from.current;
}

function useReading(id, atEnd, history) {
  const unread = conversations.value.get(id)?.unread;
  useEffect(() => {
    const read = () => document.visibilityState === "visible" && atEnd.value && markRead(id);
    read();
    document.addEventListener("visibilitychange", read);
    return () => document.removeEventListener("visibilitychange", read);
  }, [id, unread, history.items, atEnd.value]);
}

function jumpTo(id) {
  const target = document.getElementById(`m-${id}`);
  target?.scrollIntoView({ block: "center" });
  target?.focus();
}

function Row({ row, picked, channel, id }) {
  if (row.row === "day") return html`<div class="day"><time dateTime=${isoTime(row.at)}>${longDay(row.at)}</time></div>`;
  if (row.row === "unread") return html`<div class="newline"><span>${t("history.unread")}</span></div>`;
  if (row.row === "gap") return html`<button type="button" class="gap" data-action="gap" onClick=${() => loadGap(id)}>${t("history.gap")}</button>`;
  if (row.row === "system") return html`<${SystemLine} item=${row.item} />`;
  return html`<${Message} item=${row.item} joined=${row.joined} channel=${channel} picked=${picked.get(row.item.id)} conversationId=${id} onJump=${jumpTo} />`;
}

export function History({ id, name, channel }) {
  const history = historyOf(id).value;
  const log = useRef(null);
  const atEnd = useSignal(true);
  const seen = useRef(0);
  const unreadFrom = useUnreadLine(id, history);
  const waiting = unconfirmed(pending.value.filter((p) => p.conversation_id === id), history.items, me());
  const shown = useMemo(() => rows(history, dayKey, unreadFrom), [history, unreadFrom, language.value]);
  const picked = useMemo(() => picks(history.items), [history.items]);
  const fresh = atEnd.value ? 0 : countNew(history.items, seen.current, me());
  if (atEnd.value) seen.current = history.items.at(-1)?.seq ?? 0;
  useScroll(log, history, pending.value.length, atEnd);
  useReading(id, atEnd, history);
  const onScroll = ({ currentTarget: el }) => {
    atEnd.value = el.scrollHeight - el.scrollTop - el.clientHeight < NEAR;
    if (el.scrollTop < EARLY && history.hasBefore && history.state === "ready") loadOlder(id);
  };
  return html`<div class="logbox"><div class="log" role="log" tabindex="0" aria-label=${t("history.label", { name })} aria-busy=${history.state === "loading"} aria-relevant="additions"
      ref=${log} onScroll=${onScroll} onLoadCapture=${() => atEnd.peek() && toEnd(log.current)} onKeyDown=${(event) => arrows(event, ".m, .sys")}>
    ${history.state === "loading" && html`<div class="day">${t("history.loading")}</div>`}
    ${history.state === "ready" && !history.hasBefore && history.items[0]?.code !== "opened" && html`<div class="day">${t("history.start")}</div>`}
    ${history.state === "ready" && history.hasBefore && html`<button type="button" class="gap" data-action="older" onClick=${() => loadOlder(id)}>${t("history.older")}</button>`}
    ${history.state === "failed" && html`<div class="empty"><p>${t("error.network")}</p><button type="button" onClick=${() => refresh(id)}>${t("retry")}</button></div>`}
    ${shown.map((row) => html`<${Row} key=${row.key} row=${row} picked=${picked} channel=${channel} id=${id} />`)}
    ${waiting.map((message) => html`<${Pending} key=${message.client_id} message=${message} name=${session.value.name} channel=${channel} />`)}
  </div>${!atEnd.value && html`<button type="button" class="new" data-action="newest" onClick=${() => toEnd(log.current)}>
    <span aria-hidden="true">↓ </span>${fresh > 0 ? t("history.new", { count: fresh }) : t("history.newest")}</button>`}</div>`;
}
