// The list of conversations: views with counts, who waits, how long, what is unread.
import { html, useRef } from "./html.js";
import { has, isoTime, span, t, tx, when } from "./i18n.js";
import { order } from "./reduce.js";
import { conversations, counts, held, list, minute, route } from "./store.js";
import { loadList } from "./sync.js";

const REST = 8000; // a mouse that lies still so long is not aiming at a row
const link = (view, id) => `#/${view}${id ? `/${encodeURIComponent(id)}` : ""}`;

/** Up, down, home and end move among the elements of one group. */
export function arrows(event, selector) {
  const all = [...event.currentTarget.querySelectorAll(selector)];
  const at = all.indexOf(document.activeElement);
  const to = { ArrowDown: at + 1, ArrowUp: at < 0 ? all.length - 1 : at - 1, Home: 0, End: all.length - 1 }[event.key];
  if (to === undefined || !all[to]) return;
  event.preventDefault();
  all[to].focus();
}

const tint = (id) => [...id].reduce((sum, c) => (sum * 31 + c.codePointAt(0)) >>> 0, 7) % 6;

export const displayName = (contact) => contact.name || contact.username || contact.address || t("contact.unnamed");

export function Avatar({ conversation: c }) {
  const initial = String(displayName(c.contact)).replace(/[^\p{L}\p{N}]/gu, "");
  return html`<span class="ava tint-${tint(c.id)}" aria-hidden="true">${[...initial][0] ?? "?"}<span class="ch">${t(`channel_short.${c.channel}`)}</span></span>`;
}

function Last({ last }) {
  if (!last) return html`<span class="last"></span>`;
  const kind = /^\[(\w+)\]$/.exec(last.text)?.[1];
  const text = kind && has(`kind.${kind}`) ? t(`kind.${kind}`) : last.text;
  const by = has(`last.${last.from}`) ? t(`last.${last.from}`) : "";
  return html`<span class="last">${by && html`<span class="from">${by}</span>`}<bdi>${text || t("last.empty")}</bdi></span>`;
}

function Row({ c, view, current, first }) {
  const waiting = c.status === "open" && c.waiting_since;
  const on = c.id === current;
  return html`<li><a class="row ${on ? "on" : ""} ${c.unread ? "unread" : ""}" href=${link(view, c.id)} data-conversation=${c.id}
      aria-current=${on ? "true" : undefined} tabindex=${on || first ? 0 : -1}>
    <${Avatar} conversation=${c} /><span class="who"><bdi>${displayName(c.contact)}</bdi><span class="sr"> ${t(`channel.${c.channel}`)}</span></span>
    <time dateTime=${isoTime(c.last_at)}>${when(c.last_at, minute.value)}</time>
    <${Last} last=${c.last} />
    <span class="side">${waiting && html`<span class="wait">${tx("list.waiting", { time: span(minute.value - c.waiting_since) })}</span>`}
      ${c.attention && html`<span class="flag" title=${t("list.attention")}><span aria-hidden="true">!</span><span class="sr">${t("list.attention")}</span></span>`}
      ${c.unread > 0 && html`<span class="badge"><span aria-hidden="true">${c.unread}</span><span class="sr">${t("list.unread", { count: c.unread })}</span></span>`}</span></a></li>`;
}

function Views({ views }) {
  const { view, id } = route.value;
  return html`<div class="tabs">${views.map((name) => {
    const on = name === view;
    const count = counts.value[name];
    return html`<a key=${name} class="tab ${on ? "on" : ""}" href=${link(name, id)} data-view=${name} aria-current=${on ? "page" : undefined}>
      ${t(`view.${name}`)}${count > 0 && html`<span class="n">${count}</span>`}</a>`;
  })}</div>`;
}

function Rows() {
  const { view, id } = route.value;
  const { ids, state, cursor } = list.value;
  const shown = useRef([]);
  const sorted = order(ids, conversations.value, view, held.value ? shown.current : []);
  shown.current = sorted;
  const focusable = sorted.includes(id) ? id : sorted[0];
  if (state === "failed" && !ids.length) return html`<div class="empty"><p>${t("error.network")}</p><button type="button" onClick=${() => loadList()}>${t("retry")}</button></div>`;
  if (state === "ready" && !sorted.length) return html`<div class="empty"><p>${t(`empty.${view}`)}</p>${has(`empty.${view}.next`) && html`<p>${t(`empty.${view}.next`)}</p>`}</div>`;
  return html`<ul class="rows" aria-busy=${state === "loading"} onKeyDown=${(event) => arrows(event, ".row")}>
    ${sorted.map((key) => html`<${Row} key=${key} c=${conversations.value.get(key)} view=${view} current=${id} first=${key === focusable} />`)}</ul>
    ${cursor && html`<button type="button" class="more" onClick=${() => loadList({ more: true })}>${t("list.more")}</button>`}`;
}

export function List({ views }) {
  const timer = useRef(null);
  const free = () => (clearTimeout(timer.current), (held.value = false));
  const hold = (event) => {
    if (event.pointerType !== "mouse") return;
    held.value = true;
    clearTimeout(timer.current);
    timer.current = setTimeout(free, REST);
  };
  return html`<nav class="list" aria-label=${t("list.label")} onPointerMove=${hold} onPointerLeave=${free}><${Views} views=${views} /><${Rows} /></nav>`;
}
