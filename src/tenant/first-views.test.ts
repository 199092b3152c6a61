import { describe, expect, it } from "vitest";
import * as fc from "fast-check";
import { createWebCrypto } from "../crypto/index.ts";
import { bytesToHex, bytesToId, parseHex } from "../std/index.ts";
import type { WindowDelta } from "../view/index.ts";
import { readFileSync } from "node:fs";
import {
  encodeFirstViews,
  FirstViews,
  parseFirstViews,
  parseWindow,
  viewKey,
  windowText,
} from "./first-views.ts";

const vectors = JSON.parse(readFileSync(new URL("first-views.vectors.json", import.meta.url), "utf8")) as {
  readonly kept: string;
  readonly refused: Readonly<Record<string, string>>;
};
const dbId = bytesToId("DbId", new Uint8Array(16).fill(7));
const otherDbId = bytesToId("DbId", new Uint8Array(16).fill(8));
const key = "ab".repeat(32);

const delta: WindowDelta = {
  from: 0,
  rowCount: 2,
  documentCount: 1,
  totals: { "sum(n)": 1, "max(at)": new Date(5) },
  splices: [
    {
      from: 0,
      removed: 0,
      inserted: [
        {
          kind: "category",
          key: "/0d5",
          level: 0,
          column: "at",
          value: new Date(5),
          path: [new Date(5)],
          totals: { "sum(n)": 1, "max(at)": new Date(5) },
          documentCount: 1,
          childCount: 1,
          expanded: true,
          selected: false,
        },
        {
          kind: "document",
          key: "/0d5/@o/one",
          level: 1,
          origin: "o",
          id: "one",
          values: { n: 1, tags: ["a"], raw: Uint8Array.of(1) },
          selected: false,
        },
      ],
    },
  ],
  changed: [],
};
const text = windowText(delta) ?? "";
const sample = { purgedCount: 2, views: new Map([[key, { dbIds: [dbId, otherDbId], text }]]) };

describe("the first windows of views as bytes", () => {
  it("are as frozen, there and back", () => {
    expect(bytesToHex(encodeFirstViews(sample))).toBe(vectors.kept);
    expect(parseFirstViews(parseHex(vectors.kept) ?? new Uint8Array(0))).toEqual(sample);
    expect(parseWindow(text)).toEqual(delta);
  });

  it.each(Object.entries(vectors.refused))("are refused: %s", (_, hex) => {
    expect(parseFirstViews(parseHex(hex) ?? new Uint8Array(0))).toBeUndefined();
  });

  it.each([
    "no JSON",
    "[]",
    "[false,null]",
    '[false,{"from":0,"rowCount":1,"documentCount":1,"totals":{},"rows":[{"kind":"document","key":1,"level":0}]}]',
    '[false,{"from":0.5,"rowCount":1,"documentCount":1,"totals":{},"rows":[]}]',
    '[false,{"from":0,"rowCount":1,"documentCount":1,"totals":[],"rows":[]}]',
    '[false,{"from":0,"rowCount":1,"documentCount":1,"totals":{},"rows":[{"kind":"category","key":"/","level":0,"totals":{}}]}]',
  ])("hold no window: %s", (malformed) => {
    expect(parseWindow(malformed)).toBeUndefined();
  });

  it("give a verdict on any bytes and texts", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), fc.json(), (bytes, json) => {
        expect(() => parseFirstViews(bytes)).not.toThrow();
        expect(() => parseFirstViews(Uint8Array.of(1, 0, 1, ...bytes))).not.toThrow();
        expect(() => parseWindow(json)).not.toThrow();
        expect(() => parseWindow(`[true,${json}]`)).not.toThrow();
      }),
    );
  });

  it("leave out more rows than a screen has", () => {
    const [splice] = delta.splices;
    const many = Array.from({ length: 300 }, () => splice?.inserted ?? []).flat();
    expect(windowText({ ...delta, splices: [{ from: 0, removed: 0, inserted: many }] })).toBeUndefined();
  });
});

describe("a view's key", () => {
  it("differs with whatever changes its window, and with nothing else", () => {
    const crypto = createWebCrypto();
    const keyOf = (change: object) =>
      viewKey(crypto, { columns: ["a"], locale: "en", ...change } as { locale: string });
    const keys = [
      keyOf({}),
      keyOf({ columns: ["b"] }),
      keyOf({ locale: "sv" }),
      keyOf({ state: { expandedTo: 1 } }),
    ];
    expect(new Set(keys).size).toBe(keys.length);
    expect(keyOf({})).toBe(keyOf({}));
  });
});

describe("the keeper of windows", () => {
  const view = { dbIds: [dbId], text };

  it("tells only while the catalogs are being loaded, and forgets what changed", () => {
    const keeper = new FirstViews();
    keeper.loading(sample);
    expect(keeper.tell(key)).toEqual(delta);
    expect(keeper.tell("cd".repeat(32))).toBeUndefined();
    keeper.loaded();
    expect(keeper.tell(key)).toBeUndefined();
    expect(keeper.take().size).toBe(1);
    keeper.drop(otherDbId);
    expect(keeper.take().size).toBe(0);
  });

  it("has something to write when a window is another one", () => {
    const keeper = new FirstViews();
    keeper.note(key, view);
    expect(keeper.isDirty).toBe(true);
    keeper.take();
    keeper.note(key, view);
    expect(keeper.isDirty).toBe(false);
    keeper.note(key, { ...view, text: windowText({ ...delta, rowCount: 3 }) ?? "" });
    expect(keeper.isDirty).toBe(true);
    keeper.note("cd".repeat(32), { ...view, text: "x".repeat(300_000) });
    expect([...keeper.take().keys()]).toEqual([key]);
  });

  it("keeps the last eight", () => {
    const keeper = new FirstViews();
    for (let index = 10; index < 20; index++) keeper.note(`${index}`, view);
    expect([...keeper.take().keys()]).toEqual(["12", "13", "14", "15", "16", "17", "18", "19"]);
  });
});
