import fc from "fast-check";
import { beforeAll, describe, expect, it } from "vitest";
import type { DatabaseShape, DocSnapshot } from "../../worker/api.ts";
import { readShape } from "../../worker/page-messages.ts";
import { loadEngine } from "../doc/automerge-fixtures.ts";
import type { DocEngine, OpenDoc } from "../doc/index.ts";
import {
  applyPatches,
  Counter,
  encodeInitialValue,
  increment,
  recordDraft,
  shareStructure,
  splice,
  type DocValue,
  type DraftOperation,
  type DraftValue,
} from "../draft/index.ts";
import { coalesce, field, isIn, lower, parseDefinition, value, type Expression } from "../expr/index.ts";
import type { Env } from "../std/index.ts";
import type { Catalog, CatalogDoc } from "./catalog.ts";
import { RowFeeds } from "./row-feed.ts";
import { RowTables, type QueryListener } from "./row-table.ts";
import { compileShape, shapePatches, shapeSnapshot, type CompiledShape } from "./shape.ts";
import { runsOf } from "../std/runs-fixtures.ts";

type Fields = { readonly [key: string]: DocValue };

const frozen = (fields: unknown): Fields => shareStructure<unknown>(undefined, fields) as Fields;
const shapeOf = (version: number, sets: Record<string, Expression>[], defaults: object = {}): CompiledShape =>
  compileShape({
    version,
    defaults: encodeInitialValue(defaults) as DatabaseShape["defaults"],
    migrations: sets.map((set, index) => ({ to: index + 1, set })),
  });

const one = shapeOf(1, [{}]);
const two = shapeOf(
  2,
  [{}, { name: coalesce(field("first"), value("")), home: field("address"), key: lower(field("first")) }],
  { tags: [], hits: Counter(0) },
);

describe("reading under a shape", () => {
  it("adds what migrations compute and defaults hold, and keeps everything else", () => {
    const old = frozen({ first: "Ada", address: { city: "Bergen" }, key: "x", list: [1] });
    const read = two.read(old);
    expect(read).toEqual({
      first: "Ada",
      name: "Ada",
      key: "ada",
      address: { city: "Bergen" },
      home: { city: "Bergen" },
      list: [1],
      tags: [],
      hits: 0,
      $version: 2,
    });
    expect([read["address"], read["list"]]).toEqual([old["address"], old["list"]]);
    expect(read["address"]).toBe(old["address"]);
    expect(read["list"]).toBe(old["list"]);
    expect(Object.isFrozen(read)).toBe(true);
    expect(Object.keys(read)).toEqual(Object.keys(read).toSorted());
    expect(two.read(old)).toBe(read);
  });

  it("runs each step on what the one before it made, whatever their order", () => {
    const steps = [
      { to: 3, set: { c: field("b") } },
      { to: 2, set: { b: field("a") } },
    ];
    const shape = compileShape({ version: 4, defaults: {}, migrations: steps });
    expect(shape.read(frozen({ a: 1 }))).toEqual({ a: 1, b: 1, c: 1, $version: 4 });
    expect(shape.read(frozen({ a: 1, b: 5, $version: 2 }))).toEqual({ a: 1, b: 5, c: 5, $version: 4 });
    expect(shape.read(frozen({ x: 1 }))).toEqual({ x: 1, $version: 4 });
  });

  it("gives the document itself where nothing is missing, and where it is newer", () => {
    const now = frozen({ tags: ["a"], hits: 2, $version: 2 });
    const newer = frozen({ $version: 3 });
    expect(two.read(now)).toBe(now);
    expect(two.read(newer)).toBe(newer);
    expect(two.operationsBefore(newer, [])).toEqual([]);
    expect(shapeSnapshot(undefined, { value: now } as unknown as DocSnapshot).value).toBe(now);
    expect(shapeSnapshot(two, { value: undefined } as unknown as DocSnapshot).value).toBeUndefined();
  });

  it("takes a version that is none for 0, and any key for a field", () => {
    for (const version of ["2", -1, 0.5, null, [2]])
      expect(two.read(frozen({ $version: version }))).toMatchObject({ $version: 2, tags: [] });
    const shape = shapeOf(1, [JSON.parse('{"__proto__":{"op":"value","value":"own"}}') as never]);
    const read = shape.read(frozen({ toString: 1 }));
    expect(Object.getPrototypeOf(read)).toBe(Object.prototype);
    expect(Object.getOwnPropertyDescriptor(read, "__proto__")?.value).toBe("own");
  });

  it("does not take what a summary leaves out for missing", () => {
    const summary = { value: frozen({ first: "Ada" }), isWhole: false };
    expect(two.readSummary(summary)).toEqual({ first: "Ada", name: "Ada", key: "ada", $version: 2 });
    expect(two.readSummary({ value: frozen({ $version: 2 }), isWhole: true })).toMatchObject({ tags: [] });
  });

  it("completes new documents", () => {
    const given = encodeInitialValue({ first: "Ada", tags: ["a"] });
    const complete = two.complete(given) as { readonly [key: string]: DraftValue };
    expect(complete).toEqual({ first: "Ada", tags: ["a"], hits: new Map([["counter", 0]]), $version: 2 });
    expect(shapeOf(0, []).complete(given)).toEqual(given);
    expect(two.complete({ $version: 7 })).toMatchObject({ $version: 7 });
    expect(two.complete({ $version: 1 })).toMatchObject({ $version: 2 });
  });

  it("tells patches of what is shown", () => {
    const before = frozen({ first: "Ada", address: {} });
    const after = frozen({ first: "Eve", address: {}, name: "Eve", $version: 2 });
    const raw = [{ op: "set", path: ["first"], value: "Eve" }] as const;
    expect(shapePatches(undefined, [before, after], raw)).toBe(raw);
    const shown = shapePatches(two, [before, after], raw);
    expect(applyPatches(two.read(before), shown)).toEqual(two.read(after));
    const now = frozen({ tags: [], hits: 1, $version: 2 });
    expect(shapePatches(two, [now, now], raw)).toBe(raw);
  });

  it("lets queries find and sort by what is shown", () => {
    const catalog = new Map(
      ["Cy", "Ada"].map((first, number) => [`${number}`, docOf(first, number)] as const),
    );
    const source = { catalog: Object.assign(catalog, { listeners: new Set() }) as unknown as Catalog };
    const feeds = new RowFeeds({ monotonicMs: () => 0, setTimer: () => () => undefined } as unknown as Env);
    const tables = new RowTables(feeds);
    const verdict = parseDefinition({ filter: isIn("name", ["Ada", "Cy"]), sort: [{ field: "key" }] });
    if (verdict.kind === "malformed") throw new Error(verdict.at);
    const shown = (shape: CompiledShape | undefined): readonly unknown[] => {
      const told: unknown[] = [];
      const listener: QueryListener = (news) => void told.push(...(news?.splices[0]?.put ?? []));
      tables.ask(source, shape, { definition: verdict.definition, listener });
      return told;
    };
    expect(shown(two)).toMatchObject([
      { id: "1", value: { name: "Ada", tags: [] } },
      { id: "0", value: { name: "Cy" } },
    ]);
    expect(shown(undefined)).toEqual([]);
  });
});

describe("shapes of the page", () => {
  const set = { name: field("first") };
  const good = { version: 2, defaults: { tags: [] }, migrations: [{ to: 2, set }] };

  it("are read as they are", () => {
    expect(readShape(structuredClone(good))).toEqual(good);
    expect(readShape({ version: 0, defaults: {}, migrations: [] })).toMatchObject({ version: 0 });
  });

  it.each<[string, unknown]>([
    ["shape", null],
    ["shape.version", { ...good, version: -1 }],
    ["shape.defaults", { ...good, defaults: [] }],
    ["shape.defaults", { ...good, defaults: { f: () => 0 } }],
    ["shape.defaults", { ...good, defaults: { $version: 1 } }],
    [
      "shape.defaults",
      { ...good, defaults: Object.fromEntries(Array.from({ length: 257 }, (_, i) => [`f${i}`, 1])) },
    ],
    ["shape.migrations", { ...good, migrations: {} }],
    ["shape.migrations", { ...good, migrations: [good.migrations[0], good.migrations[0]] }],
    ["shape.migrations.0", { ...good, migrations: [1] }],
    ["shape.migrations.0.to", { ...good, migrations: [{ to: 3, set }] }],
    ["shape.migrations.0.set", { ...good, migrations: [{ to: 1, set: { $version: field("a") } }] }],
    ["shape.migrations.0.set.a.op", { ...good, migrations: [{ to: 1, set: { a: { op: "no" } } }] }],
  ])("are refused at %s", (at, message) => {
    expect(() => readShape(message)).toThrow(
      expect.objectContaining({ code: "input/invalid", details: expect.objectContaining({ at }) }),
    );
  });

  it("hold at most 64 migrations", () => {
    const migrations = Array.from({ length: 65 }, () => ({ to: 1, set }));
    expect(() => readShape({ ...good, migrations })).toThrow(
      expect.objectContaining({ code: "input/too-large", details: { at: "shape.migrations", count: 65 } }),
    );
  });

  it("never read or throw otherwise, whatever they hold", () => {
    fc.assert(
      fc.property(fc.object({ maxDepth: 4 }), fc.anything(), (message, part) => {
        for (const input of [message, part, { ...good, defaults: part }, { ...good, migrations: [part] }]) {
          try {
            compileShape(readShape(input)).read(frozen({}));
          } catch (error) {
            expect(error).toMatchObject({ code: "input/invalid" });
          }
        }
      }),
    );
  });
});

describe("editing under a shape", () => {
  let engine: DocEngine;
  beforeAll(async () => {
    engine = await loadEngine();
  });

  interface Client {
    readonly shape: CompiledShape;
    readonly doc: OpenDoc;
    readonly actor: string;
  }
  const client = (shape: CompiledShape, digit: string): Client => ({
    shape,
    doc: engine.createDoc(),
    actor: digit.repeat(32),
  });
  const replay = ({ doc, actor }: Client, operations: readonly DraftOperation[]) =>
    doc.replay({ operations: structuredClone(operations), baseHeads: doc.heads, actor, timeMs: 1 }).changes;
  const create = (clients: readonly Client[], fields: object): void => {
    const [first] = clients;
    const operations = Object.entries(encodeInitialValue(fields) as { [key: string]: DraftValue }).map(
      ([key, item]): DraftOperation => ({ op: "set", path: [key], value: item }),
    );
    if (first === undefined) return;
    const changes = replay(first, operations);
    for (const { doc } of clients.slice(1)) doc.applyChanges(changes);
  };
  /** As a page and its worker do it; what the page shows at once is what is stored. */
  const edit = (by: Client, write: (draft: never) => void) => {
    const shown = by.shape.read(by.doc.value);
    const { operations, optimistic } = recordDraft<Fields>(shown as never, write as never);
    const changes = replay(by, [...by.shape.operationsBefore(by.doc.value, operations), ...operations]);
    expect(by.shape.read(by.doc.value)).toEqual(optimistic);
    return changes;
  };
  const old = { first: "Ada", address: { city: "Bergen" } };

  it("writes the migration once, in front of the first edit", () => {
    const newer = client(two, "a");
    create([newer], old);
    edit(newer, (draft: { other: number }) => {
      draft.other = 1;
    });
    expect(newer.doc.value).toEqual({
      ...old,
      name: "Ada",
      key: "ada",
      home: { city: "Bergen" },
      other: 1,
      $version: 2,
    });
    expect(two.operationsBefore(newer.doc.value, [])).toEqual([]);
  });

  it("lets a draft go into fields that were only shown", () => {
    const newer = client(two, "a");
    create([newer], old);
    edit(newer, (draft: { home: { city: string }; name: string; tags: string[] }) => {
      draft.home.city = "Oslo";
      splice(draft, ["name"], 3, 0, "!");
      draft.tags.push("vip");
      increment(draft, ["hits"], 2);
    });
    expect(newer.doc.value).toMatchObject({
      address: { city: "Bergen" },
      home: { city: "Oslo" },
      name: "Ada!",
      tags: ["vip"],
      hits: 2,
    });
    edit(newer, (draft: object) => increment(draft, ["hits"], 1));
    expect(newer.doc.value["hits"]).toBe(3);
  });

  it("lets versions 1 and 2 edit one document, apart and after merging", () => {
    const [older, newer] = [client(one, "1"), client(two, "2")];
    create([older, newer], { ...old, $version: 1 });
    const fromNewer = edit(newer, (draft: { name: string; address: { city: string } }) => {
      draft.name = "Ada L.";
      draft.address.city = "Oslo";
    });
    const fromOlder = edit(older, (draft: { first: string; address: { zip?: number } }) => {
      draft.first = "Eve";
      draft.address.zip = 5;
    });
    newer.doc.applyChanges(fromOlder);
    older.doc.applyChanges(fromNewer);
    expect(older.doc.value).toEqual(newer.doc.value);
    const address = { city: "Oslo", zip: 5 };
    expect(newer.shape.read(newer.doc.value)).toMatchObject({
      first: "Eve",
      name: "Ada L.",
      address,
      tags: [],
    });
    expect(older.shape.read(older.doc.value)).toBe(older.doc.value);
    // the older one goes on, and leaves the version alone
    newer.doc.applyChanges(edit(older, (draft: { first: string }) => (draft.first = "Ev")));
    expect(newer.doc.value).toMatchObject({ first: "Ev", name: "Ada L.", $version: 2 });
  });

  it("loses no edit of a migrated field to another's migration of the same document", () => {
    for (const digits of [
      ["3", "4"],
      ["4", "3"],
    ] as const) {
      for (const touched of ["home", "key", "name"]) {
        const [editor, bystander] = [client(two, digits[0]), client(two, digits[1])];
        create([editor, bystander], old);
        const changes = edit(editor, (draft: { home: { city: string } }) => {
          if (touched === "home") draft.home.city = "Oslo";
          else splice(draft, [touched], 0, 3, "Eve");
        });
        bystander.doc.applyChanges([
          ...edit(bystander, (draft: { other: number }) => void (draft.other = 1)),
          ...changes,
        ]);
        const expected = touched === "home" ? { city: "Oslo" } : "Eve";
        expect(bystander.doc.value).toMatchObject({ [touched]: expected, other: 1 });
      }
    }
  });

  it("shows at once what is stored, for any edit of any document", () => {
    const keys = fc.constantFrom("first", "address", "name", "home", "key", "tags", "$version", "x");
    const values = fc.oneof(
      fc.constantFrom<DocValue>("Ada", 1, null, 2, { city: "B" }, ["a"], { n: ["b"] }),
      fc.integer({ min: 0, max: 3 }),
    );
    const documents = fc.dictionary(keys, values, { noNullPrototype: true });
    const edits = fc.array(fc.tuple(keys, fc.nat(3), values), { maxLength: 4 });
    fc.assert(
      fc.property(documents, edits, (fields, list) => {
        const by = client(two, "5");
        create([by], fields);
        edit(by, (draft: Record<string, unknown>) => {
          for (const [key, kind, item] of list) {
            const inside = draft[key];
            if (kind === 0 && key !== "$version") draft[key] = structuredClone(item);
            else if (Array.isArray(inside)) inside.push(structuredClone(item));
            else if (typeof inside === "string") splice(draft, [key], 0, 0, "x");
            else if (typeof inside === "object" && inside !== null)
              Object.assign(inside, { k: structuredClone(item) });
          }
        });
        by.doc.close();
      }),
      { numRuns: runsOf(300) },
    );
  });
});

function docOf(first: string, number: number): CatalogDoc {
  return {
    docId: `${number}`,
    number,
    isDeleted: false,
    summary: { value: frozen({ first }), isWhole: true },
    changedBy: "me",
    createdAtMs: 0,
    changedAtMs: 0,
  } as unknown as CatalogDoc;
}
