/**
 * What people do with documents beside writing them one by one, and what they may expect of it.
 *
 * | deed | expectation |
 * |---|---|
 * | undo, redo | each takes back one own edit at most; nobody else's edit ever goes |
 * | branch edits | are in the document once their branch is merged, and not before |
 * | discard | leaves out what the discarding device could know, and nothing that was written without knowing of it |
 * | bulk edits, typing | as acknowledged as single edits |
 * | reading what changed | a reader that stores its cursor has seen the last state of every document in the end |
 * | purge | the document stays away on that device, and stays everywhere else |
 */
import type { ReadDocument, DocSnapshot } from "../../worker/api.ts";
import { randomEdit } from "./edits.ts";
import { canonicalText } from "./canonical.ts";
import type { Random } from "./pcg32.ts";
import type { SimDevice, SimTab } from "./sim-device.ts";
import { marksOf, type Acknowledged, type ShownMarks } from "./shown.ts";
import type { Running, Story } from "./story.ts";
import { canary, databaseNames } from "./world.ts";

/** A deed; see the table above. */
export type Deed =
  | "undo"
  | "redo"
  | "branch"
  | "branch edit"
  | "merge"
  | "discard"
  | "bulk"
  | "typing"
  | "feed"
  | "purge";

const weighted: readonly Deed[] = [
  ...([
    "undo",
    "undo",
    "undo",
    "redo",
    "branch",
    "branch",
    "branch edit",
    "branch edit",
    "branch edit",
  ] as const),
  ...(["merge", "discard", "bulk", "bulk", "feed", "feed", "feed"] as const),
];
const branchNames = [`${canary}-draft`, `${canary}-review`] as const;
/** Beyond so many changes a device keeps a snapshot of a document. */
const typedCount = 70;

interface Place {
  readonly tab: SimTab;
  readonly device: SimDevice;
  readonly database: string;
  readonly subscription: number;
  readonly docId: string;
}

interface BranchMark {
  readonly device: SimDevice;
  readonly docId: string;
  readonly branch: string;
  readonly mark: string;
}

interface Feed {
  readonly cursor: string | undefined;
  readonly seen: ReadonlyMap<string, string>;
}

/** The deeds of one story, and what they excuse. */
export class LineDeeds {
  readonly random: Random;
  readonly #story: Story;
  /** undos that began, by device and document */
  readonly #undos = new Map<string, number>();
  readonly #branchMarks: BranchMark[] = [];
  readonly #excused = new Set<string>();
  /** merges that began, by document and branch */
  readonly #merges = new Set<string>();
  /** purges, by device and document, with whether they were told as done */
  readonly #purges = new Map<string, boolean>();
  readonly #feeds = new Map<string, Feed>();
  readonly #readingFeeds = new Set<string>();
  readonly #offlineSinceMs = new Map<SimDevice, number>();
  /** marks of edits that began while their device was offline, and since when it was */
  readonly #unsentSinceMs = new Map<string, number>();

  constructor(story: Story, random: Random) {
    this.#story = story;
    this.random = random;
  }

  /** Choose what to do next. */
  draw(allowsPurge: boolean): Deed {
    if (allowsPurge && this.random.chance(0.06)) return "purge";
    return this.random.chance(0.03) ? "typing" : this.random.pick(weighted);
  }

  /** Do it, on a document that this tab shows; `running` hears which. */
  async run(
    deed: Deed,
    { tab, device }: { readonly tab: SimTab; readonly device: SimDevice },
    running: Running,
  ): Promise<void> {
    const database = this.random.pick(databaseNames);
    if (deed === "feed") return this.readFeed(tab, device, database);
    const subscription = tab.databases.get(database) ?? 0;
    const ids = await tab.api.documentIds(subscription);
    if (ids.length === 0) return;
    const docId = this.random.pick(ids.slice(0, 4));
    const place = { tab, device, database, subscription, docId };
    running.docIds = deed === "bulk" ? ids : [docId];
    this.#story.touch(device, docId);
    try {
      await this.#do(deed, place, ids);
    } catch (error) {
      // What is purged, or stood on what was cut, can be gone by now.
      if ((error as { code?: unknown }).code !== "doc/missing") throw error;
      const isGone = !(await tab.api.documentIds(subscription)).includes(docId);
      const isNoBranch = deed === "merge" || deed === "discard";
      if (!isGone && !isNoBranch) throw error;
    }
  }

  async #do(deed: Deed, place: Place, ids: readonly string[]): Promise<void> {
    const { docId, subscription, tab } = place;
    const branch = this.random.pick(branchNames);
    if (deed === "undo" || deed === "redo") return this.#undo(place, deed === "redo");
    if (deed === "branch") {
      await tab.api.createBranch(subscription, docId, branch);
      return this.#edit(place, branch);
    }
    if (deed === "branch edit") return this.#edit(place, branch);
    if (deed === "merge") {
      this.#merges.add(`${docId} ${branch}`);
      return tab.api.endBranch(subscription, docId, branch, "merge");
    }
    if (deed === "discard") return this.#discard(place, branch);
    if (deed === "bulk") return this.#bulk(place, ids);
    if (deed === "typing") return this.#type(place);
    return this.#purge(place);
  }

  async #undo({ device, docId, subscription, tab }: Place, isRedo: boolean): Promise<void> {
    const watched = tab.nextNumber();
    await tab.api.openDocument(subscription, docId, watched);
    const name = keyOf(device, docId);
    if (!isRedo) this.#undos.set(name, (this.#undos.get(name) ?? 0) + 1);
    await tab.api.undo(watched, { isRedo, groupMs: 0 });
    await tab.api.closeDocument(watched);
  }

  async #edit({ database, device, docId, subscription, tab }: Place, branch: string): Promise<void> {
    const watched = tab.nextNumber();
    const { value, heads, status } = await tab.api.openDocument(subscription, docId, watched, branch);
    if (value === undefined || status !== "ready") return tab.api.closeDocument(watched);
    const mark = this.#story.newMark();
    const operations = structuredClone(randomEdit(this.random, value, mark));
    const draft = { draft: tab.nextNumber(), baseHeads: heads, afterDraft: 0, operations } as const;
    this.#branchMarks.push({ device, docId, branch, mark });
    const offlineSinceMs = this.#offlineSinceMs.get(device);
    if (offlineSinceMs !== undefined) this.#unsentSinceMs.set(mark, offlineSinceMs);
    await tab.api.changeDocument(watched, { ...draft, durability: "relaxed" });
    this.#story.acknowledge({ device, database, docId, mark, branch });
    await tab.api.closeDocument(watched);
  }

  /** What the discard may cover: what is there before it, and whatever could have come in while it was under way. */
  async #discard({ docId, subscription, tab }: Place, branch: string): Promise<void> {
    const watched = tab.nextNumber();
    const shown = await tab.api.openDocument(subscription, docId, watched, branch);
    await tab.api.closeDocument(watched);
    for (const mark of marksOf(shown)) this.#excused.add(`${mark} ${branch}`);
    try {
      await tab.api.endBranch(subscription, docId, branch, "discard");
    } finally {
      this.#excuseComing(docId, branch);
    }
  }

  #excuseComing(docId: string, branch: string): void {
    for (const one of this.#branchMarks) {
      if (one.docId !== docId || one.branch !== branch) continue;
      const isUnsent =
        this.#unsentSinceMs.has(one.mark) &&
        this.#unsentSinceMs.get(one.mark) === this.#offlineSinceMs.get(one.device);
      if (!isUnsent) this.#excused.add(`${one.mark} ${branch}`);
    }
  }

  async #bulk({ database, device, subscription, tab }: Place, ids: readonly string[]): Promise<void> {
    const chosen = ids.filter(() => this.random.chance(0.5)).slice(0, 4);
    const read = await tab.api.readDocuments(subscription, chosen);
    const drafts = read.flatMap(({ docId, snapshot: { heads, status, value } }) => {
      if (value === undefined || status !== "ready") return [];
      this.#story.touch(device, docId);
      const mark = this.#story.newMark();
      const operations = structuredClone(randomEdit(this.random, value, mark));
      return [{ docId, mark, baseHeads: heads, operations }];
    });
    if (drafts.length === 0) return;
    const durability = this.random.chance(0.3) ? "strict" : "relaxed";
    const changed = await tab.api.changeDocuments(
      subscription,
      drafts.map(({ docId, baseHeads, operations }) => ({ docId, baseHeads, operations })),
      durability,
    );
    // One that was deleted meanwhile is left out, and not named.
    const named = new Set(changed.map(({ docId }) => docId));
    for (const { docId, mark } of drafts)
      if (named.has(docId)) this.#story.acknowledge({ device, database, docId, mark }, durability);
  }

  /** Many small edits, each upon the one before: they are committed in groups, and the device keeps a snapshot. */
  async #type({ database, device, docId, subscription, tab }: Place): Promise<void> {
    const watched = tab.nextNumber();
    const { value, heads } = await tab.api.openDocument(subscription, docId, watched);
    if (value === undefined) return;
    const written: Promise<void>[] = [];
    let afterDraft = 0;
    for (let count = 0; count < typedCount; count++) {
      const mark = this.#story.newMark();
      const operations = [{ op: "set", path: ["marks", mark], value: true }] as const;
      const draft = tab.nextNumber();
      const message = { draft, baseHeads: heads, afterDraft, operations, durability: "relaxed" } as const;
      afterDraft = draft;
      const acknowledge = (): void => this.#story.acknowledge({ device, database, docId, mark });
      written.push(tab.api.changeDocument(watched, message).then(acknowledge));
    }
    const results = await Promise.allSettled(written);
    await tab.api.closeDocument(watched);
    for (const result of results) if (result.status === "rejected") throw result.reason;
  }

  async #purge({ device, docId, subscription, tab }: Place): Promise<void> {
    const name = keyOf(device, docId);
    if (!this.#purges.has(name)) this.#purges.set(name, false);
    await tab.api.purgeDocument(subscription, docId);
    this.#purges.set(name, true);
  }

  /** Whether a device has begun to purge a document, and so may do without it, or was told that it is done, and so must. */
  purgeOf(device: SimDevice, docId: string): "none" | "begun" | "done" {
    const isDone = this.#purges.get(keyOf(device, docId));
    return isDone === undefined ? "none" : isDone ? "done" : "begun";
  }

  /** Read on from where this device's reader of a database stands. What it has seen it stores with its cursor. */
  async readFeed(tab: SimTab, device: SimDevice, database: string, maxPages = 3): Promise<void> {
    const name = `${device.name} ${database}`;
    if (this.#readingFeeds.has(name)) return;
    this.#readingFeeds.add(name);
    try {
      for (let page = 0; page < maxPages; page++) {
        const { cursor, seen } = this.#feeds.get(name) ?? { cursor: undefined, seen: new Map() };
        const maxCount = 1 + this.random.below(5);
        const read = await tab.api.changesSince(tab.databases.get(database) ?? 0, cursor, maxCount);
        const next = new Map<string, string>(seen);
        for (const { docId, snapshot } of read.changes) next.set(docId, textOf(snapshot));
        this.#feeds.set(name, { cursor: read.cursor, seen: next });
        if (read.isDone) break;
      }
    } finally {
      this.#readingFeeds.delete(name);
    }
  }

  /** A loss of power takes what a reader stored with what it read. */
  forgetFeeds(device: SimDevice): void {
    for (const database of databaseNames) this.#feeds.delete(`${device.name} ${database}`);
  }

  /** A worker that dies ends its reading. */
  forgetReading(device: SimDevice): void {
    for (const database of databaseNames) this.#readingFeeds.delete(`${device.name} ${database}`);
  }

  /** What a reader that was read to its end has not seen as it is now. */
  async unseen(tab: SimTab, device: SimDevice): Promise<readonly string[]> {
    const found: string[] = [];
    for (const database of databaseNames) {
      await this.readFeed(tab, device, database, 10_000);
      const { seen } = this.#feeds.get(`${device.name} ${database}`) ?? { seen: new Map<string, string>() };
      const subscription = tab.databases.get(database) ?? 0;
      const shown: ReadDocument[] = [];
      const ids = [...new Set([...(await tab.api.documentIds(subscription)), ...seen.keys()])];
      for (let from = 0; from < ids.length; from += 64)
        shown.push(...(await tab.api.readDocuments(subscription, ids.slice(from, from + 64))));
      for (const { docId, snapshot } of shown)
        if (seen.get(docId) !== textOf(snapshot))
          found.push(`${docId}: ${seen.get(docId) ?? "never"} is ${textOf(snapshot)}`);
    }
    return found;
  }

  /** A device went offline or online. */
  noteOnline(device: SimDevice, isOnline: boolean): void {
    if (isOnline) this.#offlineSinceMs.delete(device);
    else this.#offlineSinceMs.set(device, this.#story.world.scheduler.nowMs);
  }

  /** Whether an edit is no longer owed: its own user purged it, or its branch was discarded. */
  isExcused({ branch, device, docId, mark }: Acknowledged): boolean {
    if (this.purgeOf(device, docId) !== "none") return true;
    return branch !== undefined && this.#excused.has(`${mark} ${branch}`);
  }

  /** Those edits of one document that are lost: of each device as many may be missing as it took back. */
  lost(edits: readonly Acknowledged[], shown: ShownMarks): readonly Acknowledged[] {
    const missing = edits.filter(
      ({ branch, mark }) => !(branch === undefined ? shown.main : shown.anywhere).has(mark),
    );
    return missing.filter(({ device, docId }) => {
      const count = missing.filter((one) => one.device === device).length;
      return count > (this.#undos.get(keyOf(device, docId)) ?? 0);
    });
  }

  /** Marks of branches that nobody merged, and that the document shows. */
  strayed(docId: string, { main }: ShownMarks): readonly string[] {
    return this.#branchMarks
      .filter(
        (one) => one.docId === docId && !this.#merges.has(`${docId} ${one.branch}`) && main.has(one.mark),
      )
      .map(({ branch, mark }) => `${mark} of ${branch}`);
  }
}

function keyOf(device: SimDevice, docId: string): string {
  return `${device.name} ${docId}`;
}

function textOf({ branches, heads, status, value }: DocSnapshot): string {
  return `${status} ${heads.toSorted().join(" ")} ${branches.join(" ")} ${canonicalText(value)}`;
}
