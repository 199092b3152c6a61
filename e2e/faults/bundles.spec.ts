/** Two browsers that have only files between them: no server and no connection. */
import type { Page } from "@playwright/test";
import { expect, foundTenant, joinTenant, openSite, readTitles, test, titles, write } from "./world.ts";

/** A file for who gave this summary, as text; without one of everything. */
async function exportFile(page: Page, summary?: string): Promise<string> {
  return page.evaluate(async (text) => {
    const since =
      text === undefined ? {} : { since: new Blob([Uint8Array.from(JSON.parse(text) as number[])]) };
    const bytes = new Uint8Array(await new Response(story.tenant.exportBundle(since)).arrayBuffer());
    return JSON.stringify([...bytes]);
  }, summary);
}

const summarize = (page: Page): Promise<string> =>
  page.evaluate(async () => JSON.stringify([...(await story.tenant.summarize())]));

/** Take a file in, or its beginning. @returns how many commits were new, or the code */
async function importFile(page: Page, file: string, part = 1): Promise<number | string> {
  return page.evaluate(
    async ([text, share]) => {
      const bytes = Uint8Array.from(JSON.parse(text) as number[]);
      const blob = new Blob([bytes.subarray(0, Math.floor(bytes.length * share))]);
      let newCount = 0;
      const outcome = await story.outcomeOf(
        story.tenant.importBundle(blob).then((report) => (newCount = report.newCount)),
      );
      return outcome === "resolved" ? newCount : outcome;
    },
    [file, part] as const,
  );
}

test("a file brings what the other browser lacks, both ways; what came before it broke off stays", async ({
  openDevice,
  site,
}) => {
  const [first, far] = [(await openDevice()).page, (await openDevice()).page];
  await openSite(first, site);
  await foundTenant(first);
  await openSite(far, site);
  await joinTenant(first, far);
  for (const title of titles("first", 8)) await write(first, [title]);

  const whole = await exportFile(first);
  expect(await importFile(far, whole, 0.6)).toBe("entry/corrupt");
  const some = (await readTitles(far)).length;
  expect(some).toBeLessThan(8);
  await importFile(far, whole);
  await expect.poll(() => readTitles(far)).toEqual(titles("first", 8));

  await write(far, ["by the newcomer"]);
  expect(await importFile(first, await exportFile(far, await summarize(first)))).toBe(1);
  await expect.poll(async () => (await readTitles(first)).includes("by the newcomer")).toBe(true);
  expect(await importFile(far, await exportFile(first, await summarize(far)))).toBe(0);
  const entries = await far.evaluate(async () => {
    const store = await story.db.getStore();
    const page = await store.scanEntriesSince();
    return [page.entries.length, (await store.hasEntries(page.entries.map(({ id }) => id))).length];
  });
  expect(entries).toEqual([9, 9]);
});
