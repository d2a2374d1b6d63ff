// SPDX-License-Identifier: MIT
/** The first that runs: the agent is asked before anything that draws is made. */

import { Feed } from "./feed.ts";
import { Store } from "./store.ts";

export const store = new Store((draw) => requestAnimationFrame(draw));
export const feed = new Feed(store);
feed.start();
