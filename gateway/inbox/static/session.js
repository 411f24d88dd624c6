// Sign-in, sign-out, presence; the live stream lives as long as the session.
import { batch, effect } from "./html.js";
import * as api from "./api.js";
import { language, preferredLanguage, setLanguage } from "./i18n.js";
import { connect } from "./live.js";
import { agents, connection, guarded, historyOf, leave, passing, route, session, signedOutBy } from "./store.js";
import { onEvent, refresh, reloadAll } from "./sync.js";

const RETRY = 3000;

/** The session that the browser still has, if any; tried again until the server answers. */
export async function restore() {
  try {
    await enter(await api.session());
  } catch (error) {
    if (!passing(error)) throw error;
    if (error.status === 401) return (session.value = null), undefined;
    connection.value = "reconnecting";
    setTimeout(restore, RETRY);
  }
}

export const signIn = async (email, password) => enter(await api.signIn(email, password));

export async function signOut() {
  await guarded(api.signOut());
  leave(null);
}

let disconnect = () => {};
effect(() => session.value === null && disconnect());

async function enter(agent) {
  const code = preferredLanguage(agent.locale);
  if (code !== language.value) await setLanguage(code);
  batch(() => {
    session.value = agent;
    signedOutBy.value = null;
  });
  disconnect();
  disconnect = connect("/api/v1/events", {
    onState: (state) => (state === "signed_out" ? leave("expired") : (connection.value = state)),
    onOpen: (resumed) => (resumed ? mend() : reloadAll()),
    onEvent,
  });
  agents.value = (await guarded(api.agents())).agents;
}

export async function setPresence(state) {
  const answer = await guarded(api.setPresence(state));
  session.value = { ...session.value, presence: answer.state };
}

/** What could not be loaded while the server was away. */
function mend() {
  const { id } = route.value;
  if (id && historyOf(id).value.state === "failed") refresh(id);
}
