/**
 * The browser throws away what it stores: one tenant's database, or everything of the site. With an identity file (a backup without
 * documents) and the password or the recovery code, all of it comes back from the server, what was written here included.
 */
import type { CDPSession, Page } from "@playwright/test";
import { openCdp } from "../fixtures.ts";
import {
  connect,
  expect,
  foundTenant,
  openBy,
  openSite,
  people,
  readTitles,
  test,
  titles,
  write,
} from "./world.ts";

const filePassword = "fourteen amber foxes under glass";
const written = titles("kept by the server", 12);

/** Found a tenant with documents that are on the server. @returns its id, its identity file as numbers, and a recovery code */
async function prepare(page: Page, serverUrl: string) {
  const id = await foundTenant(page);
  await connect(page, serverUrl);
  const code = await page.evaluate(
    async (password) =>
      (await story.tenant.addKeySlot({ recoveryCode: true }, { password })).recoveryCode ?? "",
    people.userPassword,
  );
  await write(page, written);
  const file = await page.evaluate(async (password) => {
    for (const link of story.tenant.links.value) await link.sync();
    const doc = await story.db.getDocument(story.query.rows.value[0]?.id ?? "");
    await story.db.changeDoc(doc, (draft) => {
      draft.body = "edited after it was made";
    });
    for (const link of story.tenant.links.value) await link.sync();
    const bytes = await new Response(story.tenant.exportBackup({ password, documents: false })).arrayBuffer();
    return [...new Uint8Array(bytes)];
  }, filePassword);
  await page.evaluate(async () => story.coffer.close());
  return { id, code, file };
}

const lostOf = (page: Page) =>
  page.evaluate(async () => (await story.coffer.tenants()).map(({ id, lost }) => ({ id, lost })));

async function takeIn(page: Page, file: readonly number[]): Promise<void> {
  await page.evaluate(
    async ([bytes, password]) => {
      await story.coffer.importBackup(new Blob([new Uint8Array(bytes)]), { password });
    },
    [file, filePassword] as const,
  );
}

/** Everything is there again, can be written, and reaches the server. */
async function expectWhole(page: Page): Promise<void> {
  await expect.poll(() => readTitles(page)).toEqual(written);
  const bodies = () => page.evaluate(() => story.query.rows.value.map(({ data }) => data.body ?? ""));
  await expect.poll(bodies).toContain("edited after it was made");
  await write(page, ["written afterwards"]);
  await page.evaluate(async () => {
    for (const link of story.tenant.links.value) {
      await link.sync();
      await story.until(link.status, ({ pendingPush }) => pendingPush === 0);
    }
  });
  await expect.poll(() => readTitles(page)).toEqual([...written, "written afterwards"]);
  expect((await lostOf(page)).map(({ lost }) => lost)).toEqual([false]);
}

const alarmsOf = (page: Page) => page.evaluate(() => story.tenant.alarms.value.map(({ kind }) => kind));

/** The databases of the site. */
async function databasesOf(cdp: CDPSession, origin: string): Promise<readonly string[]> {
  const { databaseNames } = await cdp.send("IndexedDB.requestDatabaseNames", { securityOrigin: origin });
  return databaseNames;
}

test("a tenant's database that was thrown away is noticed, told, and filled again from the server", async ({
  openDevice,
  server,
  site,
}) => {
  const { page } = await openDevice();
  await openSite(page, site);
  const { file, id } = await prepare(page, server.url);
  const cdp = await openCdp(page);
  // The page is there, the library is not opened.
  await page.goto(site.url);
  const own = (await databasesOf(cdp, site.origin)).filter((name) => name.includes(id));
  expect(own).toHaveLength(1);
  for (const databaseName of own)
    await cdp.send("IndexedDB.deleteDatabase", { securityOrigin: site.origin, databaseName });

  await openSite(page, site);
  expect(await lostOf(page)).toEqual([{ id, lost: true }]);
  expect(await openBy(page, id, { password: people.userPassword })).toBe("key/missing");
  expect(await lostOf(page)).toEqual([{ id, lost: true }]);
  await takeIn(page, file);
  expect(await openBy(page, id, { password: people.userPassword })).toBe("resolved");
  expect(await alarmsOf(page)).toEqual(["rollback"]);
  await expectWhole(page);
});

test("a site whose data was cleared is filled again from the server, by an identity file and a recovery code", async ({
  openDevice,
  server,
  site,
}) => {
  const { page } = await openDevice();
  await openSite(page, site);
  const { code, file, id } = await prepare(page, server.url);
  const cdp = await openCdp(page);
  await page.goto("about:blank");
  await cdp.send("Storage.clearDataForOrigin", { origin: site.origin, storageTypes: "all" });

  await openSite(page, site);
  expect(await lostOf(page)).toEqual([]);
  await takeIn(page, file);
  expect(await openBy(page, id, { password: "not this one, and not that one" })).toBe("key/wrong-password");
  expect(await openBy(page, id, { recoveryCode: code })).toBe("resolved");
  await expectWhole(page);
  // The device knew nothing of what it had held: a new device looks the same.
  expect(await alarmsOf(page)).toEqual([]);
});

test("a log that was emptied under its keys is noticed, told, and filled again from the server", async ({
  openDevice,
  server,
  site,
}) => {
  const { page } = await openDevice();
  await openSite(page, site);
  const { id } = await prepare(page, server.url);
  await page.evaluate(async (tenantId) => {
    const names = (await indexedDB.databases()).map(({ name }) => name ?? "");
    const name = names.find((one) => one.includes(tenantId)) ?? "";
    await new Promise<void>((resolve, reject) => {
      const opening = indexedDB.open(name);
      opening.onerror = () => reject(new Error("not opened"));
      opening.onsuccess = () => {
        const db = opening.result;
        const transaction = db.transaction("log", "readwrite");
        transaction.objectStore("log").clear();
        transaction.oncomplete = () => (db.close(), resolve());
        transaction.onabort = () => reject(new Error("not cleared"));
      };
    });
  }, id);
  await openSite(page, site);
  expect(await openBy(page, id, { password: people.userPassword })).toBe("resolved");
  expect(await alarmsOf(page)).toContain("rollback");
  await expectWhole(page);
});
