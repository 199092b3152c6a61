import { describe, expect, it } from "vitest";
import { encodeCommit, type Commit } from "../entry/index.ts";
import { createMemoryStorage } from "../store/index.ts";
import { createSystemEnv } from "../std/index.ts";
import { judgeFrame } from "./judge-frame.ts";
import { createLocalLog } from "./local-log.ts";
import { createFixture } from "./sync-fixture.ts";

describe("a frame of commits", () => {
  it("is malformed when a commit comes without its entries: taken for the whole one, it would keep that away", async () => {
    const { crypto, dbId, seal, tenantId } = await createFixture();
    const store = await createMemoryStorage(createSystemEnv()).openStore("tenant");
    const log = createLocalLog(crypto, store, "remote");
    const state = { databases: new Map(), needsFull: new Set<never>() };
    const context = { tenantId, serverKey: new Uint8Array(32), log, state };
    const judge = async (bytes: Uint8Array) =>
      judgeFrame(crypto, context, {
        type: "commits",
        dbId,
        epoch: 1,
        fromSeq: 0,
        items: [{ commit: bytes }],
      });
    const commit: Commit = await seal();
    const entries = commit.entries.map(({ entryHash }) => ({ entryHash }));
    expect(await judge(encodeCommit({ ...commit, entries }))).toMatchObject({ items: undefined });
    expect(await judge(commit.bytes)).toMatchObject({ items: [{ isGenuine: true }] });
  });
});
