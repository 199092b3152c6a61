import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import * as fc from "fast-check";
import type { Definition } from "../expr/index.ts";
import { createWebCrypto } from "../crypto/index.ts";
import { bytesToHex, bytesToId, parseHex } from "../std/index.ts";
import {
  encodeFirstRows,
  FirstRowsKeeper,
  parseFirstRows,
  queryKey,
  type FirstRows,
  type KeptRows,
} from "./first-rows.ts";

const vectors = JSON.parse(readFileSync(new URL("first-rows.vectors.json", import.meta.url), "utf8")) as {
  readonly kept: string;
  readonly refused: Readonly<Record<string, string>>;
};
const dbId = bytesToId("DbId", new Uint8Array(16).fill(7));
const otherDbId = bytesToId("DbId", new Uint8Array(16).fill(8));
const key = "ab".repeat(32);

const rowsOf = (value: FirstRows["rows"][number]["value"], changedAtMs = 2): FirstRows => ({
  total: 3,
  rows: [{ id: "one", value, isWhole: true, author: "me", createdAtMs: 1, changedAtMs }],
  cursor: { keys: ["Ada", new Date(5)], id: "one" },
});
const sample: KeptRows = {
  purgedCount: 2,
  databases: new Map([
    [
      dbId,
      {
        documentCount: 5,
        queries: new Map([[key, rowsOf({ name: "Ada", born: new Date(0), tags: ["a"] })]]),
      },
    ],
  ]),
};

describe("the first rows as bytes", () => {
  it("are as frozen, there and back", () => {
    expect(bytesToHex(encodeFirstRows(sample))).toBe(vectors.kept);
    expect(parseFirstRows(parseHex(vectors.kept) ?? new Uint8Array(0))).toEqual(sample);
  });

  it.each(Object.entries(vectors.refused))("are refused: %s", (_, hex) => {
    expect(parseFirstRows(parseHex(hex) ?? new Uint8Array(0))).toBeUndefined();
  });

  it("come back from any values", () => {
    const value = fc.dictionary(
      fc.string(),
      fc.oneof(fc.string(), fc.integer(), fc.boolean(), fc.constant(null), fc.double()),
    );
    fc.assert(
      fc.property(value, fc.nat(), (fields, total) => {
        const answer = { ...rowsOf({ ...fields }), total };
        const kept = {
          purgedCount: 0,
          databases: new Map([[dbId, { documentCount: 1, queries: new Map([[key, answer]]) }]]),
        };
        expect(parseFirstRows(encodeFirstRows(kept))).toEqual(kept);
      }),
    );
  });

  it("give a verdict on any bytes", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        expect(() => parseFirstRows(bytes)).not.toThrow();
        expect(() => parseFirstRows(Uint8Array.of(1, 0, 1, ...bytes))).not.toThrow();
      }),
    );
  });

  it("leave out what is too long for a first screen", () => {
    const long = { documentCount: 1, queries: new Map([[key, rowsOf({ text: "x".repeat(300_000) })]]) };
    const read = parseFirstRows(encodeFirstRows({ purgedCount: 0, databases: new Map([[dbId, long]]) }));
    expect(read?.databases.get(dbId)?.queries.size).toBe(0);
  });
});

const plain: Definition = {
  filter: undefined,
  sort: [],
  locale: undefined,
  limit: undefined,
  offset: 0,
  after: undefined,
  select: undefined,
  distinct: false,
  group: undefined,
};

describe("a query's key", () => {
  const crypto = createWebCrypto();
  const query = { ...plain, sort: [{ field: "name" }], limit: 50 };

  it("differs with whatever changes its answer, and with nothing else", () => {
    const keyOf = (change: object, shape?: unknown) => queryKey(crypto, { ...query, ...change }, shape);
    const keys = [
      keyOf({}),
      keyOf({ limit: 51 }),
      keyOf({ offset: 1 }),
      keyOf({ sort: [] }),
      keyOf({}, { version: 1 }),
      keyOf({}, { version: 2 }),
      keyOf({ locale: "sv" }),
      keyOf({ select: ["name"] }),
      keyOf({ distinct: true }),
      keyOf({ after: { keys: ["Ada"], id: "one" } }),
      keyOf({ filter: { op: "value", value: new Date(5) } }),
      keyOf({ filter: { op: "value", value: ["d", 5] } }),
    ];
    expect(keys).not.toContain(undefined);
    expect(new Set(keys).size).toBe(keys.length);
    expect(keyOf({})).toBe(keyOf({ sort: [{ field: "name" }] }));
  });

  it("is for a screen only", () => {
    expect(queryKey(crypto, { ...query, limit: undefined }, undefined)).toBeUndefined();
    expect(queryKey(crypto, { ...query, limit: 257 }, undefined)).toBeUndefined();
    expect(queryKey(crypto, { ...query, group: { by: ["name"] } as never }, undefined)).toBeUndefined();
  });
});

describe("the keeper", () => {
  it("has something to write until it was written, and after a change forgets", () => {
    const keeper = new FirstRowsKeeper();
    expect(keeper.isDirty).toBe(false);
    keeper.note(dbId, key, rowsOf({}));
    keeper.note(otherDbId, key, rowsOf({}));
    expect(keeper.isDirty).toBe(true);
    expect(keeper.take().size).toBe(2);
    expect(keeper.isDirty).toBe(false);
    keeper.note(dbId, key, rowsOf({}));
    expect(keeper.isDirty).toBe(false);
    keeper.drop(dbId);
    expect([...keeper.take().keys()]).toEqual([otherDbId]);
    keeper.note(otherDbId, key, rowsOf({}, 3));
    expect(keeper.isDirty).toBe(true);
  });

  it("goes on with what was kept without writing it again", () => {
    const keeper = new FirstRowsKeeper();
    keeper.loading(sample);
    expect(keeper.isDirty).toBe(false);
    expect(keeper.isLoaded).toBe(false);
    expect(keeper.kept(dbId)?.documentCount).toBe(5);
    keeper.loaded();
    expect(keeper.isLoaded).toBe(true);
    expect(keeper.kept(dbId)).toBeUndefined();
    keeper.note(dbId, key, rowsOf({ name: "Ada", born: new Date(0), tags: ["a"] }));
    expect(keeper.isDirty).toBe(false);
  });

  it("keeps the last eight of a database", () => {
    const keeper = new FirstRowsKeeper();
    for (let index = 10; index < 20; index++) keeper.note(dbId, `${index}`.repeat(32), rowsOf({}));
    expect([...(keeper.take().get(dbId)?.keys() ?? [])].map((one) => one.slice(0, 2))).toEqual([
      "12",
      "13",
      "14",
      "15",
      "16",
      "17",
      "18",
      "19",
    ]);
  });
});
