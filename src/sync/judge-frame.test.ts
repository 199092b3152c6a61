import { describe, expect, it } from "vitest";
import { encodeCommit, type Commit } from "../entry/index.ts";
import { createMemoryStorage } from "../store/index.ts";
import { createSystemEnv, type CommitHash, type DbId } from "../std/index.ts";
import type { LackingCommit } from "./conversation-types.ts";
import { judgeFrame } from "./judge-frame.ts";
import { createLocalLog } from "./local-log.ts";
import { createFixture } from "./sync-fixture.ts";

const fixture = await createFixture();

interface Known {
  readonly size?: number;
  readonly epoch?: number;
  readonly audit?: readonly CommitHash[][];
  /** its own commits are asked for whole */
  readonly isNeeded?: boolean;
}

/** Judge a commit at the first place of a log of which nothing, or as much as this, is known; `held` is in the device log. */
async function judge(
  bytes: Uint8Array,
  dbId: DbId = fixture.dbId,
  options: { known?: Known; lacking?: readonly LackingCommit[]; held?: readonly Commit[] } = {},
) {
  const { held = [], known, lacking = [] } = options;
  const { crypto, tenantId } = fixture;
  const store = await createMemoryStorage(createSystemEnv()).openStore("tenant");
  const records = held.map((commit) => ({
    commitHash: commit.commitHash,
    bytes: new Uint8Array(commit.bytes),
    origin: "remote",
  }));
  await store.write({ records });
  const log = createLocalLog(crypto, store, { remoteId: "remote", userKey: undefined });
  const { audit, epoch = 1, isNeeded = false, size = 0 } = known ?? {};
  const state = {
    asLeaves: new Set<never>(),
    databases: new Map(
      known === undefined ? [] : [[dbId, { dbId, epoch, size, frontier: [], headTimeMs: 0, audit }]],
    ),
    needsFull: new Set(isNeeded ? [dbId] : []),
  };
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
    const again = async (lacking: readonly LackingCommit[]) =>
      judge(bytes, dbId, { known: { size: 1 }, lacking });
    expect(await again([{ dbId, commitHash }])).toMatchObject({ items: [{ isHere: false }] });
    expect(await again([])).toMatchObject({ items: [{ isHere: true }] });
  });

  it.each<[string, Known | undefined, boolean]>([
    ["of a log that is new here", undefined, true],
    ["of another epoch", { epoch: 2 }, true],
    ["while an epoch is compared with the one before", { audit: [] }, true],
    ["where own commits are asked for whole", { isNeeded: true }, true],
    ["of what follows in the steady state: nothing of it was ever here", {}, false],
  ])("is held against all that the device has, or not: %s", async (_, known, isHere) => {
    const commit: Commit = await fixture.seal();
    const judged = await judge(commit.bytes, fixture.dbId, { ...(known && { known }), held: [commit] });
    expect(judged).toMatchObject({ items: [{ isGenuine: true, isHere }] });
    const other = await judge(commit.bytes, fixture.dbId, { ...(known && { known }) });
    expect(other).toMatchObject({ items: [{ isHere: false }] });
  });

  it("brings every commit of the directory whole", async () => {
    const dbId = fixture.directoryDbId;
    const commit: Commit = await fixture.seal(dbId);
    expect(await judge(withoutCiphertexts(commit), dbId)).toMatchObject({ items: undefined });
    expect(await judge(commit.bytes, dbId)).toMatchObject({ items: [{ isGenuine: true }] });
  });
});
