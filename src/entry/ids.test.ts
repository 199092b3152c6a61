import { describe, expect, it } from "vitest";
import { createWebCrypto } from "../crypto/index.ts";
import { bytesToId, type DocId } from "../std/index.ts";
import { bytesOf } from "./entry-fixtures.ts";
import {
  createContentKey,
  deriveActorId,
  deriveDocId,
  deriveNameId,
  directoryDbId,
  entryIdOf,
  isActorOf,
  keyFingerprint,
  type DocOrigin,
  type EntryHeader,
} from "./index.ts";
import vectors from "./entry.vectors.json";

const crypto = createWebCrypto();
const origin: DocOrigin = {
  tenantId: bytesToId("TenantId", bytesOf(1, 32)),
  dbId: bytesToId("DbId", bytesOf(2, 16)),
  keyId: bytesToId("KeyId", bytesOf(3, 16)),
  author: bytesToId("AuthorKey", bytesOf(4, 32)),
  writerNonce: bytesOf(5, 16),
  docCounter: 6,
};
const docId = bytesToId("DocId", bytesOf(7, 16));
const header: EntryHeader = {
  docId,
  entryType: "doc_change",
  dependencies: [bytesToId("EntryHash", bytesOf(8, 32))],
  keyIndex: 0,
  docCounter: 0,
  ciphertextSizeBytes: 17,
  ciphertextHash: bytesOf(9, 32),
};
const entryHash = bytesToId("EntryHash", bytesOf(10, 32));

describe("ids", () => {
  it("are what they always were", () => {
    const actual = {
      docId: deriveDocId(crypto, origin),
      actorId: deriveActorId(crypto, { author: origin.author, writerNonce: origin.writerNonce, docId }),
      dbName: deriveNameId(crypto, bytesOf(11, 32), "db", "tasks"),
      keyName: deriveNameId(crypto, bytesOf(11, 32), "key", "tasks"),
      directoryDbId: directoryDbId(crypto, origin.tenantId),
      keyFingerprint: [...keyFingerprint(crypto, bytesOf(12, 32))],
      entryId: entryIdOf(crypto, header, entryHash),
      firstEntryId: entryIdOf(crypto, { ...header, dependencies: [] }, entryHash),
    };
    expect(actual).toEqual(vectors.ids);
  });

  it("a document's id depends on each part of its origin", () => {
    const changes: Partial<DocOrigin>[] = [
      {},
      { tenantId: bytesToId("TenantId", bytesOf(9, 32)) },
      { dbId: bytesToId("DbId", bytesOf(9, 16)) },
      { keyId: bytesToId("KeyId", bytesOf(9, 16)) },
      { author: bytesToId("AuthorKey", bytesOf(9, 32)) },
      { writerNonce: bytesOf(9, 16) },
      { docCounter: 7 },
    ];
    const ids = new Set<DocId>(changes.map((change) => deriveDocId(crypto, { ...origin, ...change })));
    expect(ids.size).toBe(changes.length);
  });

  it("a name means one thing in every spelling, and another as another kind or under another key", () => {
    const id = deriveNameId(crypto, bytesOf(1, 32), "db", "caf\u00e9");
    expect(deriveNameId(crypto, bytesOf(1, 32), "db", "cafe\u0301")).toBe(id);
    expect(deriveNameId(crypto, bytesOf(1, 32), "key", "caf\u00e9")).not.toBe(id);
    expect(deriveNameId(crypto, bytesOf(1, 32), "group", "caf\u00e9")).toBe("ECdqAaX2HdYlE3meLjqqRQ");
    expect(deriveNameId(crypto, bytesOf(2, 32), "db", "caf\u00e9")).not.toBe(id);
  });

  it("a content key is named by its bytes and cannot be read", async () => {
    const secret = bytesOf(12, 32);
    const key = await createContentKey(crypto, { keyId: origin.keyId, epoch: 3, secret });
    expect(key).toMatchObject({ keyId: origin.keyId, epoch: 3, fingerprint: keyFingerprint(crypto, secret) });
    expect(key.key.extractable).toBe(false);
  });
});

describe("isActorOf", () => {
  const actor = "aa".repeat(16);
  // Recorded from Automerge 3.5: `changeAt` behind one's own last change, 300 times over.
  it.each(["", "13b2230901", "13b223097f", "13b223098001", "13b22309ab02"])(
    "takes %s before the actor",
    (prefix) => {
      expect(isActorOf(prefix + actor, actor)).toBe(true);
    },
  );
  it.each([
    ["another actor", "bb".repeat(16)],
    ["another magic number", `13b2230801${actor}`],
    ["no level", `13b22309${actor}`],
    ["level 0", `13b2230900${actor}`],
    ["a level spelled longer than it need be", `13b223098100${actor}`],
    ["an unfinished level", `13b2230980${actor}`],
    ["two levels", `13b223090102${actor}`],
    ["an isolated isolated form", `13b223090113b2230901${actor}`],
    ["something after it", `13b2230901${actor}00`],
    ["nothing", ""],
  ])("refuses %s", (_, candidate) => {
    expect(isActorOf(candidate, actor)).toBe(false);
  });
});
