// What the agent does: sending with an optimistic bubble, actions, and refusals with their way out.
import { batch } from "./html.js";
import * as api from "./api.js";
import { busy, conversations, draftOf, guarded, historyOf, me, notices, passing, pending, put, setDraft, settle } from "./store.js";
import { refreshConversation } from "./sync.js";

const change = (clientId, patch) =>
  (pending.value = pending.value.map((p) => (p.client_id === clientId ? { ...p, ...patch } : p)));
export const discard = (clientId) => (pending.value = pending.value.filter((p) => p.client_id !== clientId));

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
