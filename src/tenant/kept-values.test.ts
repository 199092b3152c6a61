import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import * as fc from "fast-check";
import { bytesToHex, bytesToId, parseHex } from "../std/index.ts";
import type { DocValue } from "../draft/index.ts";
import { createMemoryStorage } from "../store/index.ts";
import { env } from "../../worker/device-fixtures.ts";
import type { AcceptedEntry, CatalogDoc } from "./catalog.ts";
import { encodeKeptValue, KeptValues, parseKeptValue, valueSlot, type KeptValue } from "./kept-values.ts";

const vectors = JSON.parse(readFileSync(new URL("kept-values.vectors.json", import.meta.url), "utf8")) as {
  readonly plain: string;
  readonly tagged: string;
  readonly refused: Readonly<Record<string, string>>;
};
const hashOf = (n: number): string => n.toString(16).padStart(64, "0");
const plain: KeptValue = { heads: [hashOf(1)], value: { text: "Zoë", count: 3, tags: ["a", null] } };
const tagged: KeptValue = {
  heads: [hashOf(1), hashOf(2)],
  value: { born: new Date(5), data: Uint8Array.of(1, 2), least: -0, list: [true] },
};
const bytesOf = (hex: string): Uint8Array<ArrayBuffer> => parseHex(hex) ?? new Uint8Array(0);

const leaf: fc.Arbitrary<DocValue> = fc.oneof(
  fc.string({ unit: "binary" }),
  fc.double(),
  fc.boolean(),
  fc.constant(null),
  fc.date({ noInvalidDate: true }),
  fc.uint8Array({ maxLength: 9 }),
);
const { tree } = fc.letrec<{ tree: DocValue }>((tie) => ({
  tree: fc.oneof(
    { maxDepth: 3 },
    leaf,
    fc.array(tie("tree"), { maxLength: 4 }),
    fc.dictionary(fc.string(), tie("tree"), { maxKeys: 4, noNullPrototype: true }),
  ),
}));

describe("a kept value as bytes", () => {
  it("is as frozen, there and back", () => {
    expect(bytesToHex(encodeKeptValue(plain) ?? new Uint8Array(0))).toBe(vectors.plain);
    expect(bytesToHex(encodeKeptValue(tagged) ?? new Uint8Array(0))).toBe(vectors.tagged);
    expect(parseKeptValue(bytesOf(vectors.plain))).toEqual(plain);
    expect(parseKeptValue(bytesOf(vectors.tagged))).toEqual(tagged);
  });

  it.each(Object.entries(vectors.refused))("is refused: %s", (_, hex) => {
    expect(parseKeptValue(bytesOf(hex))).toBeUndefined();
  });

  it("comes back from any document, and is left out when it is too long", () => {
    fc.assert(
      fc.property(fc.dictionary(fc.string(), tree, { noNullPrototype: true }), (value) => {
        const written = encodeKeptValue({ heads: [hashOf(7)], value });
        expect(parseKeptValue(written ?? new Uint8Array(0))).toEqual({ heads: [hashOf(7)], value });
      }),
    );
    expect(encodeKeptValue({ heads: [hashOf(1)], value: { text: "x".repeat(6_000_000) } })).toBeUndefined();
  });

  it("gives a verdict on any bytes", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 120 }), (bytes) => {
        expect(() => parseKeptValue(bytes)).not.toThrow();
        expect(() => parseKeptValue(Uint8Array.of(1, 0, 1, ...bytes))).not.toThrow();
      }),
    );
  });
});

/** A document of so many entries. */
function docOf(count: number, heads: readonly string[], isWhole = false): CatalogDoc {
  return {
    docId: bytesToId("DocId", new Uint8Array(16)),
    number: 0,
    keyId: bytesToId("KeyId", new Uint8Array(16)),
    createdBy: bytesToId("AuthorKey", new Uint8Array(32)),
    createdAtMs: 0,
    changedBy: bytesToId("AuthorKey", new Uint8Array(32)),
    changedAtMs: 0,
    entries: Array.from<AcceptedEntry>({ length: count }),
    heads: [...heads],
    isDeleted: false,
    isBranched: false,
    summary: { value: {}, isWhole },
  };
}

describe("the values that are kept", () => {
  const dbId = bytesToId("DbId", new Uint8Array(16).fill(1));

  async function openValues() {
    const store = await createMemoryStorage(env).openStore("values");
    // Sealed in name only: whether a page opens is proved where pages are sealed.
    const values = new KeptValues(store, dbId, async () => ({
      seal: async (_name, _position, bytes) => bytes.slice(),
      open: async (_name, _position, bytes) => new Uint8Array(bytes),
    }));
    return { store, values };
  }

  it("are those of long documents whose summaries show less, once for each state", async () => {
    const { values } = await openValues();
    for (const doc of [docOf(63, [hashOf(1)]), docOf(64, [hashOf(1)], true)]) {
      values.note(doc, {});
      expect(values.isDue(doc)).toBe(false);
      expect(values.take()).toEqual([]);
    }
    values.note(docOf(64, [hashOf(1)]), { text: "one" });
    values.note(docOf(64, [hashOf(1)]), { text: "never" });
    expect(values.take()).toEqual([[docOf(64, []).docId, { heads: [hashOf(1)], value: { text: "one" } }]]);
    expect(values.isDue(docOf(65, [hashOf(1)]))).toBe(false);
    expect(values.isDue(docOf(65, [hashOf(2)]))).toBe(true);
  });

  it("are shown at their own heads alone, and leave nothing when they are forgotten or dropped", async () => {
    const { store, values } = await openValues();
    const doc = docOf(64, [hashOf(1)]);
    await values.write(doc.docId, { heads: doc.heads, value: { text: "one" } });
    expect(await values.read(doc)).toEqual({ text: "one" });
    expect(await values.read(docOf(65, [hashOf(2)]))).toBeUndefined();
    expect(await values.read(docOf(66, [hashOf(1), hashOf(2)]))).toBeUndefined();
    values.note(docOf(65, [hashOf(2)]), { text: "two" });
    values.forget(doc.docId);
    expect(values.take()).toEqual([]);
    await expect.poll(async () => store.readSlot(valueSlot(dbId, doc.docId))).toBeUndefined();
    values.note(docOf(65, [hashOf(2)]), { text: "two" });
    values.drop();
    expect(values.take()).toEqual([]);
  });
});
