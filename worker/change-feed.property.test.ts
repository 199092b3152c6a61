/**
 * Whatever is written, comes late, contradicts itself, is erased or restarted: who reads what changed since its cursor, piece by piece and
 * in whatever tab, ends with every document as it stands.
 */
import fc from "fast-check";
import { afterEach, describe, expect, it } from "vitest";
import type { Commit } from "../src/entry/index.ts";
import type { DocSnapshot } from "./api.ts";
import {
  bring,
  entryHashOf,
  reopen,
  setStage,
  type Author,
  type Forged,
  type Replica,
  type Stage,
} from "./attack-fixtures.ts";
import { isCofferError, type DocId } from "../src/std/index.ts";
import { closeDevices, draft, newSubscription, people, startDevice } from "./device-fixtures.ts";

afterEach(closeDevices);

const runs = Number(process.env["COFFER_RUNS"] ?? 1) * 12;

/** Someone elsewhere who writes one line of commits. */
class Elsewhere {
  readonly #author: Author;
  readonly #writerNonce: Uint8Array;
  readonly #docs = new Map<string, { made: Forged[]; last: Commit }>();
  #last: Commit | undefined;
  #seq = 0;
  #counter = 0;

  constructor(author: Author) {
    this.#author = author;
    this.#writerNonce = author.nonce();
  }

  async create(count: number): Promise<Commit> {
    const made = Array.from({ length: count }, () => {
      this.#counter += 1;
      return this.#author.create(this.#writerNonce, this.#counter, { n: this.#counter });
    });
    const commit = await this.#seal(made);
    for (const one of made) this.#docs.set(one.docId, { made: [one], last: commit });
    return commit;
  }

  async edit(pick: number): Promise<Commit | undefined> {
    const [docId, doc] = [...this.#docs][pick % Math.max(1, this.#docs.size)] ?? [];
    if (docId === undefined || doc === undefined) return undefined;
    const index = doc.last.entries.findIndex(({ header }) => header?.docId === docId);
    const edit = this.#author.edit(
      doc.made.map(({ change }) => change),
      {
        docId: docId as DocId,
        writerNonce: this.#writerNonce,
        // Another value each time: one that is there already is no edit.
        operations: [{ op: "set", path: ["n"], value: -doc.made.length - pick / 1000 }],
        dependencies: [entryHashOf(doc.last, index)],
      },
    );
    doc.made.push(edit);
    doc.last = await this.#seal([edit]);
    return doc.last;
  }

  /** A commit that contradicts the last one. */
  async twin(): Promise<Commit | undefined> {
    if (this.#last === undefined) return undefined;
    this.#counter += 1;
    const other = this.#author.create(this.#writerNonce, this.#counter, { twin: this.#counter });
    const { predecessors } = this.#last.header;
    return this.#author.seal({
      writerNonce: this.#writerNonce,
      writerSeq: this.#seq,
      predecessors,
      entries: [other.entry],
    });
  }

  async #seal(made: readonly Forged[]): Promise<Commit> {
    this.#seq += 1;
    this.#last = await this.#author.seal({
      writerNonce: this.#writerNonce,
      writerSeq: this.#seq,
      predecessors: this.#last === undefined ? [] : [this.#last.commitHash],
      entries: made.map(({ entry }) => entry),
    });
    return this.#last;
  }
}

const kinds = [
  "own create",
  "own edit",
  "own edit",
  "own delete",
  "create elsewhere",
  "edit elsewhere",
  "edit elsewhere",
  "twin",
  "deliver",
  "deliver",
  "deliver",
  "read",
  "read",
  "read",
  "purge",
  "restart",
  "forget",
] as const;
const step = fc.record({
  kind: fc.constantFrom(...kinds),
  pick: fc.nat(1000),
  size: fc.integer({ min: 1, max: 5 }),
});

class Story {
  readonly stage: Stage;
  readonly tabs: Replica[];
  readonly elsewhere: readonly Elsewhere[];
  readonly undelivered: Commit[] = [];
  readonly seen = new Map<string, DocSnapshot>();
  cursor: string | undefined;

  constructor(stage: Stage, tabs: Replica[]) {
    this.stage = stage;
    this.tabs = tabs;
    this.elsewhere = [new Elsewhere(stage.bystander), new Elsewhere(stage.villain)];
  }

  tab(pick: number): Replica {
    const tab = this.tabs[pick % this.tabs.length];
    if (tab === undefined) throw new Error("a tab");
    return tab;
  }

  async read(pick: number, maxCount: number): Promise<boolean> {
    const { device, database } = this.tab(pick);
    const page = await device.api.changesSince(database, this.cursor, maxCount);
    expect(page.changes.length).toBeLessThanOrEqual(maxCount);
    expect(new Set(page.changes.map(({ docId }) => docId)).size).toBe(page.changes.length);
    for (const { docId, snapshot } of page.changes) this.seen.set(docId, snapshot);
    this.cursor = page.cursor;
    return page.isDone;
  }

  async run({
    kind,
    pick,
    size,
  }: {
    kind: (typeof kinds)[number];
    pick: number;
    size: number;
  }): Promise<void> {
    const { device, database } = this.tab(pick);
    const ids = await device.api.documentIds(database);
    const id = ids[pick % Math.max(1, ids.length)];
    const source = this.elsewhere[pick % 2];
    const put = (commit: Commit | undefined): void => {
      if (commit !== undefined) this.undelivered.push(commit);
    };
    switch (kind) {
      case "own create":
        await device.api.createDocuments(
          database,
          Array.from({ length: size }, (_, n) => ({ n })),
        );
        return;
      case "own edit": {
        if (id === undefined) return;
        const doc = newSubscription();
        const { heads } = await device.api.openDocument(database, id, doc);
        await device.api.changeDocument(doc, draft([{ op: "set", path: ["own"], value: pick }], heads));
        return device.api.closeDocument(doc);
      }
      case "own delete":
        return id === undefined ? undefined : device.api.deleteDocument(database, id);
      case "create elsewhere":
        return put(await source?.create(size));
      case "edit elsewhere":
        return put(await source?.edit(pick));
      case "twin":
        return put(await source?.twin());
      case "deliver":
        return bring(this.tab(0), this.undelivered.splice(pick % Math.max(1, this.undelivered.length), size));
      case "read":
        return void (await this.read(pick, size));
      case "purge":
        return id === undefined || pick % 3 > 0 ? undefined : device.api.purgeDocument(database, id);
      case "restart":
      case "forget":
        return this.restart(pick % this.tabs.length, kind === "forget");
    }
  }

  async restart(index: number, isForgetting: boolean): Promise<void> {
    const tab = this.tab(index);
    if (isForgetting) {
      const store = await tab.storage.openStore(`coffer/tenant/${tab.tenantId}`);
      const derived = await store.readSlots("derived/");
      await store.write({ slots: derived.map(({ name }) => ({ name, value: undefined })) });
      store.close();
    }
    this.tabs[index] = await reopen(tab, people.userPassword);
  }

  async end(): Promise<void> {
    await bring(this.tab(0), this.undelivered.splice(0));
    for (let round = 0; round < 2; round++) while (!(await this.read(round, 3)));
    const { device, database } = this.tab(0);
    for (const id of await device.api.documentIds(database)) expect([...this.seen.keys()]).toContain(id);
    for (const [id, snapshot] of this.seen) {
      const [now] = await device.api.readDocuments(database, [id]);
      // Who changed it last is for display: a withdrawal leaves it as it was.
      const told = { id, ...snapshot, lastChange: undefined };
      expect(told).toEqual({ id, ...now?.snapshot, lastChange: undefined });
    }
    // Nothing new, nothing given.
    const last = await device.api.changesSince(database, this.cursor, 64);
    expect(last).toMatchObject({ changes: [], isDone: true });
  }
}

/** Another tab was faster. */
function isGone(error: unknown): void {
  if (!isCofferError(error) || !error.code.startsWith("doc/")) throw error;
}

async function begun(): Promise<Story> {
  const stage = await setStage();
  const { victim } = stage;
  const device = await startDevice(victim.storage);
  await device.api.openTenant(victim.tenantId, {
    userName: undefined,
    password: people.userPassword,
    keepSession: false,
  });
  const database = newSubscription();
  await device.api.openDatabase(victim.tenantId, "contacts", database);
  return new Story(stage, [victim, { ...victim, device, database }]);
}

describe("what changed since a cursor", () => {
  it("leads to every document as it stands, whatever happened in between", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 10, maxLength: 40 }), async (steps) => {
        const story = await begun();
        for (const one of steps) await story.run(one).catch(isGone);
        await story.end();
        await closeDevices();
      }),
      { numRuns: runs, endOnFailure: true },
    );
  });

  it("comes in the order of the log, each document once, in a run of its own from the beginning", async () => {
    const story = await begun();
    const { device, database } = story.tab(0);
    const ids = await device.api.createDocuments(
      database,
      Array.from({ length: 100 }, (_, n) => ({ n })),
    );
    const [first = "", second = ""] = ids;
    for (const id of [second, first]) {
      const doc = newSubscription();
      const { heads } = await device.api.openDocument(database, id, doc);
      await device.api.changeDocument(doc, draft([{ op: "set", path: ["n"], value: -1 }], heads));
    }
    const order: string[] = [];
    let cursor: string | undefined;
    for (let isDone = false; !isDone;) {
      const page = await device.api.changesSince(database, cursor, 7);
      order.push(...page.changes.map(({ docId }) => docId));
      ({ cursor, isDone } = page);
    }
    expect(order).toEqual([...ids.slice(2), second, first]);
    const none = await device.api.changesSince(database, cursor, 64);
    expect(none).toMatchObject({ changes: [], isDone: true });
    // A cursor of another log, or none at all, begins at the beginning.
    for (const other of ["nonsense", "AQ"]) {
      const page = await device.api.changesSince(database, other, 1);
      expect(page.changes.map(({ docId }) => docId)).toEqual([ids[2]]);
    }
  });
});
