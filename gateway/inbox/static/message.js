// One message: who, what, when, and how far it came. System lines: grey, centred, our own wording (Y1–Y10).
import { html, useState } from "./html.js";
import { clock, dateTime, exact, has, isoTime, t, tx } from "./i18n.js";
import { Content } from "./content.js";
import { Problem, StatusDetails, Tick } from "./status.js";
import { departmentName } from "./store.js";
import { deliver, discard, resend } from "./write.js";

/** Who speaks: the contact and agents by name, bots and automatic messages with what they are (M2). */
export function speaker(item) {
  const name = item.sender?.name;
  if (item.from === "bot") return tx("by.bot", { name: name || t("by.bot_unnamed") });
  if (item.from === "automatic") return tx("by.automatic", { feature: has(`feature.${item.sender?.id}`) ? t(`feature.${item.sender.id}`) : name || t("by.rule") });
  if (item.from === "operator") return t("by.operator");
  if (item.from === "note") return tx("by.note", { name: name ?? "" });
  return html`<bdi>${name || t(item.from === "contact" ? "contact.unnamed" : "agent.unnamed")}</bdi>`;
}

function Quote({ reply, onJump }) {
  const text = html`${reply.sender && html`<bdi class="who">${typeof reply.sender === "string" ? reply.sender : reply.sender.name}</bdi>`}<span dir="auto">${reply.text ?? t("quote.unknown")}</span>`;
  if (!reply.id) return html`<div class="quote">${text}</div>`;
  return html`<button type="button" class="quote" tabindex="-1" title=${t("quote.jump")} onClick=${() => onJump(reply.id)}>${text}</button>`;
}

const Time = ({ at, channel }) => html`<time dateTime=${isoTime(at)} title="${exact(at)} ${channel}">${clock(at)}</time>`;

/** Marks below a message: edited (with what it was), taken back, reactions. */
function Marks({ item }) {
  return html`${item.reactions?.length > 0 && html`<ul class="reactions" aria-label=${t("reactions")}>${item.reactions.map((r, n) =>
    html`<li key=${n} title=${r.from === "contact" ? t("reaction.contact") : ""}>${r.emoji}</li>`)}</ul>`}
    ${item.edited_at && !item.unsent_at && item.history?.length > 0 && html`<details class="earlier"><summary tabindex="-1">${t("edited.earlier", { count: item.history.length })}</summary>
      ${item.history.map((content, n) => html`<div key=${n}><${Content} content=${content} /></div>`)}</details>`}`;
}

export function Message({ item, joined, channel, picked, conversationId, onJump }) {
  const [open, setOpen] = useState(false);
  const side = item.from === "contact" ? "in" : "out";
  const failed = ["failed", "expired"].includes(item.status?.shown) ? "failed" : item.status?.shown === "unknown" ? "doubt" : "";
  const onKey = (event) => event.key === "Enter" && event.target === event.currentTarget && item.status && setOpen(!open);
  return html`<article class="m ${side} ${item.from} ${failed} ${joined ? "joined" : ""}" id=${`m-${item.id}`} data-message=${item.id} data-from=${item.from} tabindex="-1" onKeyDown=${onKey}>
    <div class=${joined ? "by sr" : "by"}>${speaker(item)}</div>
    ${item.reply_to && html`<${Quote} reply=${item.reply_to} onJump=${onJump} />`}
    ${item.unsent_at ? html`<div class="placeholder">${t(item.from === "contact" ? "unsent.contact" : "unsent.ours")}</div>`
      : html`<${Content} content=${item.content} fallback=${item.fallback} picked=${picked} />`}
    <${Marks} item=${item} />
    <div class="meta">${item.edited_at && !item.unsent_at && html`<span title=${exact(item.edited_at)}>${t("edited")}</span>`}
      ${item.attempts > 1 && html`<span>${t("status.attempts", { count: item.attempts })}</span>`}
      <${Time} at=${item.at} channel=${channel} />
      ${item.status && html`<${Tick} status=${item.status} channel=${channel} open=${open} onToggle=${() => setOpen(!open)} />`}</div>
    ${open && html`<${StatusDetails} status=${item.status} attempts=${item.attempts} channel=${channel} />`}
    ${item.status && html`<${Problem} status=${item.status} onResend=${(double) => resend(conversationId, item.id, double)} />`}
  </article>`;
}

/** Our message before the log has shown it. */
export function Pending({ message, name, channel }) {
  const unsent = message.state === "unsent";
  const shown = unsent ? "unsent" : "queued";
  return html`<article class="m out agent pending ${unsent ? "failed" : ""}" data-pending=${message.state} tabindex="-1">
    <div class="by"><bdi>${name}</bdi></div>
    <${Content} content=${message.content} />
    <div class="meta"><${Time} at=${message.at} channel=${channel} />
      <${Tick} status=${{ shown: unsent ? "unsent" : message.state === "waiting" ? "waiting" : shown }} channel=${channel} open=${false} onToggle=${() => {}} /></div>
    ${unsent && html`<div class="problem"><p>${t("pending.unsent")}</p>
      <button type="button" data-action="retry" onClick=${() => deliver(message)}>${t("pending.retry")}</button>
      <button type="button" data-action="discard" onClick=${() => discard(message.client_id)}>${t("pending.discard")}</button></div>`}
  </article>`;
}

const named = (value) => (typeof value === "object" && value ? value.name || value.id : (value ?? ""));

/** Which wording a system line takes: several codes read differently by who did it, and to whom. */
function variant({ code, by, params = {} }) {
  if (code === "assigned" && params.self) return "assigned_self";
  if (code === "assigned" && by?.kind !== "agent") return "assigned_automatically";
  if (code === "handed_over" && params.to?.kind === "bot") return "handed_to_bot";
  if (code === "reopened") return has(`system.reopened.${params.how}`) ? `reopened.${params.how}` : "reopened.by_hand";
  if (code === "handed_over" && has(`system.handed_over.${params.reason}`)) return `handed_over.${params.reason}`;
  if (code === "queued" && !params.department && !params.to) return "queued_plain";
  if (code === "ticket" && by?.kind === "rule") return "ticket_automatic";
  if (code === "ended" && params.how === "blocked") return "ended_blocked";
  return has(`system.${code}`) ? code : "other";
}

/** The catalogue key and parameters of a system line. */
export function systemText(item) {
  const { code, by, params = {} } = item;
  const nobody = t(has(`actor.${by?.kind}`) ? `actor.${by.kind}` : "actor.rule");
  const place = params.to?.kind === "queue" && params.to.name ? params.to.name : departmentName(named(params.department));
  const words = { by: (by?.kind !== "rule" && by?.name) || nobody, to: named(params.to), department: place, number: String(params.number ?? ""), when: dateTime(item.at), code };
  return [`system.${variant(item)}`, words];
}

const DATED = new Set(["ended", "sent_and_completed"]); // their wording has date and time (Y4)

export function SystemLine({ item }) {
  const [key, words] = systemText(item);
  return html`<div class="sys" data-system=${item.code} tabindex="-1">${tx(key, words)} ${DATED.has(item.code) ? "" : html`<span aria-hidden="true">·</span> <time dateTime=${isoTime(item.at)} title=${exact(item.at)}>${clock(item.at)}</time>`}</div>`;
}
