/** Handles of documents that an application forgets without disposing of them: the worker is told once nobody holds them. */
import type { Page } from "@playwright/test";
import type { Doc } from "../../src/page/index.ts";
import { expect, foundTenant, openSite, test, titles, write, type Note } from "./world.ts";

/** A call as it crosses to the worker. */
interface Call {
  readonly path?: readonly string[];
  readonly argumentList?: readonly { readonly value: unknown }[];
}

/** Note which documents the page opens in its worker, and which of them it closes. */
async function watchCalls(page: Page): Promise<void> {
  await page.evaluate(() => {
    const opened = new Map<unknown, string>();
    const closed: string[] = [];
    Object.assign(story.kept, { opened, closed });
    const post = Worker.prototype.postMessage;
    Worker.prototype.postMessage = function (this: Worker, message: Call, ...rest: readonly unknown[]) {
      const [first, id, subscription] = (message.argumentList ?? []).map(({ value }) => value);
      if (message.path?.[0] === "openDocument") opened.set(subscription, String(id));
      if (message.path?.[0] === "closeDocument") closed.push(opened.get(first) ?? "");
      return Reflect.apply(post, this, [message, ...rest]);
    };
  });
}

/** Collect the page's garbage, and tell which documents were closed so far. */
async function closedAfterCollection(page: Page): Promise<readonly string[]> {
  const session = await page.context().newCDPSession(page);
  await session.send("HeapProfiler.enable");
  await session.send("HeapProfiler.collectGarbage");
  await session.detach();
  return page.evaluate(() => (story.kept["closed"] as string[]).toSorted());
}

test("what nobody holds any more is closed; what is held or watched in any way stays", async ({
  openDevice,
  site,
}) => {
  const { page } = await openDevice();
  await openSite(page, site);
  await watchCalls(page);
  await foundTenant(page);
  const ids = await write(page, titles("note", 10));
  const [held = "", data = "", watched = "", disposed = "", ...forgotten] = ids;
  await page.evaluate(
    async (by) => {
      const open = async (id: string): Promise<Doc<Note>> => story.db.getDocument(id);
      story.kept["held"] = await open(by.held);
      story.kept["data"] = (await open(by.data)).data;
      story.kept["heard"] = story.follow(
        (await open(by.watched)).select(({ title }) => title),
        (title) => title,
      );
      (await open(by.disposed)).dispose();
      for (const id of by.forgotten) await open(id);
      // A handle that is forgotten says nothing of another one of the same document.
      await open(by.held);
    },
    { held, data, watched, disposed, forgotten },
  );
  await expect.poll(() => closedAfterCollection(page)).toEqual([disposed, ...forgotten].toSorted());
  for (let round = 0; round < 3; round++) await closedAfterCollection(page);
  expect(await closedAfterCollection(page)).toEqual([disposed, ...forgotten].toSorted());

  const seen = await page.evaluate(
    async (asked) => {
      for (const id of asked) {
        const doc = await story.db.getDocument(id);
        await story.db.changeDoc(doc, (draft) => {
          draft.title = "changed";
        });
        doc.dispose();
      }
      const { held, data, heard } = story.kept as {
        held: Doc<Note>;
        data: Doc<Note>["data"];
        heard: readonly unknown[];
      };
      return [held.data.value?.title, data.value?.title, heard.at(-1)];
    },
    [held, data, watched],
  );
  expect(seen).toEqual(["changed", "changed", "changed"]);
});
