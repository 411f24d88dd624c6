// The HTTP API: fetch, the CSRF token, and problems (RFC 9457) as errors.

const BASE = "/api/v1";
let csrf = null;

/** A refusal or failure. `code` is stable: the server's, or `network` when no answer came. */
export class ApiError extends Error {
  constructor(status, problem) {
    super(problem.detail ?? problem.title ?? String(status));
    Object.assign(this, { status, code: problem.code ?? "server", detail: problem.detail, offer: problem.offer ?? null });
  }
}

async function call(method, path, body) {
  const headers = { Accept: "application/json" };
  if (method !== "GET" && csrf) headers["X-CSRF-Token"] = csrf;
  if (body !== undefined) headers["Content-Type"] = "application/json";
  try {
    return await fetch(BASE + path, { method, headers, body: body === undefined ? undefined : JSON.stringify(body), cache: "no-store" });
  } catch (error) {
    throw new ApiError(0, { code: "network", detail: String(error) });
  }
}

/** One request. Returns the JSON answer with `accepted_later: true` for 202. Raises ApiError. */
async function request(method, path, body) {
  let answer = await call(method, path, body);
  if (answer.status === 403 && csrf && (await problem(answer.clone())).code === "csrf") {
    await session();
    answer = await call(method, path, body);
  }
  if (answer.status === 204) return null;
  if (!answer.ok) throw new ApiError(answer.status, await problem(answer));
  const data = await answer.json();
  return answer.status === 202 ? { ...data, accepted_later: true } : data;
}

async function problem(answer) {
  const text = await answer.text();
  try {
    return JSON.parse(text);
  } catch {
    // A proxy in between answers in HTML; the status says enough.
    return { code: "server", detail: answer.statusText };
  }
}

const keep = (answer) => {
  csrf = answer.csrf;
  return answer.agent;
};

const path = (parts, query) => {
  const pairs = Object.entries(query ?? {}).filter(([, value]) => value !== null && value !== undefined && value !== "");
  const tail = pairs.length ? `?${new URLSearchParams(pairs)}` : "";
  return `/${parts.map(encodeURIComponent).join("/")}${tail}`;
};

export const session = async () => keep(await request("GET", "/session"));
export const signIn = async (email, password) => keep(await request("POST", "/session", { email, password }));
export const signOut = () => request("DELETE", "/session");
export const setPresence = (state) => request("PUT", "/presence", { state });
export const agents = () => request("GET", "/agents");
export const capabilities = (account) => request("GET", path(["accounts", account, "capabilities"]));
export const conversations = (query) => request("GET", path(["conversations"], query));
export const conversation = (id) => request("GET", path(["conversations", id]));
export const messages = (id, query) => request("GET", path(["conversations", id, "messages"], query));
export const command = (id) => request("GET", path(["commands", id]));
export const act = (id, action, body) => request("POST", path(["conversations", id, action]), body);
export const resend = (id, message, body) => request("POST", path(["conversations", id, "messages", message, "resend"]), body);

/** UUID v4; crypto.randomUUID exists in secure contexts only, a test installation may not be one. */
export function uuid() {
  const b = crypto.getRandomValues(new Uint8Array(16));
  b[6] = (b[6] & 0x0f) | 0x40;
  b[8] = (b[8] & 0x3f) | 0x80;
  const hex = [...b].map((n) => n.toString(16).padStart(2, "0")).join("");
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-");
}
