/** T1 to T5: an index that lives through edits, restarts and withdrawals, against one built afresh and against reading everything. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { bytesToHex, parseHex } from "../std/index.ts";
import {
  encodeSegment,
  parseSegment,
  segmentSize,
  TextIndex,
  termsOf,
  type DocText,
  type IdForm,
  type SearchQuery,
} from "./index.ts";

const form: IdForm<string> = {
  toBytes: (id) => parseHex(id) ?? new Uint8Array(0),
  fromBytes: bytesToHex,
};
const idOf = (number: number): string => number.toString(16).padStart(32, "0");
const stamp = "0123456789abcdef";

const word = fc.constantFrom(
  "solar",
  "Solar",
  "sólar",
  "panel",
  "panels",
  "pan",
  "water",
  "wader",
  "東京",
  "x",
  "été",
);
const text = fc.array(word, { maxLength: 6 }).map((words) => words.join(" "));
const fields = fc.dictionary(fc.constantFrom("title", "body", "tags", "__proto__", ""), text, { maxKeys: 4 });
const texts = fields.map((fieldsOf): readonly DocText[] =>
  Object.entries(fieldsOf).map(([field, content]) => ({ field, path: [field], text: content })),
);

type Step =
  | { readonly do: "put"; readonly number: number; readonly texts: readonly DocText[] }
  | { readonly do: "drop"; readonly number: number }
  | { readonly do: "restart" };
const number = fc.nat({ max: 12 });
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 6, arbitrary: fc.record({ do: fc.constant("put" as const), number, texts }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("drop" as const), number }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("restart" as const) }) },
);
const query: fc.Arbitrary<SearchQuery> = fc.record({
  text: fc.oneof(text, fc.constantFrom("so", "p", "waten", "panles", "SOLAR pane", "", "ete", "東")),
  fields: fc.option(fc.subarray(["title", "body", "tags", "__proto__", "none"]), { nil: undefined }),
  prefix: fc.constantFrom(...(["none", "last", "all"] as const)),
  fuzzy: fc.constantFrom(...([0, 1, 2, "auto"] as const)),
});

/** What is kept on disk: segments by number. */
type Kept = Map<number, Uint8Array>;

function save(index: TextIndex<string>, kept: Kept): void {
  for (const segment of index.takeDirty()) {
    const docs = index.segment(segment);
    if (docs.length === 0) kept.delete(segment);
    else kept.set(segment, encodeSegment(docs, form));
  }
}

function load(kept: Kept): TextIndex<string> {
  const index = new TextIndex<string>();
  for (const [segment, bytes] of kept) {
    const docs = parseSegment(bytes, form);
    if (docs === undefined) throw new Error("a segment opens");
    index.load(segment, docs);
  }
  return index;
}

function fresh(docs: ReadonlyMap<number, readonly DocText[]>): TextIndex<string> {
  const index = new TextIndex<string>();
  for (const [at, own] of docs) index.put(idOf(at), stamp, own);
  return index;
}

test("an index kept up to date answers as one built afresh, to the last bit, whatever happened to it", () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40 }), fc.array(query, { maxLength: 6 }), (steps, queries) => {
      const docs = new Map<number, readonly DocText[]>();
      const kept: Kept = new Map();
      let index = new TextIndex<string>();
      for (const one of steps) {
        if (one.do === "put") {
          docs.set(one.number, one.texts);
          index.put(idOf(one.number), stamp, one.texts);
        } else if (one.do === "drop") {
          expect(index.drop(idOf(one.number))).toBe(docs.delete(one.number));
        } else {
          save(index, kept);
          index = load(kept);
          expect(index.isDirty).toBe(false);
        }
      }
      const twin = fresh(docs);
      expect([...index.ids()].sort()).toEqual([...twin.ids()].sort());
      expect(index.termCount).toBe(twin.termCount);
      for (const one of queries) expect(index.search(one).found).toEqual(twin.search(one).found);
      for (const at of docs.keys()) index.drop(idOf(at));
      expect(index.termCount).toBe(0);
      save(index, kept);
      expect(kept.size).toBe(0);
    }),
  );
});

test("whole words are found where reading every text finds them", () => {
  fc.assert(
    fc.property(fc.array(texts, { maxLength: 20 }), query, (all, given) => {
      const docs = new Map(all.entries());
      const exact: SearchQuery = { ...given, prefix: "none", fuzzy: 0 };
      const wanted = termsOf(exact.text);
      const isIn = (own: readonly DocText[], term: string): boolean =>
        own.some(
          ({ field, text: content }) =>
            exact.fields?.includes(field) !== false && termsOf(content).includes(term),
        );
      const expected = [...docs]
        .filter(([, own]) => wanted.length > 0 && wanted.every((term) => isIn(own, term)))
        .map(([at]) => idOf(at));
      const { found, isMatch } = fresh(docs).search(exact);
      expect(found.map(({ id }) => id).sort()).toEqual(expected.sort());
      for (const term of new Set(all.flat().flatMap(({ text: content }) => termsOf(content))))
        expect(isMatch(term)).toBe(wanted.includes(term));
    }),
  );
});

test("beginnings and misspelt words are found, nearer forms first", () => {
  const index = fresh(
    new Map(
      ["solar", "solarium", "sular", "polar"].map((content, at) => [
        at,
        [{ field: "title", path: ["title"], text: content }],
      ]),
    ),
  );
  const find = (how: Partial<SearchQuery>): readonly string[] => {
    const { found } = index.search({ text: "solar", fields: undefined, prefix: "none", fuzzy: 0, ...how });
    return found.map(({ id }) => id);
  };
  expect(find({})).toEqual([0].map(idOf));
  expect(find({ prefix: "last" })).toEqual([0, 1].map(idOf));
  expect(find({ fuzzy: 1 }).toSorted()).toEqual([0, 2, 3].map(idOf));
  expect(find({ fuzzy: "auto", prefix: "all" })[0]).toBe(idOf(0));
  // Too short to be misspelt.
  expect(find({ text: "sol", fuzzy: "auto" })).toEqual([]);
});

test("a search is bounded: words beyond the limit and text beyond it are not looked at", () => {
  const index = fresh(new Map([[0, [{ field: "a", path: ["a"], text: "one two" }]]]));
  const ask = (content: string): number =>
    index.search({ text: content, fields: undefined, prefix: "all", fuzzy: 2 }).found.length;
  const many = Array.from({ length: 15 }, () => "one").join(" ");
  expect(ask(`${many} two`)).toBe(1);
  expect(ask(`one two ${"?".repeat(2000)} missing`)).toBe(1);
  expect(ask(Array.from({ length: 100_000 }, (_, at) => `w${at}`).join(" "))).toBe(0);
});

const sizes = (index: TextIndex<string>): readonly number[] =>
  index.takeDirty().map((segment) => index.segment(segment).length);

test("documents fill segments, and one edit changes one of them", () => {
  const index = new TextIndex<string>();
  const count = 2 * segmentSize + 10;
  const own: readonly DocText[] = [{ field: "a", path: ["a"], text: "word" }];
  for (let at = 0; at < count; at++) index.put(idOf(at), stamp, own);
  expect(sizes(index)).toEqual([segmentSize, segmentSize, 10]);
  index.put(idOf(300), stamp, own);
  expect(index.takeDirty()).toEqual([1]);
  index.drop(idOf(0));
  index.put(idOf(count), stamp, own);
  expect(sizes(index)).toEqual([segmentSize]);
});

test("more fields than an index tells apart are found together", () => {
  const many: readonly DocText[] = Array.from({ length: 70_000 }, (_, at) => ({
    field: `f${at}`,
    path: [`f${at}`],
    text: `w${at}`,
  }));
  const index = fresh(new Map([[0, many]]));
  const ask = (content: string, of?: readonly string[]): number =>
    index.search({ text: content, fields: of, prefix: "none", fuzzy: 0 }).found.length;
  expect(ask("w69999")).toBe(1);
  expect(ask("w3", ["f3"])).toBe(1);
  expect(ask("w3", ["f4"])).toBe(0);
  expect(index.drop(idOf(0))).toBe(true);
  expect(index.termCount).toBe(0);
});
