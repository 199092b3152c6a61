/** Keys that no password opened: handed over by another tab, kept for the next visit, brought by a backup. */
import type { Page } from "@playwright/test";
import {
  dbName,
  enterTenant,
  expect,
  foundTenant,
  openSite,
  openTab,
  people,
  readTitles,
  test,
  write,
} from "./world.ts";

/** Open the tenant by its id without a password; resolves to the error's code where that fails. */
async function enterHeld(page: Page, id: string): Promise<string> {
  return page.evaluate(
    async ([tenantId, database]) => {
      try {
        story.tenant = await story.coffer.openTenant(tenantId);
      } catch (error) {
        return (error as { code?: string }).code ?? "no code";
      }
      story.db = await story.tenant.openDB(database);
      story.query = story.db.query({ sort: [] });
      return "open";
    },
    [id, dbName] as const,
  );
}

const known = (page: Page) =>
  page.evaluate(async () =>
    (await story.coffer.tenants()).map(({ kept, locked, lost }) => ({ kept, locked, lost })),
  );

test("a new tab opens with the keys of another; a lock in one locks all and ends that", async ({
  openDevice,
  site,
}) => {
  const { context, page } = await openDevice();
  await openSite(page, site);
  const id = await foundTenant(page);
  await write(page, ["from the first tab"]);
  const second = await openTab(context, site);
  expect(await enterHeld(second, id)).toBe("open");
  await expect.poll(() => readTitles(second)).toEqual(["from the first tab"]);
  await write(second, ["from the second tab"]);
  await expect.poll(() => readTitles(page)).toHaveLength(2);
  const third = await openTab(context, site);
  expect(await enterHeld(third, id)).toBe("open");

  await third.evaluate(async () => story.tenant.lock());
  for (const tab of [page, second, third])
    await expect.poll(() => tab.evaluate(() => story.tenant.status.value.phase)).toBe("locked");
  const fourth = await openTab(context, site);
  expect(await enterHeld(fourth, id)).toBe("access/locked");
  expect(await known(fourth)).toEqual([{ kept: false, locked: true, lost: false }]);
});

test("a kept session outlives every tab, and ends with a lock", async ({ openDevice, site }) => {
  const { context, page } = await openDevice();
  await openSite(page, site);
  const id = await foundTenant(page);
  await write(page, ["kept"]);
  await openSite(page, site);
  await page.evaluate(
    async ([tenantId, password]) => {
      story.tenant = await story.coffer.openTenant(tenantId, { password, keepSession: true });
    },
    [id, people.userPassword] as const,
  );
  // The only tab goes, and its worker with it.
  await openSite(page, site);
  expect(await known(page)).toEqual([{ kept: true, locked: true, lost: false }]);
  expect(await enterHeld(page, id)).toBe("open");
  await expect.poll(() => readTitles(page)).toEqual(["kept"]);
  await write(page, ["and written by kept keys"]);
  const other = await openTab(context, site);
  await enterTenant(other);
  await openSite(page, site);
  expect(await known(page)).toEqual([{ kept: false, locked: true, lost: false }]);
  await page.evaluate(
    async ([tenantId, password]) => {
      story.tenant = await story.coffer.openTenant(tenantId, { password, keepSession: true });
      await story.tenant.lock();
    },
    [id, people.userPassword] as const,
  );
  await other.close();
  await openSite(page, site);
  expect(await enterHeld(page, id)).toBe("access/locked");
});

test("a store that was deleted is noticed, and a backup brings all of it back", async ({
  openDevice,
  site,
}) => {
  const { page } = await openDevice();
  await openSite(page, site);
  const id = await foundTenant(page);
  await write(page, ["one", "two", "three"]);
  const file = await page.evaluate(async () => {
    const stream = story.tenant.exportBackup({ password: "fourteen amber foxes under glass" });
    return [...new Uint8Array(await new Response(stream).arrayBuffer())];
  });
  await openSite(page, site);
  await page.evaluate(
    (tenantId) =>
      new Promise<void>((resolve, reject) => {
        const request = indexedDB.deleteDatabase(`coffer/coffer/tenant/${tenantId}`);
        request.onsuccess = () => resolve();
        request.onerror = () => reject(new Error("not deleted"));
      }),
    id,
  );
  expect(await known(page)).toEqual([{ kept: false, locked: true, lost: true }]);
  const outcome = await page.evaluate(
    async ([tenantId, password, bytes]) => {
      const code = await story.coffer.openTenant(tenantId, { password }).then(
        () => "open",
        (error: { code?: string }) => error.code,
      );
      const file = new Blob([new Uint8Array(bytes)]);
      const report = await story.coffer.importBackup(file, { password: "fourteen amber foxes under glass" });
      return { code, tenantId: report.tenantId };
    },
    [id, people.userPassword, file] as const,
  );
  expect(outcome).toEqual({ code: "key/missing", tenantId: id });
  expect(await known(page)).toEqual([{ kept: false, locked: true, lost: false }]);
  await enterTenant(page);
  await expect.poll(async () => (await readTitles(page)).toSorted()).toEqual(["one", "three", "two"]);
});
