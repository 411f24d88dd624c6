// Ticks of our messages: what happened, when, and what the channel cannot tell (PRODUCT S0–S10).
import { html, useState } from "./html.js";
import { clock, exact, t, tx } from "./i18n.js";

const PATHS = {
  clock: "M8 2.5a5.5 5.5 0 1 0 0 11 5.5 5.5 0 0 0 0-11M8 5v3.2l2.2 1.3",
  one: "M3 8.5l3 3 6.5-7",
  two: "M1 8.5l3 3L10 4.5M7.5 11l.7.7L15 4.5",
  bad: "M8 7v5.5M8 3.6v.6",
  doubt: "M5.8 6a2.2 2.2 0 1 1 3.2 2c-.7.4-1 .8-1 1.6M8 12v.6",
};
const GLYPH = { sending: "clock", waiting: "clock", queued: "clock", sent: "one", delivered: "two", read: "two", failed: "bad", expired: "bad", unsent: "bad", unknown: "doubt" };

const RUNGS = ["sent", "delivered", "read"];

/** One line per rung: reached, implied, not yet, overdue, or: this channel cannot tell. */
export function rungLines(status, channel) {
  return RUNGS.filter((rung) => status.rungs?.[rung]).map((rung) => {
    const { state, at, may_be_hidden } = status.rungs[rung];
    const params = { rung: t(`rung.${rung}`), time: at ? exact(at) : "", channel };
    const said = state === "reached" && !at ? "status.reached_untimed" : `status.${state}`;
    const hidden = may_be_hidden && state !== "reached" && state !== "implied" && state !== "cannot_tell";
    return { key: rung, text: said, params, hidden };
  });
}

/** The short text: tooltip and accessible name. */
export function statusText(status, channel) {
  const { shown, rungs, problem } = status;
  const at = rungs?.[shown]?.at;
  const first = at ? t("status.at", { status: t(`shown.${shown}`), time: clock(at) }) : t(`shown.${shown}`);
  const why = problem ? [problemText(problem)] : [];
  const late = (status.overdue ?? []).map((rung) => t("status.overdue", { rung: t(`rung.${rung}`) }));
  const next = RUNGS.map((rung) => [rung, rungs?.[rung]?.state]).find(([, s]) => s === "not_yet" || s === "cannot_tell");
  const more = next && !late.length && ["sent", "delivered"].includes(shown)
    ? [t(`status.${next[1]}`, { rung: t(`rung.${next[0]}`), channel })] : [];
  return [first, ...why, ...late, ...more].join(t("sentence.join"));
}

export function problemText(problem) {
  const known = t(`problem.${problem.code}`);
  return known === `problem.${problem.code}` ? (problem.detail || t("problem.other", { code: problem.code })) : known;
}

const Svg = ({ name }) => html`<svg class="glyph" viewBox="0 0 16 16" aria-hidden="true"><path d=${PATHS[name]} /></svg>`;

/** The tick as a button: its details open below the message. `shown` alone is enough while sending. */
export function Tick({ status, channel, open, onToggle }) {
  const text = statusText(status, channel);
  return html`<button type="button" class="tick ${status.shown}" data-shown=${status.shown} tabindex="-1"
    aria-label=${text} title=${text} aria-expanded=${open} onClick=${onToggle}><${Svg} name=${GLYPH[status.shown] ?? "doubt"} /></button>`;
}

/** All that is known about a message of ours, in words. */
export function StatusDetails({ status, attempts, channel }) {
  return html`<ul class="told">
    ${rungLines(status, channel).map((l) => html`<li key=${l.key}>${tx(l.text, l.params)}${l.hidden && html` ${t("status.may_be_hidden")}`}</li>`)}
    ${status.parts > 1 && html`<li>${t("status.parts", { count: status.parts })}</li>`}
    ${attempts > 1 && html`<li>${t("status.attempts", { count: attempts })}</li>`}
    ${status.problem?.provider_code && html`<li>${tx("status.provider_code", { code: status.problem.provider_code })}</li>`}
  </ul>`;
}

/** A failure where it happened: the reason in plain words and the next step. */
export function Problem({ status, onResend }) {
  const [asked, ask] = useState(false);
  if (!["failed", "expired", "unknown"].includes(status.shown)) return null;
  const reason = status.problem ? problemText(status.problem) : t(`problem.${status.shown}`);
  const again = status.resend === "again" || (status.resend === "confirm" && asked);
  return html`<div class="problem">
    <p>${reason}</p>
    ${status.resend === "template" && html`<p>${t("resend.template")}</p>`}
    ${asked && status.resend === "confirm" && html`<p>${t("resend.warn")}</p>`}
    ${again && html`<button type="button" data-action="resend" onClick=${() => onResend(status.resend === "confirm")}>
      ${t(status.resend === "confirm" ? "resend.anyway" : "resend.again")}</button>`}
    ${status.resend === "confirm" && !asked && html`<button type="button" data-action="resend-ask" onClick=${() => ask(true)}>${t("resend.again")}</button>`}
  </div>`;
}
