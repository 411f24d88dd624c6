// One conversation: who and what on top, history, composer, details beside.
import { html, useEffect, useState } from "./html.js";
import { has, t, tx } from "./i18n.js";
import { Composer } from "./composer.js";
import { Details, ownerText } from "./details.js";
import { History } from "./history.js";
import { displayName } from "./list.js";
import { Menu } from "./menu.js";
import { agents, busy, conversations, gone, isMine, me, route, session } from "./store.js";
import { open } from "./sync.js";
import { act, assignToMe } from "./write.js";

/** Assign to me, to another agent of the department, or to a queue (A1). */
function Assign({ c }) {
  const others = agents.value.filter((a) => a.id !== me() && a.departments.includes(c.department_id));
  return html`<${Menu} action="assign-menu" label=${t("action.assign_menu")}>${!(isMine(c) && c.status === "open") && html`<button type="button" data-action="assign-me" disabled=${busy.value.has(c.id)} onClick=${() => assignToMe(c.id)}>${t("action.assign")}</button>`}
      ${others.map((agent) => html`<button type="button" key=${agent.id} data-agent=${agent.id} disabled=${busy.value.has(c.id)} onClick=${() => act(c.id, "assign", { agent_id: agent.id })}><bdi>${agent.name}</bdi></button>`)}
      ${!others.length && isMine(c) && html`<p>${t("assign.nobody")}</p>`}
      ${c.status === "open" && session.value.departments.filter((d) => !(c.owner.kind === "queue" && c.owner.id === d.id)).map((d) => html`<button type="button" key=${d.id} data-queue=${d.id} disabled=${busy.value.has(c.id)} onClick=${() => act(c.id, "transfer", { department_id: d.id })}>${tx("action.transfer", { name: d.name })}</button>`)}<//>`;
}

function Bar({ c, onDetails, shown }) {
  return html`<div class="bar"><a class="back" href=${`#/${route.value.view}`} aria-label=${t("back")}><span aria-hidden="true">‹</span></a>
    <h2><bdi>${displayName(c.contact)}</bdi></h2>
    <small class="where">${has(`channel.${c.channel}`) ? t(`channel.${c.channel}`) : c.channel} · <bdi>${c.department_name}</bdi></small><span class="sp"></span>
    <small class="owner" data-owner=${c.owner.kind} data-status=${c.status}>${c.status === "completed" ? t("status_of.completed") : html`${t("details.owner_is")} ${ownerText(c)}`}</small>
    ${!c.blocked && html`<${Assign} c=${c} />`}
    <button type="button" class="ghost info" data-action="details" aria-expanded=${shown} aria-controls="details" onClick=${onDetails}>${t("details.label")}</button></div>`;
}

export function Conversation({ id }) {
  const [details, show] = useState(false);
  const c = conversations.value.get(id);
  useEffect(() => void open(id), [id]);
  if (gone.value.has(id)) return html`<div class="nothing"><p>${t("empty.gone")}</p><p>${t("empty.gone.next")}</p></div>`;
  if (!c) return html`<div class="nothing" aria-busy="true"><p>${t("history.loading")}</p></div>`;
  return html`<section class="chat" aria-label=${t("history.label", { name: displayName(c.contact) })} data-conversation=${id}>
      <${Bar} c=${c} shown=${details} onDetails=${() => show(!details)} />
      <${History} id=${id} name=${displayName(c.contact)} channel=${has(`channel.${c.channel}`) ? t(`channel.${c.channel}`) : c.channel} />
      <${Composer} c=${c} /></section>
    <div class=${details ? "sidebox shown" : "sidebox"}><${Details} c=${c} onClose=${() => show(false)} /></div>`;
}
