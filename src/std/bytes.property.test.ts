import fc from "fast-check";
import { expect, test } from "vitest";
import { bytesToUtf8, utf8ToBytes } from "./bytes.ts";
import { runsOf } from "./runs-fixtures.ts";

/** The platform's own decoder, whatever the size. */
function plain(bytes: Uint8Array): string | undefined {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return undefined;
  }
}

test("short texts are read as the platform reads them, and what is none is none", () => {
  const ascii = fc.uint8Array({ maxLength: 40, max: 127 });
  const bytes = fc.oneof(
    ascii,
    fc.uint8Array({ maxLength: 40 }),
    fc.string({ unit: "binary" }).map(utf8ToBytes),
  );
  fc.assert(
    fc.property(bytes, (given) => {
      expect(bytesToUtf8(given)).toBe(plain(given));
      expect(bytesToUtf8(given.subarray(1))).toBe(plain(given.subarray(1)));
    }),
    { numRuns: runsOf(1000) },
  );
});
