import fc from "fast-check";
import { expect, test } from "vitest";
import { createFrameReader, decodeFrames, type FrameVerdict } from "./frames.ts";
import { runsOf } from "../std/runs-fixtures.ts";

test("any bytes in any chunks give verdicts, and come to an end", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 600 }), fc.integer({ min: 1, max: 50 }), (bytes, chunkBytes) => {
      const reader = createFrameReader();
      let verdictCount = 0;
      for (let at = 0; at < bytes.length; at += chunkBytes) {
        reader.push(bytes.subarray(at, at + chunkBytes));
        let verdict: FrameVerdict = reader.next();
        for (; verdict.kind === "frame"; verdict = reader.next()) verdictCount++;
        if (verdict.kind === "malformed") expect(reader.next().kind).toBe("malformed");
      }
      expect(verdictCount).toBeLessThanOrEqual(bytes.length / 2);
      decodeFrames(bytes);
    }),
    { numRuns: runsOf(2000) },
  );
});
