// Sign-in page.
import { html, useState } from "./html.js";
import { has, t } from "./i18n.js";
import { signIn } from "./session.js";
import { signedOutBy } from "./store.js";

export function SignIn({ language }) {
  const [error, setError] = useState(null);
  const [waiting, setWaiting] = useState(false);
  const submit = async (event) => {
    event.preventDefault();
    const form = new FormData(event.target);
    setWaiting(true);
    setError(null);
    try {
      await signIn(form.get("email"), form.get("password"));
    } catch (failure) {
      setError(failure.status === 401 ? "sign_in.wrong" : has(`error.${failure.code}`) ? `error.${failure.code}` : "error.server");
    } finally {
      setWaiting(false);
    }
  };
  return html`<main class="signin"><form onSubmit=${submit}>
    <h1>${t("app.title")}</h1>
    ${signedOutBy.value && html`<p class="notice">${t("sign_in.expired")}</p>`}
    <label>${t("sign_in.email")}<input name="email" type="email" autocomplete="username" required autofocus /></label>
    <label>${t("sign_in.password")}<input name="password" type="password" autocomplete="current-password" required /></label>
    ${error && html`<p class="error" role="alert">${t(error)}</p>`}
    <button type="submit" class="primary" disabled=${waiting}>${t("sign_in.submit")}</button>
    ${language}</form></main>`;
}
