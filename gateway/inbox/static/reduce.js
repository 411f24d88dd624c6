// Pure functions over the screen's state: no I/O, no clock. Tested in tests/e2e/screen/test_reduce.py.

/** The newer of what is known and what came, by the conversation's sequence number. */
export function upsert(map, conversation) {
  const known = map.get(conversation.id);
  if (known && known.seq > conversation.seq) return map;
  return new Map(map).set(conversation.id, conversation);
}

/** What decides in which views a conversation appears; a change means: ask the server for the list again. */
export function shape(c) {
  const waits = c.owner.kind === "queue" ? c.waiting_since : null; // its place in the queue
  return JSON.stringify([c.status, c.owner.kind, c.owner.id, c.blocked, c.attention, c.department_id, waits]);
}

/** Unassigned: as the server has it (who waits longest first); else newest first. `held`: keep the order shown. */
export function order(ids, map, view, held = []) {
  const known = ids.filter((id) => map.has(id));
  if (held.length) {
    const place = new Map(held.map((id, n) => [id, n]));
    return known.sort((a, b) => (place.get(a) ?? Infinity) - (place.get(b) ?? Infinity));
  }
  return view === "unassigned" ? known : known.sort((a, b) => map.get(b).last_at - map.get(a).last_at);
}

export const NO_HISTORY = { state: "empty", items: [], hasBefore: false, gapAfter: null, live: null };

function merge(items, changed) {
  const byId = new Map(items.map((item) => [item.id, item]));
  for (const item of changed) byId.set(item.id, item);
  return [...byId.values()].sort((a, b) => a.seq - b.seq);
}

/** A page starts to load: remember which items come live meanwhile, they are newer than the page. */
export const loading = (history) => ({ ...history, state: "loading", live: history.live ?? new Set() });

/** A page arrived. `where`: "newest", "before", or "after" (refreshes or fills a gap). */
export function mergePage(history, page, where) {
  const fresh = page.items.filter((item) => !history.live?.has(item.id));
  const next = { ...history, state: "ready", items: merge(history.items, fresh), live: null };
  if (where === "before") next.hasBefore = page.has_before;
  if (where === "newest") {
    const last = history.items.filter((item) => !history.live?.has(item.id)).at(-1);
    const first = page.items[0];
    if (last && first && first.seq > last.seq && page.has_before) next.gapAfter = last.seq;
    if (!last) next.hasBefore = page.has_before;
  }
  if (where === "after" && history.gapAfter !== null) next.gapAfter = afterGap(history, page);
  return next;
}

function afterGap(history, page) {
  const end = page.items.at(-1)?.seq;
  const resumes = history.items.find((item) => item.seq > history.gapAfter)?.seq ?? Infinity;
  return !page.has_after || end === undefined || end >= resumes ? null : end;
}

/** A new or changed item came live; replaced by id, so that a double is harmless. */
export function mergeItem(history, item) {
  if (history.state === "empty") return history;
  const live = history.live && new Set(history.live).add(item.id);
  return { ...history, items: merge(history.items, [item]), live };
}

const sameContent = (a, b) => a.type === b.type && JSON.stringify(a.body) === JSON.stringify(b.body);

/** Own messages that the log has not shown yet. One that came live before its answer is matched by content. */
export function unconfirmed(pending, items, me) {
  const ids = new Set(items.map((item) => item.id));
  const taken = new Set(pending.map((p) => p.message_id));
  return pending.filter((p) => {
    if (p.message_id) return !ids.has(p.message_id);
    const twin = items.find(
      (item) =>
        item.kind === "message" && item.from === "agent" && item.sender.id === me && item.seq > p.after &&
        !taken.has(item.id) && sameContent(item.content, p.content),
    );
    if (twin) taken.add(twin.id);
    return !twin;
  });
}

/** Which options of which message the contact picked: message id -> set of option ids. */
export function picks(items) {
  const found = new Map();
  const offers = items.filter((item) => item.content?.type === "choice" || item.content?.type === "carousel");
  for (const item of items) {
    if (item.content?.type !== "postback") continue;
    const { id, target } = item.content;
    const offer =
      target?.message_id ?? item.reply_to?.id ??
      offers.findLast((o) => o.seq < item.seq && optionsOf(o.content).some((option) => option.id === id))?.id;
    if (offer) found.set(offer, (found.get(offer) ?? new Set()).add(id));
  }
  return found;
}

const optionsOf = (content) => content.options ?? content.cards.flatMap((card) => card.options ?? []);

const fromContact = (item) => item.kind === "message" && item.from === "contact";

/** Id of the first of the last `unread` messages of the contact; null if there is none, or it is not loaded. */
export function unreadStart({ items, hasBefore }, unread) {
  const theirs = items.filter(fromContact);
  if (unread <= 0 || (theirs.length < unread && hasBefore)) return null;
  return theirs.slice(-unread)[0]?.id ?? null;
}

/** How many messages (not system lines, not our own sending) came after `seq`. */
export function countNew(items, seq, me) {
  return items.filter((i) => i.kind === "message" && i.seq > seq && i.sender?.id !== me).length;
}

const GROUP = 3 * 60_000;

/** Rows of the history: day separators, the unread line, the gap control and the items. */
export function rows(history, dayOf, unreadFrom) {
  const out = [];
  let before = null;
  for (const item of history.items) {
    const day = dayOf(item.at);
    if (before === null || day !== dayOf(before.at)) {
      out.push({ row: "day", key: `day-${item.id}`, at: item.at });
      before = null;
    }
    if (item.id === unreadFrom) out.push({ row: "unread", key: "unread" });
    const joined = before?.kind === "message" && item.kind === "message" && before.from === item.from &&
      before.sender?.id === item.sender?.id && item.at - before.at < GROUP && item.id !== unreadFrom;
    out.push({ row: item.kind, key: item.id, item, joined });
    before = item;
    if (item.seq === history.gapAfter) out.push({ row: "gap", key: "gap" });
  }
  return out;
}

/** Title badge: unread messages in the conversations that are mine. */
export function unreadOf(map, me) {
  let sum = 0;
  for (const c of map.values()) if (c.owner.kind === "agent" && c.owner.id === me) sum += c.unread;
  return sum;
}
