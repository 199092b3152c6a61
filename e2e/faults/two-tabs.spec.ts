/** Two tabs of one profile, and a network that comes and goes. */
import type { Page } from "@playwright/test";
import {
  connect,
  enterTenant,
  expect,
  foundTenant,
  joinTenant,
  openSite,
  openTab,
  readTitles,
  test,
  titles,
  write,
} from "./world.ts";

/** Set the count of the document with a title, through that page. */
async function setCount(page: Page, title: string, count: number): Promise<void> {
  await page.evaluate(
    async ([wanted, value]) => {
      const rows = await story.until(story.query.rows, (all) =>
        all.some(({ data }) => data.title === wanted),
      );
      const doc = await story.db.getDocument(rows.find(({ data }) => data.title === wanted)?.id ?? "");
      story.kept["doc"] = doc;
      await story.db.changeDoc(doc, (draft) => {
        draft.count = value;
      });
    },
    [title, count] as const,
  );
}

/** What the document that a page has open shows. */
async function readCount(page: Page): Promise<number | undefined> {
  return page.evaluate(() => {
    const doc = story.kept["doc"] as Awaited<ReturnType<typeof story.db.getDocument>>;
    return doc.data.value?.count;
  });
}

test("two tabs see each other's edits, and the one that stays keeps syncing", async ({
  openDevice,
  server,
  site,
}) => {
  const device = await openDevice();
  const first = device.page;
  const far = (await openDevice()).page;
  await openSite(first, site);
  await foundTenant(first);
  await connect(first, server.url);
  await openSite(far, site);
  await joinTenant(first, far, server.url);

  const second = await openTab(device.context, site);
  await enterTenant(second);
  await write(first, ["from the first tab"]);
  await write(second, ["from the second tab"]);
  const both = ["from the first tab", "from the second tab"];
  for (const page of [first, second, far]) await expect.poll(() => readTitles(page)).toEqual(both);

  await setCount(first, "from the first tab", 1);
  await setCount(second, "from the first tab", 2);
  for (const page of [first, second]) await expect.poll(() => readCount(page)).toBe(2);
  await setCount(first, "from the first tab", 3);
  for (const page of [first, second]) await expect.poll(() => readCount(page)).toBe(3);

  // Both tabs show the link as live, but only one of them talks: the second one from when the first is gone.
  await expect
    .poll(() => second.evaluate(() => story.tenant.links.value.map((link) => link.status.value.phase)))
    .toEqual(["live"]);
  await first.close();
  await write(second, ["after the first tab"]);
  await expect.poll(() => readTitles(far)).toContain("after the first tab");
  await write(far, ["from afar"]);
  await expect.poll(() => readTitles(second)).toEqual(["after the first tab", "from afar", ...both]);
});

test("a network that flaps leaves both sides equal, with nothing twice and nothing missing", async ({
  openDevice,
  server,
  site,
}) => {
  const near = await openDevice();
  const far = (await openDevice()).page;
  await openSite(near.page, site);
  await foundTenant(near.page);
  await connect(near.page, server.url);
  await openSite(far, site);
  await joinTenant(near.page, far, server.url);
  await write(near.page, ["edited by both"]);
  await expect.poll(() => readTitles(far)).toEqual(["edited by both"]);

  const writing = Promise.all(
    [near.page, far].map((page, index) =>
      page.evaluate(
        async ([all, which]) => {
          const [row] = story.query.rows.value;
          const doc = await story.db.getDocument(row?.id ?? "");
          for (const [count, title] of all.entries()) {
            await story.db.createDocument({ title });
            await story.db.changeDoc(doc, (draft) => {
              if (which === 0) draft.count = count;
              else draft.body = String(count);
            });
            await new Promise((resolve) => setTimeout(resolve, 60));
          }
        },
        [titles(index === 0 ? "near" : "far", 40), index] as const,
      ),
    ),
  );
  for (const restMs of [40, 200, 700, 90, 400, 20, 1000, 150]) {
    await near.context.setOffline(true);
    await near.page.waitForTimeout(restMs);
    await near.context.setOffline(false);
    await near.page.waitForTimeout(1100 - restMs);
  }
  await writing;

  const all = ["edited by both", ...titles("far", 40), ...titles("near", 40)];
  for (const page of [near.page, far])
    await expect.poll(() => readTitles(page), { timeout: 30_000 }).toEqual(all);
  const read = (page: Page) =>
    page.evaluate(async () => {
      const row = story.query.rows.value.find(({ data }) => data.title === "edited by both");
      const doc = await story.db.getDocument(row?.id ?? "");
      const ids = await story.db.getAllDocumentIds();
      return {
        data: { ...doc.data.value },
        ids: [...ids].sort(),
        alarms: story.tenant.alarms.value.map(({ kind, detail }) => `${kind} ${detail}`),
      };
    });
  const nearData = await read(near.page);
  expect(nearData.data).toEqual({ title: "edited by both", count: 39, body: "39" });
  expect(nearData.alarms).toEqual([]);
  expect(new Set(nearData.ids).size).toBe(all.length);
  await expect.poll(() => read(far)).toEqual(nearData);
});
