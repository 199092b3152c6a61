import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  bytesToHex,
  bytesToId,
  concatBytes,
  createSystemEnv,
  parseHex,
  type CommitHash,
  type DbId,
} from "../std/index.ts";
import { createMemoryStorage } from "../store/index.ts";
import { BundleReading, bundleLimits, writeSummary, type BundlePlace } from "./bundle.ts";
import { bundleOf, takeIn } from "./bundle-fixture.ts";
import vectors from "./bundle.vectors.json";
import { ChunkStore } from "./chunk-store.ts";
import { createDeviceSets } from "./device-sets.ts";
import { encodeFrame } from "./frames.ts";
import { createFixture } from "./sync-fixture.ts";

const fixture = await createFixture();
const { crypto, dbId, directoryDbId, tenantId } = fixture;
type Sealed = Awaited<ReturnType<typeof fixture.seal>>;

async function createPlace(...commits: readonly Sealed[]): Promise<BundlePlace> {
  const storage = createMemoryStorage(createSystemEnv());
  const store = await storage.openStore("tenant");
  const chunks = new ChunkStore(storage, "test", tenantId);
  const records = commits.map(({ commitHash, bytes }) => ({ commitHash, bytes, origin: "" }));
  if (records.length > 0) await store.write({ records });
  const sets = createDeviceSets(store, tenantId);
  const judging: Pick<BundlePlace, "standingOf" | "nowMs"> = { standingOf: () => "accepted", nowMs: () => 1 };
  return { crypto, store, sets, chunks, tenantId, userKey: fixture.signer.key, ...judging };
}

const sealMany = (count: number, into?: DbId): Promise<Sealed[]> =>
  Promise.all(Array.from({ length: count }, () => fixture.seal(into)));

/** As the file is: in order, and once for each time that it is there. */
async function logOf({ store }: BundlePlace): Promise<readonly CommitHash[]> {
  const records = await store.readLog({ after: 0, maxCount: 10_000, maxBytes: 1e9 });
  return records.map(({ commitHash }) => commitHash);
}
const setOf = async (place: BundlePlace) => (await logOf(place)).toSorted();
const hashesOf = (commits: readonly Sealed[]) => commits.map(({ commitHash }) => commitHash).toSorted();
const counts = (commitCount: number, newCount: number) => ({
  commitCount,
  newCount,
  refusedCount: 0,
  refused: [],
  newFileBytes: 0,
});

describe("a bundle", () => {
  it("brings exactly what a summary lacks, the directory first, in pieces of any size, and once", async () => {
    const shared = await sealMany(30);
    const [own, theirs, directory] = [
      await sealMany(12),
      await sealMany(5),
      await sealMany(3, directoryDbId),
    ];
    const from = await createPlace(...shared, ...own, ...directory);
    const into = await createPlace(...theirs, ...shared);
    const bundle = await bundleOf(from, await writeSummary(into));
    expect(bundle.length).toBeLessThan((await bundleOf(from)).length / 2);
    expect(await takeIn(into, bundle, 7)).toEqual(counts(15, 15));
    expect(await setOf(into)).toEqual(hashesOf([...shared, ...own, ...theirs, ...directory]));
    expect((await logOf(into)).slice(35, 38).toSorted()).toEqual(hashesOf(directory));
    expect(await takeIn(into, bundle)).toEqual(counts(15, 0));
    expect(await setOf(into)).toHaveLength(50);
  });

  it("without a summary brings everything; when nothing is lacking it holds nothing", async () => {
    const commits = await sealMany(300);
    const from = await createPlace(...commits);
    const fresh = await createPlace();
    expect(await takeIn(fresh, await bundleOf(from), 100_000)).toEqual(counts(300, 300));
    expect(await logOf(fresh)).toEqual(commits.map(({ commitHash }) => commitHash));
    expect((await bundleOf(from, await writeSummary(fresh))).length).toBe(38 + 3);
  });

  it("makes two devices alike that have only files between them, both ways, over one that holds no key", async () => {
    const [ours, theirs] = [await sealMany(9), await sealMany(7, directoryDbId)];
    const [here, there] = [await createPlace(...ours), await createPlace(...theirs)];
    const relay: BundlePlace = { ...(await createPlace()), userKey: undefined };
    await takeIn(relay, await bundleOf(here));
    await takeIn(there, await bundleOf(relay, await writeSummary(there)));
    await takeIn(here, await bundleOf(there, await writeSummary(here)));
    expect(await setOf(here)).toEqual(hashesOf([...ours, ...theirs]));
    expect(await setOf(there)).toEqual(await setOf(here));
  });

  it("that is cut at any byte says so, keeps each commit that came whole, and goes on when it is taken in again", async () => {
    const commits = await sealMany(4);
    const bundle = await bundleOf(await createPlace(...commits));
    const each = (bundle.length - 38 - 3) / 4;
    for (let size = 0; size < bundle.length; size += 29) {
      const into = await createPlace();
      await expect(takeIn(into, bundle.subarray(0, size))).rejects.toMatchObject({ code: "entry/corrupt" });
      const wholeCount = Math.max(0, Math.floor((size - 38) / each));
      expect(await logOf(into)).toHaveLength(wholeCount);
      expect(await takeIn(into, bundle)).toEqual(counts(4, 4 - wholeCount));
      expect(await setOf(into)).toEqual(hashesOf(commits));
    }
  });

  it("that is given up keeps what came", async () => {
    const bundle = await bundleOf(await createPlace(...(await sealMany(4))));
    const into = await createPlace();
    const reading = new BundleReading(into);
    await reading.take(bundle.subarray(0, bundle.length - 200));
    expect(reading.commitCount).toBe(3);
    await reading.close();
    expect(await logOf(into)).toHaveLength(3);
  });

  it("tells of each commit that is not genuine, and takes the others", async () => {
    const [good, bent, misfiled, last] = await sealMany(4);
    const stranger = await (await createFixture(8)).seal();
    if (good === undefined || bent === undefined || misfiled === undefined || last === undefined) return;
    const forged = bent.bytes.slice();
    forged[forged.length - 1] = (forged.at(-1) ?? 0) ^ 1;
    const push = (bytes: Uint8Array, db: DbId = dbId) =>
      encodeFrame({ type: "push", dbId: db, commits: [bytes] });
    const bundle = concatBytes(
      (await bundleOf(await createPlace())).subarray(0, 38),
      push(good.bytes),
      push(forged),
      push(new Uint8Array(9)),
      push(misfiled.bytes, directoryDbId),
      push(stranger.bytes),
      push(last.bytes),
      encodeFrame({ type: "end", more: false }),
    );
    const into = await createPlace();
    const { refused, ...report } = await takeIn(into, bundle);
    expect(report).toEqual({ commitCount: 2, newCount: 2, refusedCount: 4, newFileBytes: 0 });
    expect(refused.map(({ commitHash }) => commitHash)).toEqual([
      bent.commitHash,
      undefined,
      misfiled.commitHash,
      stranger.commitHash,
    ]);
    expect(await setOf(into)).toEqual(hashesOf([good, last]));
  });

  it("full of forgeries names the first hundred, and counts the others", async () => {
    const junk = encodeFrame({
      type: "push",
      dbId,
      commits: Array.from({ length: 150 }, () => new Uint8Array(5)),
    });
    const head = (await bundleOf(await createPlace())).subarray(0, 38);
    const end = encodeFrame({ type: "end", more: false });
    const { refused, refusedCount } = await takeIn(await createPlace(), concatBytes(head, junk, end));
    expect([refused.length, refusedCount]).toEqual([bundleLimits.refused, 150]);
  });

  it("is refused when it is of another tenant or kind, or goes on after its end", async () => {
    const place = await createPlace(...(await sealMany(2)));
    const bundle = await bundleOf(place);
    const elsewhere = { ...place, tenantId: bytesToId("TenantId", new Uint8Array(32).fill(9)) };
    await expect(takeIn(elsewhere, bundle)).rejects.toMatchObject({ code: "input/unknown-id" });
    await expect(takeIn(place, await writeSummary(place))).rejects.toMatchObject({
      code: "protocol/malformed",
    });
    await expect(bundleOf(place, bundle)).rejects.toMatchObject({ code: "protocol/malformed" });
    for (const more of [encodeFrame({ type: "end", more: false }), new Uint8Array(1)])
      await expect(takeIn(place, concatBytes(bundle, more))).rejects.toMatchObject({
        code: "protocol/malformed",
      });
  });

  it("on a full disk stops with what was stored, and goes on when there is room", async () => {
    const commits = await sealMany(600);
    const bundle = await bundleOf(await createPlace(...commits));
    const into = await createPlace();
    let left = 1;
    const full = new Error("full");
    const store = new Proxy(into.store, {
      get(target, name) {
        if (name === "write" && left-- <= 0) throw full;
        const value: unknown = Reflect.get(target, name);
        return typeof value === "function" ? (value.bind(target) as unknown) : value;
      },
    });
    const reading = new BundleReading({ ...into, store });
    await expect(reading.take(bundle)).rejects.toBe(full);
    expect((await logOf(into)).length).toBe(256);
    expect(await takeIn(into, bundle)).toEqual(counts(600, 344));
  });

  it("written for any summary brings just what is missing there", async () => {
    const commits = await sealMany(24);
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.integer({ min: 0, max: 3 }), { minLength: 24, maxLength: 24 }),
        fc.integer({ min: 1, max: 5000 }),
        async (where, pieceBytes) => {
          const heldBy = (bit: number) => commits.filter((_, index) => ((where[index] ?? 0) & bit) !== 0);
          const [from, into] = [await createPlace(...heldBy(1)), await createPlace(...heldBy(2))];
          const report = await takeIn(into, await bundleOf(from, await writeSummary(into)), pieceBytes);
          const lacking = where.filter((bits) => bits === 1).length;
          expect(report).toEqual(counts(lacking, lacking));
          expect(await setOf(into)).toEqual(hashesOf(commits.filter((_, index) => where[index] !== 0)));
        },
      ),
      { numRuns: 25 },
    );
  });
});

const bytesOf = (hex: string): Uint8Array<ArrayBuffer> => parseHex(hex) ?? new Uint8Array(0);

describe("vectors", () => {
  it("an empty bundle, and the summary of a device that has nothing", async () => {
    const empty = await createPlace();
    expect(bytesToHex(await bundleOf(empty))).toBe(vectors.bundle);
    const fixed = { ...crypto, randomBytes: () => new Uint8Array(8).fill(5) };
    expect(bytesToHex(await writeSummary({ ...empty, crypto: fixed }))).toBe(vectors.summary);
    expect(await takeIn(empty, bytesOf(vectors.bundle))).toEqual(counts(0, 0));
  });

  it.each(Object.entries(vectors.refusedSummaries))("a summary is refused: %s", async (_name, refused) => {
    const { hex, code } = refused;
    await expect(bundleOf(await createPlace(), bytesOf(hex))).rejects.toMatchObject({ code });
  });

  it.each(Object.entries(vectors.refusedBundles))("a bundle is refused: %s", async (_name, refused) => {
    const { hex, code } = refused;
    await expect(takeIn(await createPlace(), bytesOf(hex))).rejects.toMatchObject({ code });
  });

  it("a summary with parts of files is read, and so is a bundle of version 2", async () => {
    const place = await createPlace(await fixture.seal());
    expect((await bundleOf(place, bytesOf(vectors.summaryWithParts))).length).toBeGreaterThan(100);
    expect(await takeIn(place, bytesOf(vectors.emptyBundleOfVersion2))).toEqual(counts(0, 0));
  });

  it("a summary with ids is read, and a commit that is none is told", async () => {
    const place = await createPlace(await fixture.seal());
    expect((await bundleOf(place, bytesOf(vectors.summaryWithIds))).length).toBeGreaterThan(100);
    expect(await takeIn(place, bytesOf(vectors.bundleWithNoCommit))).toEqual({
      commitCount: 0,
      newCount: 0,
      refusedCount: 1,
      refused: [{ commitHash: undefined }],
      newFileBytes: 0,
    });
  });
});
