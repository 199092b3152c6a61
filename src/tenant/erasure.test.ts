import { afterEach, beforeEach, describe, expect, it } from "vitest";
import {
  bring,
  entryHashOf,
  eventually,
  reopen,
  setStage,
  tenantOf,
  valueOf,
  type Author,
  type Replica,
  type Stage,
} from "../../worker/attack-fixtures.ts";
import { closeDevices } from "../../worker/device-fixtures.ts";
import { encodeCommit, type Commit } from "../entry/index.ts";
import type { DocId } from "../std/index.ts";

let stage: Stage;
let reader: Replica;
let author: Author;
beforeEach(async () => {
  stage = await setStage();
  author = stage.villain;
  reader = stage.villainReplica;
});
afterEach(closeDevices);

/** A commit that creates two documents, and its copy without the ciphertext of the first. */
async function made(): Promise<{ ids: readonly DocId[]; whole: Commit; part: Commit }> {
  const writerNonce = author.nonce();
  const [one, two] = [0, 1].map((counter) => author.create(writerNonce, counter, { n: counter }));
  if (one === undefined || two === undefined) throw new Error("two were made");
  const whole = await author.seal({ writerNonce, entries: [one.entry, two.entry] });
  const entries = whole.entries.map((entry, index) => {
    const { entryHash, header } = entry;
    return index > 0 || header === undefined ? entry : { entryHash, header };
  });
  return {
    ids: [one.docId, two.docId],
    whole,
    part: { ...whole, entries, bytes: encodeCommit({ ...whole, entries }) },
  };
}

/** Somebody's word that the first entry of a commit was erased. */
function naming(by: Author, commit: Commit, docId: DocId): Promise<Commit> {
  const dependencies = [entryHashOf(commit)];
  const plaintext = new Uint8Array(0);
  return by.seal({ entries: [{ entryType: "doc_purge", docId, dependencies, key: by.key, plaintext }] });
}

const unjudged = (replica: Replica) =>
  eventually(() => tenantOf(replica)?.status).toMatchObject({ unjudgedCount: 0, quarantinedCount: 0 });
const idsOf = ({ database, device }: Replica) => device.api.documentIds(database);

describe("an entry that is missing", () => {
  it("is waited for until its author says that it was erased, whatever others say", async () => {
    const { ids, part } = await made();
    const [first, second] = ids;
    if (first === undefined) throw new Error("one was made");
    await bring(reader, [part]);
    await eventually(() => idsOf(reader)).toEqual([second]);
    await bring(reader, [await naming(stage.bystander, part, first)]);
    await reader.device.api.createDocuments(reader.database, [{ n: 3 }]);
    await eventually(() => tenantOf(reader)?.status.unjudgedCount).toBe(1);
    const again = await reopen(reader);
    await eventually(() => tenantOf(again)?.status.unjudgedCount).toBe(1);
    await bring(again, [await naming(author, part, first)]);
    await unjudged(again);
    await unjudged(await reopen(again));
  });

  it("is settled by a word that came before it, an opening ago too", async () => {
    const { ids, part } = await made();
    const [first, second] = ids;
    if (first === undefined) throw new Error("one was made");
    await bring(reader, [await naming(author, part, first)]);
    const again = await reopen(reader);
    await bring(again, [part]);
    await eventually(() => idsOf(again)).toEqual([second]);
    await unjudged(again);
  });

  it("is taken all the same when the whole commit comes, before the word or after it", async () => {
    for (const isFirst of [true, false]) {
      const { ids, part, whole } = await made();
      const [first] = ids;
      if (first === undefined) throw new Error("one was made");
      const word = await naming(author, part, first);
      await bring(reader, isFirst ? [part, word] : [part]);
      await eventually(() => idsOf(reader)).toContain(ids[1]);
      await bring(reader, [whole]);
      await eventually(() => idsOf(reader)).toContain(first);
      if (!isFirst) await bring(reader, [word]);
      expect(await valueOf(reader, first)).toEqual({ n: 0 });
      await unjudged(reader);
    }
  });
});

it("says nothing when it names nothing", async () => {
  const { ids, whole } = await made();
  const [docId] = ids;
  if (docId === undefined) throw new Error("one was made");
  const entry = { entryType: "doc_purge", docId, dependencies: [], key: author.key } as const;
  const empty = await author.seal({ entries: [{ ...entry, plaintext: new Uint8Array(0) }] });
  await bring(reader, [whole, empty]);
  await eventually(() => tenantOf(reader)?.quarantine).toMatchObject([{ reason: "dependencies" }]);
  expect(tenantOf(reader)?.status.unjudgedCount).toBe(0);
});
