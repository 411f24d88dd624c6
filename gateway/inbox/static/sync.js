// What the server tells: live events, the list, histories. Loading again never makes a gap or a double.
import { batch } from "./html.js";
import * as api from "./api.js";
import * as reduce from "./reduce.js";
import {
  connection, conversations, counts, gone, guarded, histories, historyOf, learn, list, me, notices, passing, profiles, put, route, session, settle,
} from "./store.js";

/** One live event. */
export function onEvent(name, data) {
  if (name === "resync") return reloadAll();
  if (name === "item") return onItem(data);
  if (name === "conversation") return onConversation(data);
  if (name === "gone") return forget(data.id);
  if (name === "presence" && data?.agent_id === me() && data.state) session.value = { ...session.value, presence: data.state };
}

function onItem({ conversation_id: id, item }) {
  if (!histories.has(id)) return;
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
export async function reloadAll() {
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

export async function refresh(id) {
  await Promise.all([refreshConversation(id), refreshHistory(id)]);
}

export async function refreshConversation(id) {
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
