import { describe, expect, it, vi } from "vitest";
import { createContentKey, createDocNaming, type ContentKey, type EntryDraft } from "../entry/index.ts";
import { createWebCrypto } from "../crypto/index.ts";
import { bytesToHex, bytesToId, CofferError, createSystemEnv } from "../std/index.ts";
import { createMemoryStorage, type Batch } from "../store/index.ts";
import { Writer } from "./writer.ts";

const env = createSystemEnv();
const crypto = createWebCrypto(env);

const seen = {
  logKeyId: new Uint8Array(8).fill(7),
  epoch: 2,
  size: 3,
  rootPrefix: new Uint8Array(16).fill(9),
};

/** A writer whose store answers when it is told to. */
async function openWriter(used = crypto) {
  const store = await createMemoryStorage(env).openStore("held");
  const asked: { readonly batch: Batch; readonly go: () => void; readonly fail: () => void }[] = [];
  const write = store.write.bind(store);
  store.write = (batch) =>
    new Promise((resolve, reject) => {
      asked.push({
        batch,
        go: () => resolve(write(batch)),
        fail: () => reject(new CofferError("store/quota")),
      });
    });
  const pair = await crypto.createSigningPair();
  const keyId = bytesToId("KeyId", new Uint8Array(16));
  const key = await createContentKey(crypto, { keyId, epoch: 1, secret: new Uint8Array(32).fill(1) });
  const place = {
    tenantId: bytesToId("TenantId", new Uint8Array(32)),
    dbId: bytesToId("DbId", new Uint8Array(16)),
    author: bytesToId("AuthorKey", pair.publicKey),
  };
  const writer = new Writer({
    crypto: used,
    store,
    ...place,
    signingKey: pair.privateKey,
    nowMs: () => 5,
    knownHeads: () => [],
    directoryHead: () => undefined,
    seen: () => seen,
  });
  const draft = (): EntryDraft => {
    const docCounter = writer.nextDocCounter();
    const origin = { ...place, keyId, writerNonce: writer.nonce };
    const { docId } = createDocNaming(crypto, origin)(docCounter);
    return createDraft(docId, key, docCounter);
  };
  /** Wait until the store was asked so often. */
  const asks = async (count: number) =>
    vi.waitFor(() => expect(asked.length).toBe(count), { timeout: 30_000, interval: 1 });
  /** Time in which it could be asked too much. */
  const settle = () => new Promise((resolve) => setTimeout(resolve, 5));
  return { store, writer, draft, asked, asks, settle, key };
}

function createDraft(docId: EntryDraft["docId"], key: ContentKey, docCounter: number): EntryDraft {
  const plaintext = Uint8Array.of(1, 2, 3);
  return { entryType: "doc_create", docId, dependencies: [], key, docCounter, plaintext };
}

describe("a writer", () => {
  it("seals the next commit while one is stored, and stores them in order", async () => {
    const { writer, draft, asked, asks, settle, store } = await openWriter();
    const first = await writer.begin([draft()]);
    const second = await writer.begin([draft()]);
    await asks(1);
    await settle();
    expect(asked.length).toBe(1);
    asked[0]?.go();
    const one = await first.stored;
    await asks(2);
    asked[1]?.go();
    const two = await second.stored;
    expect([one.position, two.position]).toEqual([1, 2]);
    expect(two.commit.header.predecessors).toEqual([one.commit.commitHash]);
    expect(two.commit.header.writerSeq).toBe(2);
    expect(one.commit.header.seen).toEqual(seen);
    expect(await store.lastPosition()).toBe(2);
  });

  it("stores nothing behind a commit that was not stored, and begins anew", async () => {
    const { writer, draft, asked, asks, settle } = await openWriter();
    const { nonce } = writer;
    const first = await writer.begin([draft()]);
    const second = await writer.begin([draft()]);
    await asks(1);
    asked[0]?.fail();
    const quota = { code: "store/quota" };
    await expect(first.stored).rejects.toMatchObject(quota);
    await expect(second.stored).rejects.toMatchObject(quota);
    await settle();
    expect(asked.length).toBe(1);
    expect(writer.nonce).not.toBe(nonce);
    const third = writer.write([draft()]);
    await asks(2);
    asked[1]?.go();
    const { commit } = await third;
    expect(commit.header).toMatchObject({ writerSeq: 1, predecessors: [] });
    expect(commit.header.writerNonce).not.toEqual(nonce);
  });

  it("stores nothing that was being sealed when the one before it failed", async () => {
    const { writer, draft, asked, asks } = await openWriter();
    const first = await writer.begin([draft()]);
    await asks(1);
    const second = writer.begin([draft()]);
    asked[0]?.fail();
    await expect(first.stored).rejects.toMatchObject({ code: "store/quota" });
    await expect((await second).stored).rejects.toMatchObject({ code: "store/quota" });
    expect(asked.length).toBe(1);
    const third = writer.write([draft()]);
    await asks(2);
    asked[1]?.go();
    expect((await third).commit.header.writerSeq).toBe(1);
  });

  it("derives a key ahead of its commit where it is told to, and seals no two with one salt", async () => {
    const steps: string[] = [];
    const { writer, asked, asks, key } = await openWriter({
      ...crypto,
      derive: (...call) => (steps.push("derive"), crypto.derive(...call)),
      encrypt: (...call) => (steps.push("encrypt"), crypto.encrypt(...call)),
    });
    const keyId = bytesToId("KeyId", new Uint8Array(16).fill(2));
    const other = await createContentKey(crypto, { keyId, epoch: 1, secret: new Uint8Array(32).fill(2) });
    const docId = bytesToId("DocId", new Uint8Array(16));
    const plaintext = Uint8Array.of(1);
    const salts = new Set<string>();
    const taken: string[] = [];
    writer.prepare(key);
    writer.prepare(key);
    for (const used of [key, key, other, key, key]) {
      const entry: EntryDraft = { entryType: "doc_change", docId, dependencies: [], key: used, plaintext };
      const begun = await writer.begin([entry], "relaxed", { meanwhile: () => writer.prepare(key) });
      taken.push(steps.splice(0).join(" "));
      await asks(taken.length);
      asked[taken.length - 1]?.go();
      salts.add(bytesToHex((await begun.stored).commit.header.salt));
    }
    const [ahead, late] = ["encrypt derive", "derive encrypt derive"];
    expect(taken).toEqual([`derive ${ahead}`, ahead, late, ahead, ahead]);
    const begun = await writer.begin([{ entryType: "doc_change", docId, dependencies: [], key, plaintext }]);
    await asks(6);
    asked[5]?.go();
    salts.add(bytesToHex((await begun.stored).commit.header.salt));
    expect(salts.size).toBe(6);
  });
});
