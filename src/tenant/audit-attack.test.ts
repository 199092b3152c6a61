import { afterEach, beforeEach, describe, expect, it } from "vitest";
import {
  addReplica,
  bring,
  entryHashOf,
  eventually,
  lastDirectoryCommit,
  logOf,
  setStage,
  tenantOf,
  type Author,
  type Replica,
  type Stage,
} from "../../worker/attack-fixtures.ts";
import {
  closeDevices,
  crypto,
  newSubscription,
  people,
  startDevice,
  draft,
} from "../../worker/device-fixtures.ts";
import type { AuditStep } from "../../worker/api.ts";
import { commitOf, inOrder, parsedReport, reportOf, signedReport } from "../../worker/audit-fixtures.ts";
import { verifyAuditReport } from "../audit.ts";
import type { ReportCommit } from "../audit/report.ts";
import { encodeCommit, openDisclosed, type Commit, type EntryDraft } from "../entry/index.ts";
import { bytesToId, concatBytes, copyBytes } from "../std/index.ts";
import { createMemoryStorage } from "../store/index.ts";
import { env } from "../../worker/device-fixtures.ts";

let stage: Stage;

beforeEach(async () => {
  stage = await setStage();
});
afterEach(closeDevices);

const anything = { fromMs: undefined, toMs: undefined, database: undefined, user: undefined };

async function stepsOf(
  { device, tenantId }: Replica,
  query: Partial<Parameters<Replica["device"]["api"]["audit"]>[2]> = {},
): Promise<AuditStep[]> {
  const steps: AuditStep[] = [];
  for (let cursor = 0, isDone = false; !isDone;) {
    const page = await device.api.audit(tenantId, cursor, { ...anything, ...query });
    expect(page.steps.length).toBeLessThanOrEqual(64);
    expect(page.isDone || page.cursor > cursor).toBe(true);
    steps.push(...page.steps);
    ({ cursor, isDone } = page);
  }
  return steps;
}

async function verified(report: Uint8Array, tenantId: string = stage.victim.tenantId) {
  const verdict = await verifyAuditReport(report, { tenantId });
  if (verdict.kind !== "verified") throw new Error(`refused: ${verdict.reason} at ${verdict.at}`);
  return verdict;
}

const refusedAs = async (report: Uint8Array, tenantId?: string): Promise<string> => {
  const verdict = await verifyAuditReport(report, { tenantId: tenantId ?? stage.victim.tenantId });
  return verdict.kind === "refused" ? verdict.reason : verdict.kind;
};

const bareOf = (commit: Commit): Uint8Array =>
  encodeCommit({
    ...commit,
    entries: commit.entries.map(({ entryHash, header }) =>
      header === undefined ? { entryHash } : { entryHash, header },
    ),
  });

async function made(by: Author, value: { readonly [field: string]: number }): Promise<Commit> {
  const writerNonce = by.nonce();
  return by.seal({ writerNonce, entries: [by.create(writerNonce, 0, value).entry] });
}

/** An entry that fits anywhere. */
const recordBy = ({ key }: Author): EntryDraft => ({
  entryType: "directory_record",
  docId: bytesToId("DocId", new Uint8Array(16)),
  dependencies: [],
  key,
  plaintext: new Uint8Array(8),
});

/** Three commits of the villain's, one behind the other, on every replica. */
async function writtenByVillain(): Promise<readonly Commit[]> {
  const { victim, villain } = stage;
  const writerNonce = villain.nonce();
  const made = villain.create(writerNonce, 0, { secret: "canary-of-contents" });
  const commits = [await villain.seal({ writerNonce, entries: [made.entry] })];
  let past = [made.change];
  for (const writerSeq of [2, 3]) {
    const last = commits.at(-1);
    if (last === undefined) throw new Error("no commit");
    const edit = villain.edit(past, {
      docId: made.docId,
      writerNonce,
      operations: [{ op: "set", path: ["n"], value: writerSeq }],
      dependencies: [entryHashOf(last)],
    });
    past = [...past, edit.change];
    commits.push(
      await villain.seal({ writerNonce, writerSeq, predecessors: [last.commitHash], entries: [edit.entry] }),
    );
  }
  await bring(victim, commits);
  const last = commits.at(-1)?.commitHash;
  await eventually(async () => (await stepsOf(victim)).map(({ commitHash }) => commitHash)).toContain(last);
  return commits;
}

describe("the audit of a tenant", () => {
  it("tells who did what when, page by page, each commit verified anew", async () => {
    const { proof, victim, villain } = stage;
    const { api } = victim.device;
    const [docId = ""] = await api.createDocuments(victim.database, [{ name: "one" }]);
    const doc = newSubscription();
    const { heads } = await api.openDocument(victim.database, docId, doc);
    await api.changeDocument(doc, draft([{ op: "set", path: ["name"], value: "two" }], heads));
    await api.deleteDocument(victim.database, docId);
    await api.setRoles(
      victim.tenantId,
      [{ database: "contacts", user: villain.author, group: undefined, role: "reader" }],
      proof,
    );
    const theirs = await writtenByVillain();
    for (let i = 0; i < 70; i++) await api.createDocuments(victim.database, [{ i }]);

    const steps = await stepsOf(victim);
    expect(steps.length).toBeGreaterThan(76);
    expect(new Set(steps.map(({ commitHash }) => commitHash)).size).toBe(steps.length);
    expect(steps.every(({ verified: isVerified }) => isVerified)).toBe(true);
    expect(steps.every(({ chain }) => chain === "whole")).toBe(true);
    const own = steps.filter(({ author }) => author === tenantOf(victim)?.self?.key);
    expect(own.slice(0, 3).map(({ deeds, verdict }) => [verdict, deeds[0]?.what, deeds[0]?.docId])).toEqual(
      ["doc_create", "doc_change", "doc_delete"].map((what) => ["accepted", what, docId]),
    );
    const directory = steps.filter(({ author }) => author === proof.adminKey).flatMap(({ deeds }) => deeds);
    expect(directory).toContainEqual({
      what: "membercard",
      userKey: villain.author,
      name: "cn=villain/o=acme",
    });
    expect(directory).toContainEqual(
      expect.objectContaining({ what: "role", about: [`reader user ${villain.author}`] }),
    );
    const refused = steps.filter(({ author }) => author === villain.author);
    expect(refused.map(({ commitHash, reason }) => [commitHash, reason])).toEqual(
      theirs.map(({ commitHash }) => [commitHash, "role"]),
    );
    expect(own.at(-1)?.database).toBe("contacts");
  });

  it("is asked for a time, a database, a user", async () => {
    const { victim } = stage;
    await victim.device.api.createDocuments(victim.database, [{ name: "one" }]);
    const theirs = await writtenByVillain();
    const hashes = async (query: Parameters<typeof stepsOf>[1]): Promise<readonly string[]> =>
      (await stepsOf(victim, query)).map(({ commitHash }) => commitHash);
    expect(await hashes({ user: stage.villain.author })).toEqual(theirs.map(({ commitHash }) => commitHash));
    expect((await hashes({ database: "contacts" })).length).toBe(4);
    expect(await hashes({ database: "others" })).toEqual([]);
    const all = await stepsOf(victim);
    const middle = Math.max(...all.map(({ atMs }) => atMs));
    expect((await hashes({ fromMs: middle })).length + (await hashes({ toMs: middle })).length).toBe(
      all.length,
    );
    expect(await hashes({ fromMs: middle + 1 })).toEqual([]);
    await expect(hashes({ user: "nobody" })).rejects.toMatchObject({ code: "input/unknown-id" });
    await expect(hashes({ toMs: Number.NaN })).rejects.toMatchObject({ code: "input/invalid" });
  });

  it("says where the log is damaged, where something is missing, and who wrote two things in one place", async () => {
    const { bystander, victim } = stage;
    const [first, second, third] = await writtenByVillain();
    if (first === undefined || second === undefined || third === undefined) throw new Error("three commits");
    const writerNonce = bystander.nonce();
    const [one, two] = [
      bystander.create(writerNonce, 0, { n: 1 }),
      bystander.create(writerNonce, 1, { n: 2 }),
    ];
    const twins = [
      await bystander.seal({ writerNonce, entries: [one.entry] }),
      await bystander.seal({ writerNonce, entries: [two.entry] }),
    ];
    const late = await bystander.seal({
      writerSeq: 9,
      predecessors: [first.commitHash],
      entries: [recordBy(bystander)],
    });
    await bring(victim, [...twins, late]);
    const known = async (): Promise<ReadonlyMap<string, AuditStep>> =>
      new Map((await stepsOf(victim)).map((step) => [step.commitHash, step]));
    await eventually(async () => (await known()).has(late.commitHash)).toBe(true);
    const store = await victim.storage.openStore(`coffer/tenant/${victim.tenantId}`);
    const log = await store.readLog({ after: 0, maxCount: 1000, maxBytes: 1 << 30 });
    const record = log.find(({ commitHash }) => commitHash === second.commitHash);
    if (record === undefined) throw new Error("no record");
    const bytes = copyBytes(record.bytes);
    bytes[bytes.length - 1] = (bytes.at(-1) ?? 0) ^ 1;
    await store.rewrite([{ position: record.position, bytes }]);
    store.close();
    const steps = await known();
    expect(steps.get(second.commitHash)).toMatchObject({
      verified: false,
      deeds: [],
      author: stage.villain.author,
    });
    expect(steps.get(third.commitHash)).toMatchObject({ verified: true, chain: "whole" });
    expect(steps.get(late.commitHash)).toMatchObject({ verified: true, chain: "gap" });
    expect(twins.map(({ commitHash }) => steps.get(commitHash)?.chain)).toContain("fork");
  });

  it("is not told while it is locked", async () => {
    const { victim } = stage;
    const id = await victim.device.api.openAuditReport(victim.tenantId, false);
    await victim.device.api.lock(victim.tenantId);
    await expect(stepsOf(victim)).rejects.toMatchObject({ code: "access/locked" });
    await expect(victim.device.api.readExport(id)).rejects.toMatchObject({ code: "access/locked" });
  });
});

describe("a report", () => {
  it("is checked without any key of the tenant, and says of each commit who wrote it and what became of it", async () => {
    const { proof, victim, villain } = stage;
    const [docId = ""] = await victim.device.api.createDocuments(victim.database, [{ name: "one" }]);
    const theirs = await writtenByVillain();
    await victim.device.api.revokeUser(victim.tenantId, villain.author, proof);
    const after = await made(villain, { late: 1 });
    await bring(victim, [after]);
    await eventually(() => tenantOf(victim)?.quarantine.map(({ commitHash }) => commitHash)).toContain(
      after.commitHash,
    );
    const report = await verified(await reportOf(victim));
    expect(report).toMatchObject({ tenantId: victim.tenantId, adminKey: proof.adminKey, gaps: [] });
    expect(report.exporter).toBe(tenantOf(victim)?.self?.key);
    expect(report.members.find(({ key }) => key === villain.author)).toEqual({
      key: villain.author,
      user: villain.author,
      name: undefined,
      isRevoked: true,
    });
    const told = new Map(report.commits.map((commit) => [commit.commitHash, commit]));
    expect([...told.keys()].toSorted()).toEqual(
      (await logOf(victim)).map(({ commitHash }): string => commitHash).toSorted(),
    );
    for (const { commitHash } of theirs)
      expect(told.get(commitHash)).toMatchObject({ author: villain.author, verdict: "accepted" });
    expect(told.get(after.commitHash)).toMatchObject({ verdict: "quarantined", reason: "revoked" });
    expect(report.commits.flatMap(({ deeds }) => deeds)).toContainEqual({ what: "doc_create", docId });
    expect(report.commits.flatMap(({ deeds }) => deeds)).toContainEqual(
      expect.objectContaining({ what: "revokeaccess", userKey: villain.author }),
    );
  });

  it("shows names where they are wanted, and of contents nothing: its keys open no other commit", async () => {
    const { victim, villain } = stage;
    await writtenByVillain();
    const open = await reportOf(victim, true);
    expect((await verified(open)).members).toContainEqual({
      key: villain.author,
      user: villain.author,
      name: "cn=villain/o=acme",
      isRevoked: false,
    });
    const { commits, line } = parsedReport(open);
    for (const { bytes } of commits)
      expect(commitOf({ bytes }).entries.every(({ ciphertext }) => ciphertext === undefined)).toBe(true);
    const log = await logOf(victim);
    for (const { bytes, keys } of line) {
      const { commitHash } = commitOf({ bytes });
      for (const secret of keys.values()) {
        for (const commit of log) {
          if (commit.commitHash === commitHash) continue;
          const opened = await openDisclosed(
            crypto,
            commit,
            new Map(commit.header.keys.map((_, index) => [index, secret])),
          );
          expect(opened.every(({ kind }) => kind === "forged")).toBe(true);
        }
      }
    }
  });

  it("is the same whoever holds the same commits, but for its head and signature", async () => {
    const { victim } = stage;
    await writtenByVillain();
    const replica = await addReplica(stage, "cn=late/o=acme");
    const log = await logOf(victim);
    await bring(replica, log.toReversed());
    await eventually(async () => (await stepsOf(replica)).length).toBe(log.length);
    const [one, other] = [parsedReport(await reportOf(victim)), parsedReport(await reportOf(replica))];
    expect(other.commits).toEqual(one.commits);
    expect(other.line).toEqual(one.line);
  });

  it("is refused with any bit of it changed, cut off anywhere, or longer", async () => {
    const { victim } = stage;
    await writtenByVillain();
    const report = await reportOf(victim);
    await verified(report);
    const known = new Set(["malformed", "version", "limit", "foreign", "signature"]);
    for (let at = 0; at < report.length; at++) {
      const changed = report.slice();
      changed[at] = (changed[at] ?? 0) ^ (1 << (at % 8));
      expect(known).toContain(await refusedAs(changed));
    }
    for (let length = 0; length < report.length; length += 7)
      expect(await refusedAs(report.subarray(0, length))).toBe("malformed");
    expect(await refusedAs(concatBytes(report, Uint8Array.of(0)))).toBe("malformed");
    expect(await refusedAs(concatBytes(report, report))).toBe("malformed");
  });

  it("of another tenant is foreign, and without an id it says whose it is", async () => {
    const device = await startDevice(createMemoryStorage(env));
    const tenant = await device.api.createTenant({ ...people, tenantName: "other" });
    const id = await device.api.openAuditReport(tenant.id, true);
    const report = copyBytes((await device.api.readExport(id)) ?? new Uint8Array());
    expect(await refusedAs(report)).toBe("foreign");
    expect((await verified(report, tenant.id)).tenantId).toBe(tenant.id);
    const verdict = await verifyAuditReport(new Blob([report]));
    expect(verdict).toMatchObject({ kind: "verified", tenantId: tenant.id });
  });
});

describe("an exporter who lies", () => {
  const without = <T>(items: readonly T[], index: number): readonly T[] =>
    items.filter((_, at) => at !== index);

  it("cannot sign for somebody else, and not as a stranger or one who was revoked", async () => {
    const { bystander, proof, victim, villain } = stage;
    const report = parsedReport(await reportOf(victim));
    const own = await signedReport(report, villain);
    expect((await verified(own)).exporter).toBe(villain.author);
    const stolen = concatBytes(
      own.subarray(0, own.length - 64),
      (await signedReport(report, bystander)).subarray(-64),
    );
    expect(await refusedAs(stolen)).toBe("signature");
    const stranger = Object.assign(Object.create(villain) as Author, {
      identity: { ...villain.identity, ...(await strangerOf(villain)) },
    });
    expect(await refusedAs(await signedReport(report, stranger))).toBe("exporter");
    await victim.device.api.revokeUser(victim.tenantId, villain.author, proof);
    expect(await refusedAs(await signedReport(parsedReport(await reportOf(victim)), villain))).toBe(
      "exporter",
    );
  });

  it("cannot hide, reorder or make up records of the directory", async () => {
    const { bystander, proof, victim, villain } = stage;
    await victim.device.api.revokeUser(victim.tenantId, bystander.author, proof);
    const report = parsedReport(await reportOf(victim, true));
    const last = report.line.length - 1;
    // What nobody follows can be left off the end; whoever knows a later head sees that.
    for (let at = 0; at < last; at++)
      expect(
        await refusedAs(await signedReport({ ...report, line: without(report.line, at) }, villain)),
      ).toBe("directory");
    const swapped = [...report.line];
    [swapped[1], swapped[2]] = [swapped[2] ?? swapped[0], swapped[1] ?? swapped[0]].flatMap(
      (one) => one ?? [],
    ) as [never, never];
    expect(await refusedAs(await signedReport({ ...report, line: swapped }, villain))).toBe("directory");
    const revocation = report.line[last];
    if (revocation === undefined) throw new Error("no line");
    const sealed = { bytes: bareOf(commitOf(revocation)), keys: new Map() };
    const hidden = { ...report, line: [...report.line.slice(0, last), sealed] };
    expect(await refusedAs(await signedReport(hidden, villain))).toBe("directory");
    const keyless = { ...report, line: [...report.line.slice(0, last), { ...revocation, keys: new Map() }] };
    expect(await refusedAs(await signedReport(keyless, villain))).toBe("directory");
    const wrongKey = new Map([...revocation.keys].map(([index]) => [index, new Uint8Array(32)]));
    const wrong = { ...report, line: [...report.line.slice(0, last), { ...revocation, keys: wrongKey }] };
    expect(await refusedAs(await signedReport(wrong, villain))).toBe("directory");
    const made = await villain.seal({
      dbId: commitOf(revocation).header.dbId,
      entries: [recordBy(villain)],
    });
    const own = { bytes: made.bytes, keys: new Map() };
    expect(await refusedAs(await signedReport({ ...report, line: [...report.line, own] }, villain))).toBe(
      "directory",
    );
    expect(await refusedAs(await signedReport({ ...report, line: [] }, villain))).toBe("exporter");
  });

  it("cannot change a commit, double it, bring it into another order, or show one of another tenant", async () => {
    const { victim, villain } = stage;
    await writtenByVillain();
    const report = parsedReport(await reportOf(victim));
    const [first, second, third] = report.commits;
    if (first === undefined || second === undefined || third === undefined) throw new Error("three commits");
    const lie = async (commits: readonly ReportCommit[]): Promise<string> =>
      refusedAs(await signedReport({ ...report, commits }, villain));
    for (let at = 0; at < second.bytes.length; at++) {
      const bytes = copyBytes(second.bytes);
      bytes[at] = (bytes[at] ?? 0) ^ (1 << (at % 8));
      expect(await lie([first, { ...second, bytes }, third])).toBe("commit");
    }
    expect(await lie([second, first, third])).toBe("order");
    expect(await lie([first, second, second, third])).toBe("order");
    const foreign = await villain.seal({
      tenantId: villain.tenantId.replace(/^./, (char) => (char === "A" ? "B" : "A")) as never,
      entries: [recordBy(villain)],
    });
    expect(await lie([first, second, third, { ...third, bytes: bareOf(foreign) }])).toBe("commit");
    const whole = (await logOf(victim)).find(({ commitHash }) => commitHash === commitOf(first).commitHash);
    expect(await lie([{ ...first, bytes: whole?.bytes ?? first.bytes }, second, third])).toBe("malformed");
  });

  it("who leaves out a commit shows a gap, and one who wrote two things in one place is told", async () => {
    const { bystander, victim, villain } = stage;
    const [, second, third] = await writtenByVillain();
    const report = parsedReport(await reportOf(victim));
    const left = inOrder(
      report.commits.filter(({ bytes }) => commitOf({ bytes }).commitHash !== second?.commitHash),
    );
    expect((await verified(await signedReport({ ...report, commits: left }, villain))).gaps).toEqual([
      { commitHash: third?.commitHash, kind: "predecessor" },
    ]);
    const jump = await bystander.seal({
      writerSeq: 9,
      predecessors: [commitOf(left[0] ?? report.commits[0] ?? { bytes: new Uint8Array() }).commitHash],
      entries: [recordBy(bystander)],
    });
    const writerNonce = bystander.nonce();
    const twins = [0, 1].map(async (counter) =>
      bystander.seal({ writerNonce, entries: [bystander.create(writerNonce, counter, { counter }).entry] }),
    );
    const added = [jump, ...(await Promise.all(twins))].map((commit): ReportCommit => {
      return { verdict: "waiting", reason: "equivocation", refused: "", bytes: bareOf(commit) };
    });
    const all = inOrder([...report.commits, ...added]);
    const { gaps } = await verified(await signedReport({ ...report, commits: all }, villain));
    expect(gaps.map(({ kind }) => kind).toSorted()).toEqual(["sequence", "twin", "twin"]);
    const both = all.map((commit) => ({ ...commit, verdict: "accepted" as const, reason: "" }));
    expect(await refusedAs(await signedReport({ ...report, commits: both }, villain))).toBe("verdict");
  });

  it("tells the truth of what was adopted, of older heads and of erased documents, and cannot lie about it", async () => {
    const { bystander, proof, victim, villain } = stage;
    const { api } = victim.device;
    const [first] = await writtenByVillain();
    const [erased = ""] = await api.createDocuments(victim.database, [{ gone: 1 }]);
    const older = bystander.directoryHead;
    await api.rotateKey(victim.tenantId, "default", proof);
    await api.setGroup(
      victim.tenantId,
      "staff",
      { addUsers: [bystander.author], removeUsers: [], addGroups: [], removeGroups: [] },
      proof,
    );
    const writerNonce = bystander.nonce();
    bystander.directoryHead = await lastDirectoryCommit(victim);
    const knows = await bystander.seal({
      writerNonce,
      entries: [
        {
          ...recordBy(bystander),
          entryType: "doc_change",
          dependencies: [entryHashOf(first ?? (await made(bystander, {})))],
        },
      ],
    });
    const forgets = await bystander.seal({
      writerNonce,
      writerSeq: 2,
      predecessors: [knows.commitHash],
      directoryHead: older,
      entries: [bystander.create(writerNonce, 0, { forgets: 1 }).entry],
    });
    await api.revokeUser(victim.tenantId, villain.author, proof);
    const late = await made(villain, { late: 1 });
    await bring(victim, [knows, forgets, late]);
    const reasons = () =>
      new Map(tenantOf(victim)?.quarantine.map(({ commitHash, reason }) => [commitHash, reason]));
    await eventually(() => [reasons().get(forgets.commitHash), reasons().get(late.commitHash)]).toEqual([
      "older-head",
      "revoked",
    ]);
    await api.adoptCommits(victim.tenantId, [late.commitHash], proof);
    await eventually(() => reasons().has(late.commitHash)).toBe(false);
    await api.purgeDocument(victim.database, erased);
    const report = parsedReport(await reportOf(victim));
    const told = new Map(
      (await verified(await signedReport(report, bystander))).commits.map((one) => [one.commitHash, one]),
    );
    expect(told.get(late.commitHash)).toMatchObject({ verdict: "accepted" });
    expect(told.get(forgets.commitHash)).toMatchObject({ verdict: "quarantined", reason: "older-head" });
    expect([...told.values()].flatMap(({ deeds }) => deeds)).toContainEqual({
      what: "doc_create",
      docId: erased,
    });
    const claim = async (of: Commit, changed: Partial<ReportCommit>): Promise<string> => {
      const commits = report.commits.map((one) =>
        commitOf(one).commitHash === of.commitHash ? { ...one, ...changed } : one,
      );
      return refusedAs(await signedReport({ ...report, commits }, bystander));
    };
    expect(await claim(forgets, { verdict: "accepted", reason: "" })).toBe("verdict");
    expect(await claim(late, { verdict: "quarantined", reason: "revoked" })).toBe("verdict");
    expect(await claim(late, { verdict: "quarantined", reason: "older-head" })).toBe("verdict");
  });

  it("cannot claim what the directory contradicts", async () => {
    const { bystander, proof, victim, villain } = stage;
    await writtenByVillain();
    await victim.device.api.setRoles(
      victim.tenantId,
      [{ database: "contacts", user: bystander.author, group: undefined, role: "reader" }],
      proof,
    );
    bystander.directoryHead = await lastDirectoryCommit(victim);
    const byReader = await made(bystander, {});
    await victim.device.api.revokeUser(victim.tenantId, villain.author, proof);
    const late = await made(villain, {});
    await bring(victim, [byReader, late]);
    await eventually(() => tenantOf(victim)?.quarantine.length).toBe(2);
    const report = parsedReport(await reportOf(victim));
    await verified(await signedReport(report, bystander));
    const claim = async (of: Commit, changed: Partial<ReportCommit>): Promise<string> => {
      const commits = report.commits.map((one) =>
        commitOf(one).commitHash === of.commitHash ? { ...one, ...changed } : one,
      );
      return refusedAs(await signedReport({ ...report, commits }, bystander));
    };
    const good = { verdict: "accepted", reason: "", refused: "" } as const;
    expect(await claim(late, good)).toBe("verdict");
    expect(await claim(late, { reason: "role" })).toBe("verdict");
    expect(await claim(late, { reason: "unknown-author" })).toBe("verdict");
    expect(await claim(byReader, good)).toBe("verdict");
    expect(await claim(byReader, { reason: "revoked" })).toBe("verdict");
    const [sound] = report.commits.filter(({ verdict }) => verdict === "accepted");
    if (sound === undefined) throw new Error("nothing was accepted");
    expect(await claim(commitOf(sound), { verdict: "quarantined", reason: "revoked" })).toBe("verdict");
  });
});

async function strangerOf(villain: Author): Promise<Pick<Author["identity"], "publicIdentity" | "signing">> {
  const signing = await crypto.createSigningPair();
  const signingKey = bytesToId("AuthorKey", signing.publicKey);
  return { publicIdentity: { ...villain.identity.publicIdentity, signingKey }, signing };
}
