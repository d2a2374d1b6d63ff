// SPDX-License-Identifier: MIT
/** Hop 8c: the page that the agent serves at `/`. Bundled into one file, without anything from elsewhere. */

import { render } from "preact";
import { App } from "./app.tsx";
import { Feed } from "./feed.ts";
import { Store } from "./store.ts";

const store = new Store((draw) => requestAnimationFrame(draw));
const feed = new Feed(store);
feed.start();
const place = document.getElementById("app");
if (place !== null) render(<App store={store} feed={feed} />, place);
