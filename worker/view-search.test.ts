/** Searching within a view: rows and totals of what is found, live, with the words marked; and that a view of what is found is no other. */
import fc from "fast-check";
import { afterEach, describe, expect, it } from "vitest";
import { createMemoryStorage } from "../src/store/index.ts";
import {
  applyDelta,
  category,
  display,
  sorted,
  total,
  View,
  parseViewDefinition,
  type ShownRow,
  type ViewDefinitionInput,
} from "../src/view/index.ts";
import type { WorkerEvent } from "./api.ts";
import type { SearchWords } from "./view-api.ts";
import {
  closeDevices,
  draft,
  env,
  newSubscription,
  people,
  startDevice,
  type Device,
} from "./device-fixtures.ts";
import { runsOf } from "../src/std/runs-fixtures.ts";

afterEach(closeDevices);

const definition: ViewDefinitionInput = {
  columns: [category("team"), sorted("name"), display("about"), total("n", "sum"), total("*", "count")],
  locale: "en",
};
const state = { version: 1, expandedTo: 9, flipped: [], selected: [] } as const;
const words = (text: string, fields?: readonly string[]): SearchWords => ({
  text,
  fields,
  prefix: "last",
  fuzzy: 0,
});
const docs = [
  { team: "red", name: "Ada Lovelace", about: "engines", n: 1 },
  { team: "red", name: "Bo", about: "knew Ada", n: 2 },
  { team: "sea", name: "Cyd", about: "dances", n: 4 },
];

type Document = Readonly<Record<"team" | "name" | "about", string> & { n: number }>;
type ViewEvent = Extract<WorkerEvent, { readonly kind: "view" }>;

/** A view on screen. */
class Screen {
  readonly device: Device;
  readonly tenantId: string;
  readonly databases: readonly number[];
  readonly view = newSubscription();

  private constructor(device: Device, tenantId: string, databases: readonly number[]) {
    this.device = device;
    this.tenantId = tenantId;
    this.databases = databases;
  }

  static async open(all: readonly (readonly Document[])[], search?: SearchWords): Promise<Screen> {
    const device = await startDevice(createMemoryStorage(env));
    const { id } = await device.api.createTenant({ ...people });
    const databases = all.map(() => newSubscription());
    for (const [index, database] of databases.entries()) {
      await device.api.openDatabase(id, `people${index}`, database);
      for (let from = 0; from < (all[index]?.length ?? 0); from += 250)
        await device.api.createDocuments(database, (all[index] ?? []).slice(from, from + 250));
    }
    const screen = new Screen(device, id, databases);
    const sources = databases.map((database, index) => ({
      origin: `o${index}`,
      database,
      filter: undefined,
    }));
    await device.api.openView(
      { sources, definition, state, window: { from: 0, count: 500 }, search },
      screen.view,
    );
    await screen.still();
    return screen;
  }

  get events(): readonly ViewEvent[] {
    return this.device.events.filter(
      (event): event is ViewEvent => event.kind === "view" && event.subscription === this.view,
    );
  }

  get rows(): readonly ShownRow[] | undefined {
    let rows: readonly ShownRow[] | undefined;
    for (const { delta } of this.events) rows = delta && applyDelta(rows ?? [], delta);
    return rows;
  }

  get outline(): readonly string[] {
    return (this.rows ?? []).map((row) =>
      row.kind === "category" ? String(row.value) : String(row.values["name"]),
    );
  }

  async still(): Promise<void> {
    await this.device.until(() => {
      const last = this.events.at(-1);
      return last?.status === "ready" && last.progress === undefined;
    });
  }

  async isOutline(wanted: readonly string[]): Promise<void> {
    await this.device.until(() => JSON.stringify(this.outline) === JSON.stringify(wanted));
  }

  search(search: SearchWords | undefined): Promise<void> {
    return this.device.api.searchView(this.view, search);
  }
}

const all = ["red", "Ada Lovelace", "Bo", "sea", "Cyd"];

describe("a search within a view", () => {
  it("narrows rows and totals to what is found, marks the words, and ends", async () => {
    const screen = await Screen.open([docs]);
    await screen.search(words("ada"));
    await screen.isOutline(["red", "Ada Lovelace", "Bo"]);
    const { delta } = screen.events.at(-1) ?? {};
    expect(delta).toMatchObject({ documentCount: 2, totals: { "sum(n)": 3, "count(*)": 2 } });
    const marks = screen.rows?.flatMap((row) => (row.kind === "document" ? [row.marks] : []));
    expect(marks).toEqual([[{ column: "name", from: 0, to: 3 }], [{ column: "about", from: 5, to: 8 }]]);
    await screen.search(words("adam"));
    await screen.isOutline([]);
    await screen.search(words("d"));
    await screen.isOutline(["sea", "Cyd"]);
    await screen.search(undefined);
    await screen.isOutline(all);
    expect(screen.rows?.some((row) => "marks" in row)).toBe(false);
    expect(screen.events.at(-1)?.delta).toMatchObject({ documentCount: 3, totals: { "sum(n)": 7 } });
  });

  it("tells a row again whose words are marked otherwise, and nothing else of it", async () => {
    const screen = await Screen.open([docs]);
    await screen.search(words("ada"));
    await screen.isOutline(["red", "Ada Lovelace", "Bo"]);
    await screen.search(words("ada lo"));
    await screen.isOutline(["red", "Ada Lovelace"]);
    const row = screen.rows?.at(-1);
    expect(row).toMatchObject({
      marks: [
        { column: "name", from: 0, to: 3 },
        { column: "name", from: 4, to: 12 },
      ],
    });
  });

  it("looks into the fields that it is asked for, and marks only these", async () => {
    const screen = await Screen.open([docs]);
    await screen.search(words("ada", ["about"]));
    await screen.isOutline(["red", "Bo"]);
    expect(screen.rows?.at(-1)).toMatchObject({ marks: [{ column: "about", from: 5, to: 8 }] });
  });

  it("lives: what is written, changed and deleted comes and goes", async () => {
    const screen = await Screen.open([docs], words("ada"));
    const [database = 0] = screen.databases;
    const { api } = screen.device;
    await screen.isOutline(["red", "Ada Lovelace", "Bo"]);
    const [id = ""] = await api.createDocuments(database, [{ team: "ash", name: "Eve", about: "ada", n: 8 }]);
    await screen.isOutline(["ash", "Eve", "red", "Ada Lovelace", "Bo"]);
    const doc = newSubscription();
    const { heads } = await api.openDocument(database, id, doc);
    await api.changeDocument(doc, draft([{ op: "set", path: ["about"], value: "nobody" }], heads));
    await screen.isOutline(["red", "Ada Lovelace", "Bo"]);
    await screen.search(words("nobody"));
    await screen.isOutline(["ash", "Eve"]);
    await api.deleteDocument(database, id);
    await screen.isOutline([]);
  });

  it("goes over several databases, and is gone with the lock", async () => {
    const screen = await Screen.open([docs, [{ team: "sky", name: "Adele", about: "ada", n: 9 }]]);
    await screen.search(words("ada"));
    await screen.isOutline(["red", "Ada Lovelace", "Bo", "sky", "Adele"]);
    await screen.device.api.lock(screen.tenantId);
    expect(screen.events.at(-1)).toMatchObject({ status: "locked", delta: undefined });
    await screen.device.api.unlock(screen.tenantId, { password: people.userPassword });
    await screen.isOutline(["red", "Ada Lovelace", "Bo", "sky", "Adele"]);
  });

  it("of very many documents builds the view beside what is shown", async () => {
    const many = Array.from({ length: 1500 }, (_, index) => ({
      team: `t${index % 3}`,
      name: `name ${index}`,
      about: index % 2 === 0 ? "even" : "odd",
      n: 1,
    }));
    const screen = await Screen.open([many]);
    await screen.search(words("name"));
    await screen.device.until(() => screen.events.at(-1)?.delta?.documentCount === 1500);
    await screen.search(words("7"));
    const isShown = (count: number): Promise<void> =>
      screen.device.until(() => {
        const last = screen.events.at(-1);
        return last?.progress === undefined && last?.delta?.documentCount === count;
      });
    // 7, 70 to 79, 700 to 799
    await isShown(111);
    await screen.search(words("even"));
    await isShown(750);
    await screen.search(undefined);
    await isShown(1500);
  });

  it.each([
    [{ text: 1 }, "text"],
    [{ ...words("a"), prefix: "first" }, "prefix"],
    [{ ...words("a"), fuzzy: 3 }, "fuzzy"],
    ["ada", "search"],
  ])("that is none is refused: %j", async (given, at) => {
    const screen = await Screen.open([docs]);
    await expect(screen.search(given as SearchWords)).rejects.toMatchObject({
      code: "input/invalid",
      details: { at },
    });
    expect(screen.outline).toEqual(all);
  });
});

it("a search within a view finds what a search of the database finds, whatever is written meanwhile", async () => {
  const name = fc.constantFrom("Ada", "Adele", "Bo", "Ada Bo", "Cyd");
  const step = fc.oneof(
    fc.record({ create: name }),
    fc.record({ edit: name, at: fc.nat() }),
    fc.record({ remove: fc.nat() }),
    fc.record({ search: fc.constantFrom("ad", "ada", "bo", "ada bo", "x", undefined) }),
  );
  const screen = await Screen.open([[]]);
  const { api, events } = screen.device;
  const [database = 0] = screen.databases;
  const hits = newSubscription();
  const plain = { filter: undefined, sort: [], locale: undefined, limit: 500, offset: 0, highlight: false };
  const searchAll = (words: SearchWords) => ({ ...plain, excerptLength: undefined, ...words });
  await api.openSearch(database, searchAll(words("ada")), hits);
  const found = (): readonly string[] => {
    const last = events.findLast((event) => event.kind === "search" && event.subscription === hits);
    return last?.kind === "search" ? last.order.toSorted() : [];
  };
  const inView = (): readonly string[] =>
    (screen.rows ?? []).flatMap((row) => (row.kind === "document" ? [row.id] : [])).toSorted();
  const ids: string[] = [];
  const take = async (one: typeof step extends fc.Arbitrary<infer Step> ? Step : never): Promise<void> => {
    if ("create" in one) {
      const value = { team: "red", name: one.create, about: "", n: 1 };
      ids.push(...(await api.createDocuments(database, [value])));
    } else if ("edit" in one) {
      const id = ids[one.at % Math.max(1, ids.length)];
      if (id === undefined) return;
      const doc = newSubscription();
      const { heads } = await api.openDocument(database, id, doc);
      await api.changeDocument(doc, draft([{ op: "set", path: ["name"], value: one.edit }], heads));
      await api.closeDocument(doc);
    } else if ("remove" in one) {
      const [id] = ids.splice(one.remove % Math.max(1, ids.length), 1);
      if (id !== undefined) await api.deleteDocument(database, id);
    } else {
      const text = one.search === undefined ? undefined : words(one.search);
      await screen.search(text);
      await api.updateSearch(hits, searchAll(text ?? words("")));
      isOn = text !== undefined;
    }
  };
  let isOn = false;
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 12 }), async (steps) => {
      for (const one of steps) await take(one);
      await screen.device.until(() => {
        const [shown, wanted] = [inView(), isOn ? found() : ids.toSorted()];
        const last = screen.events.at(-1)?.delta;
        return JSON.stringify(shown) === JSON.stringify(wanted) && last?.documentCount === wanted.length;
      });
    }),
    { numRuns: runsOf(25), endOnFailure: true },
  );
});

it("a view whose sources find other documents again and again equals the one built of what they find last", () => {
  const verdict = parseViewDefinition(definition);
  if (verdict.kind === "malformed") throw new Error(verdict.at);
  const rows = Array.from({ length: 8 }, (_, index) => ({
    docId: `doc${index}`,
    value: { team: `t${index % 3}`, name: `n${index % 2}`, about: "", n: index },
    author: "ada",
    createdAtMs: 1,
    changedAtMs: 1,
  }));
  const rowsOf = (view: View): readonly ShownRow[] =>
    view.places(0, view.rowCount).map((place) => view.show(place));
  fc.assert(
    fc.property(
      fc.array(
        fc.record({
          found: fc.uniqueArray(fc.nat(7)),
          edited: fc.option(fc.record({ at: fc.nat(7), team: fc.constantFrom("t0", "t1", "new") })),
        }),
        { maxLength: 12 },
      ),
      (steps) => {
        let found = new Set<string>();
        const now = [...rows];
        const plans = [{ origin: "o", matches: (_: unknown, id: string) => found.has(id) }];
        const view = new View(verdict.definition, plans, state);
        for (const _ of view.build(now.map((row) => ({ origin: 0, row }))));
        for (const step of steps) {
          const before = found;
          found = new Set(step.found.map((at) => `doc${at}`));
          if (step.edited !== null) {
            const row = now[step.edited.at];
            if (row === undefined) continue;
            const next = { ...row, value: { ...row.value, team: step.edited.team } };
            now[step.edited.at] = next;
            // Its row comes before it is known what is found.
            view.apply([{ origin: 0, id: row.docId, row: next }]);
          }
          const moved = now.filter(({ docId }) => before.has(docId) !== found.has(docId));
          view.apply(moved.map(({ docId }) => ({ origin: 0, id: docId, row: "same" as const })));
          const afresh = new View(verdict.definition, plans, state);
          for (const _ of afresh.build(now.map((row) => ({ origin: 0, row }))));
          expect(rowsOf(view)).toEqual(rowsOf(afresh));
          expect(view.total).toEqual(afresh.total);
        }
      },
    ),
    { numRuns: runsOf(300) },
  );
});
