// SPDX-License-Identifier: MIT
/** Hop 8c: the page that the agent serves at `/`. Bundled into one file, without anything from elsewhere. */

// biome-ignore assist/source/organizeImports: the order is that in which they run
import { feed, store } from "./start.ts";
import { render } from "preact";
import { App } from "./app.tsx";

const place = document.getElementById("app");
if (place !== null) render(<App store={store} feed={feed} />, place);
