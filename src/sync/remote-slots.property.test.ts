import fc from "fast-check";
import { expect, test } from "vitest";
import { bytesToId } from "../std/index.ts";
import {
  encodeDatabaseState,
  encodeFileEpochs,
  encodeOutbox,
  parseDatabaseState,
  parseFileEpochs,
  parseOutbox,
} from "./remote-slots.ts";

const logEpoch = new Uint8Array(16).fill(1);
const dbId = bytesToId("DbId", new Uint8Array(16).fill(2));
const bytes32 = fc.uint8Array({ minLength: 32, maxLength: 32 });
const countOnes = (size: number): number => size.toString(2).replaceAll("0", "").length;

test("an outbox comes back as it went in, for its own log only", () => {
  const refused = fc.array(
    bytes32.map((hash) => bytesToId("CommitHash", hash)),
    { maxLength: 5 },
  );
  fc.assert(
    fc.property(
      fc.record({ position: fc.maxSafeNat(), everythingThrough: fc.maxSafeNat(), refused }),
      (outbox) => {
        const bytes = encodeOutbox(outbox, logEpoch);
        expect(parseOutbox(bytes, logEpoch)).toEqual(outbox);
        expect(parseOutbox(bytes, new Uint8Array(16))).toBeUndefined();
        expect(parseOutbox(bytes.subarray(1), logEpoch)).toBeUndefined();
      },
    ),
  );
});

test("a database's state comes back; with an audit pending it begins again", () => {
  fc.assert(
    fc.property(fc.maxSafeNat(), fc.maxSafeNat(), fc.boolean(), (epoch, size, isAudited) => {
      const frontier = Array.from({ length: countOnes(size) }, (_, n) => new Uint8Array(32).fill(n));
      const state = { dbId, epoch, size, frontier, headTimeMs: 0, audit: isAudited ? [] : undefined };
      const bytes = encodeDatabaseState(state, logEpoch);
      expect(parseDatabaseState(dbId, bytes, logEpoch)).toEqual(
        isAudited ? { ...state, size: 0, frontier: [] } : state,
      );
      expect(parseDatabaseState(dbId, bytes, new Uint8Array(16))).toBeUndefined();
      expect(parseDatabaseState(dbId, bytes.subarray(0, -1), logEpoch)).toBeUndefined();
    }),
  );
});

test("any bytes give a verdict", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
      parseOutbox(bytes, logEpoch);
      parseDatabaseState(dbId, bytes, logEpoch);
    }),
  );
});

test("the epochs since when receipts of files count come back, and none of what is no such value", () => {
  const ids = fc.uint8Array({ minLength: 16, maxLength: 16 }).map((bytes) => bytesToId("DbId", bytes));
  fc.assert(
    fc.property(fc.array(fc.tuple(ids, fc.maxSafeNat())), fc.uint8Array(), (entries, noise) => {
      const epochs = new Map(entries);
      const bytes = encodeFileEpochs(epochs);
      expect(parseFileEpochs(bytes)).toEqual(epochs);
      const cut = Array.from(bytes, (_, size) => bytes.subarray(0, size));
      for (const bad of [undefined, "text", ...cut, Uint8Array.of(...bytes, 0), noise.fill(2)])
        expect(parseFileEpochs(bad).size).toBe(0);
    }),
  );
});
