// Writing: Enter sends except while text is being composed (Japanese input); drafts survive; refusals sit here.
import { html, useRef } from "./html.js";
import { countdown, has, list as joinWords, span, t, tx } from "./i18n.js";
import { KINDS } from "./details.js";
import { busy, draftOf, isMine, notices, now, profiles, setDraft } from "./store.js";
import { act, assignToMe, resend, send } from "./write.js";

/** What the channel takes and how long we may still answer: before anything is written. */
function Channel({ c }) {
  const profile = profiles.value.get(c.account_id);
  const left = c.window_closes === null ? null : c.window_closes - now.value;
  const outside = profile?.window?.outside ?? [];
  const kinds = (names) => joinWords(names.filter((k) => has(`kind.${k}`)).map((k) => t(`kind.${k}`)));
  return html`<div class="can">
    ${left !== null && left > 0 && html`<span class="win ${left < 3_600_000 ? "soon" : ""}" title=${t("window.long", { time: span(left, "long") })}>${tx("window.left", { time: countdown(left) })}</span>`}
    ${left !== null && left <= 0 && html`<span class="win closed">${outside.length ? tx("window.closed_but", { kinds: kinds(outside) }) : t("window.closed")}</span>`}
    ${profile && html`<span class="takes">${t("takes")} <b>${kinds(KINDS.filter((kind) => profile.content.includes(kind)))}</b></span>`}
    ${profile && !profile.typing_shown && html`<span class="takes">${t("typing.not_shown")}</span>`}</div>`;
}

/** Whose turn it is, when it is not ours; no text when it is. */
function stateKey(c) {
  if (c.blocked) return "blocked";
  if (c.status === "completed") return "completed";
  if (c.owner.kind === "queue") return "queue";
  if (c.owner.kind === "bot") return "bot";
  return isMine(c) ? null : "agent";
}

const HELP = { queue: "accept", bot: "assign", agent: "assign", completed: "reopen" };

function Help({ c, action, primary, notice }) {
  const waiting = busy.value.get(c.id);
  const run = {
    accept: () => act(c.id, "accept"), assign: () => assignToMe(c.id), reopen: () => act(c.id, "reopen"),
    confirm: () => resend(c.id, notice.message_id, true),
  }[action];
  const click = async () => {
    await run();
    if (!notices.value.has(c.id)) document.querySelector("#composer")?.focus(); // this button is gone now
  };
  return html`<button type="button" class=${primary ? "primary" : ""} data-action=${action} disabled=${Boolean(waiting)} onClick=${click}>${t(`action.${action}`)}</button>`;
}

function refusalText(notice) {
  if (has(`error.${notice.code}`)) return t(`error.${notice.code}`);
  return (notice.status < 500 && notice.detail) || t("error.server");
}

function Notice({ c }) {
  const notice = notices.value.get(c.id);
  const state = stateKey(c);
  const offer = ["assign", "reopen", "confirm"].includes(notice?.offer) ? notice.offer : null;
  const help = offer ?? HELP[state];
  if (!notice && !state) return null;
  return html`<div class="notice ${notice ? "refused" : ""}" data-state=${state ?? "mine"}>
    ${notice ? html`<p role="alert" data-code=${notice.code}>${t("refused")} ${refusalText(notice)}</p>` : html`<p>${tx(`state.${state}`, { owner: c.owner.name || t("agent.unnamed"), department: c.department_name })}</p>`}
    ${help && html`<${Help} c=${c} action=${help} primary notice=${notice} />`}</div>`;
}

const textLimit = (profile) => profile?.limits?.find((limit) => limit.name === "text")?.value ?? null;

export function Composer({ c }) {
  const composing = useRef(false);
  const draft = draftOf(c.id).value;
  const limit = textLimit(profiles.value.get(c.account_id));
  const length = [...draft].length;
  const empty = draft.trim() === "";
  const mine = isMine(c) && c.status === "open";
  const go = (complete) => !empty && !c.blocked && send(c.id, draft, complete);
  const onKey = (event) => {
    // keyCode 229: Safari reports the Enter that ends a composition after compositionend.
    if (event.key !== "Enter" || event.shiftKey || event.isComposing || event.keyCode === 229 || composing.current) return;
    event.preventDefault();
    go(false);
  };
  return html`<section class="comp" aria-label=${t("composer.label")}><${Channel} c=${c} /><${Notice} c=${c} />
    <label class="sr" for="composer">${t("composer.reply")}</label>
    <textarea id="composer" class="box" rows="2" dir="auto" value=${draft} disabled=${c.blocked} placeholder=${t("composer.hint")} enterkeyhint="send"
      onInput=${(event) => setDraft(c.id, event.target.value)} onKeyDown=${onKey}
      onCompositionStart=${() => (composing.current = true)} onCompositionEnd=${() => (composing.current = false)}></textarea>
    <div class="act">${limit && length > limit * 0.8 && html`<span class="count ${length > limit ? "over" : ""}" role="status">${t(length > limit ? "composer.parts" : "composer.count", { length, limit })}</span>`}
      <span class="sp"></span>
      ${c.status === "open" && html`<button type="button" data-action="end" disabled=${busy.value.has(c.id)} onClick=${() => act(c.id, "end")}>${t("action.end")}</button>`}
      <button type="button" data-action="send-complete" disabled=${empty || c.blocked} onClick=${() => go(true)}>${t("action.send_complete")}</button>
      <button type="button" class=${mine ? "primary" : ""} data-action="send" disabled=${empty || c.blocked} onClick=${() => go(false)}>${t("action.send")} <span class="key" aria-hidden="true">↵</span></button></div></section>`;
}
