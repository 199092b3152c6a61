/** A member with valid keys against notes, branches, undo and snapshots. */
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import {
  addReplica,
  bring,
  entryHashOf,
  eventually,
  logOf,
  setStage,
  stateOf,
  strike,
  type Forged,
  type Stage,
} from "../../worker/attack-fixtures.ts";
import { closeDevices, env, newSubscription } from "../../worker/device-fixtures.ts";
import type { Commit } from "../entry/index.ts";

let stage: Stage;

beforeEach(async () => {
  stage = await setStage();
});
afterEach(closeDevices);

interface Shared {
  readonly commit: Commit;
  readonly forged: Forged;
}

async function shared(): Promise<Shared> {
  const { bystander, victim } = stage;
  const writerNonce = bystander.nonce();
  const forged = bystander.create(writerNonce, 0, { title: "shared" });
  const commit = await bystander.seal({ writerNonce, entries: [forged.entry] });
  await bring(victim, [commit]);
  await eventually(() => victim.device.api.documentIds(victim.database)).toContain(forged.docId);
  return { commit, forged };
}

/** The villain's edit of a document, with any note. */
async function noted(
  base: readonly Shared[],
  note: string,
  { field = "by", timeMs = 0 }: { readonly field?: string; readonly timeMs?: number } = {},
): Promise<Shared> {
  const { villain } = stage;
  const writerNonce = villain.nonce();
  const last = base.at(-1);
  if (last === undefined) throw new Error("there is a base");
  const forged = villain.edit(
    base.map(({ forged: { change } }) => change),
    {
      docId: last.forged.docId,
      writerNonce,
      dependencies: [entryHashOf(last.commit)],
      operations: [{ op: "set", path: [field], value: note.slice(0, 16) }],
      note,
      timeMs,
    },
  );
  return { forged, commit: await villain.seal({ writerNonce, entries: [forged.entry] }) };
}

/** The victim's document with its branches and their values. */
async function shownBy({ device, database }: Stage["victim"], docId: string) {
  const main = await device.api.openDocument(database, docId, newSubscription());
  const branches: Record<string, unknown> = {};
  for (const name of main.branches)
    branches[name] = (await device.api.openDocument(database, docId, newSubscription(), name)).value;
  return { value: main.value, heads: main.heads.toSorted(), branches };
}

/** Another device that gets everything the other way round agrees. */
async function expectAgreed(docId: string): Promise<void> {
  const { victim } = stage;
  const other = await addReplica(stage, "cn=witness/o=acme");
  await bring(other, (await logOf(victim)).toReversed());
  await eventually(() => stateOf(other)).toEqual(await stateOf(victim));
  await eventually(() => shownBy(other, docId)).toEqual(await shownBy(victim, docId));
}

const take = (hash: string): string => hash.slice(0, 32);

describe("forged notes", () => {
  it("takes an undo of somebody else's edits for no step of anybody's", async () => {
    const { victim } = stage;
    const base = await shared();
    const { docId } = base.forged;
    const database = victim.database;
    const doc = newSubscription();
    const opened = await victim.device.api.openDocument(database, docId, doc);
    await victim.device.api.changeDocument(doc, {
      draft: newSubscription(),
      baseHeads: opened.heads,
      afterDraft: 0,
      operations: [{ op: "set", path: ["own"], value: 1 }],
      durability: "relaxed",
    });
    const mine = (await victim.device.api.openDocument(database, docId, newSubscription())).heads[0] ?? "";
    const depth = await victim.device.api.undoDepth(doc, 0);
    expect(depth).toEqual({ undo: 1, redo: 0 });
    const hostile = [
      await noted([base], JSON.stringify({ undo: take(mine) })),
      await noted([base], JSON.stringify({ undo: [take(mine), 99_999] })),
      await noted([base], JSON.stringify({ redo: take(base.forged.change.hash) })),
      await noted([base], JSON.stringify({ undo: "0".repeat(32) })),
    ];
    await bring(
      victim,
      hostile.map(({ commit }) => commit),
    );
    await eventually(
      async () => (await victim.device.api.openDocument(database, docId, newSubscription())).heads.length,
    ).toBe(5);
    expect(await victim.device.api.undoDepth(doc, 0)).toEqual(depth);
    await victim.device.api.undo(doc, { isRedo: false, groupMs: 0 });
    expect((await shownBy(victim, docId)).value).not.toHaveProperty("own");
    await expectAgreed(docId);
  });

  it("knows no branch by a name that is none, and takes such edits for the document's", async () => {
    const { victim } = stage;
    const base = await shared();
    const notes = [
      { branch: "a\u0000b" },
      { branch: "a".repeat(65) },
      { branch: "" },
      { branch: 5 },
      { branch: ["x"] },
      { branch: "x", merge: "x" },
      { discard: true },
      { undo: { undo: "" } },
    ].map((note) => JSON.stringify(note));
    notes.push('{"branch":"\\ud800"}', '{"branch":"x" }', '{"branch":"x","branch":"y"}', "{".repeat(200));
    const hostile = await Promise.all(
      notes.map((note, index) => noted([base], note, { field: `f${index}` })),
    );
    await bring(
      victim,
      hostile.map(({ commit }) => commit),
    );
    const { docId } = base.forged;
    await eventually(async () => Object.keys((await shownBy(victim, docId)).value ?? {}).length).toBe(
      notes.length + 1,
    );
    expect((await shownBy(victim, docId)).branches).toEqual({});
    await expectAgreed(docId);
  });
});

describe("branches", () => {
  it("keeps a document usable that has two thousand of them", async () => {
    const { victim } = stage;
    const base = await shared();
    const commits: Commit[] = [];
    for (let group = 0; group < 20; group++) {
      const forged = await Promise.all(
        Array.from({ length: 100 }, (_, index) =>
          noted([base], JSON.stringify({ branch: `b${group * 100 + index}` })),
        ),
      );
      commits.push(...forged.map(({ commit }) => commit));
    }
    await strike(stage, commits);
    const { docId } = base.forged;
    const shown = await victim.device.api.openDocument(victim.database, docId, newSubscription());
    expect(shown.value).toEqual({ title: "shared" });
    expect(shown.branches.length).toBe(2000);
  });

  it("agrees, in any order, on what a member merges or discards of another one's branch without saying so", async () => {
    const { victim } = stage;
    const base = await shared();
    const { docId } = base.forged;
    const note = JSON.stringify({ branch: "draft" });
    const first = await noted([base], note, { field: "first" });
    const second = await noted([base, first], note, { field: "second" });
    const aside = await noted([base], note, { field: "aside" });
    await bring(victim, [aside.commit, second.commit, first.commit]);
    await eventually(async () => (await shownBy(victim, docId)).branches).toMatchObject({
      draft: { first: note.slice(0, 16), second: note.slice(0, 16), aside: note.slice(0, 16) },
    });
    expect((await shownBy(victim, docId)).value).toEqual({ title: "shared" });
    // An edit without a branch that stands on the branch is a merge of what it stands on; a discard ends its own past only.
    const merge = await noted([base, first], "", { field: "merged" });
    const discard = await noted([base, first, second], JSON.stringify({ branch: "draft", discard: true }));
    await bring(victim, [discard.commit, merge.commit]);
    await eventually(async () => (await shownBy(victim, docId)).value).toMatchObject({ merged: "" });
    await eventually(async () => (await shownBy(victim, docId)).branches).toEqual({
      draft: { title: "shared", aside: note.slice(0, 16) },
    });
    expect((await shownBy(victim, docId)).value).not.toHaveProperty("second");
    await expectAgreed(docId);
  });

  it("agrees on twins of one number, one on the document and one on a branch", async () => {
    const { victim, villain } = stage;
    const base = await shared();
    const { docId } = base.forged;
    const writerNonce = villain.nonce();
    const twin = (field: string, note: string) =>
      villain.edit([base.forged.change], {
        docId,
        writerNonce,
        dependencies: [entryHashOf(base.commit)],
        operations: [{ op: "set", path: [field], value: 1 }],
        note,
      });
    const commits = await Promise.all(
      [twin("main", ""), twin("branch", '{"branch":"x"}')].map(({ entry }) =>
        villain.seal({ writerNonce, entries: [entry] }),
      ),
    );
    await bring(victim, commits);
    await eventually(() =>
      victim.device.events.some(
        (event) =>
          event.kind === "tenant" && event.snapshot.alarms.some(({ kind }) => kind === "equivocation"),
      ),
    ).toBe(true);
    await expectAgreed(docId);
  });
});

describe("numbers and sizes", () => {
  it("takes times that are far off, and goes on", async () => {
    const { victim } = stage;
    const base = await shared();
    const { docId } = base.forged;
    const times = [0, 1, 8.64e15, 9e15, Number.MAX_SAFE_INTEGER];
    const edits = await Promise.all(
      times.map((timeMs, index) => noted([base], "", { field: `t${index}`, timeMs }).catch(() => undefined)),
    );
    await bring(
      victim,
      edits.flatMap((edit) => (edit === undefined ? [] : [edit.commit])),
    );
    await eventually(async () => (await shownBy(victim, docId)).value).toMatchObject({ t0: "" });
    await victim.device.api.history(victim.database, docId, 0);
    await victim.device.api.documentAt(victim.database, docId, Number.MAX_SAFE_INTEGER);
    await expectAgreed(docId);
  });

  it("refuses snapshots of random bytes, of other documents, and of less than they cover", async () => {
    const { victim, villain } = stage;
    const base = await shared();
    const { docId } = base.forged;
    const doc = villain.engine.createDoc();
    const other = villain.create(villain.nonce(), 0, { other: "document" });
    doc.applyChanges([other.change]);
    const foreign = doc.snapshot();
    doc.close();
    const empty = villain.engine.createDoc();
    const nothing = empty.snapshot();
    empty.close();
    const plaintexts = [foreign, nothing, env.randomBytes(60_000), new Uint8Array(60_000)];
    const commits = await Promise.all(
      plaintexts.map((plaintext) =>
        villain.seal({
          entries: [
            {
              entryType: "doc_snapshot",
              docId,
              dependencies: [entryHashOf(base.commit)],
              key: villain.key,
              plaintext: new Uint8Array(plaintext),
            },
          ],
        }),
      ),
    );
    const snapshot = await strike(stage, commits);
    for (const { commitHash } of commits)
      expect(snapshot.quarantine.find((row) => row.commitHash === commitHash)?.reason).toBe("snapshot");
    expect((await shownBy(victim, docId)).value).toEqual({ title: "shared" });
  });
});
