import fc from "fast-check";
import { expect, it } from "vitest";
import { bytesToId } from "../std/index.ts";
import type { TenantCore } from "./core.ts";
import { encodePurged, nonePurged, parsePurged, setPurged, type PurgedDocs } from "./purge.ts";
import { decodeTenantNames, encodeTenantNames } from "./slots.ts";

const id = (seed: number): Uint8Array => new Uint8Array(16).map((_, at) => (seed * 31 + at * 7) & 255);

function listOf(count: number, erasedCount: number): PurgedDocs {
  const rows = Array.from({ length: count }, (_, index) => ({
    dbId: bytesToId("DbId", id(index % 3)),
    docId: bytesToId("DocId", new Uint8Array([index >> 8, index & 255, ...id(7).subarray(2)])),
  }));
  return { rows, ids: new Set(rows.map(({ docId }) => docId)), erasedCount };
}

it("keeps the list of purged documents in order, and judges any bytes", () => {
  for (const [count, erased] of [
    [0, 0],
    [1, 0],
    [300, 299],
  ] as const) {
    const list = listOf(count, erased);
    expect(parsePurged(encodePurged(list))).toEqual(list);
  }
  const bytes = encodePurged(listOf(2, 1));
  const row = (seed: number, index: number): string =>
    Buffer.from([...id(seed), 0, index, ...id(7).subarray(2)]).toString("hex");
  expect(Buffer.from(bytes).toString("hex")).toBe(`010102${row(0, 0)}${row(1, 1)}`);
  for (let at = 0; at < bytes.length; at++) expect(parsePurged(bytes.subarray(0, at))).toBeUndefined();
  expect(parsePurged(bytes.with(0, 2))).toBeUndefined();
  expect(parsePurged(bytes.with(1, 3))).toBeUndefined();
  fc.assert(fc.property(fc.uint8Array(), (noise) => void parsePurged(new Uint8Array([1, ...noise]))));
});

it("goes by the longest list that was read, and by another where the stored one was damaged", () => {
  const core: Parameters<typeof setPurged>[0] = {
    unlocked: {} as TenantCore["unlocked"],
    get purged() {
      return core.unlocked?.purged ?? nonePurged;
    },
  };
  setPurged(core, listOf(3, 1));
  setPurged(core, listOf(2, 2));
  expect(core.purged).toEqual(listOf(3, 2));
  setPurged(core, listOf(4, 2));
  expect(core.purged).toEqual(listOf(4, 2));
  const rows = [{ dbId: bytesToId("DbId", id(9)), docId: bytesToId("DocId", id(9)) }];
  const fresh: PurgedDocs = { rows, ids: new Set(rows.map(({ docId }) => docId)), erasedCount: 0 };
  setPurged(core, fresh);
  expect(core.purged).toEqual(fresh);
});

it("reads names of both versions, and writes the second", () => {
  const names = { tenantName: "acme", adminName: "cn=admin/o=acme", keyNames: ["a", "é"] };
  const bytes = encodeTenantNames(names);
  expect(Buffer.from(bytes).toString("hex")).toBe(
    "0002" + "0461636d65" + "0f636e3d61646d696e2f6f3d61636d65" + "02" + "0161" + "02c3a9",
  );
  expect(decodeTenantNames(bytes)).toEqual(names);
  const first = Buffer.from("0461636d650f636e3d61646d696e2f6f3d61636d65", "hex");
  expect(decodeTenantNames(first)).toEqual({ ...names, keyNames: [] });
  for (let at = 0; at < bytes.length; at++)
    expect(() => decodeTenantNames(bytes.subarray(0, at))).toThrow(
      expect.objectContaining({ code: "entry/corrupt" }),
    );
  expect(() => decodeTenantNames(bytes.with(1, 3))).toThrow(
    expect.objectContaining({ code: "entry/corrupt" }),
  );
});
