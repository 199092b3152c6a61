import { expect, test } from "vitest";
import { concatBytes, createSystemEnv, isCofferError } from "../std/index.ts";
import { fuzz, fuzzRuns, mutateBytes } from "../std/mutate-fixtures.ts";
import { createMemoryStorage } from "../store/index.ts";
import { BundleReading, writeBundle, writeSummary, type BundlePlace } from "./bundle.ts";
import { ChunkStore } from "./chunk-store.ts";
import { createDeviceSets } from "./device-sets.ts";
import { addFile, sealFile } from "./peer-fixture.ts";
import { createFixture } from "./sync-fixture.ts";

const fixture = await createFixture();
const { crypto, tenantId } = fixture;
const file = await sealFile(fixture, [90, 40]);
const commits = [await fixture.seal(), await fixture.seal(fixture.directoryDbId), file.commit];
const genuine = new Set(commits.map(({ commitHash }) => commitHash));

async function createPlace(isFilled: boolean): Promise<BundlePlace> {
  const storage = createMemoryStorage(createSystemEnv());
  const store = await storage.openStore("tenant");
  const chunks = new ChunkStore(storage, "test", tenantId);
  if (isFilled) await store.write({ records: commits.map((commit) => ({ ...commit, origin: "" })) });
  const sets = createDeviceSets(store, tenantId);
  const judging: Pick<BundlePlace, "standingOf" | "nowMs"> = { standingOf: () => "accepted", nowMs: () => 1 };
  const place = { crypto, store, sets, chunks, tenantId, userKey: fixture.signer.key, ...judging };
  if (isFilled) await addFile({ chunks, write: async () => undefined }, file);
  return place;
}

const full = await createPlace(true);

async function bundleOf(summary?: Uint8Array): Promise<Uint8Array> {
  const pieces: Uint8Array[] = [];
  for await (const piece of writeBundle(full, summary, 1e6)) pieces.push(piece);
  return concatBytes(...pieces);
}

const whole = await bundleOf();
const summary = await writeSummary(full);
const corpus = [whole, summary, concatBytes(whole.slice(0, 38), commits[0]?.bytes ?? whole)];

/** What becomes of untrusted bytes: an outcome, or a failure with a code. */
async function outcomeOf<T>(run: () => Promise<T>): Promise<T | undefined> {
  try {
    return await run();
  } catch (error) {
    if (!isCofferError(error)) throw error;
    return undefined;
  }
}

test("any bundle comes to an end with a code or a report, and stores nothing that is not genuine, twice or at all", async () => {
  await fuzz("bundles", fuzzRuns(300, 5), async (random) => {
    const bytes = mutateBytes(random, corpus);
    const into = await createPlace(false);
    const reading = new BundleReading(into);
    const report = await outcomeOf(async () => {
      for (let at = 0; at < bytes.length;) {
        const pieceBytes = 1 + random.below(900);
        await reading.take(bytes.subarray(at, at + pieceBytes));
        at += pieceBytes;
      }
      return reading.finish();
    });
    await reading.close();
    const stored = await into.store.readLog({ after: 0, maxCount: 100, maxBytes: 1e9 });
    const hashes = stored.map(({ commitHash }) => commitHash);
    expect(new Set(hashes).size).toBe(hashes.length);
    for (const hash of hashes) expect(genuine).toContain(hash);
    if (report !== undefined) expect(report.newCount).toBe(hashes.length);
    const here = (await into.chunks.part(file.part.commitHash))?.chunks ?? [];
    const held = await into.chunks.chunksOf(file.part.chunks.map(({ hash }) => hash));
    for (const [index, bytes] of held.entries())
      expect(bytes).toEqual(here[index]?.isHere === true ? file.ciphertexts[index] : undefined);
  });
});

test("any summary gives a bundle of what is here, or a code", async () => {
  await fuzz("summaries", fuzzRuns(300, 5), async (random) => {
    const bytes = mutateBytes(random, [summary, whole]);
    const bundle = await outcomeOf(() => bundleOf(bytes));
    if (bundle !== undefined) expect(bundle.length).toBeLessThanOrEqual(whole.length);
  });
});
