// A small menu that opens in place; Escape and leaving it close it, the arrow keys move in it.
import { html, useRef } from "./html.js";
import { arrows } from "./list.js";

export function Menu({ action, label, children }) {
  const menu = useRef(null);
  const close = () => (menu.current.open = false);
  // A menu that is taken away while it has the focus reports that too.
  const leave = (event) => menu.current && !menu.current.contains(event.relatedTarget) && close();
  const onKey = (event) => {
    if (event.key !== "Escape") return event.target.tagName === "SELECT" ? undefined : arrows(event, "button");
    close();
    return menu.current.querySelector("summary").focus();
  };
  const onClick = (event) => menu.current && event.target.closest(".items button") && close();
  return html`<details class="menu" ref=${menu} onFocusOut=${leave} onKeyDown=${onKey} onClick=${onClick}>
    <summary data-action=${action}>${label}</summary><div class="items">${children}</div></details>`;
}
