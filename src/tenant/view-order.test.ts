import { readFileSync } from "node:fs";
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { createWebCrypto } from "../crypto/index.ts";
import { bytesToHex, bytesToId, parseHex } from "../std/index.ts";
import { parseViewDefinition, type ViewDefinition, type ViewDefinitionInput } from "../view/index.ts";
import { encodeViewOrder, orderKey, parseViewOrder, type ViewOrder } from "./view-order.ts";
import { encodeViewState, parseViewState } from "./view-pages.ts";
import { runsOf } from "../std/runs-fixtures.ts";

const vectors = JSON.parse(readFileSync(new URL("view-order.vectors.json", import.meta.url), "utf8")) as {
  readonly order: string;
  readonly refused: Readonly<Record<string, string>>;
  readonly state: string;
  readonly refusedStates: Readonly<Record<string, string>>;
};
const bytesOf = (hex: string): Uint8Array => parseHex(hex) ?? new Uint8Array(0);
const key = "ab".repeat(32);
const order: ViewOrder = {
  key,
  stamps: ["01".repeat(12), undefined, "02".repeat(12)],
  categories: [
    { parent: undefined, step: undefined, documents: [7] },
    { parent: 0, step: { column: 0, value: "Oslo" }, documents: [] },
    { parent: 1, step: { column: 1, value: new Date(5) }, documents: [3, 1] },
    { parent: 1, step: { column: 1, value: null }, documents: [70_000] },
  ],
};
const state = {
  serial: 300,
  kept: [
    { key, place: 1, serial: 299 },
    { key: "cd".repeat(32), place: 0, serial: 300 },
  ],
};

describe("an order as bytes", () => {
  it("is as frozen, there and back", () => {
    expect(bytesToHex(encodeViewOrder(order))).toBe(vectors.order);
    expect(parseViewOrder(bytesOf(vectors.order))).toEqual(order);
    expect(bytesToHex(encodeViewState(state))).toBe(vectors.state);
    expect(parseViewState(bytesOf(vectors.state))).toEqual(state);
  });

  it.each(Object.entries(vectors.refused))("is refused: %s", (_, hex) => {
    expect(parseViewOrder(bytesOf(hex))).toBeUndefined();
  });

  it.each(Object.entries(vectors.refusedStates))("a state is refused: %s", (_, hex) => {
    expect(parseViewState(bytesOf(hex))).toBeUndefined();
  });

  it("comes back whatever it holds", () => {
    const value = fc.oneof(
      fc.string({ unit: "grapheme" }),
      fc.double({ noNaN: true }),
      fc.boolean(),
      fc.constant(null),
      fc.date({ noInvalidDate: true }),
    );
    const category = fc.record({
      around: fc.nat(),
      column: fc.nat(63),
      value,
      documents: fc.array(fc.nat(0xffff_ffff)),
    });
    fc.assert(
      fc.property(fc.array(category, { maxLength: 20 }), fc.array(fc.nat()), (all, documents) => {
        const made: ViewOrder = {
          key,
          stamps: [],
          categories: [
            { parent: undefined, step: undefined, documents },
            ...all.map(({ around, column, value: of, documents: own }, index) => ({
              parent: around % (index + 1),
              step: { column, value: of },
              documents: own,
            })),
          ],
        };
        const read = parseViewOrder(encodeViewOrder(made));
        expect(read).toEqual(made);
      }),
    );
  });

  it("any bytes give a verdict", () => {
    const damaged = fc.tuple(fc.nat(), fc.nat(255), fc.nat()).map(([at, to, cut]) => {
      const bytes = encodeViewOrder(order).slice();
      bytes[at % bytes.length] = to;
      return bytes.subarray(0, cut % 3 === 0 ? cut % bytes.length : bytes.length);
    });
    fc.assert(
      fc.property(fc.oneof(fc.uint8Array({ maxLength: 300 }), damaged), (bytes) => {
        const read = parseViewOrder(bytes);
        for (const [index, { parent = -1, step }] of (read?.categories ?? []).entries()) {
          expect(parent).toBeLessThan(index);
          expect(step === undefined).toBe(index === 0);
        }
        expect(() => parseViewState(bytes)).not.toThrow();
      }),
      { numRuns: runsOf(2000) },
    );
  });
});

describe("what an order is known by", () => {
  const crypto = createWebCrypto();
  const source = {
    dbId: bytesToId("DbId", new Uint8Array(16).fill(7)),
    shape: undefined,
    origin: "eu",
    filter: undefined,
  };
  const input: ViewDefinitionInput = {
    columns: [
      { role: "category", name: "city" },
      { role: "sorted", name: "name" },
      { role: "total", name: "sum", field: "n", total: "sum" },
    ],
    locale: "en",
  };
  const define = (more: Partial<ViewDefinitionInput> = {}): ViewDefinition => {
    const verdict = parseViewDefinition({ ...input, ...more });
    if (verdict.kind === "malformed") throw new Error(verdict.at);
    return verdict.definition;
  };
  const own = orderKey(crypto, source, define());

  it("is the same for what only shows or sums up otherwise", () => {
    const [city, name] = input.columns;
    const columns = [city, { ...name, isHidden: true }, { role: "display", name: "n" }];
    expect(orderKey(crypto, source, define({ columns: columns as ViewDefinitionInput["columns"] }))).toBe(
      own,
    );
    expect(orderKey(crypto, source, define({ documents: "after" }))).toBe(own);
  });

  it("is another one for whatever moves a document", () => {
    const filter = { op: "exists" as const, args: [{ op: "field" as const, path: ["n"] }] };
    const [city, name] = input.columns;
    const columns = (one: object, other: object) =>
      ({
        columns: [
          { ...city, ...one },
          { ...name, ...other },
        ],
      }) as Partial<ViewDefinitionInput>;
    const others = [
      orderKey(crypto, { ...source, origin: "us" }, define()),
      orderKey(crypto, { ...source, filter }, define()),
      orderKey(crypto, { ...source, shape: { a: 1 } }, define()),
      orderKey(crypto, { ...source, dbId: bytesToId("DbId", new Uint8Array(16).fill(8)) }, define()),
      orderKey(crypto, source, define({ filter })),
      orderKey(crypto, source, define({ locale: "sv" })),
      orderKey(crypto, source, define({ uncategorised: "first" })),
      orderKey(crypto, source, define(columns({ order: "desc" }, {}))),
      orderKey(crypto, source, define(columns({ separator: null }, {}))),
      orderKey(crypto, source, define(columns({ field: "town" }, {}))),
      orderKey(crypto, source, define(columns({}, { order: "desc" }))),
      orderKey(crypto, source, define(columns({}, { meta: "createdAt" }))),
    ];
    expect(new Set([own, ...others]).size).toBe(others.length + 1);
  });
});
