import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { bytesToBase64url, parseBase64url } from "../std/index.ts";
import { encodeCursor, parseCursor, type FeedCursor } from "./change-feed.ts";

const hex = (sizeBytes: number): fc.Arbitrary<string> =>
  fc
    .uint8Array({ minLength: sizeBytes, maxLength: sizeBytes })
    .map((bytes) => Buffer.from(bytes).toString("hex"));

const spans = fc
  .array(fc.record({ gap: fc.nat(1000), length: fc.nat(50), standing: hex(8) }), { maxLength: 257 })
  .map((steps) => {
    let end = -1;
    return steps.map(({ gap, length, standing }) => {
      const from = end + 1 + gap;
      end = from + length;
      return { from, to: end, standing };
    });
  });

const cursors: fc.Arbitrary<FeedCursor> = fc.record({
  logEpoch: hex(16),
  purgedCount: fc.nat(),
  position: fc.nat(),
  entryIndex: fc.nat(255),
  spans,
  again: fc.option(fc.record({ position: fc.nat(), entryIndex: fc.nat(255), standing: hex(8) }), {
    nil: undefined,
  }),
});

describe("a cursor of changes", () => {
  it("comes back from its text", () => {
    fc.assert(
      fc.property(cursors, (cursor) => {
        expect(parseCursor(encodeCursor(cursor))).toEqual(cursor);
      }),
    );
  });

  it("is what it was in its first version", () => {
    const cursor: FeedCursor = {
      logEpoch: "000102030405060708090a0b0c0d0e0f",
      purgedCount: 2,
      position: 300,
      entryIndex: 7,
      spans: [
        { from: 0, to: 0, standing: "0001020304050607" },
        { from: 9, to: 12, standing: "0111121314151617" },
      ],
      again: { position: 10, entryIndex: 3, standing: "0121222324252627" },
    };
    const text = "AQABAgMEBQYHCAkKCwwNDg8CrAIHAgAAAAECAwQFBgcIAwEREhMUFRYXAQoDASEiIyQlJic";
    expect(encodeCursor(cursor)).toBe(text);
    expect(parseCursor(text)).toEqual(cursor);
  });

  it("is none with a byte less or more, of another version, or over its limits", () => {
    fc.assert(
      fc.property(cursors, fc.nat(), fc.uint8Array(), (cursor, at, noise) => {
        const bytes = parseBase64url(encodeCursor(cursor)) ?? new Uint8Array(0);
        const none = [bytes.subarray(0, at % bytes.length), new Uint8Array([...bytes, 0]), bytes.with(0, 2)];
        for (const one of none) expect(parseCursor(bytesToBase64url(one))).toBeUndefined();
        // Any bytes give a cursor or none.
        parseCursor(bytesToBase64url(noise));
        parseCursor(bytesToBase64url(new Uint8Array([1, ...noise])));
      }),
    );
    expect(parseCursor("a".repeat(16 * 1024 + 4))).toBeUndefined();
    expect(parseCursor("not base64url!")).toBeUndefined();
  });
});
