import { expect, test } from "vitest";
import { documentTexts, eachWord, findMarks, maxMarks, termsOf } from "./index.ts";
import { maxTermUnits } from "./words.ts";

test.each([
  ["case, diacritics and punctuation", "Crème Brûlée – ÅNGSTRÖM!", ["creme", "brulee", "angstrom"]],
  ["composed and decomposed alike", "e\u0301t\u00e9", ["ete"]],
  ["ligatures, width and compatibility", "ﬁlm ＡＢＣ Ⅻ", ["film", "abc", "xii"]],
  ["letters that nothing takes apart", "Straße STRASSE Øre Łódź", ["strasse", "strasse", "ore", "lodz"]],
  ["final sigma", "ΟΔΟΣ οδός", ["οδοσ", "οδοσ"]],
  ["the Turkish dotted I", "İstanbul", ["istanbul"]],
  [
    "addresses and numbers",
    "ada.berg1@example.org 2024-05-01",
    ["ada", "berg1", "example", "org", "2024", "05", "01"],
  ],
  ["what folding breaks apart", "½", ["1", "2"]],
  ["vowel signs of Devanagari", "हिन्दी", ["हिन्दी"]],
  ["points of Hebrew", "שָׁלוֹם", ["שלום"]],
  ["nothing", " …—! ", []],
])("words: %s", (_name, text, terms) => expect(termsOf(text)).toEqual(terms));

test("scripts without spaces are split into words, and all of their characters are in one", () => {
  const japanese = termsOf("東京都に住んでいます");
  expect(japanese.length).toBeGreaterThan(2);
  expect(japanese.join("")).toBe("東京都に住んでいます".normalize("NFKC"));
  expect(termsOf("ภาษาไทยง่าย").length).toBeGreaterThan(1);
});

test("a place is counted in the text as it was given", () => {
  const text = "Der ﬁese Ωmega-Käfer 東京";
  const found: string[] = [];
  eachWord(text, (term, from, to) => found.push(`${term}=${text.slice(from, to)}`));
  expect(found).toEqual(["der=Der", "fiese=ﬁese", "ωmega=Ωmega", "kafer=Käfer", "東京=東京"]);
});

test("a long word is cut, never inside a character, and what folds to more stays bounded", () => {
  const letter = "𝛂";
  const [term = ""] = termsOf(letter.repeat(1000));
  expect(term).toBe("α".repeat(maxTermUnits));
  const [rare = ""] = termsOf(`a${"𐐨".repeat(1000)}`);
  expect(rare.length).toBe(maxTermUnits - 1);
  const [arabic = ""] = termsOf("ﷺ".repeat(100_000));
  expect(arabic.length).toBeLessThanOrEqual(maxTermUnits);
});

test("a document's texts are its strings wherever they are, and those that come from elsewhere", () => {
  const value = {
    title: "One",
    tags: ["two", { deep: "three" }],
    at: new Date(0),
    bytes: new Uint8Array([65]),
    count: 4,
    nothing: null,
    __proto__: null,
  };
  expect(documentTexts(value)).toEqual([
    { field: "title", path: ["title"], text: "One" },
    { field: "tags", path: ["tags", 0], text: "two" },
    { field: "tags", path: ["tags", 1, "deep"], text: "three" },
  ]);
  const extra = { field: "files", path: ["files", "a.pdf"], text: "four" };
  expect(documentTexts({ title: "One" }, [extra])).toEqual([
    { field: "title", path: ["title"], text: "One" },
    extra,
  ]);
});

test("marks are ranges of the texts, words that touch as one, and not without end", () => {
  const texts = documentTexts({ title: "Solar 東京 panels", body: "panels, solarpanels" });
  const isMatch = (term: string): boolean => ["panels", "solar", "東京"].includes(term);
  expect(findMarks(texts, isMatch)).toEqual([
    { field: "title", path: ["title"], from: 0, to: 5 },
    { field: "title", path: ["title"], from: 6, to: 8 },
    { field: "title", path: ["title"], from: 9, to: 15 },
    { field: "body", path: ["body"], from: 0, to: 6 },
  ]);
  expect(findMarks(texts, isMatch, ["body"])).toHaveLength(1);
  expect(findMarks(documentTexts({ a: "x ".repeat(10_000) }), () => true)).toHaveLength(maxMarks);
  // A fraction is two words at one place.
  expect(findMarks(documentTexts({ a: "½" }), () => true)).toEqual([
    { field: "a", path: ["a"], from: 0, to: 1 },
  ]);
});
