import { afterEach, beforeEach, describe, expect, it } from "vitest";
import {
  addReplica,
  Author,
  bagOf,
  bring,
  entryHashOf,
  eventually,
  lastDirectoryCommit,
  logOf,
  reopen,
  setStage,
  stateOf,
  strike,
  tenantOf,
  valueOf,
  type Forged,
  type Replica,
  type Stage,
} from "../../worker/attack-fixtures.ts";
import {
  closeDevices,
  crypto,
  draft,
  env,
  newSubscription,
  people,
  shownAfter,
} from "../../worker/device-fixtures.ts";
import {
  createContentKey,
  deriveNameId,
  directoryDbId,
  encodeCommit,
  eraseEntries,
  openEntries,
  verifyCommit,
  type Commit,
  type CommitDraft,
} from "../entry/index.ts";
import { encodeRecord, groupIdOf, hashUserName, wipeMark, type DirectoryRecord } from "../directory/index.ts";
import { createVault, createIdentity, unlockVault, type UnlockedIdentity } from "../keys/index.ts";
import {
  bytesToId,
  ByteWriter,
  CofferError,
  type AuthorKey,
  type CommitHash,
  type TenantId,
} from "../std/index.ts";
import { createMemoryStorage, type Storage } from "../store/index.ts";
import type { TenantCore } from "./core.ts";
import { isToldToForget } from "./wiped.ts";

let stage: Stage;

beforeEach(async () => {
  stage = await setStage();
});
afterEach(closeDevices);

function reasonOf(
  snapshot: { quarantine: readonly { commitHash: string; reason: string }[] },
  commit: Commit,
) {
  return snapshot.quarantine.find((row) => row.commitHash === commit.commitHash)?.reason;
}

/** A new document of the villain's, sealed. */
async function created(value: Record<string, string> = { name: "theirs" }): Promise<{
  forged: Forged;
  commit: Commit;
  writerNonce: Uint8Array;
}> {
  const writerNonce = stage.villain.nonce();
  const forged = stage.villain.create(writerNonce, 0, value);
  return { forged, writerNonce, commit: await stage.villain.seal({ writerNonce, entries: [forged.entry] }) };
}

async function strangerIdentity(): Promise<UnlockedIdentity> {
  const secrets = await createIdentity(crypto, "cn=stranger/o=acme");
  return (await createVault(crypto, { secrets, password: "x y z w v u", nowMs: 0 })).identity;
}

/** What someone writes into the directory as if it were theirs. */
function asDirectory(by: Author, head: CommitHash | undefined, record: DirectoryRecord): Promise<Commit> {
  return by.seal({
    dbId: directoryDbId(crypto, by.tenantId),
    predecessors: head === undefined ? [] : [head],
    directoryHead: head,
    entries: [
      {
        entryType: "directory_record",
        docId: bytesToId("DocId", new Uint8Array(16)),
        dependencies: [],
        key: by.key,
        plaintext: encodeRecord(record),
      },
    ],
  });
}

/** A document that everyone has. */
async function shared(): Promise<{ commit: Commit; forged: Forged }> {
  const { bystander, victim } = stage;
  const writerNonce = bystander.nonce();
  const forged = bystander.create(writerNonce, 0, { title: "shared", n: 1 });
  const commit = await bystander.seal({ writerNonce, entries: [forged.entry] });
  await bring(victim, [commit]);
  await eventually(() => victim.device.api.documentIds(victim.database)).toContain(forged.docId);
  return { commit, forged };
}

describe("bytes that are not what was signed", () => {
  it("takes nothing of a commit with any bit flipped, and takes the sound one later", async () => {
    const { commit, forged } = await created();
    const hostile = Array.from({ length: commit.bytes.length }, (_, at) => {
      const bytes = new Uint8Array(commit.bytes);
      bytes[at] = (bytes[at] ?? 0) ^ (1 << (at % 8));
      return { commitHash: commit.commitHash, bytes };
    });
    await strike(stage, hostile);
    await bring(stage.victim, [commit]);
    await eventually(() => valueOf(stage.victim, forged.docId)).toEqual({ name: "theirs" });
  });

  it("takes nothing of a commit cut off anywhere, or whose entries were left out, and takes the whole one later", async () => {
    const { commit, forged } = await created();
    const cuts = Array.from({ length: commit.bytes.length }, (_, end) => ({
      commitHash: commit.commitHash,
      bytes: commit.bytes.slice(0, end),
    }));
    const entries = commit.entries.map(({ entryHash }) => ({ entryHash }));
    const partial = encodeCommit({ ...commit, entries });
    expect(await verifyCommit(crypto, partial)).toMatchObject({ kind: "verified" });
    await strike(stage, [...cuts, { commitHash: commit.commitHash, bytes: partial }]);
    await bring(stage.victim, [commit]);
    await eventually(() => valueOf(stage.victim, forged.docId)).toEqual({ name: "theirs" });
  });

  it("refuses a commit under another one's hash, and keeps the other one's place free", async () => {
    const first = await created({ name: "first" });
    const second = await created({ name: "second" });
    await strike(stage, [{ commitHash: first.commit.commitHash, bytes: second.commit.bytes }]);
    await bring(stage.victim, [first.commit]);
    await eventually(() => valueOf(stage.victim, first.forged.docId)).toEqual({ name: "first" });
  });

  it("gives the same state for every commit a hundred times, in any order", async () => {
    const { commit } = await created();
    await bring(stage.victim, [commit]);
    const all = await logOf(stage.victim);
    await strike(
      stage,
      Array.from({ length: 100 }, (_, i) => all.toReversed()[i % all.length] ?? commit),
    );
  });

  it("refuses what was written for another tenant or database", async () => {
    const { villain } = stage;
    const writerNonce = villain.nonce();
    const { commit, forged } = await shared();
    const { entry } = villain.edit([forged.change], {
      docId: forged.docId,
      writerNonce,
      dependencies: [entryHashOf(commit)],
      operations: [{ op: "set", path: ["n"], value: 2 }],
    });
    const tenantId: TenantId = bytesToId("TenantId", env.randomBytes(32));
    const elsewhere = await villain.seal({ writerNonce, tenantId, entries: [entry] });
    const directory = directoryDbId(crypto, stage.victim.tenantId);
    const asDirectory = await villain.seal({ writerNonce, dbId: directory, entries: [entry] });
    const snapshot = await strike(stage, [elsewhere, asDirectory]);
    expect(snapshot.alarms.map(({ detail }) => detail)).toContain(`${elsewhere.commitHash}: tenant`);
    expect(reasonOf(snapshot, asDirectory)).toMatch(/not-admin|malformed/);
  });
});

describe("members who write what they must not", () => {
  it("refuses a stranger, whatever keys they hold", async () => {
    const { villain } = stage;
    const stranger = new Author({ ...villain.parts, identity: await strangerIdentity() });
    stranger.directoryHead = villain.directoryHead;
    const writerNonce = stranger.nonce();
    const commit = await stranger.seal({
      writerNonce,
      entries: [stranger.create(writerNonce, 0, { a: "b" }).entry],
    });
    expect(reasonOf(await strike(stage, [commit]), commit)).toBe("unknown-author");
  });

  it("refuses a commit signed by one member in the name of another", async () => {
    const { bystander, villain } = stage;
    const writerNonce = bystander.nonce();
    const { entry } = bystander.create(writerNonce, 0, { a: "b" });
    const signingKey = villain.identity.signing.privateKey;
    const commit = await bystander.seal({ writerNonce, signingKey, entries: [entry] });
    const snapshot = await strike(stage, [commit]);
    expect(snapshot.alarms.map(({ detail }) => detail)).toContain(`${commit.commitHash}: signature`);
  });

  it("refuses another one's change, sealed again as their own", async () => {
    const { commit, forged } = await shared();
    const again = await stage.villain.seal({
      entries: [{ ...forged.entry, entryType: "doc_change", dependencies: [entryHashOf(commit)] }],
    });
    expect(reasonOf(await strike(stage, [again]), again)).toBe("actor");
  });

  it("refuses another one's actor and next number, and takes that one's real change", async () => {
    const { bystander, victim, villain } = stage;
    const writerNonce = bystander.nonce();
    const made = bystander.create(writerNonce, 0, { n: 1 });
    const first = await bystander.seal({ writerNonce, entries: [made.entry] });
    await bring(victim, [first]);
    await eventually(() => victim.device.api.documentIds(victim.database)).toContain(made.docId);
    const edit = {
      docId: made.docId,
      dependencies: [entryHashOf(first)],
      actor: bystander.actor(writerNonce, made.docId),
    };
    const set = (value: string) => [{ op: "set" as const, path: ["by"], value }];
    const forged = villain.edit([made.change], {
      ...edit,
      writerNonce: villain.nonce(),
      operations: set("villain"),
    });
    const hostile = await villain.seal({ entries: [forged.entry] });
    expect(reasonOf(await strike(stage, [hostile]), hostile)).toBe("actor");
    const real = bystander.edit([made.change], { ...edit, writerNonce, operations: set("bystander") });
    const predecessors = [first.commitHash];
    await bring(victim, [
      await bystander.seal({ writerNonce, writerSeq: 2, predecessors, entries: [real.entry] }),
    ]);
    await eventually(() => valueOf(victim, made.docId)).toEqual({ n: 1, by: "bystander" });
  });

  it("refuses bytes that are no change, changes of other documents, and entries of other kinds, one by one", async () => {
    const { victim, villain } = stage;
    const { commit, forged } = await shared();
    const dependencies = [entryHashOf(commit)];
    const writerNonce = villain.nonce();
    const good = villain.create(writerNonce, 0, { name: "in between" });
    const entry = { entryType: "doc_change" as const, docId: forged.docId, dependencies, key: villain.key };
    const other = villain.create(writerNonce, 1, { name: "other" });
    const reasons: Record<string, Commit> = {
      malformed: await villain.seal({ entries: [{ ...entry, plaintext: env.randomBytes(300) }] }),
      actor: await villain.seal({ entries: [{ ...entry, plaintext: other.change.bytes }] }),
      type: await villain.seal({
        entries: [
          {
            ...entry,
            entryType: "directory_record",
            docId: bytesToId("DocId", new Uint8Array(16)),
            plaintext: env.randomBytes(9),
          },
        ],
      }),
      snapshot: await villain.seal({
        entries: [{ ...entry, entryType: "doc_snapshot", plaintext: env.randomBytes(9) }],
      }),
    };
    const snapshot = await strike(stage, Object.values(reasons));
    for (const [reason, hostile] of Object.entries(reasons)) expect(reasonOf(snapshot, hostile)).toBe(reason);
    const mixed = await villain.seal({
      writerNonce,
      entries: [{ ...entry, plaintext: env.randomBytes(80) }, good.entry],
    });
    await bring(victim, [mixed]);
    await eventually(() => valueOf(victim, good.docId)).toEqual({ name: "in between" });
    await eventually(() => reasonOf(tenantOf(victim) ?? { quarantine: [] }, mixed)).toBe("malformed");
  });

  it("refuses keys that are not the document's, and never tries one", async () => {
    const { villain } = stage;
    const { commit, forged } = await shared();
    const dependencies = [entryHashOf(commit)];
    const secret = env.randomBytes(32);
    const stranger = await createContentKey(crypto, { keyId: villain.key.keyId, epoch: 1, secret });
    const writerNonce = villain.nonce();
    const edit = villain.edit([forged.change], {
      docId: forged.docId,
      writerNonce,
      dependencies,
      operations: [{ op: "set", path: ["n"], value: 2 }],
    });
    const unknown = await villain.seal({ writerNonce, entries: [{ ...edit.entry, key: stranger }] });
    const disguised = await villain.seal({
      writerNonce: villain.nonce(),
      entries: [{ ...edit.entry, key: { ...stranger, fingerprint: villain.key.fingerprint } }],
    });
    const snapshot = await strike(stage, [unknown, disguised]);
    expect(reasonOf(snapshot, disguised)).toBe("commitment");
    expect(snapshot.status.sealedCount).toBe(1);
  });

  it("refuses a document number used twice, sequence numbers left out, and dependencies that are not the change's", async () => {
    const { villain } = stage;
    const { commit, forged } = await shared();
    const writerNonce = villain.nonce();
    const set = (value: number) => [{ op: "set" as const, path: ["n"], value }];
    const place = { docId: forged.docId, writerNonce, dependencies: [entryHashOf(commit)] };
    const one = villain.edit([forged.change], { ...place, operations: set(2) });
    const two = villain.edit([forged.change, one.change], { ...place, operations: set(3) });
    const gap = await villain.seal({ writerNonce, entries: [two.entry] });
    const bare = await villain.seal({ entries: [{ ...one.entry, dependencies: [] }] });
    const snapshot = await strike(stage, [gap, bare]);
    expect(reasonOf(snapshot, gap)).toBe("dependencies");
    expect(reasonOf(snapshot, bare)).toMatch(/actor|dependencies/);
  });
});

describe("what waits for ever", () => {
  it("keeps commits that wait for a head, a key or an entry that does not exist, and stays usable", async () => {
    const { villain } = stage;
    const { forged } = await shared();
    const nowhere = () => bytesToId("EntryHash", env.randomBytes(32));
    const hostile: Commit[] = [];
    for (let i = 0; i < 200; i++) {
      const writerNonce = villain.nonce();
      const { entry } = villain.create(writerNonce, 0, { i });
      const directoryHead = bytesToId("CommitHash", env.randomBytes(32));
      hostile.push(await villain.seal({ writerNonce, directoryHead, entries: [entry] }));
      const plaintext = env.randomBytes(64);
      const dependencies = Array.from({ length: 64 }, nowhere);
      const lost = { entryType: "doc_change" as const, docId: forged.docId, dependencies, key: villain.key };
      const edit = villain.edit([forged.change], {
        docId: forged.docId,
        writerNonce: villain.nonce(),
        dependencies,
        operations: [{ op: "set", path: ["n"], value: i + 100 }],
      });
      hostile.push(await villain.seal({ entries: [{ ...lost, plaintext }, edit.entry] }));
    }
    const snapshot = await strike(stage, hostile);
    expect(snapshot.status.unjudgedCount).toBeGreaterThanOrEqual(200);
    expect(snapshot.quarantine.length).toBeLessThanOrEqual(200);
  });

  it("takes entries in the end, in whatever order commits came", async () => {
    const { victim, villain } = stage;
    const writerNonce = villain.nonce();
    const made = villain.create(writerNonce, 0, { n: 0 });
    const commits = [await villain.seal({ writerNonce, entries: [made.entry] })];
    const changes = [made.change];
    for (let n = 1; n <= 20; n++) {
      const last = commits.at(-1);
      if (last === undefined) break;
      const { change, entry } = villain.edit(changes, {
        docId: made.docId,
        writerNonce,
        dependencies: [entryHashOf(last)],
        operations: [{ op: "set", path: ["n"], value: n }],
      });
      changes.push(change);
      const predecessors = [last.commitHash];
      commits.push(await villain.seal({ writerNonce, writerSeq: n + 1, predecessors, entries: [entry] }));
    }
    for (const commit of commits.toReversed()) await bring(victim, [commit]);
    await eventually(() => victim.device.api.documentIds(victim.database)).toContain(made.docId);
    await eventually(() => valueOf(victim, made.docId)).toEqual({ n: 20 });
    expect(tenantOf(victim)?.status).toMatchObject({ unjudgedCount: 0, quarantinedCount: 0 });
  });
});

describe("equivocation", () => {
  /** Two commits of one number, each on top of the shared document. */
  async function twins(base: { commit: Commit; forged: Forged }) {
    const { villain } = stage;
    const writerNonce = villain.nonce();
    const place = { docId: base.forged.docId, writerNonce, dependencies: [entryHashOf(base.commit)] };
    const make = async (value: string) => {
      const operations = [{ op: "set" as const, path: ["by"], value }];
      const forged = villain.edit([base.forged.change], { ...place, operations });
      return { forged, commit: await villain.seal({ writerNonce, entries: [forged.entry] }) };
    };
    const pair = [await make("one"), await make("two")] as const;
    const [low, high] = pair.toSorted((a, b) =>
      Buffer.compare(
        Buffer.from(a.commit.commitHash, "base64url"),
        Buffer.from(b.commit.commitHash, "base64url"),
      ),
    );
    if (low === undefined || high === undefined) throw new Error("two twins");
    return { low, high };
  }

  async function settled(
    replica: Replica,
    commits: readonly Commit[],
  ): Promise<ReadonlyMap<string, unknown>> {
    await bring(replica, commits);
    let before: unknown;
    await eventually(
      async () => {
        const last = before;
        before = [...(await stateOf(replica))];
        return JSON.stringify(last) === JSON.stringify(before) && tenantOf(replica)?.alarms.length !== 0;
      },
      { interval: 60 },
    ).toBe(true);
    return stateOf(replica);
  }

  it("gives the lower hash in every order, says so, and says it again after a restart", async () => {
    const base = await shared();
    const { high, low } = await twins(base);
    const other = await addReplica(stage, "cn=third/o=acme");
    const one = await settled(stage.victim, [low.commit, high.commit]);
    const two = await settled(other, [high.commit, low.commit, base.commit]);
    expect([...two]).toEqual([...one]);
    const expected = await valueOf(stage.victim, base.forged.docId);
    expect(expected).toEqual({ title: "shared", n: 1, by: byOf(low.forged) });
    for (const replica of [stage.victim, other]) {
      expect(tenantOf(replica)?.alarms.map(({ kind }) => kind)).toContain("equivocation");
      await eventually(() => tenantOf(replica)?.quarantine.map(({ commitHash }) => commitHash)).toContain(
        high.commit.commitHash,
      );
    }
    const again = await reopen(other);
    await eventually(() => stateOf(again)).toEqual(two);
  });

  it("gives the one that others built upon, in every order, and takes back what was built on nothing", async () => {
    const base = await shared();
    const { high, low } = await twins(base);
    const { bystander } = stage;
    const writerNonce = bystander.nonce();
    const reply = bystander.edit([base.forged.change, high.forged.change], {
      docId: base.forged.docId,
      writerNonce,
      dependencies: [entryHashOf(high.commit)],
      operations: [{ op: "set", path: ["reply"], value: "yes" }],
    });
    const answer = await bystander.seal({ writerNonce, entries: [reply.entry] });
    const orders = [
      [low.commit, high.commit, answer],
      [answer, low.commit, high.commit],
      [high.commit, answer, low.commit],
    ];
    const value = { title: "shared", n: 1, by: byOf(high.forged), reply: "yes" };
    for (const [index, order] of orders.entries()) {
      const replica = await addReplica(stage, `cn=r${index}/o=acme`);
      await bring(replica, [base.commit]);
      for (const commit of order) await bring(replica, [commit]);
      await eventually(() => replica.device.api.documentIds(replica.database)).toContain(base.forged.docId);
      await eventually(() => valueOf(replica, base.forged.docId)).toEqual(value);
      await eventually(() => tenantOf(replica)?.status).toMatchObject({
        unjudgedCount: 0,
        quarantinedCount: 1,
      });
    }
  });

  it("treats one document number used twice, and one actor's number used twice in other commits, alike", async () => {
    const { villain } = stage;
    const writerNonce = villain.nonce();
    const one = villain.create(writerNonce, 0, { name: "one" });
    const two = villain.create(writerNonce, 0, { name: "two" });
    expect(one.docId).toBe(two.docId);
    const first = await villain.seal({ writerNonce, entries: [one.entry] });
    const predecessors = [first.commitHash];
    const second = await villain.seal({ writerNonce, writerSeq: 2, predecessors, entries: [two.entry] });
    const other = await addReplica(stage, "cn=third/o=acme");
    const here = await settled(stage.victim, [first, second]);
    const there = await settled(other, [second, first]);
    expect([...there]).toEqual([...here]);
    expect(here.size).toBe(1);
  });

  it("edits go on after a reversal, under a number that was never used", async () => {
    const base = await shared();
    const { high, low } = await twins(base);
    const { victim } = stage;
    await bring(victim, [high.commit]);
    await eventually(() => valueOf(victim, base.forged.docId)).toMatchObject({ by: byOf(high.forged) });
    const doc = newSubscription();
    const opened = await victim.device.api.openDocument(victim.database, base.forged.docId, doc);
    await victim.device.api.changeDocument(
      doc,
      draft([{ op: "set", path: ["mine"], value: "kept" }], opened.heads),
    );
    await bring(victim, [low.commit]);
    // The victim's own edit stands on the higher one, which therefore counts.
    await eventually(() => tenantOf(victim)?.quarantine.map(({ commitHash }) => commitHash)).toContain(
      low.commit.commitHash,
    );
    expect(await valueOf(victim, base.forged.docId)).toMatchObject({ mine: "kept", by: byOf(high.forged) });
  });
});

describe("the order in which things come", () => {
  /** What a member does who wants replicas to differ, and what honest ones do meanwhile. */
  async function turmoil(): Promise<{ commits: readonly Commit[]; docIds: readonly string[] }> {
    const { bystander, villain } = stage;
    const commits: Commit[] = [];
    const docIds: string[] = [];
    const write = async (by: Author, rest: Parameters<Author["seal"]>[0]): Promise<Commit> => {
      const commit = await by.seal(rest);
      commits.push(commit);
      return commit;
    };
    for (let round = 0; round < 4; round++) {
      const nonces = { villain: villain.nonce(), bystander: bystander.nonce() };
      const made = bystander.create(nonces.bystander, 0, { round });
      docIds.push(made.docId);
      const first = await write(bystander, { writerNonce: nonces.bystander, entries: [made.entry] });
      const edits = ["one", "two", "three"].map((value) =>
        villain.edit([made.change], {
          docId: made.docId,
          writerNonce: nonces.villain,
          dependencies: [entryHashOf(first)],
          operations: [{ op: "set", path: ["by"], value }],
        }),
      );
      const sealed: Commit[] = [];
      for (const [index, { entry }] of edits.entries()) {
        // The third uses the actor's number again under another number of the writer's.
        const predecessors = index === 2 ? sealed.slice(0, 1).map(({ commitHash }) => commitHash) : [];
        const writerSeq = index === 2 ? 2 : 1;
        const place = { writerNonce: nonces.villain, writerSeq, predecessors };
        sealed.push(await write(villain, { ...place, entries: [entry] }));
      }
      for (const index of [[], [0], [1], [1, 2]][round] ?? []) {
        const [edit, on] = [edits[index], sealed[index]];
        if (edit === undefined || on === undefined) continue;
        const writerNonce = bystander.nonce();
        const reply = bystander.edit([made.change, edit.change], {
          docId: made.docId,
          writerNonce,
          dependencies: [entryHashOf(on)],
          operations: [{ op: "set", path: [`reply${index}`], value: "yes" }],
        });
        await write(bystander, { writerNonce, entries: [reply.entry] });
      }
      const dead = { ...made.entry, entryType: "doc_change" as const, dependencies: [entryHashOf(first)] };
      await write(villain, { entries: [{ ...dead, plaintext: env.randomBytes(40) }] });
    }
    return { commits, docIds };
  }

  it("changes nothing: neither documents nor verdicts, also not after a restart", async () => {
    const { commits, docIds } = await turmoil();
    const outcomes: unknown[] = [];
    for (let order = 0; order < 10; order++) {
      const replica = await addReplica(stage, `cn=r${order}/o=acme`);
      const shuffled = commits
        .map((commit) => ({ commit, key: env.randomBytes(4).join() }))
        .toSorted((a, b) => (a.key < b.key ? -1 : 1));
      for (let at = 0; at < shuffled.length;) {
        const count = 1 + ((env.randomBytes(1)[0] ?? 0) % 5);
        await bring(
          replica,
          shuffled.slice(at, at + count).map(({ commit }) => commit),
        );
        at += count;
      }
      const outcome = async (one: Replica) => ({
        state: [...(await stateOf(one))],
        quarantine: (tenantOf(one)?.quarantine ?? [])
          .map((row) => `${row.commitHash} ${row.reason}`)
          .toSorted(),
        waiting: tenantOf(one)?.status.unjudgedCount,
      });
      await eventually(async () => {
        const { quarantine, state, waiting } = await outcome(replica);
        return { documents: state.length, verdicts: quarantine.length + (waiting ?? 0) };
      }).toEqual({ documents: docIds.length, verdicts: 4 + 8 + 1 });
      outcomes.push(await outcome(replica));
      if (order > 2) continue;
      const again = await reopen(replica);
      await eventually(() => outcome(again)).toEqual(outcomes[0]);
    }
    for (const outcome of outcomes) expect(outcome).toEqual(outcomes[0]);
  });
});

function byOf(forged: Forged): string {
  const text = Buffer.from(forged.change.bytes).toString("latin1");
  return text.includes("two") ? "two" : "one";
}

describe("revocation", () => {
  it("counts nothing outside the cut, on the admin's device and on fresh ones, whatever the clock says", async () => {
    const { victim, villain } = stage;
    const before = await created({ name: "before" });
    await bring(victim, [before.commit]);
    await eventually(() => victim.device.api.documentIds(victim.database)).toContain(before.forged.docId);
    const early = await created({ name: "unseen" });
    const other = await addReplica(stage, "cn=third/o=acme");
    await bring(other, [before.commit, early.commit]);
    await eventually(async () => (await stateOf(other)).size).toBe(2);
    await victim.device.api.revokeUser(victim.tenantId, villain.author, stage.proof);
    const writerNonce = villain.nonce();
    const late = await villain.seal({
      writerNonce,
      createdAtMs: 1,
      entries: [villain.create(writerNonce, 0, { name: "after" }).entry],
    });
    const snapshot = await strike(stage, [late, early.commit]);
    expect(reasonOf(snapshot, late)).toBe("revoked");
    const head = await lastDirectoryCommit(victim);
    await bring(
      other,
      (await logOf(victim)).filter(({ commitHash }) => commitHash === head),
    );
    await bring(other, [late]);
    await eventually(async () => [...(await stateOf(other)).values()]).toEqual([{ name: "before" }]);
    // What they try to grant themselves is ignored, too.
    const grant = await asDirectory(villain, head, {
      kind: "grantaccess",
      userKey: villain.author,
      encryptionKey: new Uint8Array(32),
      nameHash: new Uint8Array(32),
    });
    expect(reasonOf(await strike(stage, [grant]), grant)).toBe("not-admin");
  });

  it("stays for what was written meanwhile, when they are let in again, whatever comes first", async () => {
    const { proof, victim, villain, villainReplica } = stage;
    const { api } = victim.device;
    const before = await created({ name: "before" });
    await bring(victim, [before.commit]);
    await eventually(() => api.documentIds(victim.database)).toContain(before.forged.docId);
    const granted = villain.directoryHead;
    await api.revokeUser(victim.tenantId, villain.author, proof);
    const revoked = await lastDirectoryCommit(victim);
    const behind = await addReplica(stage, "cn=behind/o=acme");
    await api.regrantUser(victim.tenantId, villain.author, [], proof);
    const again = await lastDirectoryCommit(victim);
    const write = async (name: string, directoryHead: CommitHash | undefined, predecessors: CommitHash[]) => {
      villain.directoryHead = directoryHead;
      const writerNonce = villain.nonce();
      const forged = villain.create(writerNonce, 0, { name });
      return villain.seal({ writerNonce, predecessors, entries: [forged.entry] });
    };
    const { commitHash } = before.commit;
    // Heads from before the new grant are named by who was away, or wants to have been.
    const hidden = await write("hidden", granted, [commitHash]);
    const meanwhile = await write("meanwhile", revoked, []);
    const snapshot = await strike(stage, [hidden, meanwhile]);
    expect([hidden, meanwhile].map((commit) => reasonOf(snapshot, commit))).toEqual(["revoked", "revoked"]);
    // What counts again has them in its past, which brings nothing back; also not with a second revocation.
    const honest = await write("honest", again, [hidden.commitHash, meanwhile.commitHash]);
    // It is sealed under the key that they had: only who knows of the new one must not.
    const stale = reasonOf(await strike(stage, [honest]), honest);
    expect(stale).toBe("epoch");
    await bring(villainReplica, await logOf(victim));
    await eventually(() => tenantOf(villainReplica)?.keyGrants).toMatchObject([{ epoch: 2 }]);
    const twin = new Author({ ...villain.parts, bag: await bagOf(villainReplica, villain.identity) });
    twin.directoryHead = again;
    const writerNonce = twin.nonce();
    const fresh = twin.create(writerNonce, 0, { name: "again" });
    const counted = await twin.seal({
      writerNonce,
      predecessors: [hidden.commitHash, meanwhile.commitHash],
      entries: [fresh.entry],
    });
    // Who has not heard of the new grant refuses it, and takes it then.
    await bring(behind, [before.commit, counted]);
    await eventually(() => reasonOf(tenantOf(behind) ?? { quarantine: [] }, counted)).toBe("revoked");
    await bring(victim, [counted]);
    await eventually(() => valueOf(victim, fresh.docId)).toEqual({ name: "again" });
    await bring(behind, await logOf(victim));
    await eventually(() => valueOf(behind, fresh.docId)).toEqual({ name: "again" });
    await api.revokeUser(victim.tenantId, villain.author, proof);
    await eventually(() => valueOf(victim, fresh.docId)).toEqual({ name: "again" });
    const wanted = await stateOf(victim);
    const log = await logOf(victim);
    for (const [number, order] of [log, log.toReversed()].entries()) {
      const other = await addReplica(stage, `cn=other ${number}/o=acme`);
      for (const commit of order) {
        await bring(other, [commit]);
        await other.device.api.documentIds(other.database);
      }
      await eventually(() => stateOf(other)).toEqual(wanted);
    }
  });

  it("can be released one by one by the admin, on every device, whatever comes first", async () => {
    const { bystander, proof, victim, villain } = stage;
    const { api } = victim.device;
    const late = await created({ name: "late" });
    const writerNonce = bystander.nonce();
    const upon = bystander.edit([late.forged.change], {
      docId: late.forged.docId,
      writerNonce,
      dependencies: [entryHashOf(late.commit)],
      operations: [{ op: "set", path: ["by"], value: "bystander" }],
    });
    const edit = await bystander.seal({ writerNonce, entries: [upon.entry] });
    const other = await created({ name: "not released" });
    const strange = new Author({ ...villain.parts, identity: await strangerIdentity() });
    strange.directoryHead = villain.directoryHead;
    const strangeNonce = strange.nonce();
    const foreign = strange.create(strangeNonce, 0, { name: "a stranger's" });
    const unknown = await strange.seal({ writerNonce: strangeNonce, entries: [foreign.entry] });
    await api.revokeUser(victim.tenantId, villain.author, proof);
    const snapshot = await strike(stage, [late.commit, edit, other.commit, unknown]);
    expect([late.commit, other.commit, unknown].map((commit) => reasonOf(snapshot, commit))).toEqual([
      "revoked",
      "revoked",
      "unknown-author",
    ]);
    const adopt = (...commits: readonly Commit[]) =>
      api.adoptCommits(
        victim.tenantId,
        commits.map(({ commitHash }) => commitHash),
        proof,
      );
    for (const refused of [[], [unknown], [late.commit, unknown]])
      await expect(adopt(...refused)).rejects.toMatchObject({ code: /^input\// });
    await adopt(late.commit);
    const wanted = { name: "late", by: "bystander" };
    await eventually(() => valueOf(victim, late.forged.docId)).toEqual(wanted);
    // A record that names a stranger's, as an admin's machine in wrong hands could write, releases nothing.
    const device = await victim.storage.openStore("coffer/device");
    const vault = (await device.readSlot(`vault/${proof.adminKey}`))?.value as Uint8Array;
    device.close();
    const admin = new Author({
      ...villain.parts,
      identity: await unlockVault(crypto, vault, people.adminPassword),
    });
    const record: DirectoryRecord = { kind: "adopt", commitHashes: [unknown.commitHash] };
    await bring(victim, [await asDirectory(admin, await lastDirectoryCommit(victim), record)]);
    await eventually(() => valueOf(victim, late.forged.docId)).toEqual(wanted);
    const log = await logOf(victim);
    const fresh = await addReplica(stage, "cn=fresh/o=acme", []);
    for (const commit of log.toReversed()) {
      await bring(fresh, [commit]);
      await fresh.device.api.documentIds(fresh.database);
    }
    await eventually(() => stateOf(fresh)).toEqual(await stateOf(victim));
    expect(await valueOf(fresh, late.forged.docId)).toEqual(wanted);
    expect(await valueOf(fresh, other.forged.docId)).toBeUndefined();
    expect(await valueOf(fresh, foreign.docId)).toBeUndefined();
  });

  it("has a device forget the tenant by the admin's signed word alone, and by none that a later grant ended", async () => {
    const { bystander, proof, victim, villain, villainReplica } = stage;
    const { author: userKey, tenantId } = bystander;
    const device = await victim.storage.openStore("coffer/device");
    const vault = (await device.readSlot(`vault/${proof.adminKey}`))?.value as Uint8Array;
    device.close();
    const admin = new Author({
      ...villain.parts,
      identity: await unlockVault(crypto, vault, people.adminPassword),
    });
    const head = await lastDirectoryCommit(victim);
    const wipe = async (by: Author, of: AuthorKey, draft: Partial<CommitDraft> = {}) => {
      const plaintext = encodeRecord({ kind: "wipe", userKey: of });
      return by.seal({
        dbId: directoryDbId(crypto, tenantId),
        directoryHead: head,
        predecessors: head === undefined ? [] : [head],
        entries: [
          {
            entryType: "directory_record",
            docId: bytesToId("DocId", new Uint8Array(16)),
            dependencies: [wipeMark(crypto, of)],
            key: by.key,
            plaintext,
          },
        ],
        ...draft,
      });
    };
    const store = await createMemoryStorage(env).openStore("log");
    const core = {
      world: { crypto },
      tenantId,
      genesis: { adminSigningKey: admin.author },
      directoryDbId: directoryDbId(crypto, tenantId),
      store,
    } as unknown as TenantCore;
    const isTold = (bytes: Uint8Array) => isToldToForget(core, userKey, bytes);
    const meant = await wipe(admin, userKey);
    const bare = eraseEntries(meant, () => true) ?? new Uint8Array(0);
    expect(await isTold(meant.bytes)).toBe(true);
    // Servers hand over its headers alone.
    expect(await isTold(bare)).toBe(true);
    const others = [
      (await wipe(villain, userKey)).bytes,
      (await wipe(admin, villain.author)).bytes,
      (await wipe(admin, userKey, { tenantId: bytesToId("TenantId", new Uint8Array(32)) })).bytes,
      (await asDirectory(admin, head, { kind: "wipe", userKey })).bytes,
      ...[0, 40, 200, bare.length - 1].map((at) =>
        bare.map((byte, index) => (index === at ? byte ^ 1 : byte)),
      ),
      new Uint8Array(0),
    ];
    for (const bytes of others) expect(await isTold(bytes)).toBe(false);
    const { bytes, commitHash } = meant;
    await store.write({ records: [{ bytes: new Uint8Array(bytes), commitHash, origin: "peer" }] });
    expect(await isTold(meant.bytes)).toBe(false);
    store.close();
    // Neither a member's word nor one that was taken back empties the device.
    await bring(villainReplica, [await wipe(bystander, villain.author)]);
    await victim.device.api.revokeUser(tenantId, villain.author, proof, true);
    await victim.device.api.regrantUser(tenantId, villain.author, [], proof);
    await bring(villainReplica, await logOf(victim));
    await eventually(() => tenantOf(villainReplica)?.keyGrants).toMatchObject([{ epoch: 2 }]);
    expect((await villainReplica.device.api.tenants()).map(({ id }) => id)).toEqual([tenantId]);
    await victim.device.api.revokeUser(tenantId, villain.author, proof, true);
    await bring(villainReplica, await logOf(victim));
    await eventually(async () => (await villainReplica.device.api.tenants()).length).toBe(0);
  });

  it("ends what they can read: what is written later is sealed under a key that they were not given", async () => {
    const { proof, victim, villain, villainReplica } = stage;
    const early = await created({ name: "early" });
    await bring(victim, [early.commit]);
    await eventually(() => valueOf(victim, early.forged.docId)).toEqual({ name: "early" });
    await victim.device.api.revokeUser(victim.tenantId, villain.author, proof);
    const [secret = ""] = await victim.device.api.createDocuments(victim.database, [{ name: "secret" }]);
    const doc = newSubscription();
    const { heads } = await victim.device.api.openDocument(victim.database, early.forged.docId, doc);
    const edit = draft([{ op: "set", path: ["name"], value: "later" }], heads);
    await victim.device.api.changeDocument(doc, edit);
    // A server in league with them hands over everything.
    const log = await logOf(victim);
    await bring(villainReplica, log);
    await eventually(() => valueOf(villainReplica, early.forged.docId)).toEqual({ name: "early" });
    await eventually(() => tenantOf(villainReplica)?.status.sealedCount).toBe(2);
    expect(await valueOf(villainReplica, secret)).toBeUndefined();
    const later = log.slice(-2);
    expect(later.map(({ header }) => header.author)).toEqual(
      later.map(() => tenantOf(victim)?.self?.key ?? ""),
    );
    for (const commit of later)
      for (const entry of await openEntries(crypto, commit, () => villain.key))
        expect(entry.kind).not.toBe("opened");
  });

  it("makes stale what is sealed under an old key by who knew of the new one, and nothing else", async () => {
    const { bystander, proof, victim, villain } = stage;
    const { commit, forged } = await shared();
    await victim.device.api.revokeUser(victim.tenantId, villain.author, proof);
    const head = await lastDirectoryCommit(victim);
    expect(head).not.toBe(bystander.directoryHead);
    const write = async (directoryHead: CommitHash | undefined, value: Record<string, string>) => {
      const writerNonce = bystander.nonce();
      const made = bystander.create(writerNonce, 0, value);
      const sealed = await bystander.seal({ writerNonce, directoryHead, entries: [made.entry] });
      return { made, sealed };
    };
    const stale = await write(head, { name: "knew" });
    const writerNonce = bystander.nonce();
    const { entry } = bystander.edit([forged.change], {
      docId: forged.docId,
      writerNonce,
      dependencies: [entryHashOf(commit)],
      operations: [{ op: "set", path: ["n"], value: 2 }],
    });
    const staleEdit = await bystander.seal({ writerNonce, directoryHead: head, entries: [entry] });
    const snapshot = await strike(stage, [stale.sealed, staleEdit]);
    expect([reasonOf(snapshot, stale.sealed), reasonOf(snapshot, staleEdit)]).toEqual(["epoch", "epoch"]);
    const honest = await write(bystander.directoryHead, { name: "did not know" });
    await bring(victim, [honest.sealed]);
    await eventually(() => valueOf(victim, honest.made.docId)).toEqual({ name: "did not know" });
    // It is the same where the directory comes last.
    const other = await addReplica(stage, "cn=other/o=acme");
    await bring(other, [stale.sealed, staleEdit, honest.sealed, commit]);
    await bring(other, await logOf(victim));
    await eventually(() => valueOf(other, honest.made.docId)).toEqual({ name: "did not know" });
    await eventually(() => valueOf(other, forged.docId)).toEqual({ title: "shared", n: 1 });
    expect(await valueOf(other, stale.made.docId)).toBeUndefined();
    expect(await stateOf(other)).toEqual(await stateOf(victim));
  });

  it("keys come from the admin alone, and one that does not open does no harm", async () => {
    const { proof, victim, villain } = stage;
    const keyId = villain.key.keyId;
    const self = tenantOf(victim)?.self?.key as AuthorKey;
    const fake: DirectoryRecord = {
      kind: "keyepoch",
      keyId,
      epoch: 7,
      fingerprint: new Uint8Array(8),
      wraps: [{ userKey: self, sealed: env.randomBytes(80) }],
    };
    const head = await lastDirectoryCommit(victim);
    const forged = await asDirectory(villain, head, fake);
    const snapshot = await strike(stage, [forged]);
    expect(reasonOf(snapshot, forged)).toBe("not-admin");
    expect(snapshot.keyGrants).toMatchObject([{ name: "default", epoch: 1 }]);
    // The admin's own mistake, or a machine of theirs that was taken over.
    const device = await victim.storage.openStore("coffer/device");
    const vault = (await device.readSlot(`vault/${proof.adminKey}`))?.value as Uint8Array;
    device.close();
    const identity = await unlockVault(crypto, vault, people.adminPassword);
    const admin = new Author({ ...villain.parts, identity });
    const mistake = await asDirectory(admin, head, fake);
    const ids = [...(await stateOf(victim)).keys()];
    await bring(victim, [mistake]);
    const create = () => victim.device.api.createDocuments(victim.database, [{ name: "new" }]);
    await eventually(() => create().then(String, (error: unknown) => (error as CofferError).code)).toBe(
      "key/missing",
    );
    expect([...(await stateOf(victim)).keys()]).toEqual(expect.arrayContaining(ids));
    await victim.device.api.rotateKey(victim.tenantId, "default", proof);
    await eventually(() => tenantOf(victim)?.keyGrants).toMatchObject([{ name: "default", epoch: 8 }]);
    expect(await create()).toHaveLength(1);
  });

  it("nobody but the admin writes groups and settings, whatever keys they hold", async () => {
    const { proof, victim, villain } = stage;
    const { api } = victim.device;
    const nobody = { addUsers: [], removeUsers: [], addGroups: [], removeGroups: [] };
    await api.setGroup(victim.tenantId, "board", nobody, proof);
    await api.changeSettings(victim.tenantId, undefined, [{ name: "limit", value: "3" }], proof);
    const before = tenantOf(victim);
    const head = await lastDirectoryCommit(victim);
    const groupId = groupIdOf(crypto, villain.namesKey, "board");
    const member = { kind: "user", userKey: villain.author } as const;
    const forged = [
      await asDirectory(villain, head, { kind: "group", groupId, edits: [{ op: "added", member }] }),
      await asDirectory(villain, head, { kind: "groupcard", groupId, groupName: "villains" }),
      await asDirectory(villain, head, { kind: "tenantsettings", edits: [{ name: "limit", value: "9" }] }),
      await asDirectory(villain, head, {
        kind: "dbsettings",
        dbName: "contacts",
        edits: [{ name: "a", value: "1" }],
      }),
    ];
    const snapshot = await strike(stage, forged);
    for (const commit of forged) expect(reasonOf(snapshot, commit)).toBe("not-admin");
    expect(snapshot.groups).toEqual(before?.groups);
    expect([snapshot.settings, snapshot.databaseSettings]).toEqual([{ limit: 3 }, {}]);
  });

  it("links a device to nobody but who signed it and who it says it is, and what it wrote counts once both are there", async () => {
    const { bystander, victim, villain } = stage;
    const phone = new Author({ ...villain.parts, identity: await strangerIdentity() });
    phone.directoryHead = villain.directoryHead;
    const { encryptionKey, signingKey } = phone.identity.publicIdentity;
    const key = villain.parts.bag.current(deriveNameId(crypto, villain.namesKey, "key", "$publicinfos"));
    if (key === undefined) throw new Error("members read the directory");
    const nameHash = hashUserName(crypto, villain.namesKey, "cn=bystander/o=acme");
    const tie: DirectoryRecord = { kind: "device", userKey: bystander.author, deviceKey: signingKey };
    const grant: DirectoryRecord = { kind: "grantaccess", userKey: signingKey, encryptionKey, nameHash };
    const say = (by: Author, follows: readonly Commit[], ...records: readonly DirectoryRecord[]) =>
      by.seal({
        dbId: directoryDbId(crypto, villain.tenantId),
        predecessors: follows.map(({ commitHash }) => commitHash),
        entries: records.map((record) => ({
          entryType: "directory_record",
          docId: bytesToId("DocId", new Uint8Array(16)),
          dependencies: [],
          key,
          plaintext: encodeRecord(record),
        })),
      });
    const writerNonce = phone.nonce();
    const forged = phone.create(writerNonce, 0, { name: "on the phone" });
    const commit = await phone.seal({ writerNonce, entries: [forged.entry] });
    const claimed = await say(villain, [], grant, tie);
    const echoed = await say(phone, [claimed], tie);
    const alone = await say(villain, [], tie);
    const snapshot = await strike(stage, [commit, echoed, claimed, alone]);
    expect([reasonOf(snapshot, commit), reasonOf(snapshot, alone)]).toEqual(["unknown-author", "not-admin"]);
    expect(snapshot.devices?.map(({ key: known }) => known)).not.toContain(signingKey);
    // Their own signature, and the device's: in whatever order.
    const link = await say(bystander, [], grant, tie);
    const word = await say(phone, [link], tie);
    await bring(victim, [word]);
    await bring(victim, [link]);
    await eventually(() => valueOf(victim, forged.docId).catch(() => undefined)).toEqual({
      name: "on the phone",
    });
    const device = tenantOf(victim)?.devices?.find(({ key: known }) => known === signingKey);
    expect(device).toMatchObject({ user: bystander.author, revoked: false });
    // Who is revoked takes along what they link later, whatever head they name.
    await victim.device.api.revokeUser(victim.tenantId, bystander.author, stage.proof);
    const watch = new Author({ ...villain.parts, identity: await strangerIdentity() });
    watch.directoryHead = villain.directoryHead;
    const { encryptionKey: box, signingKey: late } = watch.identity.publicIdentity;
    const lateTie: DirectoryRecord = { kind: "device", userKey: bystander.author, deviceKey: late };
    const lateGrant: DirectoryRecord = { kind: "grantaccess", userKey: late, encryptionKey: box, nameHash };
    const lateLink = await say(bystander, [link], lateGrant, lateTie);
    const lateNonce = watch.nonce();
    const lateDoc = watch.create(lateNonce, 0, { name: "late" });
    const written = await watch.seal({ writerNonce: lateNonce, entries: [lateDoc.entry] });
    await bring(victim, [lateLink, await say(watch, [lateLink], lateTie), written]);
    await eventually(() => {
      const now = tenantOf(victim);
      return now && reasonOf(now, written);
    }).toBe("unknown-author");
    expect(await valueOf(victim, lateDoc.docId).catch(() => undefined)).toBeUndefined();
    expect(await valueOf(victim, forged.docId)).toEqual({ name: "on the phone" });
    expect(tenantOf(victim)?.devices?.map(({ key: known }) => known)).not.toContain(late);
  });

  it("can be done to whoever made thousands of heads to prevent it", async () => {
    const { victim, villain } = stage;
    const { commit, forged } = await created({ name: "before" });
    const flood: Commit[] = [commit];
    for (let i = 0; i < 1_100; i++) {
      const entry = {
        entryType: "doc_snapshot" as const,
        docId: forged.docId,
        dependencies: [],
        key: villain.key,
      };
      flood.push(await villain.seal({ entries: [{ ...entry, plaintext: new Uint8Array(8) }] }));
    }
    await bring(victim, flood);
    await eventually(() => victim.device.api.documentIds(victim.database)).toContain(forged.docId);
    await victim.device.api.revokeUser(victim.tenantId, villain.author, stage.proof);
    expect(await valueOf(victim, forged.docId)).toEqual({ name: "before" });
    const { commit: late } = await created({ name: "after" });
    expect(reasonOf(await strike(stage, [late]), late)).toBe("revoked");
  });
});

describe("documents made to be in the way", () => {
  it("joins more heads than an entry can depend on, and stays editable", async () => {
    const { victim, villain } = stage;
    const { commit, forged } = await shared();
    const commits: Commit[] = [];
    for (let i = 0; i < 150; i++) {
      const writerNonce = villain.nonce();
      const edit = villain.edit([forged.change], {
        docId: forged.docId,
        writerNonce,
        dependencies: [entryHashOf(commit)],
        operations: [{ op: "set", path: [`k${i}`], value: i }],
      });
      commits.push(await villain.seal({ writerNonce, entries: [edit.entry] }));
    }
    await bring(victim, commits);
    await eventually(async () => Object.keys((await valueOf(victim, forged.docId)) as object).length).toBe(
      152,
    );
    const doc = newSubscription();
    const opened = await victim.device.api.openDocument(victim.database, forged.docId, doc);
    expect(opened.heads.length).toBe(150);
    const { update } = await victim.device.api.changeDocument(
      doc,
      draft([{ op: "set", path: ["title"], value: "edited" }], opened.heads),
    );
    const snapshot = shownAfter(opened, update);
    expect(snapshot.value).toMatchObject({ title: "edited", k149: 149 });
    expect(snapshot.heads.length).toBe(1);
    const other = await addReplica(stage, "cn=third/o=acme");
    await bring(other, (await logOf(victim)).toReversed());
    await eventually(() => stateOf(other)).toEqual(await stateOf(victim));
  });

  it("shows keys that objects have by themselves, and changes no prototype", async () => {
    const { victim, villain } = stage;
    const writerNonce = villain.nonce();
    const value = JSON.parse(
      '{"__proto__":{"polluted":1},"constructor":"c","toString":"t","0":"zero","":"empty"}',
    );
    const made = villain.create(writerNonce, 0, value as never);
    await bring(victim, [await villain.seal({ writerNonce, entries: [made.entry] })]);
    await eventually(() => victim.device.api.documentIds(victim.database)).toContain(made.docId);
    const shown = (await valueOf(victim, made.docId)) as object;
    expect(Object.keys(shown).toSorted()).toEqual(["", "0", "__proto__", "constructor", "toString"]);
    expect(({} as { polluted?: number }).polluted).toBeUndefined();
  });
});

describe("a worker that dies", () => {
  it("judges what killed it again and again no more, and everything else", async () => {
    const { victim } = stage;
    const { commit, forged } = await created({ name: "deadly" });
    const good = await created({ name: "good" });
    await victim.device.api.closeTenant(victim.tenantId);
    await bring(victim, [commit, good.commit]);
    const store = await victim.storage.openStore(`coffer/tenant/${victim.tenantId}`);
    const position = (await store.lastPosition()) - 1;
    const value = new ByteWriter().u8(1).u64(position).u64(position).u8(2).toBytes();
    await store.write({ slots: [{ name: "judging/dead", value }] });
    store.close();
    const again = await reopen(victim, people.userPassword);
    await eventually(() => again.device.api.documentIds(again.database)).toEqual([good.forged.docId]);
    await eventually(() => reasonOf(tenantOf(again) ?? { quarantine: [] }, commit)).toBe("crashed");
    const third = await reopen(again, people.userPassword);
    await eventually(() => third.device.api.documentIds(third.database)).toEqual([good.forged.docId]);
    expect(await third.device.api.documentIds(third.database)).not.toContain(forged.docId);
  });

  it("goes through what a thread died over one by one, and marks each before it touches it", async () => {
    const { victim } = stage;
    const { commit, forged } = await created({ name: "innocent" });
    await victim.device.api.closeTenant(victim.tenantId);
    await bring(victim, [commit]);
    const store = await victim.storage.openStore(`coffer/tenant/${victim.tenantId}`);
    const position = await store.lastPosition();
    const value = new ByteWriter()
      .u8(1)
      .u64(position)
      .u64(position + 1)
      .u8(0)
      .toBytes();
    await store.write({ slots: [{ name: "judging/dead", value }] });
    const marked: string[] = [];
    store.onWrite(({ slotNames }) => marked.push(...slotNames.filter((name) => name.startsWith("judging/"))));
    const again = await reopen(victim, people.userPassword);
    await eventually(() => again.device.api.documentIds(again.database)).toEqual([forged.docId]);
    await eventually(() => store.readSlots("judging/")).toEqual([]);
    expect(marked.filter((name) => name !== "judging/dead").length).toBeGreaterThanOrEqual(2);
    store.close();
  });
});

describe("a device whose log another tab removed", () => {
  it("acknowledges nothing into what comes after, and locks", async () => {
    const { victim } = stage;
    const store = await victim.storage.openStore(`coffer/tenant/${victim.tenantId}`);
    await store.destroy();
    await expect(
      victim.device.api.createDocuments(victim.database, [{ name: "lost?" }]),
    ).rejects.toMatchObject({ code: "store/closed" });
    await eventually(() => tenantOf(victim)?.status.phase).toBe("locked");
    expect(tenantOf(victim)?.alarms.map(({ kind }) => kind)).toContain("rollback");
  });
});

describe("a store that does not say whether it wrote", () => {
  it("leads to no number used twice: what was stored after all counts beside what came next", async () => {
    const { victim } = stage;
    const { forged } = await shared();
    let isSilent = false;
    const storage: Storage = {
      ...victim.storage,
      async openStore(name) {
        const store = await victim.storage.openStore(name);
        const write: typeof store.write = async (batch) => {
          const result = await store.write(batch);
          if (isSilent && batch.records !== undefined)
            throw new CofferError("store/failed", { outcome: "unknown" });
          return result;
        };
        return new Proxy(store, {
          get: (target, key) => {
            if (key === "write") return write;
            const value: unknown = Reflect.get(target, key, target);
            return typeof value === "function" ? value.bind(target) : value;
          },
        });
      },
    };
    const here = await reopen({ ...victim, storage }, people.userPassword);
    const doc = newSubscription();
    const edit = (key: string, heads: readonly string[]) =>
      here.device.api.changeDocument(doc, draft([{ op: "set", path: [key], value: "x" }], heads));
    const { heads } = await here.device.api.openDocument(here.database, forged.docId, doc);
    const first = await edit("before", heads);
    isSilent = true;
    await expect(edit("unknown", first.heads)).rejects.toMatchObject({ code: "store/failed" });
    isSilent = false;
    await edit("after", first.heads);
    const value = { title: "shared", n: 1, before: "x", unknown: "x", after: "x" };
    await eventually(() => valueOf(here, forged.docId)).toEqual(value);
    const other = await addReplica({ ...stage, victim: here }, "cn=third/o=acme");
    await bring(other, (await logOf(here)).toReversed());
    await eventually(() => valueOf(other, forged.docId)).toEqual(value);
    expect(tenantOf(other)?.alarms).toEqual([]);
  });
});

describe("a page that sends what no page sends", () => {
  it("is told so, and the worker lives", async () => {
    const { victim } = stage;
    const { api } = victim.device;
    const { forged } = await shared();
    const doc = newSubscription();
    await api.openDocument(victim.database, forged.docId, doc);
    const bad: unknown[] = [
      undefined,
      {},
      { draft: 1, baseHeads: [], afterDraft: 0, operations: 5, durability: "relaxed" },
      { draft: 1, baseHeads: ["x"], afterDraft: 0, operations: [{ op: "set" }], durability: "relaxed" },
      { draft: 1, baseHeads: [], afterDraft: 0, operations: [{ op: "no", path: [] }], durability: "relaxed" },
      { draft: "1", baseHeads: [], afterDraft: 0, operations: [], durability: "relaxed" },
      { draft: 1, baseHeads: [], afterDraft: 0, operations: [], durability: "never" },
    ];
    for (const message of bad)
      await expect(api.changeDocument(doc, message as never)).rejects.toMatchObject({
        code: "input/invalid",
      });
    for (const query of [undefined, { filter: { op: "eval" } }, { sort: [{}] }, { limit: -1 }])
      await expect(api.openQuery(victim.database, query as never, newSubscription())).rejects.toMatchObject({
        code: "input/invalid",
      });
    for (const values of [5, [5], [null], [{ f: () => 1 }]])
      await expect(api.createDocuments(victim.database, values as never)).rejects.toMatchObject({
        code: "input/invalid",
      });
    await strike(stage, []);
  });
});
