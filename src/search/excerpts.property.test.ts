/** E1 to E4: pieces of texts, against a plain look at every place that a piece could begin. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { cutExcerpts, excerptLimits } from "./excerpts.ts";
import { findMarks } from "./marks.ts";
import { documentTexts } from "./texts.ts";

const isHit = (term: string): boolean => term === "hit";
const cut = (value: Record<string, unknown>, lengthUnits: number) => {
  const texts = documentTexts(value as never);
  return cutExcerpts(texts, findMarks(texts, isHit), lengthUnits);
};
const marked = ({ marks, text }: ReturnType<typeof cut>[number]): readonly string[] =>
  marks.map(({ from, to }) => text.slice(from, to));

describe("an excerpt", () => {
  it("of a short text is the whole text", () => {
    expect(cut({ title: "one hit, two", tags: ["none", "a hit"], more: "none" }, 80)).toEqual([
      {
        field: "title",
        path: ["title"],
        from: 0,
        wholeLength: 12,
        text: "one hit, two",
        marks: [{ from: 4, to: 7 }],
      },
      {
        field: "tags",
        path: ["tags", 1],
        from: 0,
        wholeLength: 5,
        text: "a hit",
        marks: [{ from: 2, to: 5 }],
      },
    ]);
  });

  it("of a long text is where most hits stand together, and begins and ends between words", () => {
    const text = `${"before ".repeat(20)}hit ${"between ".repeat(20)}hit then hit ${"behind ".repeat(20)}`;
    const [piece] = cut({ notes: text }, 40);
    expect(piece?.text).toBe("between hit then hit behind behind");
    expect(piece && marked(piece)).toEqual(["hit", "hit"]);
    expect(piece && text.slice(piece.from, piece.from + piece.text.length)).toBe(piece?.text);
    expect(piece?.wholeLength).toBe(text.length);
  });

  it("at the ends of a text is as long as anywhere", () => {
    const filler = "word ".repeat(40);
    const [first] = cut({ notes: `hit ${filler}` }, 40);
    expect(first?.from).toBe(0);
    expect(first?.text).toBe("hit word word word word word word word");
    const [last] = cut({ notes: `${filler}hit` }, 40);
    expect(last?.text).toBe("word word word word word word word hit");
  });

  it("never cuts a character in two", () => {
    const family = "👩‍👩‍👧‍👦";
    const [piece] = cut({ notes: `${family.repeat(20)} hit ${family.repeat(20)}` }, 40);
    const [{ text = "" } = {}] = [piece];
    expect(text.length).toBeLessThanOrEqual(40);
    expect(text.replaceAll(family, "").trim()).toBe("hit");
  });

  it("of many texts there are so many and no more", () => {
    const tags = Array.from({ length: 20 }, () => "hit");
    expect(cut({ tags }, 40)).toHaveLength(excerptLimits.count);
  });
});

const piece = fc.oneof(
  fc.constantFrom("hit", "hits", "word", "", " ", "\n", "Hit", "東京", "👩‍👧", "e\u0301", "x".repeat(30)),
  fc.string({ unit: "grapheme", maxLength: 6 }),
);
const texts = fc.array(piece, { maxLength: 60 }).map((pieces) => pieces.join(" "));

it("holds its guarantees, whatever the text and the length", () => {
  fc.assert(
    fc.property(texts, fc.integer({ min: excerptLimits.leastUnits, max: 120 }), (text, lengthUnits) => {
      const all = findMarks(documentTexts({ text }), isHit);
      const [found, ...others] = cut({ text }, lengthUnits);
      expect(others).toEqual([]);
      if (all.length === 0) {
        expect(found).toBeUndefined();
        return;
      }
      if (found === undefined) throw new Error("there are hits and no excerpt");
      const { from, marks, text: shown, wholeLength } = found;
      expect(wholeLength).toBe(text.length);
      expect(text.slice(from, from + shown.length)).toBe(shown);
      expect(shown.length).toBeLessThanOrEqual(lengthUnits);
      expect(shown.isWellFormed() || !text.isWellFormed()).toBe(true);
      const inside = all.filter((mark) => mark.from >= from && mark.to <= from + shown.length);
      const most = Math.max(
        ...all.map(
          (start) =>
            all.filter((mark) => mark.from >= start.from && mark.to <= start.from + lengthUnits).length,
        ),
      );
      expect(inside.length).toBeGreaterThanOrEqual(Math.min(most, 1));
      expect(inside.length).toBeGreaterThanOrEqual(most);
      for (const mark of inside) expect(marks).toContainEqual({ from: mark.from - from, to: mark.to - from });
      expect(marks.map((mark) => mark.from)).toEqual(
        marks.map((mark) => mark.from).toSorted((a, b) => a - b),
      );
      for (const mark of marks)
        expect(0 <= mark.from && mark.from < mark.to && mark.to <= shown.length).toBe(true);
    }),
  );
});
