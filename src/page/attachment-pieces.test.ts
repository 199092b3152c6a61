/** How far a file is read ahead of whoever takes its bytes. */
import { describe, expect, it } from "vitest";
import type { WorkerApi } from "../../worker/api.ts";
import { attachmentLimits, findChunks, readPart, type Part } from "../attachment/index.ts";
import { bytesToId, concatBytes } from "../std/index.ts";
import { piecesOf } from "./attachment-pieces.ts";
import type { DatabaseCore } from "./database.ts";
import type { DocCore } from "./doc.ts";

const { chunkBytes } = attachmentLimits;
const partCount = 9;
/** parts of three chunks, which the worker reads as a page asks for them */
const parts = Array.from({ length: partCount }, (_, index): Part => {
  const commitHash = bytesToId("CommitHash", new Uint8Array(32).fill(index + 1));
  return { commitHash, sizeBytes: 2 * chunkBytes + 100 };
});
const sizeBytes = partCount * (2 * chunkBytes + 100);
const content = { parts, sizeBytes, type: "" };

/** What stands in a part: its number, in every byte. */
function openFake() {
  const asked = { chunks: 0, calls: 0, answered: 0 };
  const readPieces: WorkerApi["readPieces"] = async (_database, _docId, encoded, { from, to }) => {
    const part = readPart(encoded);
    const number = parts.findIndex(({ commitHash }) => commitHash === part?.commitHash) + 1;
    const slices = findChunks(part?.sizeBytes ?? 1, from, to);
    asked.calls += 1;
    asked.chunks += slices.length;
    await Promise.resolve();
    asked.answered += 1;
    return slices.map((slice) => new Uint8Array(slice.to - slice.from).fill(number));
  };
  const call = (run: (api: Pick<WorkerApi, "readPieces">) => unknown): unknown => run({ readPieces });
  const core = { subscription: 1, call } as unknown as DatabaseCore;
  return { asked, core, own: { place: { id: "doc" } } as unknown as DocCore };
}

const settled = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 5));

describe("the bytes of a file", () => {
  it("come in order, a chunk at a time, wherever a range begins and ends", async () => {
    const { core, own } = openFake();
    const whole = concatBytes(...parts.map((part, index) => new Uint8Array(part.sizeBytes).fill(index + 1)));
    for (const [from, to] of [
      [0, sizeBytes],
      [1, 2],
      [chunkBytes - 1, chunkBytes + 1],
      [2 * chunkBytes + 99, 2 * chunkBytes + 101],
      [3 * chunkBytes, sizeBytes - 1],
    ] as const) {
      const pieces: Uint8Array[] = [];
      for await (const piece of piecesOf(core, own, content, { from, to })) pieces.push(piece);
      expect(pieces.every(({ length }) => length > 0 && length <= chunkBytes)).toBe(true);
      expect(Buffer.compare(concatBytes(...pieces), whole.subarray(from, to))).toBe(0);
    }
  });

  it("are read a chunk first, and at most three parts ahead of who takes them", async () => {
    const { asked, core, own } = openFake();
    const pieces = piecesOf(core, own, content, {});
    let [taken, most] = [0, 0];
    for (; (await pieces.next()).done !== true; taken++) {
      await settled();
      if (taken === 0) expect(asked.chunks).toBe(1);
      most = Math.max(most, asked.chunks - taken - 1);
    }
    expect(taken).toBe(3 * partCount);
    // Two parts behind the one in hand, of which a chunk is taken.
    expect(most).toBeGreaterThanOrEqual(6);
    expect(most).toBeLessThanOrEqual(8);
  });

  it("are read no further once nobody takes them", async () => {
    for (const giveUp of ["return", "abort"] as const) {
      const { asked, core, own } = openFake();
      const stop = new AbortController();
      const pieces = piecesOf(core, own, content, { signal: stop.signal });
      for (let count = 0; count < 4; count++) await pieces.next();
      await settled();
      const { calls } = asked;
      if (giveUp === "return") await pieces.return();
      else {
        stop.abort();
        await expect(pieces.next()).rejects.toMatchObject({ code: "aborted" });
      }
      await settled();
      expect(asked.calls).toBe(calls);
      expect(asked.answered).toBe(calls);
      expect(calls).toBeLessThan(partCount);
      expect((await pieces.next()).done).toBe(true);
    }
  });
});
