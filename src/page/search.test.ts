import { effect } from "@preact/signals-core";
import { afterEach, beforeEach, expect, it } from "vitest";
import type { SearchRow } from "../../worker/api.ts";
import { eq, field } from "../expr/index.ts";
import { openCofferWith } from "./coffer.ts";
import type { Coffer, Database, SearchHit, SearchMark, Tenant } from "./types.ts";
import { createWorld, settle, type FakeWorld } from "./worker-fixtures.ts";

interface Note {
  title: string;
}

let world: FakeWorld;
let coffer: Coffer;
let tenant: Tenant;
let db: Database<Note>;

beforeEach(async () => {
  world = createWorld();
  coffer = await openCofferWith(world);
  tenant = await coffer.openTenant("acme", { password: "secret" });
  db = await tenant.openDB<Note>("notes");
});
afterEach(() => coffer.close());

const mark: SearchMark = { field: "title", path: ["title"], from: 0, to: 1 };
const row = (id: string, title: string, marks: readonly SearchMark[] = []): SearchRow => ({
  id,
  value: { title },
  isWhole: true,
  author: "a",
  createdAtMs: 1,
  changedAtMs: 2,
  marks,
  excerpts: [],
});
const calls = (name: string): readonly string[] => world.calls.filter((call) => call.startsWith(name));

it("asks with every option, and with what is usual where there is none", async () => {
  const plain = await db.search("solar");
  const full = await db.search("pan", {
    fields: ["title"],
    prefix: true,
    fuzzy: true,
    filter: eq(field("title"), "x"),
    sort: [{ field: "title" }],
    limit: 5,
    offset: 2,
    highlight: true,
    excerptLength: 80,
  });
  await settle();
  const [first, second] = calls("openSearch");
  expect(first).toContain(
    '{"text":"solar","sort":[],"limit":50,"offset":0,"highlight":false,"prefix":"last","fuzzy":0}',
  );
  expect(second).toContain('"text":"pan","fields":["title"],"filter":{');
  expect(second).toContain(
    '"sort":[{"field":"title"}],"limit":5,"offset":2,"highlight":true,"excerptLength":80,"prefix":"all","fuzzy":"auto"}',
  );
  full.update("panel", { prefix: false, fuzzy: 1, fields: undefined });
  await settle();
  const [update] = calls("updateSearch");
  expect(update).toContain('"text":"panel"');
  expect(update).toContain(
    '"limit":5,"offset":2,"highlight":true,"excerptLength":80,"prefix":"none","fuzzy":1}',
  );
  expect(update).not.toContain('"fields"');
  plain.dispose();
  full.dispose();
  full.dispose();
  await settle();
  expect(calls("closeSearch")).toHaveLength(2);
});

it("puts hits together from deltas: what did not change is the same object, scores move", async () => {
  const found = await db.search("o");
  await settle();
  expect(found.status.value.phase).toBe("loading");
  const runs: (readonly SearchHit<Note>[])[] = [];
  const stop = effect(() => void runs.push(found.hits.value));
  const indexing = { phase: "indexing", doneCount: 1, totalCount: 2 } as const;
  world.emitSearch({ status: indexing, order: ["a"], scores: [2], changed: [row("a", "one", [mark])] });
  await settle();
  expect(found.status.value).toEqual(indexing);
  expect(found.hits.value).toEqual([
    {
      id: "a",
      data: { title: "one" },
      isWhole: true,
      author: "a",
      createdAtMs: 1,
      changedAtMs: 2,
      marks: [mark],
      excerpts: [],
      score: 2,
    },
  ]);
  const [one] = found.hits.value;
  const ready = { phase: "ready", doneCount: 2, totalCount: 2 } as const;
  world.emitSearch({ status: ready, order: ["b", "a"], scores: [3, 2], changed: [row("b", "two")] });
  await settle();
  expect(found.hits.value.map(({ id, score }) => [id, score])).toEqual([
    ["b", 3],
    ["a", 2],
  ]);
  expect(found.hits.value[1]).toBe(one);
  expect(found.total.value).toBe(2);
  const count = runs.length;
  world.emitSearch({ status: ready, order: ["b", "a"], scores: [3, 2], changed: [] });
  await settle();
  expect(runs).toHaveLength(count);
  world.emitSearch({ status: ready, order: ["a"], scores: [1], changed: [] });
  await settle();
  expect(found.hits.value.map(({ id, score }) => [id, score])).toEqual([["a", 1]]);
  expect(found.hits.value[0]?.data).toBe(one?.data);
  stop();
  found.dispose();
  world.emitSearch({ status: ready, order: [], scores: [], changed: [] });
  await settle();
  expect(found.hits.value).toHaveLength(1);
});

it("goes on in the next worker, and shows what locks or fails", async () => {
  const found = await db.search("solar", { limit: 3 });
  world.emitTenant({ tenantId: "t1", opaque: "box" });
  await settle();
  const before = calls("openSearch");
  world.kill("error");
  await settle();
  await world.env.advance(600);
  expect(calls("openSearch")).toEqual([...before, ...before]);
  const status = { phase: "ready", doneCount: 1, totalCount: 1 } as const;
  world.emitSearch({ status, order: ["a"], scores: [1], changed: [row("a", "one")] });
  await settle();
  expect(found.hits.value).toHaveLength(1);
  world.locked = true;
  world.kill("error");
  await settle();
  await world.env.advance(600);
  expect(found.status.value.phase).toBe("locked");
  expect([found.hits.value, found.total.value]).toEqual([[], 0]);
  const late = await db.search("later");
  expect(late.status.value.phase).toBe("locked");
  await tenant.unlock({ password: "secret" });
  await settle();
  expect(calls("openSearch")).toHaveLength(4);
  world.beforeCall = async (name) => {
    if (name === "updateSearch") throw new Error("broken");
  };
  late.update("x");
  await settle();
  expect(late.status.value.phase).toBe("failed");
  expect(late.error.value?.code).toBe("worker/failed");
});

it("belongs to its handle: a closed database opens none, and closes those that it has", async () => {
  await db.search("solar");
  db.dispose();
  await settle();
  expect(world.open.size).toBe(0);
  await expect(db.search("more")).rejects.toMatchObject({ code: "store/closed" });
});
