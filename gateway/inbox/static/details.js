// Who this is, on which channel, whose turn, and what this channel can and cannot tell.
import { html } from "./html.js";
import { dateTime, has, span, t, tx } from "./i18n.js";
import { displayName } from "./list.js";
import { busy, isMine, minute, now, profiles } from "./store.js";
import { act } from "./write.js";

const Line = ({ term, children, tone }) => html`<dt>${t(term)}</dt><dd class=${tone}>${children}</dd>`;

export const ownerText = (c) => (isMine(c) ? tx("owner.me", { name: c.owner.name }) : tx(`owner.${c.owner.kind}`, { name: c.owner.name || c.department_name }));

function told(profile, name) {
  const rung = profile.rungs?.find((r) => r.rung === name);
  if (!rung || rung.told === "never") return t("tells.no");
  return t(rung.may_be_hidden ? "tells.maybe" : "tells.yes");
}

export const KINDS = ["text", "image", "video", "voice", "file", "location", "buttons", "list", "carousel", "template"];

function Profile({ profile }) {
  return html`<h3>${tx("details.tells", { channel: profile.name })}</h3><dl>
    ${["sent", "delivered", "read"].map((rung) => html`<${Line} key=${rung} term=${`rung.${rung}`}>${told(profile, rung)}<//>`)}
    <${Line} term="details.typing">${t(profile.typing_shown ? "tells.yes" : "tells.no")}<//></dl>
    <h3>${t("details.takes")}</h3><ul class="kinds">${KINDS.map((kind) => {
      const can = profile.content.includes(kind);
      return html`<li key=${kind} class=${can ? "yes" : "no"}><span aria-hidden="true">${can ? "✓" : "–"} </span>${t(`kind.${kind}`)}<span class="sr"> ${t(can ? "tells.yes" : "tells.no")}</span></li>`;
    })}</ul>`;
}

function Window({ c }) {
  if (c.window_closes === null) return null;
  const left = c.window_closes - now.value;
  return html`<${Line} term="details.window" tone=${left < 3_600_000 ? "warn" : ""}>${left > 0 ? tx("details.window_left", { time: span(left, "long"), until: dateTime(c.window_closes) }) : t("window.closed")}<//>`;
}

/** Block and unblock the contact (A3); blocking ends the conversation, so it is asked once more. */
function Block({ c }) {
  const press = (action) => html`<button type="button" data-action=${action} disabled=${busy.value.has(c.id)} onClick=${() => act(c.id, action)}>${t(`action.${action}`)}</button>`;
  if (c.blocked) return press("unblock");
  return html`<details class="block"><summary>${t("action.block_menu")}</summary><p>${t("block.warn")}</p>${press("block")}</details>`;
}

export function Details({ c, onClose }) {
  const profile = profiles.value.get(c.account_id);
  const { contact } = c;
  return html`<aside class="side" id="details" aria-label=${t("details.label")}>
    <button type="button" class="ghost close" onClick=${onClose}>${t("details.close")}</button>
    <h3>${t("details.contact")}</h3><dl>
      <${Line} term="details.name"><bdi>${displayName(contact)}</bdi><//>
      <${Line} term="details.address"><bdi>${contact.address}</bdi><//>
      ${contact.username && html`<${Line} term="details.username"><bdi>${contact.username}</bdi><//>`}
      <${Line} term="details.episode">${t("details.episode_nth", { count: c.episode })}<//></dl>
    <h3>${t("details.channel")}</h3><dl>
      <${Line} term="details.channel">${has(`channel.${c.channel}`) ? t(`channel.${c.channel}`) : c.channel}<//>
      <${Line} term="details.account"><bdi>${c.account_name}</bdi><//>
      <${Line} term="details.department"><bdi>${c.department_name}</bdi><//>
      <${Window} c=${c} /></dl>
    <h3>${t("details.owner")}</h3><dl>
      <${Line} term="details.now">${ownerText(c)}<//>
      <${Line} term="details.status">${t(c.blocked ? "status_of.blocked" : `status_of.${c.status}`)}<//>
      ${c.status === "open" && c.waiting_since && html`<${Line} term="details.waiting" tone="warn">${span(minute.value - c.waiting_since, "long")}<//>`}
      ${c.status === "open" && c.completes_at && html`<${Line} term="details.completes">${dateTime(c.completes_at)}<//>`}</dl>
    <${Block} c=${c} />
    ${profile && html`<${Profile} profile=${profile} />`}</aside>`;
}
