// SPDX-License-Identifier: MIT
import { describe, expect, test } from "bun:test";
import { at, role, size } from "../../src/native/layout.ts";
import { News } from "../../src/native/news.ts";

const GUARDS = 2;
const FIRST = at.region_guards;
const TOLD = {
  usage: FIRST + at.guard_usage_bytes,
  "usage, its upper half": FIRST + at.guard_usage_bytes + 4,
  limit: FIRST + at.guard_limit_bytes,
  "limit, its upper half": FIRST + at.guard_limit_bytes + 4,
  processes: FIRST + at.guard_procs,
  "designated handler": FIRST + at.guard_designated_pid,
  "own handler": FIRST + at.guard_attached + 4 * role.HANDLER,
};

function newsOf() {
  const buffer = new ArrayBuffer(FIRST + GUARDS * size.guard);
  const view = new DataView(buffer);
  view.setUint32(at.region_guards_max, GUARDS, true);
  const news = new News(buffer);
  for (let guard = 0; guard < GUARDS; guard += 1) news.begin(guard);
  return { view, news };
}

describe("News", () => {
  test("of a guard that has begun there is some, once", () => {
    const { news } = newsOf();
    expect([news.take(0, false), news.take(0, true), news.take(1, true)]).toEqual([
      true,
      false,
      true,
    ]);
    news.begin(0);
    expect(news.take(0, true)).toBe(true);
  });

  test.each(Object.entries(TOLD))("%s: asked for with all, and then told", (_, offset) => {
    const { view, news } = newsOf();
    for (let guard = 0; guard < GUARDS; guard += 1) news.take(guard, true);
    view.setUint32(offset, 1, true);
    expect([news.take(0, false), news.take(1, true), news.take(0, true)]).toEqual([
      false,
      false,
      true,
    ]);
    expect(news.take(0, true)).toBe(false);
  });

  test("with another state all of it is told", () => {
    const { view, news } = newsOf();
    news.take(0, true);
    view.setUint32(FIRST + at.guard_state, 2, true);
    view.setUint32(TOLD.usage, 1, true);
    expect([news.take(0, false), news.take(0, true)]).toEqual([true, false]);
  });
});
