// The one place that names the vendored libraries.
import { Fragment, h, render } from "./vendor/preact.js";
import htm from "./vendor/htm.js";

export { useEffect, useLayoutEffect, useMemo, useRef, useState } from "./vendor/hooks.js";
export { batch, computed, effect, signal } from "./vendor/signals-core.js";
// Imported for its effect: components follow the signals they read.
export { useComputed, useSignal } from "./vendor/signals.js";
export { Fragment, render };
export const html = htm.bind(h);
