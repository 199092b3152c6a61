import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { concatBytes, createSystemEnv } from "../std/index.ts";
import { runsOf } from "../std/runs-fixtures.ts";
import { createMemoryStorage } from "../store/index.ts";
import { measureFiles, writeSummary, type BundlePlace } from "./bundle.ts";
import { bundleOf, takeIn } from "./bundle-fixture.ts";
import { mayGo } from "./chunk-eviction.ts";
import { ChunkStore, freeChunks } from "./chunk-store.ts";
import { createDeviceSets } from "./device-sets.ts";
import { encodeFileFrame } from "./file-frames.ts";
import { encodeFrame } from "./frames.ts";
import type { Standing } from "./held-chunks.ts";
import { addFile, sealFile, type SealedFile } from "./peer-fixture.ts";
import { createFixture } from "./sync-fixture.ts";

const fixture = await createFixture();
const { crypto, tenantId } = fixture;
const minute = 60_000;
const laterMs = 20 * minute;
const old = await sealFile(fixture, [4000, 4000], minute);
const [small, large] = [
  await sealFile(fixture, [500], 9 * minute),
  await sealFile(fixture, [6000, 6000, 6000, 6000, 100], 9 * minute + 1),
];
const all = [old, large, small];
const sizeOf = ({ ciphertexts }: SealedFile): number =>
  ciphertexts.reduce((sum, { length }) => sum + length, 0);
const totalBytes = all.reduce((sum, file) => sum + sizeOf(file), 0);

interface Place extends BundlePlace {
  readonly chunks: ChunkStore;
}

/** A device with these files whole, and the commits of others. */
async function createPlace(
  files: readonly SealedFile[],
  others: readonly SealedFile[] = [],
  standing: Standing = "accepted",
): Promise<Place> {
  const storage = createMemoryStorage(createSystemEnv());
  const store = await storage.openStore("tenant");
  const chunks = new ChunkStore(storage, "test", tenantId);
  const write = async ({ bytes, commitHash }: SealedFile["commit"]): Promise<void> =>
    void (await store.write({ records: [{ commitHash, bytes, origin: "" }] }));
  for (const file of files) await addFile({ chunks, write }, file);
  for (const { commit } of others) await write(commit);
  const sets = createDeviceSets(store, tenantId);
  const judging = { standingOf: () => standing, nowMs: () => laterMs };
  return { crypto, store, sets, chunks, tenantId, userKey: fixture.signer.key, ...judging };
}

const withFiles = (place: BundlePlace, summary?: Uint8Array, maxFileBytes = Infinity) =>
  bundleOf(place, summary, maxFileBytes);

/** Which chunks of a file are here, each with the bytes that were signed. */
async function heldOf({ chunks }: Place, { ciphertexts, part }: SealedFile): Promise<readonly boolean[]> {
  const known = (await chunks.part(part.commitHash))?.chunks ?? [];
  const bytes = await chunks.chunksOf(part.chunks.map(({ hash }) => hash));
  return ciphertexts.map((expected, index) => {
    const isHere = known[index]?.isHere === true;
    if (isHere) expect(Buffer.compare(bytes[index] ?? new Uint8Array(), expected)).toBe(0);
    return isHere;
  });
}
const countOf = async (place: Place, files = all): Promise<number> =>
  (await Promise.all(files.map((file) => heldOf(place, file)))).flat().filter(Boolean).length;

describe("a bundle with contents of files", () => {
  it("brings them to who has nothing, in pieces of any size, and once; they count as no server's receipt", async () => {
    const bundle = await withFiles(await createPlace(all));
    const into = await createPlace([]);
    expect(await takeIn(into, bundle, 313)).toMatchObject({ newCount: 3, newFileBytes: totalBytes });
    expect(await countOf(into)).toBe(8);
    for (const { part } of all) {
      const kept = (await into.chunks.part(part.commitHash)) ?? expect.fail("kept");
      expect(kept).toMatchObject({ isNamed: true, isOwn: true });
      expect(kept.chunks.some((_, index) => mayGo(kept, index))).toBe(false);
    }
    expect(await takeIn(into, bundle)).toMatchObject({ newCount: 0, newFileBytes: 0 });
  });

  it("brings them to who has the commits only, and leaves out what a summary says is there whole", async () => {
    const from = await createPlace(all);
    const into = await createPlace([small], [old, large]);
    const summary = await writeSummary(into);
    expect(summary[4]).toBe(2);
    const bundle = await withFiles(from, summary);
    expect(await takeIn(into, bundle)).toMatchObject({
      commitCount: 0,
      newFileBytes: sizeOf(old) + sizeOf(large),
    });
    expect(await countOf(into)).toBe(8);
    expect(await withFiles(from, await writeSummary(into))).toHaveLength(38 + 3);
  });

  it("without any is of the first version, and holds the newest first, of those the smallest, as far as they fit", async () => {
    const from = await createPlace(all);
    const plain = await withFiles(from, undefined, 0);
    expect(plain[4]).toBe(1);
    const within = async (maxFileBytes: number) => {
      const into = await createPlace([]);
      const bundle = await withFiles(from, undefined, maxFileBytes);
      expect(bundle.length - plain.length).toBeLessThanOrEqual(maxFileBytes * 1.2);
      const { newFileBytes } = await takeIn(into, bundle);
      const size = await measureFiles(from, undefined, maxFileBytes);
      expect(size).toEqual({ fileBytes: newFileBytes, leftOutBytes: totalBytes - newFileBytes });
      return Promise.all([small, large, old].map((file) => countOf(into, [file])));
    };
    expect(await within(sizeOf(small) - 1)).toEqual([0, 0, 0]);
    expect(await within(sizeOf(small))).toEqual([1, 0, 0]);
    // What is too large leaves its room to what is older.
    expect(await within(sizeOf(small) + sizeOf(old))).toEqual([1, 0, 2]);
    expect(await within(sizeOf(small) + sizeOf(large))).toEqual([1, 5, 0]);
    expect(await within(totalBytes)).toEqual([1, 5, 2]);
  });

  it("holds nothing that no document names, whose commit is not in the log, or that the disk changed", async () => {
    const from = await createPlace([small, large]);
    await addFile({ chunks: from.chunks, write: async () => undefined }, old);
    await from.chunks.edit(small.part.commitHash, (part) => ({ ...part, isNamed: false }));
    await from.chunks.addFetched(large.part, 2, new Uint8Array(large.ciphertexts[2]?.length ?? 0));
    expect(await measureFiles(from, undefined, Infinity)).toEqual({
      fileBytes: sizeOf(large),
      leftOutBytes: 0,
    });
    const into = await createPlace([]);
    await takeIn(into, await withFiles(from));
    expect(await heldOf(into, large)).toEqual([true, true, false, true, true]);
    expect(await countOf(into, [small, old])).toBe(0);
  });

  it("is read by a relay without keys, and written by it: what it held before it was locked", async () => {
    const held = await createPlace([small]);
    const relay: Place = { ...held, userKey: undefined, standingOf: () => "unknown" };
    await takeIn(relay, await withFiles(await createPlace(all)));
    expect(await countOf(relay)).toBe(8);
    const into = await createPlace([]);
    const report = await takeIn(into, await withFiles(relay, await writeSummary(into)));
    expect(report).toMatchObject({ newCount: 3, newFileBytes: sizeOf(small) });
    expect(await countOf(into, [small])).toBe(1);
  });

  it("of commits that nobody has judged yet waits: it is nobody's to give, may go, and counts once it comes again", async () => {
    const bundle = await withFiles(await createPlace(all));
    const into = await createPlace([], [], "unknown");
    expect(await takeIn(into, bundle)).toMatchObject({ newCount: 3, newFileBytes: totalBytes });
    expect(await countOf(into)).toBe(8);
    for (const { part } of all)
      expect(await into.chunks.part(part.commitHash)).toMatchObject({
        isNamed: false,
        isOwn: false,
        usedAtMs: laterMs,
      });
    expect(await measureFiles(into, undefined, Infinity)).toEqual({ fileBytes: 0, leftOutBytes: 0 });
    // As on a full disk, or by a budget.
    expect(await freeChunks(into.chunks, totalBytes)).toBe(totalBytes);
    const judged: Place = { ...into, standingOf: () => "accepted" };
    expect(await takeIn(judged, bundle)).toMatchObject({ newFileBytes: totalBytes });
    for (const { part } of all)
      expect(await into.chunks.part(part.commitHash)).toMatchObject({ isNamed: true, isOwn: true });
    expect(await freeChunks(into.chunks, totalBytes)).toBe(0);
  });

  it("of commits that were refused leaves nothing behind, and is no wrong bundle", async () => {
    const bundle = await withFiles(await createPlace(all));
    const into = await createPlace([], [], "refused");
    expect(await takeIn(into, bundle)).toMatchObject({ newCount: 3, newFileBytes: 0 });
    expect(await into.chunks.parts()).toEqual([]);
    const hashes = all.flatMap(({ part }) => part.chunks.map(({ hash }) => hash));
    expect(await into.chunks.chunksOf(hashes)).toEqual(hashes.map(() => undefined));
  });

  it("that is cut at any byte says so, keeps each chunk that came whole, and goes on when it is taken in again", async () => {
    const bundle = await withFiles(await createPlace(all));
    let before = 0;
    for (let size = 40; size < bundle.length; size += 1471) {
      const into = await createPlace([]);
      await expect(takeIn(into, bundle.subarray(0, size))).rejects.toMatchObject({ code: "entry/corrupt" });
      const count = await countOf(into);
      expect(count).toBeGreaterThanOrEqual(before);
      before = count;
      await takeIn(into, bundle);
      expect(await countOf(into)).toBe(8);
    }
    expect(before).toBe(7);
  });

  it("with a chunk that is another's, bent, cut or too long says so in the end, and what is whole is kept", async () => {
    const [first = new Uint8Array(), second = new Uint8Array()] = large.ciphertexts;
    const bent = first.slice();
    bent[77] = (bent[77] ?? 0) ^ 1;
    const frameOf = (index: number, ciphertext: Uint8Array<ArrayBuffer>, { part } = large) =>
      encodeFileFrame({ type: "chunk", dbId: part.dbId, commitHash: part.commitHash, index, ciphertext });
    const head = (await withFiles(await createPlace(all))).subarray(0, 38);
    for (const wrong of [bent, second, first.slice(1), concatBytes(first, new Uint8Array(1))]) {
      const into = await createPlace([], [large]);
      const bundle = concatBytes(
        head,
        frameOf(0, wrong),
        frameOf(15, first),
        frameOf(0, first, small),
        frameOf(1, second),
        encodeFrame({ type: "end", more: false }),
      );
      await expect(takeIn(into, bundle)).rejects.toMatchObject({
        code: "entry/corrupt",
        details: { detail: "files", newFileBytes: second.length },
      });
      expect(await heldOf(into, large)).toEqual([false, true, false, false, false]);
    }
  });

  it("by a bit anywhere in its chunks says so, and nothing is kept that is not the file's", async () => {
    const bundle = await withFiles(await createPlace([small]));
    const chunkBytes = sizeOf(small) + 52;
    await fc.assert(
      fc.asyncProperty(fc.nat(chunkBytes * 8 - 1), async (bit) => {
        const said = bundle.slice();
        const at = said.length - 3 - chunkBytes + (bit >>> 3);
        said[at] = (said[at] ?? 0) ^ (1 << (bit & 7));
        const into = await createPlace([]);
        const code = await takeIn(into, said).then(
          ({ newFileBytes }) => newFileBytes,
          (error: { code: string }) => error.code,
        );
        // A type that nobody knows is skipped.
        expect(["entry/corrupt", "protocol/malformed", 0]).toContain(code);
        expect(await countOf(into)).toBe(0);
      }),
      { numRuns: runsOf(80) },
    );
  });

  it("on a full disk stops with what was stored, and mends what the disk changed", async () => {
    const bundle = await withFiles(await createPlace([large]));
    const into = await createPlace([], [large]);
    await into.chunks.addFetched(large.part, 0, new Uint8Array(large.ciphertexts[0]?.length ?? 0));
    const full = new Error("full");
    let left = 2;
    const chunks = new Proxy(into.chunks, {
      get(target, name) {
        if (name === "change" && left-- <= 0) throw full;
        const value: unknown = Reflect.get(target, name);
        return typeof value === "function" ? (value.bind(target) as unknown) : value;
      },
    });
    await expect(takeIn({ ...into, chunks }, bundle)).rejects.toBe(full);
    expect(await heldOf(into, large)).toEqual([true, true, false, false, false]);
    await takeIn(into, bundle);
    expect(await countOf(into, [large])).toBe(5);
  });
});
