import { describe, expect, it } from "vitest";
import { encodeCommit, type Commit } from "../entry/index.ts";
import { createMemoryStorage } from "../store/index.ts";
import { createSystemEnv, type DbId } from "../std/index.ts";
import type { LackingCommit } from "./conversation-types.ts";
import { judgeFrame } from "./judge-frame.ts";
import { createLocalLog } from "./local-log.ts";
import { createFixture } from "./sync-fixture.ts";

const fixture = await createFixture();

/** Judge a commit at the first place of a log of which nothing, or as much as this, is known. */
async function judge(
  bytes: Uint8Array,
  dbId: DbId = fixture.dbId,
  { knownSize = 0, lacking = [] }: { knownSize?: number; lacking?: readonly LackingCommit[] } = {},
) {
  const { crypto, tenantId } = fixture;
  const store = await createMemoryStorage(createSystemEnv()).openStore("tenant");
  const log = createLocalLog(crypto, store, { remoteId: "remote", userKey: undefined });
  const known = { dbId, epoch: 1, size: knownSize, frontier: [], headTimeMs: 0, audit: undefined };
  const databases = new Map(knownSize === 0 ? [] : [[dbId, known]]);
  const state = { asLeaves: new Set<never>(), databases, needsFull: new Set<never>() };
  const context = { tenantId, serverKey: new Uint8Array(32), log, lacking: () => lacking, state };
  return judgeFrame(crypto, context, {
    type: "commits",
    dbId,
    epoch: 1,
    fromSeq: 0,
    items: [{ commit: bytes }],
  });
}

const withoutCiphertexts = (commit: Commit): Uint8Array =>
  encodeCommit({ ...commit, entries: commit.entries.map(({ ciphertext: _, ...rest }) => rest) });

describe("a frame of commits", () => {
  it("may bring one without ciphertexts, but not without headers: nobody sends that", async () => {
    const commit: Commit = await fixture.seal();
    const entries = commit.entries.map(({ entryHash }) => ({ entryHash }));
    expect(await judge(encodeCommit({ ...commit, entries }))).toMatchObject({ items: undefined });
    expect(await judge(commit.bytes)).toMatchObject({ items: [{ isGenuine: true, isHere: false }] });
    const bytes = withoutCiphertexts(commit);
    expect(await judge(bytes)).toMatchObject({ items: [{ isGenuine: true, isHere: false, bytes }] });
  });

  it("that comes once more brings what is lacked here, and nothing back that was erased", async () => {
    const { bytes, commitHash }: Commit = await fixture.seal();
    const { dbId } = fixture;
    const again = async (lacking: readonly LackingCommit[]) => judge(bytes, dbId, { knownSize: 1, lacking });
    expect(await again([{ dbId, commitHash }])).toMatchObject({ items: [{ isHere: false }] });
    expect(await again([])).toMatchObject({ items: [{ isHere: true }] });
  });

  it("brings every commit of the directory whole", async () => {
    const dbId = fixture.directoryDbId;
    const commit: Commit = await fixture.seal(dbId);
    expect(await judge(withoutCiphertexts(commit), dbId)).toMatchObject({ items: undefined });
    expect(await judge(commit.bytes, dbId)).toMatchObject({ items: [{ isGenuine: true }] });
  });
});
