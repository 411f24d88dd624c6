// Start: language, session, route; then everything follows the signals.
import { Fragment, effect, html, render } from "./html.js";
import { LANGUAGES, language, preferredLanguage, rememberLanguage, setLanguage, t } from "./i18n.js";
import { Conversation } from "./conversation.js";
import { List } from "./list.js";
import { Menu } from "./menu.js";
import { SignIn } from "./signin.js";
import { restore, setPresence, signOut } from "./session.js";
import { connection, conversations, now, route, session, unreadTotal } from "./store.js";
import { loadList } from "./sync.js";

const VIEWS = ["mine", "unassigned", "all", "completed", "attention", "blocked"];

function readRoute() {
  const [view, id] = location.hash.replace(/^#\/?/, "").split("/").map(decodeURIComponent);
  route.value = { view: VIEWS.includes(view) ? view : "mine", id: id || null };
}

export function Language() {
  return html`<label class="pick"><span class="sr">${t("language")}</span><select data-action="language" value=${language.value}
    onChange=${(event) => rememberLanguage(event.target.value)}>${LANGUAGES.map((code) => html`<option value=${code} lang=${code} selected=${code === language.value}>${t(`language.${code}`)}</option>`)}</select></label>`;
}

function Connection() {
  const state = connection.value;
  return html`<span class="connection ${state}" data-connection=${state} role="status" title=${t(`connection.${state}.long`)}><span class="dot" aria-hidden="true"></span><span class="word">${t(`connection.${state}`)}</span></span>`;
}

function Presence() {
  const { presence } = session.value;
  return html`<label class="pick presence ${presence}"><span class="sr">${t("presence")}</span><select data-action="presence" value=${presence}
    onChange=${(event) => setPresence(event.target.value)}>${["online", "busy", "offline"].map((state) => html`<option value=${state} selected=${state === presence}>${t(`presence.${state}`)}</option>`)}</select></label>`;
}

function Top() {
  return html`<header class="top"><h1>${t("app.title")}</h1><${Connection} /><span class="sp"></span><${Presence} />
    <${Menu} action="account" label=${html`<bdi>${session.value.name}</bdi>`}><${Language} />
      <button type="button" data-action="sign-out" onClick=${signOut}>${t("sign_out")}</button><//></header>`;
}

function Inbox() {
  const { id } = route.value;
  return html`<div class="app ${id ? "open" : ""}">
    ${conversations.value.has(id) && html`<a class="skip" href="#composer" onClick=${skip}>${t("skip.composer")}</a>`}
    <${Top} /><main class="work"><${List} views=${VIEWS} />${id ? html`<${Conversation} key=${id} id=${id} />` : html`<div class="nothing"><p>${t("empty.none_open")}</p><p>${t("empty.none_open.next")}</p></div>`}</main></div>`;
}

function skip(event) {
  event.preventDefault(); // the hash is the route
  document.querySelector("#composer")?.focus();
}

function App() {
  if (session.value === undefined) return html`<main class="nothing" aria-busy="true"><h1 class="sr">${t("app.title")}</h1><p>${connection.value === "reconnecting" ? t("error.network") : ""}</p></main>`;
  return session.value ? html`<${Inbox} />` : html`<${Fragment}><${SignIn} language=${html`<${Language} />`} /><//>`;
}

async function start() {
  readRoute();
  addEventListener("hashchange", readRoute);
  await setLanguage(preferredLanguage());
  render(html`<${App} />`, document.body);
  setInterval(() => (now.value = Date.now()), 1000);
  effect(() => {
    const unread = unreadTotal.value;
    document.title = unread ? t("app.title_unread", { title: t("app.title"), count: unread }).replace(/[\u2068\u2069]/g, "") : t("app.title");
  });
  effect(() => {
    if (session.value) document.documentElement.dataset.signedIn = "true";
    else delete document.documentElement.dataset.signedIn;
  });
  await restore();
  let shown = route.value.view;
  effect(() => {
    const { view } = route.value;
    // The first list is loaded when the live stream is open, so that nothing falls in between.
    if (session.value && shown !== view) queueMicrotask(loadList);
    shown = view;
  });
}

start();
