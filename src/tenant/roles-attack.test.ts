import { afterEach, beforeEach, describe, expect, it } from "vitest";
import {
  addReplica,
  bring,
  entryHashOf,
  eventually,
  lastDirectoryCommit,
  logOf,
  setStage,
  stateOf,
  strike,
  tenantOf,
  valueOf,
  type Author,
  type Forged,
  type Stage,
} from "../../worker/attack-fixtures.ts";
import { closeDevices, crypto } from "../../worker/device-fixtures.ts";
import type { RoleChange, TenantSnapshot } from "../../worker/api.ts";
import { encodeRecord, type DirectoryRecord } from "../directory/index.ts";
import { directoryDbId, type Commit } from "../entry/index.ts";
import { bytesToId } from "../std/index.ts";

let stage: Stage;

beforeEach(async () => {
  stage = await setStage();
});
afterEach(closeDevices);

function reasonOf({ quarantine }: TenantSnapshot, { commitHash }: Commit): string | undefined {
  return quarantine.find((row) => row.commitHash === commitHash)?.reason;
}

/** The admin gives roles; members know of it. */
async function give(...changes: readonly RoleChange[]): Promise<void> {
  const { bystander, proof, victim, villain } = stage;
  await victim.device.api.setRoles(victim.tenantId, changes, proof);
  const head = await lastDirectoryCommit(victim);
  villain.directoryHead = head;
  bystander.directoryHead = head;
}

async function make(
  by: Author,
  name: string,
): Promise<{ forged: Forged; commit: Commit; writerNonce: Uint8Array }> {
  const writerNonce = by.nonce();
  const forged = by.create(writerNonce, 0, { name });
  return { forged, writerNonce, commit: await by.seal({ writerNonce, entries: [forged.entry] }) };
}

async function edit(
  by: Author,
  on: { readonly forged: Forged; readonly commit: Commit },
  entryType: "doc_change" | "doc_delete" = "doc_change",
): Promise<Commit> {
  const writerNonce = by.nonce();
  const edited = by.edit([on.forged.change], {
    docId: on.forged.docId,
    writerNonce,
    operations: [{ op: "set", path: ["by"], value: by.author }],
    dependencies: [entryHashOf(on.commit)],
  });
  return by.seal({ writerNonce, entries: [{ ...edited.entry, entryType }] });
}

const has = (id: string) =>
  eventually(() => stage.victim.device.api.documentIds(stage.victim.database)).toContain(id);

describe("members who write what their role does not allow", () => {
  it("are refused entry by entry, whatever the client they use says", async () => {
    const { bystander, victim, villain } = stage;
    const theirs = await make(bystander, "theirs");
    const own = await make(villain, "own");
    await bring(victim, [theirs.commit, own.commit]);
    await has(own.forged.docId);
    const refused: Commit[] = [];
    await give({ database: "contacts", user: villain.author, role: "reader" });
    refused.push((await make(villain, "x")).commit, await edit(villain, theirs), await edit(villain, own));
    refused.push(await edit(villain, own, "doc_delete"));
    refused.push(
      await villain.seal({
        entries: [
          {
            entryType: "doc_snapshot",
            docId: own.forged.docId,
            dependencies: [],
            key: villain.key,
            plaintext: new Uint8Array(8),
          },
        ],
      }),
    );
    await give({ database: "contacts", user: villain.author, role: "author" });
    refused.push(await edit(villain, theirs), await edit(villain, theirs, "doc_delete"));
    await give({ database: "contacts", user: villain.author, role: "editor" });
    refused.push(await edit(villain, theirs, "doc_delete"));
    const snapshot = await strike(stage, refused);
    expect(refused.map((commit) => reasonOf(snapshot, commit))).toEqual(refused.map(() => "role"));
  });

  it("are refused for that alone: the same with the role is taken", async () => {
    const { bystander, victim, villain } = stage;
    const theirs = await make(bystander, "theirs");
    await bring(victim, [theirs.commit]);
    await has(theirs.forged.docId);
    await give({ role: "reader" }, { database: "contacts", user: villain.author, role: "author" });
    const own = await make(villain, "own");
    await bring(victim, [own.commit, await edit(villain, own)]);
    await eventually(() => valueOf(victim, own.forged.docId)).toEqual({ name: "own", by: villain.author });
    await give({ database: "contacts", user: villain.author, role: "editor" });
    await bring(victim, [await edit(villain, theirs)]);
    await eventually(() => valueOf(victim, theirs.forged.docId)).toEqual({
      name: "theirs",
      by: villain.author,
    });
    await give({ database: "contacts", user: villain.author, role: "manager" });
    await bring(victim, [await edit(villain, theirs, "doc_delete")]);
    await eventually(() => victim.device.api.documentIds(victim.database)).not.toContain(theirs.forged.docId);
    expect(tenantOf(victim)?.quarantine).toEqual([]);
  });

  it("lose one entry of a commit and not the others", async () => {
    const { bystander, victim, villain } = stage;
    const theirs = await make(bystander, "theirs");
    await bring(victim, [theirs.commit]);
    await has(theirs.forged.docId);
    await give({ user: villain.author, role: "author" });
    const writerNonce = villain.nonce();
    const own = villain.create(writerNonce, 0, { name: "own" });
    const foreign = villain.edit([theirs.forged.change], {
      docId: theirs.forged.docId,
      writerNonce,
      operations: [{ op: "set", path: ["by"], value: "them" }],
      dependencies: [entryHashOf(theirs.commit)],
    });
    const mixed = await villain.seal({ writerNonce, entries: [foreign.entry, own.entry] });
    await bring(victim, [mixed]);
    await eventually(() => valueOf(victim, own.docId)).toEqual({ name: "own" });
    expect(await valueOf(victim, theirs.forged.docId)).toEqual({ name: "theirs" });
    await eventually(() => tenantOf(victim)?.quarantine).toMatchObject([
      { commitHash: mixed.commitHash, reason: "role" },
    ]);
  });

  it("are told of with the reason of the refusal, also where a later entry of the same commit waits for the refused one", async () => {
    const { bystander, proof, victim, villain } = stage;
    const theirs = await make(bystander, "theirs");
    await bring(victim, [theirs.commit]);
    const { docId } = theirs.forged;
    await has(docId);
    await give({ user: villain.author, role: "author" });
    const writerNonce = villain.nonce();
    const set = (field: string) => [{ op: "set" as const, path: [field], value: "them" }];
    const one = villain.edit([theirs.forged.change], {
      docId,
      writerNonce,
      operations: set("by"),
      dependencies: [entryHashOf(theirs.commit)],
    });
    const two = villain.edit([theirs.forged.change, one.change], {
      docId,
      writerNonce,
      operations: set("too"),
      dependencies: [{ index: 0 }],
    });
    const both = await villain.seal({ writerNonce, entries: [one.entry, two.entry] });
    await bring(victim, [both]);
    await eventually(() => tenantOf(victim)?.quarantine).toMatchObject([
      { commitHash: both.commitHash, reason: "role" },
    ]);
    expect(await valueOf(victim, docId)).toEqual({ name: "theirs" });
    await victim.device.api.adoptCommits(victim.tenantId, [both.commitHash], proof);
    await eventually(() => tenantOf(victim)?.quarantine).toEqual([]);
    await eventually(() => valueOf(victim, docId)).toEqual({ name: "theirs", by: "them", too: "them" });
  });
});

describe("members whose rights were narrowed", () => {
  it("cannot write as if they had not heard of it: a head of before, a fresh nonce, a clock that stands still", async () => {
    const { victim, villain } = stage;
    const before = await make(villain, "before");
    const unseen = await make(villain, "unseen");
    await bring(victim, [before.commit]);
    await has(before.forged.docId);
    const old = villain.directoryHead;
    await give({ database: "contacts", user: villain.author, role: "reader" });
    const fresh = await addReplica(stage, "cn=fresh/o=acme");
    const writerNonce = villain.nonce();
    const late = (rest: Parameters<Author["seal"]>[0]): Promise<Commit> =>
      villain.seal({ directoryHead: old, createdAtMs: 1, ...rest });
    const created = await late({
      writerNonce,
      entries: [villain.create(writerNonce, 0, { name: "late" }).entry],
    });
    const follows = await late({
      writerNonce: before.writerNonce,
      writerSeq: 2,
      predecessors: [before.commit.commitHash],
      entries: [villain.create(before.writerNonce, 1, { name: "follows" }).entry],
    });
    const snapshot = await strike(stage, [created, follows, unseen.commit]);
    for (const commit of [created, follows, unseen.commit]) expect(reasonOf(snapshot, commit)).toBe("role");
    // A device that hears of it in the other order says the same.
    await bring(fresh, [created, follows, unseen.commit, before.commit]);
    await eventually(async () => [...(await stateOf(fresh)).values()]).toEqual([{ name: "before" }]);
    await eventually(() => tenantOf(fresh)?.quarantine.map(({ reason }) => reason)).toEqual([
      "role",
      "role",
      "role",
    ]);
  });

  it("keep what counted, also where the narrowing comes last, and lose there what was not theirs to write", async () => {
    const { victim, villain } = stage;
    const early = await addReplica(stage, "cn=early/o=acme");
    const counted = await make(villain, "counted");
    const unseen = await make(villain, "unseen");
    await bring(early, [counted.commit, unseen.commit]);
    await eventually(async () => (await stateOf(early)).size).toBe(2);
    await bring(victim, [counted.commit]);
    await has(counted.forged.docId);
    await give({ role: "reader" });
    const head = await lastDirectoryCommit(victim);
    await bring(
      early,
      (await logOf(victim)).filter(({ commitHash }) => commitHash === head),
    );
    await eventually(async () => [...(await stateOf(early)).values()]).toEqual([{ name: "counted" }]);
    expect(tenantOf(early)?.quarantine).toMatchObject([
      { commitHash: unseen.commit.commitHash, reason: "role" },
    ]);
  });

  it("are narrowed by leaving a group as by losing a role", async () => {
    const { proof, victim, villain } = stage;
    const { api } = victim.device;
    const nobody = { addUsers: [], removeUsers: [], addGroups: [], removeGroups: [] };
    await api.setGroup(victim.tenantId, "editors", { ...nobody, addUsers: [villain.author] }, proof);
    await give({ role: "reader" }, { group: "editors", role: "editor" });
    const old = villain.directoryHead;
    const counted = await make(villain, "counted");
    await bring(victim, [counted.commit]);
    await has(counted.forged.docId);
    await api.setGroup(victim.tenantId, "editors", { ...nobody, removeUsers: [villain.author] }, proof);
    const writerNonce = villain.nonce();
    const entries = [villain.create(writerNonce, 0, { name: "late" }).entry];
    const late = await villain.seal({ writerNonce, directoryHead: old, entries });
    // The honest one of the stage may write: the last word on it is theirs.
    await give({ user: stage.bystander.author, role: "author" }, { user: await owner(), role: "author" });
    expect(reasonOf(await strike(stage, [late]), late)).toBe("role");
    expect(await valueOf(victim, counted.forged.docId)).toEqual({ name: "counted" });
  });
});

async function owner(): Promise<string> {
  const event = stage.victim.device.events.findLast((one) => one.kind === "tenant");
  return event?.kind === "tenant" ? (event.snapshot.self?.key ?? "") : "";
}

it("nobody but the admin gives roles or narrows, whatever keys they hold", async () => {
  const { victim, villain } = stage;
  await give({ user: villain.author, role: "author" });
  const head = await lastDirectoryCommit(victim);
  const directory = directoryDbId(crypto, villain.tenantId);
  const forge = (record: DirectoryRecord): Promise<Commit> =>
    villain.seal({
      dbId: directory,
      predecessors: head === undefined ? [] : [head],
      directoryHead: head,
      entries: [
        {
          entryType: "directory_record",
          docId: bytesToId("DocId", new Uint8Array(16)),
          dependencies: [],
          key: villain.key,
          plaintext: encodeRecord(record),
        },
      ],
    });
  const member = { kind: "user", userKey: villain.author } as const;
  const forged = [
    await forge({ kind: "role", dbId: undefined, edits: [{ subject: member, role: "manager" }] }),
    await forge({
      kind: "role",
      dbId: villain.dbId,
      edits: [{ subject: { kind: "everyone" }, role: "reader" }],
    }),
    await forge({ kind: "narrowing", users: [{ userKey: stage.bystander.author, cuts: [] }] }),
  ];
  const before = tenantOf(victim)?.roles;
  const snapshot = await strike(stage, forged);
  for (const commit of forged) expect(reasonOf(snapshot, commit)).toBe("not-admin");
  expect(snapshot.roles).toEqual(before);
});
