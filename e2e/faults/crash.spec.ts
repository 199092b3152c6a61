/** The browser is killed while it writes: everything it had acknowledged is there when the profile is opened again. */
import type { Page } from "@playwright/test";
import { expect, enterTenant, foundTenant, openSite, readTitles, test } from "./world.ts";

const crashes = 4;

/** The page's line to the test. */
interface Acknowledging {
  acknowledge(title: string, count: number): Promise<void>;
}

/** Create and edit documents without pause; every acknowledged write is told to the test before the next one begins. */
async function startWriting(page: Page, run: number, acknowledged: Map<string, number>): Promise<void> {
  await page.exposeFunction("acknowledge", (title: string, count: number) => {
    acknowledged.set(title, Math.max(count, acknowledged.get(title) ?? 0));
  });
  await page.evaluate((number) => {
    const tell = (title: string, count: number): void => {
      void (globalThis as unknown as Acknowledging).acknowledge(title, count);
    };
    const writeOn = async (lane: number): Promise<void> => {
      for (let index = 0; ; index++) {
        const title = `run ${number} lane ${lane} no ${index}`;
        const doc = await story.db.createDocument({ title, count: 0 });
        tell(title, 0);
        for (let count = 1; count <= 3; count++) {
          await story.db.changeDoc(doc, (draft) => {
            draft.count = count;
          });
          tell(title, count);
        }
      }
    };
    for (let lane = 0; lane < 3; lane++) writeOn(lane).catch(() => undefined);
  }, run);
}

test("a browser killed in a burst of writes loses none that it acknowledged", async ({
  openDevice,
  site,
}) => {
  const acknowledged = new Map<string, number>();
  let profileFolder: string | undefined;
  for (let run = 0; run < crashes; run++) {
    const device = await openDevice(profileFolder === undefined ? {} : { profileFolder });
    profileFolder = device.profileFolder;
    await openSite(device.page, site);
    if (run === 0) await foundTenant(device.page);
    else await enterTenant(device.page);
    const countBefore = acknowledged.size;
    await startWriting(device.page, run, acknowledged);
    await expect
      .poll(() => acknowledged.size - countBefore, { intervals: [20] })
      .toBeGreaterThan(15 + run * 5);
    await device.kill();
  }

  const { page } = await openDevice(profileFolder === undefined ? {} : { profileFolder });
  await openSite(page, site);
  await enterTenant(page);
  const read = (): Promise<Record<string, number>> =>
    page.evaluate(() =>
      Object.fromEntries(story.query.rows.value.map(({ data }) => [data.title, data.count ?? -1])),
    );
  const lost = async (): Promise<readonly string[]> => {
    const there = await read();
    return [...acknowledged].filter(([title, count]) => (there[title] ?? -1) < count).map(([title]) => title);
  };
  await expect.poll(lost, { timeout: 30_000 }).toEqual([]);
  const sound = await page.evaluate(async () => {
    const ids = await story.db.getAllDocumentIds();
    const outcomes = await Promise.all(ids.map((id) => story.outcomeOf(story.db.getDocument(id))));
    return {
      unreadable: outcomes.filter((outcome) => outcome !== "resolved"),
      quarantined: story.tenant.quarantine.value.length,
      alarms: story.tenant.alarms.value.length,
      isUnique: new Set(ids).size === ids.length,
    };
  });
  expect(sound).toEqual({ unreadable: [], quarantined: 0, alarms: 0, isUnique: true });
  expect(new Set(await readTitles(page)).size).toBe((await readTitles(page)).length);
});
