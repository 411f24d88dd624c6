// The screen's state as signals, and what changes it: the server's answers, live events, the agent.
import { batch, computed, signal } from "./html.js";
import * as api from "./api.js";
import { connect } from "./live.js";
import * as reduce from "./reduce.js";

export const session = signal(undefined); // undefined: not known yet; null: signed out; else the agent
export const signedOutBy = signal(null); // "expired" when the server ended the session
export const connection = signal("connecting");
export const now = signal(Date.now());
export const minute = computed(() => Math.floor(now.value / 60_000) * 60_000);
export const route = signal({ view: "mine", id: null });
export const conversations = signal(new Map());
export const list = signal({ view: null, ids: [], cursor: null, state: "loading" });
export const held = signal(false); // the pointer is over the list: nothing may move under it
export const counts = signal({});
export const agents = signal([]);
export const profiles = signal(new Map()); // channel account -> capability profile
export const pending = signal([]); // own messages the log has not shown yet
export const notices = signal(new Map()); // conversation -> refusal to show at its composer
export const busy = signal(new Map()); // conversation -> action under way
export const gone = signal(new Set()); // conversations that may not (or no longer) be seen

const histories = new Map();
/** The history of one conversation, a signal of its own so that only its readers are drawn again. */
export function historyOf(id) {
  if (!histories.has(id)) histories.set(id, signal(reduce.NO_HISTORY));
  return histories.get(id);
}

const put = (target, key, value) => {
  const next = new Map(target.value);
  if (value === null) next.delete(key);
  else next.set(key, value);
  target.value = next;
};
const learn = (items) => (conversations.value = items.reduce(reduce.upsert, conversations.value));

export const me = () => session.value?.id;
export const departmentName = (id) => session.value?.departments.find((d) => d.id === id)?.name ?? id;
export const isMine = (c) => c.owner.kind === "agent" && c.owner.id === me();
export const unreadTotal = computed(() => (session.value ? reduce.unreadOf(conversations.value, me()) : 0));

/** Runs a request; a 401 leads to the sign-in page. Raises ApiError. */
async function guarded(request) {
  try {
    return await request;
  } catch (error) {
    if (error.status === 401 && session.value) leave("expired");
    throw error;
  }
}

/** No answer, a server in trouble, or signed out: said elsewhere on the screen, and it may pass. */
const passing = (error) => error.code === "network" || error.status >= 500 || error.status === 401;

// --- sign-in -------------------------------------------------------------------------------------

export async function restore() {
  try {
    await enter(await api.session());
  } catch (error) {
    if (error.status !== 401) throw error;
    session.value = null;
  }
}

export const signIn = async (email, password) => enter(await api.signIn(email, password));

export async function signOut() {
  await guarded(api.signOut());
  leave(null);
}

let disconnect = () => {};

async function enter(agent) {
  batch(() => {
    session.value = agent;
    signedOutBy.value = null;
  });
  disconnect();
  disconnect = connect("/api/v1/events", {
    onState: (state) => (state === "signed_out" ? leave("expired") : (connection.value = state)),
    onOpen: (resumed) => resumed || reloadAll(),
    onEvent: onEvent,
  });
  agents.value = (await guarded(api.agents())).agents;
}

function leave(why) {
  disconnect();
  histories.clear();
  batch(() => {
    session.value = null;
    signedOutBy.value = why;
    conversations.value = new Map();
    list.value = { view: null, ids: [], cursor: null, state: "loading" };
    for (const map of [profiles, notices, busy]) map.value = new Map();
    pending.value = [];
    gone.value = new Set();
    connection.value = "connecting";
  });
}

export async function setPresence(state) {
  const answer = await guarded(api.setPresence(state));
  session.value = { ...session.value, presence: answer.state };
}

// --- live events ---------------------------------------------------------------------------------

function onEvent(name, data) {
  if (name === "resync") return reloadAll();
  if (name === "item") return onItem(data);
  if (name === "conversation") return onConversation(data);
  if (name === "gone") return forget(data.id);
  if (name === "presence" && data?.agent_id === me() && data.state) session.value = { ...session.value, presence: data.state };
}

function onItem({ conversation_id: id, item }) {
  const history = historyOf(id);
  history.value = reduce.mergeItem(history.value, item);
  if (item.kind === "message") settle(id);
}

function onConversation(conversation) {
  const visible = session.value.departments.some((d) => d.id === conversation.department_id);
  if (!visible) return forget(conversation.id);
  const known = conversations.value.get(conversation.id);
  learn([conversation]);
  if (!known || reduce.shape(known) !== reduce.shape(conversation)) reloadListSoon();
  if (known && reduce.shape(known) !== reduce.shape(conversation)) put(notices, conversation.id, null);
}

function forget(id) {
  if (!conversations.value.has(id)) return;
  put(conversations, id, null);
  histories.delete(id);
  gone.value = new Set(gone.value).add(id);
  reloadListSoon();
}

/** Everything anew: the list, and what is shown of the open conversation. */
async function reloadAll() {
  for (const id of histories.keys()) if (id !== route.value.id) histories.delete(id);
  await Promise.all([loadList(), route.value.id && refresh(route.value.id)]);
}

// --- the list ------------------------------------------------------------------------------------

const RETRY = 3000;
let reloadTimer = null;
function reloadListSoon() {
  reloadTimer ??= setTimeout(() => ((reloadTimer = null), session.value && loadList()), 150);
}

export async function loadList({ more = false } = {}) {
  const view = route.value.view;
  if (list.value.view !== view) list.value = { view, ids: [], cursor: null, state: "loading" };
  let answer;
  try {
    answer = await guarded(api.conversations({ view, limit: 50, cursor: more ? list.value.cursor : null }));
  } catch (error) {
    if (view === route.value.view) list.value = { ...list.value, state: "failed" };
    if (!passing(error)) throw error;
    setTimeout(reloadListSoon, RETRY);
    return;
  }
  if (view !== route.value.view) return;
  batch(() => {
    learn(answer.conversations);
    const ids = answer.conversations.map((c) => c.id);
    list.value = { view, ids: more ? [...new Set([...list.value.ids, ...ids])] : ids, cursor: answer.cursor, state: "ready" };
    counts.value = answer.counts;
  });
}

// --- one conversation ----------------------------------------------------------------------------

export async function open(id) {
  if (connection.value === "connecting") return; // the first load comes when the live stream is open
  const history = historyOf(id);
  if (history.value.state === "ready" || history.value.state === "loading") return;
  await refresh(id);
}

async function page(id, query, where) {
  const history = historyOf(id);
  history.value = reduce.loading(history.value);
  try {
    const answer = await guarded(api.messages(id, { limit: 50, ...query }));
    history.value = reduce.mergePage(history.value, answer, where);
    return answer;
  } catch (error) {
    history.value = { ...history.value, state: "failed", live: null };
    if (error.status === 404 || error.status === 403) gone.value = new Set(gone.value).add(id);
    else if (!passing(error)) throw error;
    return null;
  }
}

const PAGES = 4; // how much of what is shown is refreshed before a gap is left for the agent to load

async function refresh(id) {
  await Promise.all([refreshConversation(id), refreshHistory(id)]);
}

async function refreshConversation(id) {
  try {
    const conversation = await guarded(api.conversation(id));
    learn([conversation]);
    await loadProfile(conversation.account_id);
  } catch (error) {
    if (error.status === 404 || error.status === 403) gone.value = new Set(gone.value).add(id);
    else if (!passing(error)) throw error;
  }
}

async function loadProfile(account) {
  if (profiles.value.has(account)) return;
  try {
    put(profiles, account, await guarded(api.capabilities(account)));
  } catch (error) {
    // 404: the connector has not told yet; it is asked again when the next conversation is opened.
    if (error.status !== 404 && !passing(error)) throw error;
  }
}

async function refreshHistory(id) {
  const shown = historyOf(id).value.items;
  if (!shown.length) return page(id, {}, "newest");
  // What is shown may have changed (status, edits) while we were away: load it again from its start.
  let from = shown[0].seq - 1;
  for (let n = 0; n < PAGES; n += 1) {
    const answer = await page(id, { after: from, limit: 100 }, "after");
    if (!answer?.has_after) return answer;
    from = answer.items.at(-1).seq;
  }
  return page(id, {}, "newest");
}

export const loadOlder = (id) => page(id, { before: historyOf(id).value.items[0]?.seq }, "before");
export const loadGap = (id) => page(id, { after: historyOf(id).value.gapAfter }, "after");
export const retryHistory = (id) => refresh(id);

const reading = new Set();
/** Tells the server how far this agent has read. */
export async function markRead(id) {
  const seq = historyOf(id).value.items.at(-1)?.seq;
  if (seq === undefined || reading.has(id) || !conversations.value.get(id)?.unread) return;
  reading.add(id);
  try {
    await guarded(api.act(id, "read", { seq, client_id: api.uuid() }));
    const known = conversations.value.get(id);
    if (known) put(conversations, id, { ...known, unread: unreadAfter(id, seq) });
  } catch (error) {
    if (!passing(error)) throw error;
  } finally {
    reading.delete(id);
  }
}

const unreadAfter = (id, seq) =>
  historyOf(id).value.items.filter((i) => i.kind === "message" && i.from === "contact" && i.seq > seq).length;

// --- drafts --------------------------------------------------------------------------------------

const drafts = new Map();
const draftKey = (id) => `gateway.draft.${me()}.${id}`;
export function draftOf(id) {
  if (!drafts.has(draftKey(id))) drafts.set(draftKey(id), signal(localStorage.getItem(draftKey(id)) ?? ""));
  return drafts.get(draftKey(id));
}
export function setDraft(id, text) {
  draftOf(id).value = text;
  if (text) localStorage.setItem(draftKey(id), text);
  else localStorage.removeItem(draftKey(id));
}

// --- sending -------------------------------------------------------------------------------------

const change = (clientId, patch) =>
  (pending.value = pending.value.map((p) => (p.client_id === clientId ? { ...p, ...patch } : p)));
export const discard = (clientId) => (pending.value = pending.value.filter((p) => p.client_id !== clientId));

function settle(id) {
  const items = historyOf(id).value.items;
  const shown = new Set(items.map((item) => item.id));
  pending.value = pending.value.filter((p) => !(p.message_id && p.conversation_id === id && shown.has(p.message_id)));
}

export function send(id, body, complete) {
  const after = historyOf(id).value.items.at(-1)?.seq ?? 0;
  const message = { client_id: api.uuid(), conversation_id: id, content: { type: "text", body }, complete, at: Date.now(), after, state: "sending" };
  batch(() => {
    pending.value = [...pending.value, message];
    setDraft(id, "");
    put(notices, id, null);
  });
  return deliver(message);
}

/** Sends, or sends again, under the same client id: a repetition is harmless. */
export async function deliver(message) {
  const { client_id, conversation_id: id, content, complete } = message;
  change(client_id, { state: "sending" });
  try {
    const answer = await guarded(api.act(id, "messages", { client_id, content, ...(complete && { complete: true }) }));
    await outcome(message, answer);
  } catch (error) {
    if (passing(error)) return change(client_id, { state: "unsent" });
    batch(() => {
      discard(client_id);
      if (!draftOf(id).value) setDraft(id, content.body);
      put(notices, id, { ...error, action: "send" });
    });
  }
}

const POLLS = [1, 2, 4, 8, 15];

async function outcome(message, answer) {
  let result = answer;
  for (const seconds of POLLS) {
    if (!result.accepted_later) break;
    change(message.client_id, { state: "waiting" });
    await new Promise((done) => setTimeout(done, seconds * 1000));
    try {
      result = await guarded(api.command(answer.command_id));
    } catch (error) {
      if (error.status !== 404) throw error; // 404: no result yet
    }
  }
  if (result.accepted_later) return change(message.client_id, { state: "unsent" });
  change(message.client_id, { state: "sent", message_id: result.message_id });
  settle(message.conversation_id);
}

// --- actions -------------------------------------------------------------------------------------

/** assign, accept, end, reopen …; a refusal is shown at the composer with what would help. */
export async function act(id, action, body = {}) {
  batch(() => {
    put(busy, id, action);
    put(notices, id, null);
  });
  try {
    const answer = await guarded(api.act(id, action, { client_id: api.uuid(), ...body }));
    if (answer.accepted_later) put(notices, id, { code: "later", action });
    else await seen(id, answer.seq);
  } catch (error) {
    put(notices, id, { ...error, action });
  } finally {
    put(busy, id, null);
  }
}

/** Waits until the live stream has shown what we did, else asks. */
async function seen(id, seq) {
  const deadline = Date.now() + 2000;
  while ((conversations.value.get(id)?.seq ?? 0) < seq && Date.now() < deadline) {
    await new Promise((done) => {
      const stop = conversations.subscribe(() => (conversations.value.get(id)?.seq ?? 0) >= seq && done());
      setTimeout(() => (stop(), done()), 250);
    });
  }
  if ((conversations.value.get(id)?.seq ?? 0) < seq) await refreshConversation(id);
}

export const assignToMe = (id) => act(id, "assign", { agent_id: me() });

export async function resend(id, messageId, confirmDouble) {
  put(notices, id, null);
  try {
    await guarded(api.resend(id, messageId, { client_id: api.uuid(), ...(confirmDouble && { confirm_double: true }) }));
  } catch (error) {
    put(notices, id, { ...error, action: "resend", message_id: messageId });
  }
}
