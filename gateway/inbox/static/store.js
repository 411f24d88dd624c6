// The screen's state: signals, and the few things that every other module needs to change them.
import { batch, computed, signal } from "./html.js";
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

export const histories = new Map();
/** The history of one conversation, a signal of its own so that only its readers are drawn again. */
export function historyOf(id) {
  if (!histories.has(id)) histories.set(id, signal(reduce.NO_HISTORY));
  return histories.get(id);
}

export const put = (target, key, value) => {
  const next = new Map(target.value);
  if (value === null) next.delete(key);
  else next.set(key, value);
  target.value = next;
};
export const learn = (items) => (conversations.value = items.reduce(reduce.upsert, conversations.value));

export const me = () => session.value?.id;
export const departmentName = (id) => session.value?.departments.find((d) => d.id === id)?.name ?? id;
export const isMine = (c) => c.owner.kind === "agent" && c.owner.id === me();
export const unreadTotal = computed(() => (session.value ? reduce.unreadOf(conversations.value, me()) : 0));

/** Runs a request; a 401 leads to the sign-in page. Raises ApiError. */
export async function guarded(request) {
  try {
    return await request;
  } catch (error) {
    if (error.status === 401 && session.value) leave("expired");
    throw error;
  }
}

/** No answer, a server in trouble, or signed out: said elsewhere on the screen, and it may pass. */
export const passing = (error) => error.code === "network" || error.status >= 500 || error.status === 401;

/** Back to the sign-in page; `why`: "expired" when the server ended the session. */
export function leave(why) {
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

/** The log has shown these of our messages. */
export function settle(id) {
  const items = historyOf(id).value.items;
  const shown = new Set(items.map((item) => item.id));
  pending.value = pending.value.filter((p) => !(p.message_id && p.conversation_id === id && shown.has(p.message_id)));
}

// --- drafts: per agent and conversation, kept by the browser ----------------------------------------

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
