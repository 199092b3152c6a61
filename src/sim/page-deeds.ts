/** What people do in a page that is open: write documents one by one, delete them and bring them back. */
import type { DraftOperation } from "../draft/index.ts";
import { randomDocument, randomEdit, randomRemoval } from "./edits.ts";
import type { Random } from "./pcg32.ts";
import type { SimDevice, SimTab } from "./sim-device.ts";
import type { Running, Story } from "./story.ts";
import { databaseNames } from "./world.ts";

/** Whose tab something is done in. */
export interface DeedPlace {
  readonly tab: SimTab;
  readonly device: SimDevice;
}

/** The plain deeds of one story. */
export class PageDeeds {
  readonly #story: Story;
  readonly #random: Random;

  constructor(story: Story, random: Random) {
    this.#story = story;
    this.#random = random;
  }

  async create({ tab, device }: DeedPlace): Promise<void> {
    const database = this.#random.pick(databaseNames);
    const marks = Array.from({ length: this.#random.chance(0.2) ? 3 : 1 }, () => this.#story.newMark());
    const values = marks.map((mark) => randomDocument(this.#random, mark));
    const ids = await tab.api.createDocuments(tab.databases.get(database) ?? 0, values);
    for (const [index, docId] of ids.entries()) {
      this.#story.touch(device, docId);
      this.#story.acknowledge({ device, database, docId, mark: marks[index] ?? "" });
    }
  }

  async change({ tab, device }: DeedPlace, running: Running): Promise<void> {
    const database = this.#random.pick(databaseNames);
    const subscription = tab.databases.get(database) ?? 0;
    const ids = await tab.api.documentIds(subscription);
    if (ids.length === 0) return;
    const docId = this.#random.pick(ids);
    running.docIds = [docId];
    this.#story.touch(device, docId);
    const watched = tab.nextNumber();
    const { value, heads } = await tab.api.openDocument(subscription, docId, watched);
    if (value === undefined) return;
    // A page goes on editing what it shows while the worker still writes: each draft stands on the one before.
    const drafts: Promise<void>[] = [];
    let afterDraft = 0;
    for (let count = 1 + this.#random.below(3); count > 0; count--) {
      const mark = this.#story.newMark();
      const isLast = count === 1 && afterDraft === 0;
      const operations =
        isLast && this.#random.chance(0.4)
          ? randomRemoval(this.#random, value, mark)
          : randomEdit(this.#random, value, mark);
      const durability = this.#random.chance(0.2) ? "strict" : "relaxed";
      const message = {
        draft: tab.nextNumber(),
        baseHeads: heads,
        afterDraft,
        operations: keepable(operations),
        durability,
      } as const;
      afterDraft = message.draft;
      drafts.push(
        tab.api
          .changeDocument(watched, message)
          .then(() => this.#story.acknowledge({ device, database, docId, mark })),
      );
    }
    const results = await Promise.allSettled(drafts);
    await tab.api.closeDocument(watched);
    for (const result of results) if (result.status === "rejected") throw result.reason;
  }

  async delete({ tab, device }: DeedPlace, running: Running): Promise<void> {
    const subscription = tab.databases.get(this.#random.pick(databaseNames)) ?? 0;
    const ids = await tab.api.documentIds(subscription);
    if (ids.length === 0) return;
    const docId = this.#random.pick(ids);
    running.docIds = [docId];
    this.#story.touch(device, docId);
    await tab.api.deleteDocument(subscription, docId);
    if (this.#random.chance(0.5)) await tab.api.undeleteDocument(subscription, docId);
  }
}

/** What the page hands over crosses a thread. */
function keepable(operations: readonly DraftOperation[]): readonly DraftOperation[] {
  return structuredClone(operations);
}
