/** What every store answers to the specification's calls, whoever holds the log: one suite for devices and servers. */
import { describe, expect, it } from "vitest";
import { createWebCrypto } from "../crypto/index.ts";
import { entryIdOf, type Commit } from "../entry/index.ts";
import { mayHaveEntry } from "./entry-answers.ts";
import { entryCallLimits } from "./entry-calls.ts";
import type { LogReader } from "./store-types.ts";

/** A store with these commits in it, in this order. */
export interface FilledStore {
  readonly reader: LogReader;
  readonly commits: readonly Commit[];
  /** Append more to the log. */
  add(): Promise<Commit>;
}

const crypto = createWebCrypto();

/** The ids of a commit's entries. */
export function idsOf(commit: Commit): readonly string[] {
  return commit.entries.flatMap(({ entryHash, header }) =>
    header === undefined ? [] : [entryIdOf(crypto, header, entryHash)],
  );
}

async function scanAll(
  reader: LogReader,
  limit: number,
  from?: string,
): Promise<{ readonly ids: readonly string[]; readonly cursor: string }> {
  const ids: string[] = [];
  let cursor = from;
  for (;;) {
    const page = await reader.scanEntriesSince(cursor, limit);
    ids.push(...page.entries.map(({ id }) => id));
    cursor = page.nextCursor;
    if (!page.hasMore) return { ids, cursor };
    // It moves, and ends.
    expect(page.entries.length).toBeGreaterThan(0);
  }
}

/** Run the suite; `fill` makes a store of about twenty commits, of one entry and of several. */
export function testEntryReader(name: string, fill: () => Promise<FilledStore>): void {
  describe(name, () => {
    it("scans every entry once, in the order of the log, in pages of any size, and goes on from a cursor", async () => {
      const { reader, commits, add } = await fill();
      const ids = commits.flatMap(idsOf);
      for (const limit of [1, 3, 1000]) expect((await scanAll(reader, limit)).ids).toEqual(ids);
      const { cursor } = await scanAll(reader, 7);
      const later = await add();
      expect((await scanAll(reader, 5, cursor)).ids).toEqual(idsOf(later));
      expect((await scanAll(reader, 1000, "other.3")).ids).toEqual([...ids, ...idsOf(later)]);
    });

    it("knows which ids are there, and which are new to whoever names what they know", async () => {
      const { reader, commits, add } = await fill();
      const ids = commits.flatMap(idsOf);
      const [first = "", second = ""] = ids;
      const absent = `${first.slice(0, -3)}AAA`;
      // The hash alone does not make an id.
      const misnamed = `${second.slice(0, 22)}_d_00000000${second.slice(33)}`;
      expect(await reader.hasEntries([absent, second, misnamed, first])).toEqual([second, first]);
      expect(await reader.hasEntries([])).toEqual([]);
      const known = ids.filter((_, index) => index % 3 !== 0);
      const fresh = await reader.findNewEntries([...known, absent]);
      expect(fresh.map(({ id }) => id)).toEqual(ids.filter((id) => !known.includes(id)));
      const doc = first.slice(0, 22);
      const ofDoc = await reader.findNewEntriesForDoc([], doc);
      expect(ofDoc.map(({ id }) => id)).toEqual(ids.filter((id) => id.startsWith(doc)));
      expect(await reader.findNewEntriesForDoc(ids, doc)).toEqual([]);
      const later = await add();
      expect(await reader.hasEntries(idsOf(later))).toEqual(idsOf(later));
    });

    it("gives what an entry seals and its commit, and says of it what its header says", async () => {
      const { reader, commits } = await fill();
      const commit = commits.find(({ entries }) => entries.length > 1) ?? commits[0];
      if (commit === undefined) throw new Error("a store is filled");
      const [id = "", other = ""] = idsOf(commit);
      const [entry, ...rest] = await reader.getEntries([id]);
      expect(rest).toEqual([]);
      const [held] = commit.entries;
      expect(entry).toMatchObject({
        id,
        docId: held?.header?.docId,
        entryType: held?.header?.entryType,
        encryptedSize: held?.ciphertext?.length,
        createdAt: commit.header.createdAtMs,
        commitHash: commit.commitHash,
      });
      expect(entry?.encryptedData).toEqual(held?.ciphertext);
      expect(entry?.commit).toEqual(new Uint8Array(commit.bytes));
      const both = await reader.getEntries([other, id, `${id.slice(0, -3)}AAA`]);
      expect(both.map((one) => one.id).toSorted()).toEqual([id, other].filter(Boolean).toSorted());
      // Metadata brings no ciphertext along.
      expect(Object.keys((await reader.findNewEntries([]))[0] ?? {})).not.toContain("encryptedData");
    });

    it("sums its ids up with a new salt each time: what is there is never denied, and little else is named", async () => {
      const { reader, commits } = await fill();
      const ids = commits.flatMap(idsOf);
      const [summary, again] = [await reader.getIdBloomSummary(), await reader.getIdBloomSummary()];
      expect(summary.salt).not.toEqual(again.salt);
      expect(summary.entryCount).toBe(ids.length);
      expect(ids.filter((id) => !mayHaveEntry(crypto, summary, id))).toEqual([]);
      const strangers = Array.from({ length: 500 }, (_, n) => `${ids[0]?.slice(0, -6)}${100_000 + n}`);
      expect(strangers.filter((id) => mayHaveEntry(crypto, summary, id)).length).toBeLessThan(60);
      const status = await reader.getCompactionStatus();
      expect(status).toMatchObject({ enabled: false, entryCount: ids.length, commitCount: commits.length });
      expect(status.sizeBytes).toBe(commits.reduce((sum, { bytes }) => sum + bytes.length, 0));
    });

    it("refuses what is over a limit or cannot be read, before anybody is asked", async () => {
      const { reader } = await fill();
      const many = (count: number) => Array.from({ length: count }, () => "a");
      const tooLarge = { code: "input/too-large" };
      await expect(reader.hasEntries(many(entryCallLimits.askedIds + 1))).rejects.toMatchObject(tooLarge);
      await expect(reader.getEntries(many(entryCallLimits.gotIds + 1))).rejects.toMatchObject(tooLarge);
      await expect(reader.findNewEntries(many(entryCallLimits.knownIds + 1))).rejects.toMatchObject(tooLarge);
      await expect(reader.scanEntriesSince(undefined, 1001)).rejects.toMatchObject(tooLarge);
      const invalid = { code: "input/invalid" };
      const odd = reader as {
        readonly [call in keyof LogReader]: (...given: unknown[]) => Promise<unknown>;
      };
      for (const junk of [undefined, null, 7, "text", [7], ["a b"], ["x".repeat(200)], [""]])
        for (const call of ["hasEntries", "getEntries", "findNewEntries"] as const)
          await expect(odd[call](junk)).rejects.toMatchObject(invalid);
      for (const cursor of [7, "x", "a.b", "../x.3", {}])
        await expect(odd.scanEntriesSince(cursor)).rejects.toMatchObject(invalid);
      for (const limit of [0, -1, 1.5, "9"])
        await expect(odd.scanEntriesSince(undefined, limit)).rejects.toMatchObject(invalid);
      await expect(odd.findNewEntriesForDoc([], "../doc")).rejects.toMatchObject(invalid);
      await expect(odd.findNewEntriesForDoc([])).rejects.toMatchObject(invalid);
    });
  });
}
