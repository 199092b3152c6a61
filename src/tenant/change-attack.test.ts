/** A member with valid keys against the keys of documents, the numbers of changes, what kills an engine, and the order after a revocation. */
import * as Automerge from "@automerge/automerge/slim";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import {
  addReplica,
  Author,
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
import { closeDevices, crypto, people } from "../../worker/device-fixtures.ts";
import type { TenantSnapshot } from "../../worker/api.ts";
import { unlockVault } from "../keys/index.ts";
import { deriveNameId, directoryDbId, type Commit, type ContentKey } from "../entry/index.ts";
import { bytesToId, type CommitHash, type DocId } from "../std/index.ts";
import { keyNames } from "./index.ts";

let stage: Stage;
beforeEach(async () => {
  stage = await setStage();
});
afterEach(closeDevices);

const reasonOf = (
  snapshot: { quarantine: readonly { commitHash: string; reason: string }[] },
  commit: Commit,
) => snapshot.quarantine.find(({ commitHash }) => commitHash === commit.commitHash)?.reason;

function snapshotOf(replica: Replica): TenantSnapshot {
  const snapshot = tenantOf(replica);
  if (snapshot === undefined) throw new Error("the page is told of the tenant");
  return snapshot;
}

/** A document that the victim has, of somebody else's. */
async function shared(): Promise<{ readonly commit: Commit; readonly forged: Forged }> {
  const { bystander, victim } = stage;
  const writerNonce = bystander.nonce();
  const forged = bystander.create(writerNonce, 0, { title: "shared" });
  const commit = await bystander.seal({ writerNonce, entries: [forged.entry] });
  await bring(victim, [commit]);
  await eventually(() => victim.device.api.documentIds(victim.database)).toContain(forged.docId);
  return { commit, forged };
}

type Operation = Record<string, unknown>;

/** A change with any numbers and operations, as the villain's own engine would write it. */
function encode(given: {
  readonly docId: DocId;
  readonly writerNonce: Uint8Array;
  readonly seq: number;
  readonly deps: readonly string[];
  readonly ops: (actor: string) => readonly Operation[];
}): Uint8Array {
  const actor = stage.villain.actor(given.writerNonce, given.docId);
  return Automerge.encodeChange({
    actor,
    seq: given.seq,
    startOp: 1000,
    time: 0,
    message: null,
    deps: [...given.deps],
    ops: given.ops(actor),
  } as never);
}

const setBy: Operation = { action: "set", obj: "_root", key: "by", value: "villain", pred: [] };

describe("a member's own change", () => {
  it("cannot pull a document under the key that servers hold", async () => {
    const { bystander, villain } = stage;
    const { commit, forged } = await shared();
    const { bag } = villain.parts;
    const weak = bag.current(deriveNameId(crypto, bag.namesKey, "key", keyNames.directory)) as ContentKey;
    const dependencies = [entryHashOf(commit)];
    const writerNonce = villain.nonce();
    const edit = villain.edit([forged.change], {
      docId: forged.docId,
      writerNonce,
      dependencies,
      operations: [{ op: "set", path: ["by"], value: "villain" }],
    });
    const slid = await villain.seal({ writerNonce, entries: [{ ...edit.entry, key: weak }] });
    expect(bystander.key.keyId).not.toBe(weak.keyId);
    expect(reasonOf(await strike(stage, [slid]), slid)).toBe("key");
  });

  it("cannot leave out a number, though its dependencies are there", async () => {
    const { villain } = stage;
    const { commit, forged } = await shared();
    const { docId } = forged;
    const sealed = (seq: number) => {
      const writerNonce = villain.nonce();
      const plaintext = encode({ docId, writerNonce, seq, deps: [forged.change.hash], ops: () => [setBy] });
      const dependencies = [entryHashOf(commit)];
      const entry = { entryType: "doc_change", docId, dependencies, key: villain.key, plaintext } as const;
      return villain.seal({ writerNonce, entries: [entry] });
    };
    const gaps = [await sealed(2), await sealed(40)];
    const snapshot = await strike(stage, gaps);
    for (const gap of gaps) expect(reasonOf(snapshot, gap)).toBe("sequence");
    await bring(stage.victim, [await sealed(1)]);
    await eventually(() => valueOf(stage.victim, docId)).toEqual({ title: "shared", by: "villain" });
  });

  it("cannot kill or hang the engine: nested, multiplied, counted over, compressed", async () => {
    const { villain } = stage;
    const { commit, forged } = await shared();
    const { docId } = forged;
    const nested = (actor: string) =>
      Array.from({ length: 2000 }, (_, at) => ({
        action: "makeMap",
        obj: at === 0 ? "_root" : `${999 + at}@${actor}`,
        key: "deep",
        pred: [],
      }));
    const list = (action: object) => (actor: string) => [
      { action: "makeList", obj: "_root", key: "wide", pred: [] },
      ...Array.from({ length: 30_000 }, (_, at) => ({
        obj: `1000@${actor}`,
        elemId: at === 0 ? "_head" : `${1000 + at}@${actor}`,
        insert: true,
        pred: [],
        ...action,
      })),
    ];
    const bombs = [nested, list({ action: "makeMap" }), list({ action: "set", value: null })];
    const commits: Commit[] = [];
    const seal = async (writerNonce: Uint8Array, plaintext: Uint8Array) => {
      const dependencies = [entryHashOf(commit)];
      const entry = { entryType: "doc_change", docId, dependencies, key: villain.key, plaintext } as const;
      commits.push(await villain.seal({ writerNonce, entries: [entry] }));
    };
    for (const ops of bombs) {
      const writerNonce = villain.nonce();
      await seal(writerNonce, encode({ docId, writerNonce, seq: 1, deps: [forged.change.hash], ops }));
    }
    const compressed = new Uint8Array(forged.change.bytes);
    compressed[8] = 2;
    await seal(villain.nonce(), compressed);
    const snapshot = await strike(stage, commits);
    for (const bomb of commits) expect(reasonOf(snapshot, bomb)).toMatch(/^(limit|compressed|malformed)$/);
    // Nor at the next opening.
    const before = await stateOf(stage.victim);
    const again = await reopen(stage.victim, people.userPassword);
    expect(await stateOf(again)).toEqual(before);
  });
});

describe("a commit that names an older directory head than one that it follows", () => {
  it("does not count, whichever of the two comes first, and neither does what is built on it", async () => {
    const { proof, victim, villain } = stage;
    const older = villain.directoryHead;
    const nobody = { addUsers: [], removeUsers: [], addGroups: [], removeGroups: [] };
    await victim.device.api.setGroup(victim.tenantId, "staff", nobody, proof);
    const newer = await lastDirectoryCommit(victim);
    const write = async (name: string, directoryHead: CommitHash | undefined, predecessors: CommitHash[]) => {
      const writerNonce = villain.nonce();
      const made = villain.create(writerNonce, 0, { name });
      return {
        made,
        commit: await villain.seal({ writerNonce, directoryHead, predecessors, entries: [made.entry] }),
      };
    };
    const knew = await write("knew", newer, []);
    const forgot = await write("forgot", older, [knew.commit.commitHash]);
    const writerNonce = villain.nonce();
    const built = villain.edit([forgot.made.change], {
      docId: forgot.made.docId,
      writerNonce,
      dependencies: [entryHashOf(forgot.commit)],
      operations: [{ op: "set", path: ["name"], value: "built upon" }],
    });
    const upon = await villain.seal({ writerNonce, directoryHead: newer, entries: [built.entry] });
    // Without what it follows nothing speaks against it.
    await bring(victim, [forgot.commit, upon]);
    await eventually(() => valueOf(victim, forgot.made.docId)).toEqual({ name: "built upon" });
    await bring(victim, [knew.commit]);
    await eventually(() => stateOf(victim)).toEqual(new Map([[knew.made.docId, { name: "knew" }]]));
    const said = ({ quarantine, status }: TenantSnapshot): unknown => [
      quarantine.map(({ commitHash, reason }) => [commitHash, reason]),
      status.unjudgedCount,
    ];
    const wanted = [[[forgot.commit.commitHash, "older-head"]], 1];
    await eventually(() => said(snapshotOf(victim))).toEqual(wanted);
    for (const order of [
      [knew.commit, forgot.commit, upon],
      [upon, forgot.commit, knew.commit],
    ]) {
      const fresh = await addReplica(stage, `cn=fresh ${order.indexOf(knew.commit)}/o=acme`);
      for (const commit of order) {
        await bring(fresh, [commit]);
        await fresh.device.api.documentIds(fresh.database);
      }
      await eventually(() => said(snapshotOf(fresh))).toEqual(wanted);
      expect(await stateOf(fresh)).toEqual(new Map([[knew.made.docId, { name: "knew" }]]));
      const again = await reopen(fresh);
      await eventually(() => said(snapshotOf(again))).toEqual(wanted);
    }
  });
});

describe("an honest device", () => {
  it("follows none of its own commits that know more than it does, restored from an older copy say", async () => {
    const { victim, villain } = stage;
    const self = tenantOf(victim)?.self?.key ?? "";
    const device = await victim.storage.openStore("coffer/device");
    const vault = (await device.readSlot(`vault/${self}`))?.value as Uint8Array;
    device.close();
    const identity = await unlockVault(crypto, vault, people.userPassword);
    const later = new Author({ ...villain.parts, identity });
    later.directoryHead = bytesToId("CommitHash", new Uint8Array(32).fill(7));
    const writerNonce = later.nonce();
    const made = later.create(writerNonce, 0, { name: "from the future" });
    const commit = await later.seal({ writerNonce, entries: [made.entry] });
    await bring(victim, [commit]);
    await eventually(() => tenantOf(victim)?.status.unjudgedCount).toBe(1);
    const again = await reopen(victim, people.userPassword);
    const [id = ""] = await again.device.api.createDocuments(again.database, [{ name: "now" }]);
    const written = (await logOf(again)).at(-1);
    expect(written?.header).toMatchObject({ author: self, directoryHead: await lastDirectoryCommit(again) });
    expect(written?.header.predecessors).not.toContain(commit.commitHash);
    const other = await addReplica({ ...stage, victim: again }, "cn=other/o=acme");
    await bring(other, await logOf(again));
    await eventually(() => valueOf(other, id)).toEqual({ name: "now" });
  });

  it("names the head of its invitation until the directory is here that far", async () => {
    const { victim } = stage;
    const directory = (await logOf(victim)).filter(
      ({ header }) => header.dbId === directoryDbId(crypto, victim.tenantId),
    );
    const newcomer = await addReplica(stage, "cn=newcomer/o=acme", directory.slice(0, 1));
    await eventually(() => tenantOf(newcomer)?.users?.length).toBe(1);
    const [id = ""] = await newcomer.device.api.createDocuments(newcomer.database, [{ name: "early" }]);
    const written = (await logOf(newcomer)).at(-1);
    expect(written?.header.directoryHead).toBe(await lastDirectoryCommit(victim));
    await bring(victim, await logOf(newcomer));
    await eventually(() => valueOf(victim, id)).toEqual({ name: "early" });
  });
});

describe("what a cut covers", () => {
  it("waits for what comes late of it, and counts whatever came first", async () => {
    const { proof, victim, villain } = stage;
    const writerNonce = villain.nonce();
    const commits: Commit[] = [];
    for (let seq = 1; seq <= 3; seq++) {
      const { entry } = villain.create(writerNonce, seq, { seq });
      const predecessors = commits.slice(-1).map(({ commitHash }) => commitHash);
      commits.push(await villain.seal({ writerNonce, writerSeq: seq, predecessors, entries: [entry] }));
    }
    await bring(victim, commits);
    await eventually(async () => (await stateOf(victim)).size).toBe(3);
    await victim.device.api.revokeUser(victim.tenantId, villain.author, proof);
    const held = await stateOf(victim);
    const [first, second, third] = commits;
    if (first === undefined || second === undefined || third === undefined) throw new Error("three commits");
    const orders = [
      [first, second, third],
      [third, second, first],
      [first, third, second],
    ];
    for (const [number, order] of orders.entries()) {
      const fresh = await addReplica(stage, `cn=fresh ${number}/o=acme`);
      // Each is judged before the next is there.
      for (const commit of order) {
        await bring(fresh, [commit]);
        await fresh.device.api.documentIds(fresh.database);
      }
      await eventually(() => stateOf(fresh)).toEqual(held);
    }
    expect((await logOf(victim)).length).toBeGreaterThan(3);
  });
});
