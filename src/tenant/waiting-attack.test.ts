/** Attacks by what is not there: names of entries that nobody wrote, more of them than there may be, histories whose beginning is held back. */
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { afterEach, beforeEach, expect, it } from "vitest";
import {
  bring,
  entryHashOf,
  eventually,
  setStage,
  strike,
  tenantOf,
  valueOf,
  type Author,
  type Forged,
  type Stage,
} from "../../worker/attack-fixtures.ts";
import { closeDevices, crypto, env } from "../../worker/device-fixtures.ts";
import { entryLimits, type Commit, type EntryDraft } from "../entry/index.ts";
import { wireCommit, wireEntry } from "../entry/entry-fixtures.ts";
import { bytesToId, type EntryHash } from "../std/index.ts";

let stage: Stage;

beforeEach(async () => {
  stage = await setStage();
});
afterEach(closeDevices);

const nowhere = (): EntryHash => bytesToId("EntryHash", env.randomBytes(32));
const setN = (value: number) => [{ op: "set" as const, path: ["n"], value }];

interface Known {
  readonly commit: Commit;
  readonly forged: Forged;
  readonly writerNonce: Uint8Array;
}

async function created(by: Author, value: Record<string, string | number>): Promise<Known> {
  const writerNonce = by.nonce();
  const forged = by.create(writerNonce, 0, value);
  return { forged, writerNonce, commit: await by.seal({ writerNonce, entries: [forged.entry] }) };
}

/** A document that the victim has. */
async function shared(): Promise<Known> {
  const { bystander, victim } = stage;
  const known = await created(bystander, { title: "shared", n: 1 });
  await bring(victim, [known.commit]);
  await eventually(() => victim.device.api.documentIds(victim.database)).toContain(known.forged.docId);
  return known;
}

function usedBytes(): number {
  setFlagsFromString("--expose-gc");
  (runInNewContext("gc") as () => void)();
  const { arrayBuffers, heapUsed } = process.memoryUsage();
  return heapUsed + arrayBuffers;
}

/** A commit, each of whose entries waits for as many entries as it may name, none of which there is. */
async function waitsForMany({ forged }: Known, value: number): Promise<Commit> {
  const { villain } = stage;
  const writerNonce = villain.nonce();
  const { docId } = forged;
  const place = { docId, writerNonce, dependencies: [] };
  const { entry } = villain.edit([forged.change], { ...place, operations: setN(value) });
  const lost = (): EntryDraft => ({
    ...entry,
    dependencies: Array.from({ length: entryLimits.dependencies }, nowhere),
  });
  return villain.seal({ writerNonce, entries: Array.from({ length: entryLimits.entriesPerCommit }, lost) });
}

it("two hundred thousand names of entries that nobody wrote are not kept in memory, and who waits honestly beside them has their turn", async () => {
  const { bystander, victim } = stage;
  const known = await shared();
  const { docId, change } = known.forged;
  const base = { docId, writerNonce: bystander.nonce() };
  const dependencies = [entryHashOf(known.commit)];
  const first = bystander.edit([change], { ...base, dependencies, operations: setN(2) });
  const [early] = [await bystander.seal({ ...base, entries: [first.entry] })];
  const upon = { ...base, dependencies: [entryHashOf(early)], operations: setN(3) };
  const { entry } = bystander.edit([change, first.change], upon);
  const late = await bystander.seal({
    ...base,
    writerSeq: 2,
    predecessors: [early.commitHash],
    entries: [entry],
  });
  const flood: Commit[] = [];
  while (flood.length < 12) flood.push(await waitsForMany(known, 100 + flood.length));
  const floodBytes = flood.reduce((sum, { bytes }) => sum + bytes.length, 0);
  expect(floodBytes).toBeGreaterThan(6_000_000);

  const before = usedBytes();
  await strike(stage, [late, ...flood]);
  await eventually(() => tenantOf(victim)?.status.unjudgedCount).toBe(flood.length + 1);
  // The store of this test has a copy of the bytes in memory; what is beyond that is what waiting costs, and what else runs here does. Names
  // that are all kept cost nine times their bytes.
  expect(usedBytes() - before - floodBytes).toBeLessThan(3 * floodBytes);

  await bring(victim, [early]);
  await eventually(() => valueOf(victim, docId)).toEqual({ title: "shared", n: 3 });
  expect(tenantOf(victim)?.status.unjudgedCount).toBe(flood.length);
});

it("what names more than there may be is refused before anything of it is kept", async () => {
  const { victim } = stage;
  const ids = (count: number): Uint8Array[] =>
    Array.from({ length: count }, (_, n) => new Uint8Array(32).fill(1 + (n % 200)));
  const forms = {
    dependencies: wireCommit({ entries: [wireEntry({ outer: ids(entryLimits.dependencies + 1) })] }),
    predecessors: wireCommit({ predecessors: ids(entryLimits.predecessors + 1) }),
    "a million of them": wireCommit({ tail: new Uint8Array(32_000_000) }),
  };
  const hostile = Object.values(forms).map((bytes) => ({
    bytes,
    commitHash: bytesToId("CommitHash", crypto.sha256(bytes)),
  }));
  const { alarms } = await strike(stage, hostile);
  for (const { commitHash } of hostile)
    expect(alarms).toContainEqual(
      expect.objectContaining({ kind: "quarantined", detail: `${commitHash}: limit` }),
    );
  expect(tenantOf(victim)?.status.unjudgedCount).toBe(0);
});

it("a history of thousands of changes whose beginning is held back waits, is in nobody's way, and counts whole once that comes", async () => {
  const { victim, villain } = stage;
  const made = await created(villain, { n: 0 });
  const { docId, change } = made.forged;
  const doc = villain.engine.createDoc();
  doc.applyChanges([change]);
  const commits = [made.commit];
  for (let n = 0; n < 3_000;) {
    const last = commits.at(-1);
    if (last === undefined) break;
    const entries: EntryDraft[] = [];
    for (let index = 0; index < 250; index++) {
      const { changes } = doc.replay({
        operations: setN(++n),
        baseHeads: doc.heads,
        actor: villain.actor(made.writerNonce, docId),
        timeMs: 0,
      });
      const dependency = index > 0 ? { index: index - 1 } : entryHashOf(last, last.entries.length - 1);
      const plaintext = changes[0]?.bytes ?? new Uint8Array(0);
      entries.push({
        entryType: "doc_change",
        docId,
        key: villain.key,
        dependencies: [dependency],
        plaintext,
      });
    }
    const place = { writerNonce: made.writerNonce, writerSeq: commits.length + 1 };
    commits.push(await villain.seal({ ...place, predecessors: [last.commitHash], entries }));
  }
  doc.close();
  const [beginning, ...rest] = commits;
  if (beginning === undefined) throw new Error("a history begins");

  await strike(stage, rest.toReversed());
  await eventually(() => tenantOf(victim)?.status.unjudgedCount).toBe(rest.length);
  expect(await victim.device.api.documentIds(victim.database)).not.toContain(docId);

  await bring(victim, [beginning]);
  await eventually(() => tenantOf(victim)?.status).toMatchObject({ unjudgedCount: 0, quarantinedCount: 0 });
  await eventually(() => valueOf(victim, docId)).toEqual({ n: 3_000 });
});
