import { readFile } from "node:fs/promises";
import { describe, expect, it } from "vitest";
import { bytesToHex, bytesToId, concatBytes, parseHex, type CommitHash, type DbId } from "../std/index.ts";
import type { Crypto } from "../crypto/index.ts";
import { encodeRecord } from "../directory/index.ts";
import {
  createContentKey,
  deriveDocId,
  directoryDbId,
  discloseKey,
  encodeCommit,
  parseCommit,
  sealCommit,
  type Commit,
  type CommitDraft,
  type EntryDraft,
} from "../entry/index.ts";
import { createGenesis } from "../keys/index.ts";
import { createSeededCrypto } from "../keys/seeded-crypto.ts";
import { appendLeaves, emptyFrontier, rootOf, signHead } from "../sync/index.ts";
import { ReportWriter } from "./report.ts";
import { verifyReport } from "./verify.ts";

interface Vectors {
  readonly report: string;
  readonly tenantId: string;
  /** as they were written before servers were shown */
  readonly version1: string;
  readonly refused: readonly { readonly title: string; readonly reason: string; readonly hex: string }[];
}

const judging = createSeededCrypto("judging");
const same = (value: number, sizeBytes: number): Uint8Array<ArrayBuffer> =>
  new Uint8Array(sizeBytes).fill(value);

/** A tenant of one member and one document. */
async function makeReport(): Promise<{
  readonly report: Uint8Array<ArrayBuffer>;
  readonly tenantId: string;
}> {
  const crypto = createSeededCrypto("audit report");
  const admin = await crypto.createSigningPair();
  const owner = await crypto.createSigningPair();
  const adminKey = bytesToId("AuthorKey", admin.publicKey);
  const userKey = bytesToId("AuthorKey", owner.publicKey);
  const root = { userName: "cn=admin", signingKey: adminKey, encryptionKey: same(8, 32) };
  const genesis = createGenesis(crypto, { admin: root, namesKey: same(7, 32), tenantName: "acme" });
  const { tenantId } = genesis;
  const open = await createContentKey(crypto, {
    keyId: bytesToId("KeyId", same(1, 16)),
    epoch: 1,
    secret: same(1, 32),
  });
  const content = await createContentKey(crypto, {
    keyId: bytesToId("KeyId", same(2, 16)),
    epoch: 1,
    secret: same(2, 32),
  });
  const record = (key: EntryDraft["key"], plaintext: Uint8Array): EntryDraft => ({
    entryType: "directory_record",
    docId: bytesToId("DocId", new Uint8Array(16)),
    dependencies: [],
    key,
    plaintext,
  });
  const common = { tenantId, writerSeq: 1, predecessors: [], createdAtMs: 1_700_000_000_000 };
  const first = await sealed(crypto, {
    ...common,
    dbId: directoryDbId(crypto, tenantId),
    author: adminKey,
    signingKey: admin.privateKey,
    writerNonce: same(3, 16),
    directoryHead: undefined,
    entries: [
      record(
        open,
        encodeRecord({ kind: "grantaccess", userKey, encryptionKey: same(9, 32), nameHash: same(4, 32) }),
      ),
      record(content, encodeRecord({ kind: "membercard", userKey, userName: "cn=owner" })),
    ],
  });
  const origin = {
    tenantId,
    dbId: bytesToId("DbId", same(5, 16)),
    author: userKey,
    writerNonce: same(6, 16),
  };
  const docId = deriveDocId(crypto, { ...origin, keyId: content.keyId, docCounter: 0 });
  const second = await sealed(crypto, {
    ...common,
    ...origin,
    signingKey: owner.privateKey,
    directoryHead: first.commitHash,
    entries: [
      {
        entryType: "doc_create",
        docId,
        docCounter: 0,
        dependencies: [],
        key: content,
        plaintext: same(9, 40),
      },
    ],
  });
  const writer = new ReportWriter(crypto);
  const at = first.header.keys.findIndex(({ keyId }) => keyId === open.keyId);
  const secret = await discloseKey(crypto, first, at, () => open);
  if (secret === undefined) throw new Error("the key opens it");
  const bare = (commit: typeof first, isShown: (keyIndex: number) => boolean): Uint8Array =>
    encodeCommit({
      ...commit,
      entries: commit.entries.map((entry) => {
        const { entryHash, header } = entry;
        return header === undefined || isShown(header.keyIndex) ? entry : { entryHash, header };
      }),
    });
  const bytes = [
    writer.head({ genesis: genesis.bytes, createdAtMs: 1_700_000_000_001, exporter: userKey }),
    writer.count(1),
    writer.line({ bytes: bare(first, (index) => index === at), keys: new Map([[at, secret]]) }),
    writer.count(1),
    writer.commit({ verdict: "accepted", reason: "", refused: "", bytes: bare(second, () => false) }),
    writer.count(1),
    ...(await serverParts(crypto, writer, [first, second])),
  ];
  return { report: concatBytes(...bytes, await crypto.sign(owner.privateKey, writer.signed)), tenantId };
}

/** A server that has both commits, and one that the report does not have; of a third log it was not asked for the order. */
async function serverParts(
  crypto: Crypto,
  writer: ReportWriter,
  [first, second]: readonly [Commit, Commit],
): Promise<readonly Uint8Array[]> {
  const pair = await crypto.createSigningPair();
  const { tenantId } = first.header;
  const other = bytesToId("CommitHash", same(12, 32));
  const signed = async (dbId: DbId, hashes: readonly CommitHash[]) => {
    const { frontier, size } = appendLeaves(crypto, emptyFrontier, hashes);
    const claim = { dbId, epoch: 1, size, root: rootOf(crypto, { frontier }), timeMs: 1_700_000_000_002 };
    return signHead(crypto, pair.privateKey, tenantId, claim);
  };
  const logs = [
    { head: await signed(first.header.dbId, [first.commitHash]), leaves: [0] },
    { head: await signed(second.header.dbId, [other, second.commitHash]), leaves: [other, 1] },
    { head: await signed(bytesToId("DbId", same(13, 16)), [other]), leaves: undefined },
  ].sort((a, b) => (a.head.dbId < b.head.dbId ? -1 : 1));
  const key = bytesToId("AuthorKey", pair.publicKey);
  return [
    writer.server({ address: "https://sync.example", key, logs }),
    ...logs.map((log) => writer.log(log)),
  ];
}

async function sealed(crypto: Crypto, draft: CommitDraft) {
  const { bytes } = await sealCommit(crypto, draft);
  const verdict = parseCommit(crypto, bytes);
  if (verdict.kind !== "verified") throw new Error(verdict.reason);
  return verdict.commit;
}

function changed(report: Uint8Array, at: number, value: number): Uint8Array {
  const bytes = report.slice();
  bytes[at] = value;
  return bytes;
}

async function makeVectors(): Promise<Omit<Vectors, "version1">> {
  const { report, tenantId } = await makeReport();
  const last = report.length - 1;
  const refused = [
    { title: "nothing", reason: "malformed", bytes: new Uint8Array(0) },
    { title: "truncated", reason: "malformed", bytes: report.subarray(0, last) },
    { title: "trailing byte", reason: "malformed", bytes: concatBytes(report, same(0, 1)) },
    { title: "another version", reason: "version", bytes: changed(report, 14, 0x33) },
    { title: "another file", reason: "malformed", bytes: changed(report, 0, 0) },
    { title: "another root", reason: "foreign", bytes: changed(report, 100, 1) },
    { title: "another time", reason: "signature", bytes: changed(report, 136, 9) },
    { title: "another signature", reason: "signature", bytes: changed(report, last, 1) },
    { title: "a verdict that is none", reason: "malformed", bytes: changed(report, lastCommitAt(report), 9) },
    { title: "a mark of order that is none", reason: "malformed", bytes: changed(report, last - 65, 9) },
  ].map(({ bytes, reason, title }) => ({ title, reason, hex: bytesToHex(bytes) }));
  return { report: bytesToHex(report), tenantId, refused };
}

/** Where the verdict on the only commit stands: behind the second count, which is the last byte 1 before two empty words. */
function lastCommitAt(report: Uint8Array): number {
  for (let at = report.length - 560; at > 0; at--)
    if (
      report[at - 1] === 1 &&
      report[at] === 0 &&
      report[at + 1] === 0 &&
      report[at + 2] === 0 &&
      (report[at + 3] ?? 0) > 127
    )
      return at;
  throw new Error("no commit");
}

const vectors = JSON.parse(
  await readFile(new URL("./report.vectors.json", import.meta.url), "utf8"),
) as Vectors;

describe("the frozen report", () => {
  it("is written byte for byte, and verified", async () => {
    expect((await makeVectors()).report).toBe(vectors.report);
    const verdict = await verifyReport(
      judging,
      parseHex(vectors.report) ?? new Uint8Array(0),
      vectors.tenantId,
    );
    expect(verdict).toMatchObject({ kind: "verified", gaps: [], createdAtMs: 1_700_000_000_001 });
    expect(
      verdict.kind === "verified" && verdict.commits.map(({ deeds }) => deeds.map(({ what }) => what)),
    ).toEqual([["grantaccess", "directory_record"], ["doc_create"]]);
    expect(
      verdict.kind === "verified" &&
        verdict.logs.map(({ beyond, isProven, missing, size }) => [isProven, size, missing, beyond]),
    ).toEqual([
      [true, 2, [bytesToId("CommitHash", same(12, 32))], []],
      [false, 1, [], []],
      [true, 1, [], []],
    ]);
  });

  it("of the first version, which shows no server, is refused as one", async () => {
    expect(await verifyReport(judging, parseHex(vectors.version1) ?? new Uint8Array(0))).toMatchObject({
      kind: "refused",
      reason: "version",
    });
  });

  it.each(vectors.refused)("is refused as $reason with $title", async ({ hex, reason }) => {
    const verdict = await verifyReport(judging, parseHex(hex) ?? new Uint8Array(0), vectors.tenantId);
    expect(verdict).toMatchObject({ kind: "refused", reason });
  });
});
