/** A member with valid keys against the keys of documents, the numbers of changes, what kills an engine, and the order after a revocation. */
import * as Automerge from "@automerge/automerge/slim";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import {
  addReplica,
  bring,
  entryHashOf,
  eventually,
  logOf,
  reopen,
  setStage,
  stateOf,
  strike,
  valueOf,
  type Forged,
  type Stage,
} from "../../worker/attack-fixtures.ts";
import { closeDevices, crypto, people } from "../../worker/device-fixtures.ts";
import { deriveNameId, type Commit, type ContentKey } from "../entry/index.ts";
import type { DocId } from "../std/index.ts";
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
