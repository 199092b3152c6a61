/**
 * Mutated commits, addresses, key bags, vaults, backups, directory records and audit reports: each is refused with a code of its own, or
 * says what it would have said anyway. 28,000 of them; with `COFFER_RUNS`, 119 for each of these, 1,190,000 for 10,000.
 */
import { afterAll, beforeAll, expect, test } from "vitest";
import {
  createDirectory,
  encodeRecord,
  foldCommit,
  groupsOfUser,
  parseRecord,
  usersOfGroup,
  type DirectoryRecord,
} from "../directory/index.ts";
import { createFixture, hashOf } from "../entry/entry-fixtures.ts";
import {
  directoryDbId,
  encodeCommit,
  entryTypes,
  openEntries,
  parseCommit,
  sealCommit,
  verifyCommit,
  type Commit,
  type EntryDraft,
} from "../entry/index.ts";
import {
  createGenesis,
  createIdentity,
  createVault,
  encodeJoinRequest,
  encodeJoinResponse,
  openBagSecrets,
  openJoinResponse,
  parseJoinRequest,
  sealBag,
  unlockVault,
  type UnlockedIdentity,
} from "../keys/index.ts";
import { createSeededCrypto } from "../keys/seeded-crypto.ts";
import {
  bytesToBase64url,
  bytesToHex,
  bytesToId,
  concatBytes,
  equalBytes,
  isCofferError,
  parseBase64url,
  parseHex,
  utf8ToBytes,
} from "../std/index.ts";
import { fuzz, fuzzRuns, mutateBytes, mutateUri } from "../std/mutate-fixtures.ts";
import type { Random } from "../sim/pcg32.ts";
import { verifyReport, type AuditVerdict } from "../audit/index.ts";
import { parseReport } from "../audit/report.ts";
import reportVectors from "../audit/report.vectors.json";
import recordVectors from "../directory/records.vectors.json";
import { chainHash, createBackupKey, emptyChain, sealChunk } from "./backup-codec.ts";
import { BackupReader } from "./backup-reader.ts";
import { BackupRecordReader, encodeBackupRecord, type BackupRecord } from "./backup-records.ts";

const quick = 4000;
const share = 17;
const crypto = createSeededCrypto("mutated");
const password = "tall ships sail at noon";
const sharePassword = "lusab-babad-gutih-tugad";
const bytesOf = (value: number, size: number): Uint8Array<ArrayBuffer> => new Uint8Array(size).fill(value);

let tried = 0;
afterAll(() => {
  expect(tried).toBeGreaterThanOrEqual(fuzzRuns(7 * quick, 7 * share));
});

/** All of a target's runs, each to be judged with an input that is none of the sound ones. */
async function attack(name: string, judge: (random: Random) => unknown): Promise<void> {
  tried += (await fuzz(name, fuzzRuns(quick, share), judge)).runs;
}

/** "fine" or the code; what is no typed failure goes on as what it is. */
async function outcomeOf(run: () => Promise<unknown>): Promise<string> {
  try {
    await run();
    return "fine";
  } catch (error) {
    if (isCofferError(error)) return error.code;
    throw error;
  }
}

function must(isSo: boolean, what: string): void {
  if (!isSo) throw new Error(what);
}

let ada: UnlockedIdentity;
let eve: UnlockedIdentity;
let vaults: Uint8Array[];
beforeAll(async () => {
  const make = async (name: string) =>
    createVault(crypto, { secrets: await createIdentity(crypto, name), password, nowMs: 1 });
  const [one, two] = [await make("cn=ada/o=acme"), await make("cn=eve/o=acme")];
  [ada, eve] = [one.identity, two.identity];
  vaults = [one.vault, two.vault];
});

async function makeCommits(fixture: Awaited<ReturnType<typeof createFixture>>): Promise<readonly Commit[]> {
  const docId = bytesToId("DocId", bytesOf(7, 16));
  const entries = entryTypes.map((entryType, index): EntryDraft => {
    if (entryType === "doc_create") return fixture.createDoc(index + 1, bytesOf(index, 30));
    const dependencies = index === 0 ? [] : [{ index: index - 1 }, hashOf(index)];
    const zero = bytesToId("DocId", new Uint8Array(16));
    const key = fixture.keys[index % 2] ?? fixture.keys[0];
    return {
      entryType,
      docId: entryType === "directory_record" ? zero : docId,
      dependencies,
      key,
      plaintext: bytesOf(index, 20 + index),
    };
  });
  const whole = await sealCommit(fixture.crypto, fixture.draftOf(entries));
  const single = await sealCommit(fixture.crypto, fixture.draftOf([fixture.changeDoc(bytesOf(9, 12))]));
  return [whole, single];
}

test("commits", async () => {
  const fixture = await createFixture("mutated");
  const commits = await makeCommits(fixture);
  const [whole] = commits;
  if (whole === undefined) throw new Error("no commit");
  const partial = encodeCommit({
    ...whole,
    entries: whole.entries.map((entry, index) => {
      if (index % 3 === 0) return { entryHash: entry.entryHash };
      const { ciphertext, ...rest } = entry;
      return index % 3 === 1 && ciphertext !== undefined ? rest : entry;
    }),
  });
  const corpus = [...commits.map(({ bytes }) => bytes), partial];
  const known = new Map(commits.map((commit) => [commit.commitHash, commit]));
  const plaintexts = new Set(
    entryTypes.map((_, index) => bytesToHex(bytesOf(index, index === 0 ? 30 : 20 + index))),
  );
  plaintexts.add(bytesToHex(bytesOf(9, 12)));
  await attack("commits", async (random) => {
    const bytes = mutateBytes(random, corpus);
    const verdict = await verifyCommit(fixture.crypto, bytes);
    if (verdict.kind === "verified") {
      // A graft of the sound ones upon each other can leave out parts, and nothing else.
      const sound = known.get(verdict.commit.commitHash);
      must(sound !== undefined, "a commit that nobody signed");
      for (const [index, { ciphertext }] of verdict.commit.entries.entries())
        must(
          ciphertext === undefined || equalBytes(ciphertext, sound?.entries[index]?.ciphertext ?? bytes),
          "a ciphertext that nobody signed",
        );
    }
    const parsed = parseCommit(fixture.crypto, bytes);
    if (parsed.kind === "forged") return;
    must(equalBytes(encodeCommit(parsed.commit), bytes), "two forms of one commit");
    for (const opened of await openEntries(fixture.crypto, parsed.commit, fixture.findKey))
      if (opened.kind === "opened") must(plaintexts.has(bytesToHex(opened.plaintext)), "other plaintext");
  });
});

test("addresses of invitations", async () => {
  const namesKey = bytesOf(9, 32);
  const genesis = createGenesis(crypto, { admin: ada.publicIdentity, namesKey, tenantName: "acme" });
  const requests = [await encodeJoinRequest(crypto, eve, 500), await encodeJoinRequest(crypto, ada, 7)];
  const request = await parseJoinRequest(crypto, requests[0] ?? "");
  const keys = [{ keyId: bytesToId("KeyId", bytesOf(4, 16)), epoch: 1, secret: bytesOf(5, 32) }];
  const directoryHead = bytesToId("CommitHash", bytesOf(3, 32));
  const common = {
    request,
    signer: ada,
    genesis,
    tenantName: "acme",
    namesKey,
    keys,
    directoryHead,
    sharePassword,
  };
  const draft = { ...common, serverUrl: "https://sync.example/", expiresAtMs: 2000 };
  const responses = [
    await encodeJoinResponse(crypto, draft),
    await encodeJoinResponse(crypto, { ...draft, expiresAtMs: 3000 }),
  ];
  const link = { user: ada.publicIdentity.signingKey, commit: directoryHead, keyNames: ["default", "notes"] };
  const links = [await encodeJoinResponse(crypto, { ...draft, link })];
  const kinds = {
    request: { name: "join-request", domain: "coffer/join-request/v1\0", sound: requests, signer: eve },
    response: { name: "join-response", domain: "coffer/join-response/v1\0", sound: responses, signer: ada },
    device: { name: "join-response", domain: "coffer/device-response/v1\0", sound: links, signer: ada },
  };
  /** what whoever holds the right key could sign */
  const resigned = async (random: Random): Promise<string> => {
    const { domain, name, signer, sound: uris } = random.pick(Object.values(kinds));
    const bodies = uris.map(
      (uri) => parseBase64url(uri.slice(uri.lastIndexOf("/") + 1))?.slice(0, -64) ?? namesKey,
    );
    const signed = mutateBytes(random, bodies);
    const signature = await crypto.sign(signer.signing.privateKey, concatBytes(utf8ToBytes(domain), signed));
    return `mdb://${name}/${bytesToBase64url(concatBytes(signed, signature))}`;
  };
  const sound = new Set([...requests, ...responses, ...links]);
  const open = (uri: string) => openJoinResponse(crypto, uri, { identity: eve, sharePassword, nowMs: 1000 });
  const refused = /^(input|protocol|entry|key)\//;
  await attack("addresses", async (random) => {
    const isResigned = random.chance(0.2);
    const uri = isResigned ? await resigned(random) : mutateUri(random, [...sound]);
    if (sound.has(uri)) return;
    const asked = await outcomeOf(async () => {
      const parsed = await parseJoinRequest(crypto, uri);
      // Only who signs for themselves can say something else, and then in its one form.
      must(
        isResigned && parsed.identity.signingKey === eve.publicIdentity.signingKey,
        "a request nobody signed",
      );
    });
    must(asked === "fine" ? isResigned : refused.test(asked), `a request: ${asked}`);
    const answered = await outcomeOf(() => open(uri));
    must(refused.test(answered), `a response: ${answered}`);
  });
});

test("key bags", async () => {
  const keyIds = [1, 2, 3].map((value) => bytesToId("KeyId", bytesOf(value, 16)));
  const bagOf = (version: number) =>
    sealBag(crypto, ada, {
      version,
      namesKey: bytesOf(1, 32),
      deviceSecret: bytesOf(2, 32),
      keys: keyIds.map((keyId) => ({ keyId, epoch: version, secret: bytesOf(version, 32) })),
    });
  const bags = [await bagOf(1), await bagOf(2)];
  await attack("key bags", async (random) => {
    const bytes = mutateBytes(random, bags);
    const outcome = await outcomeOf(() => openBagSecrets(crypto, ada, bytes, { minVersion: 1 }));
    const isSound = bags.some((bag) => equalBytes(bag, bytes));
    must(outcome === (isSound ? "fine" : "entry/corrupt"), outcome);
  });
});

test("vaults", async () => {
  const domain = utf8ToBytes("coffer/vault-checksum/v1\0");
  await attack("vaults", async (random) => {
    let bytes = mutateBytes(random, vaults);
    if (random.chance(0.5) && bytes.length > 16) {
      // As who knows the format would: with a checksum that is right again.
      const body = bytes.subarray(0, -16);
      bytes = concatBytes(body, crypto.sha256(domain, body).subarray(0, 16));
    }
    const outcome = await outcomeOf(() => unlockVault(crypto, bytes, password));
    const isSound = vaults.some((vault) => equalBytes(vault, bytes));
    must(isSound ? outcome === "fine" : /^(entry\/corrupt|key\/)/.test(outcome), outcome);
  });
});

const commitsHash = bytesOf(7, 32);
const backedUp: readonly BackupRecord[] = [
  {
    kind: "tenant",
    userKey: bytesToId("AuthorKey", bytesOf(1, 32)),
    adminKey: bytesToId("AuthorKey", bytesOf(2, 32)),
    createdAtMs: 5,
    genesis: bytesOf(3, 80),
  },
  { kind: "vault", key: bytesToId("AuthorKey", bytesOf(1, 32)), vault: bytesOf(4, 200) },
  { kind: "slot", name: "bag", value: bytesOf(5, 300) },
  { kind: "commit", bytes: bytesOf(6, 400) },
  { kind: "end", commitCount: 1, commitsHash },
  { kind: "part", commitHash: bytesToId("CommitHash", bytesOf(8, 32)), isNamed: true, which: 5 },
  { kind: "chunk", bytes: bytesOf(9, 300) },
  { kind: "chunks", chunkCount: 1 },
];

async function makeBackup(content: Uint8Array): Promise<Uint8Array> {
  const claim = {
    hasLog: true,
    hasChunks: true,
    tenantId: bytesToId("TenantId", bytesOf(1, 32)),
    fileNonce: bytesOf(2, 32),
    endPosition: 7,
    contentSizeBytes: content.length,
    contentHash: chainHash(crypto, emptyChain, content),
    parameters: crypto.createKdfParameters(),
  };
  const key = await createBackupKey(crypto, password, claim);
  return concatBytes(key.header, await sealChunk(crypto, key, 0, content));
}

/** Read a file as it comes, in pieces of any size. */
async function readBackup(
  random: Random,
  file: Uint8Array,
): Promise<readonly (BackupRecord | "malformed")[]> {
  const reader = new BackupReader(crypto, password);
  const content = new BackupRecordReader();
  const records: (BackupRecord | "malformed")[] = [];
  for (let at = 0; at < file.length;) {
    const size = 1 + random.below(600);
    for await (const chunk of reader.push(file.subarray(at, at + size))) records.push(...content.push(chunk));
    at += size;
  }
  reader.finish();
  return records;
}

test("backups", async () => {
  const contents = [
    concatBytes(...backedUp.map(encodeBackupRecord)),
    concatBytes(...backedUp.slice(1).map(encodeBackupRecord)),
  ];
  const files = await Promise.all(contents.map(makeBackup));
  await attack("backups", async (random) => {
    if (random.chance(0.5)) {
      const file = mutateBytes(random, files);
      const outcome = await outcomeOf(() => readBackup(random, file));
      const isSound = files.some((sound) => equalBytes(sound, file));
      must(isSound ? outcome === "fine" : /^(entry\/corrupt|protocol\/version|key\/)/.test(outcome), outcome);
      return;
    }
    // Who knows the password writes any content; it is read as records in their one form, or as none.
    const content = mutateBytes(random, contents);
    if (content.length === 0) return;
    const records = await readBackup(random, await makeBackup(content));
    const read = records.filter((record) => record !== "malformed").map(encodeBackupRecord);
    const whole = concatBytes(...read);
    must(equalBytes(whole, content.subarray(0, whole.length)), "other records than there are");
  });
});

test("directory records", async () => {
  const corpus = recordVectors.records.map(({ hex }) => parseHex(hex) ?? new Uint8Array(1));
  const fixture = await createFixture("directory");
  const { place } = fixture;
  const dbId = directoryDbId(crypto, place.tenantId);
  const line = async (previous: Commit | undefined): Promise<Commit> => {
    const predecessors = previous === undefined ? [] : [previous.commitHash];
    const docId = bytesToId("DocId", new Uint8Array(16));
    const entry: EntryDraft = {
      entryType: "directory_record",
      docId,
      dependencies: [],
      key: fixture.keys[0],
      plaintext: bytesOf(1, 9),
    };
    const entries = Array.from({ length: 8 }, () => entry);
    const directoryHead = previous?.commitHash;
    return sealCommit(fixture.crypto, { ...fixture.draftOf(entries), dbId, predecessors, directoryHead });
  };
  const first = await line(undefined);
  const second = await line(first);
  const sound = corpus.flatMap((bytes) => parseRecord(bytes) ?? []);
  const begun = foldCommit(createDirectory(crypto, place.tenantId, place.author), first, sound.slice(0, 8));
  if (begun.kind !== "applied") throw new Error(begun.kind);
  const { state } = begun;
  const before = JSON.stringify([...state.usersByKey.keys(), ...state.groupsById.keys()]);
  await attack("directory records", (random) => {
    const records: DirectoryRecord[] = [];
    for (let left = 1 + random.below(4); left > 0; left--) {
      const bytes = mutateBytes(random, corpus);
      const record = parseRecord(bytes);
      if (record === undefined) continue;
      must(equalBytes(encodeRecord(record), bytes), "two forms of one record");
      records.push(record);
    }
    const folded = foldCommit(state, second, records);
    must(folded.kind === "applied", folded.kind);
    if (folded.kind !== "applied") return;
    for (const groupId of folded.state.groupsById.keys()) usersOfGroup(folded.state.groupsById, groupId);
    for (const userKey of folded.state.usersByKey.keys()) groupsOfUser(folded.state.groupsById, userKey);
    must(
      JSON.stringify([...state.usersByKey.keys(), ...state.groupsById.keys()]) === before,
      "the state before",
    );
  });
});

const refusals: readonly Extract<AuditVerdict, { kind: "refused" }>["reason"][] = [
  ...(["malformed", "version", "limit", "foreign", "signature", "exporter"] as const),
  ...(["commit", "directory", "order", "verdict", "head"] as const),
];

test("audit reports", async () => {
  const sound = parseHex(reportVectors.report) ?? new Uint8Array(1);
  const { commits, line } = await verifiedReport(sound);
  // The second pair of the vectors' seed is the exporter's, who can sign what they like.
  const seeded = createSeededCrypto("audit report");
  await seeded.createSigningPair();
  const exporter = await seeded.createSigningPair();
  await attack("audit reports", async (random) => {
    let report = mutateBytes(random, [sound]);
    const parts = random.chance(0.8) ? parseReport(crypto, report) : "malformed";
    if (typeof parts !== "string")
      report = concatBytes(report.subarray(0, -64), await seeded.sign(exporter.privateKey, parts.signed));
    const verdict = await verifyReport(crypto, report, reportVectors.tenantId);
    if (verdict.kind === "refused") return must(refusals.includes(verdict.reason), verdict.reason);
    // Who lies can say less, or another time, and nothing that was not signed by who wrote it.
    must(verdict.commits.length <= commits + line, "commits that nobody wrote");
    must(verdict.tenantId === reportVectors.tenantId, "of another tenant");
  });
});

async function verifiedReport(
  report: Uint8Array,
): Promise<{ readonly commits: number; readonly line: number }> {
  must((await verifyReport(crypto, report, reportVectors.tenantId)).kind === "verified", "a sound report");
  const parts = parseReport(crypto, report);
  if (typeof parts === "string") throw new Error(parts);
  return { commits: parts.commits.length, line: parts.line.length };
}
