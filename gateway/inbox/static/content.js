// What a message holds, one view per kind. Everything a contact wrote stays text.
import { Fragment, html } from "./html.js";
import { fileSize, has, t, tx } from "./i18n.js";

const LINK = /(https?:\/\/[^\s<>"'、。」)]+)/g;
const EMOJI_ONLY = /^(?:\p{Extended_Pictographic}|\p{Emoji_Modifier}|\p{Regional_Indicator}|\u200d|\ufe0f|\s){1,24}$/u;

/** Text with web addresses as links; nothing else is interpreted. */
export function Body({ text }) {
  const big = EMOJI_ONLY.test(text) && text.trim() !== "";
  return html`<div class=${big ? "body emoji" : "body"} dir="auto">${text.split(LINK).map((part, n) =>
    n % 2 ? html`<a href=${part} target="_blank" rel="noopener noreferrer nofollow">${part}</a>` : part)}</div>`;
}

// Only what our own server gives out is loaded by itself: a picture elsewhere would tell who looks at it, and when.
const own = (url) => (url?.startsWith("/") && !url.startsWith("//") ? url : null);
const elsewhere = (url) => (/^https:\/\//.test(url ?? "") ? url : null);

const ICON = { image: "🖼", video: "🎞", audio: "🎵", voice: "🎤", file: "📄", sticker: "🏷" };

function File({ kind, media, note }) {
  const name = media.filename ?? t(`kind.${kind}`);
  const url = media.state === "ready" && (own(media.url) ?? elsewhere(media.url));
  return html`<div class="file" data-media=${media.state}><span aria-hidden="true">${ICON[kind]}</span><span>
    <bdi class="filename">${url ? html`<a href=${url} target="_blank" rel="noopener noreferrer">${name}</a>` : name}</bdi>
    ${media.size > 0 && html`<small>${fileSize(media.size)}</small>`}
    ${note && html`<small class="state">${note}</small>`}</span></div>`;
}

function mediaNote(media) {
  if (media.state === "ready") return own(media.url) ? null : t("media.no_preview");
  const reason = media.reason && has(`media.reason.${media.reason}`) ? t(`media.reason.${media.reason}`) : media.reason;
  return reason ? t(`media.${media.state}_because`, { reason }) : t(`media.${media.state}`);
}

function MediaView({ content }) {
  const { kind, media, caption } = content;
  const url = media.state === "ready" && own(media.url);
  const label = caption || media.filename || t(`kind.${kind}`);
  const shown = !url ? null
    : kind === "image" ? html`<a href=${url} target="_blank" rel="noopener"><img class="thumb" src=${url} alt=${label} loading="lazy" /></a>`
    : kind === "video" ? html`<video class="thumb" src=${url} controls preload="metadata" aria-label=${label}></video>`
    : kind === "audio" || kind === "voice" ? html`<audio src=${url} controls preload="none" aria-label=${label}></audio>` : null;
  return html`${shown ?? html`<${File} kind=${kind} media=${media} note=${mediaNote(media)} />`}${caption && html`<${Body} text=${caption} />`}`;
}

function Sticker({ content }) {
  const url = content.media.state === "ready" && own(content.media.url);
  if (url) return html`<img class="sticker" src=${url} alt=${content.emoji ?? t("kind.sticker")} loading="lazy" />`;
  return content.emoji
    ? html`<div class="body emoji" role="img" aria-label="${t("kind.sticker")} ${content.emoji}">${content.emoji}</div>`
    : html`<${File} kind="sticker" media=${content.media} note=${mediaNote(content.media)} />`;
}

function Location({ content }) {
  const place = `${content.latitude.toFixed(5)}, ${content.longitude.toFixed(5)}`;
  const map = `https://www.openstreetmap.org/?mlat=${Number(content.latitude)}&mlon=${Number(content.longitude)}#map=16/${Number(content.latitude)}/${Number(content.longitude)}`;
  return html`<div class="file"><span aria-hidden="true">📍</span><span>
    <bdi>${content.name ?? t("kind.location")}</bdi>${content.address && html`<small><bdi>${content.address}</bdi></small>`}
    <small><a href=${map} target="_blank" rel="noopener noreferrer">${t("location.map")}</a> ${place}</small></span></div>`;
}

const ContactCard = ({ content }) => content.cards.map((card, n) => html`<div class="file" key=${n}><span aria-hidden="true">👤</span><span>
  <bdi>${card.name}</bdi>${[card.organisation, ...(card.phones ?? []), ...(card.emails ?? [])].filter(Boolean).map((line) => html`<small><bdi>${line}</bdi></small>`)}</span></div>`);

/** What a bot or an agent offered: visible, not clickable; what the contact picked is marked (R8, M3). */
function Options({ options, picked }) {
  return html`<ul class="opts" aria-label=${t("choice.options")}>${options.map((option) => {
    const mine = picked?.has(option.id);
    return html`<li key=${option.id} class=${mine ? "opt picked" : "opt"} data-picked=${mine ? "true" : "false"} title=${option.description}>
      ${mine && html`<span aria-hidden="true">✓ </span><span class="sr">${t("choice.picked")} </span>`}<bdi>${option.title}</bdi></li>`;
  })}</ul>`;
}

const Choice = ({ content, picked }) => html`
  ${content.header && html`<strong class="body" dir="auto">${content.header}</strong>`}<${Body} text=${content.body} />
  ${content.footer && html`<small class="body" dir="auto">${content.footer}</small>`}<${Options} options=${content.options} picked=${picked} />`;

const Carousel = ({ content, picked }) => html`${content.body && html`<${Body} text=${content.body} />`}
  <ul class="cards">${content.cards.map((card, n) => html`<li key=${n}><strong dir="auto">${card.title}</strong>
    ${card.body && html`<${Body} text=${card.body} />`}${card.options?.length > 0 && html`<${Options} options=${card.options} picked=${picked} />`}</li>`)}</ul>`;

const Form = ({ content }) => html`<${Body} text=${content.body} /><dl class="form">${content.fields.map((field) =>
  html`<${Fragment} key=${field.name}><dt dir="auto">${field.label}</dt><dd dir="auto">${field.value ?? "—"}</dd><//>`)}</dl>`;

const Template = ({ content }) => html`<small class="tag">${tx("template.named", { name: content.name, language: content.language })}</small>
  <${Body} text=${content.body ?? t("template.no_body")} />`;

const Postback = ({ content }) => html`<div class="body" dir="auto"><span class="opt picked"><span aria-hidden="true">✓ </span><span class="sr">${t("choice.picked")} </span><bdi>${content.title || content.id}</bdi></span></div>`;

const Unsupported = ({ content, fallback }) => html`<div class="placeholder">${tx("unsupported", { kind: content.kind })}${content.reason && html` <bdi>${content.reason}</bdi>`}
  ${fallback && fallback !== `[${content.kind}]` && html`<${Body} text=${fallback} />`}</div>`;

const Hidden = ({ content }) => html`<div class="placeholder">${t(has(`hidden.${content.reason}`) ? `hidden.${content.reason}` : "hidden")}</div>`;

const TextView = ({ content }) => html`<${Body} text=${content.body} />`;

const VIEWS = {
  text: TextView, note: TextView, media: MediaView, sticker: Sticker, location: Location, contact_card: ContactCard, choice: Choice,
  carousel: Carousel, form: Form, template: Template, postback: Postback, unsupported: Unsupported, hidden: Hidden,
};

/** A message's content; a kind this screen does not know shows its plain text. */
export function Content({ content, fallback, picked }) {
  const View = VIEWS[content.type];
  if (View) return html`<${View} content=${content} fallback=${fallback} picked=${picked} />`;
  return html`<div class="placeholder">${tx("unsupported", { kind: content.type })}</div><${Body} text=${fallback ?? ""} />`;
}
