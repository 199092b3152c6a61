/** The disk is full at each stage: every write says so within two seconds; reading, locking and exporting go on. */
import type { Page } from "@playwright/test";
import { openCdp } from "../fixtures.ts";
import { dbName, enterTenant, expect, foundTenant, openSite, people, test } from "./world.ts";

const quotaBytes = 4 * 1024 * 1024;
const withinMs = 2_000;
const backupPassword = "fourteen amber foxes under glass";

/** Fill what is left of the origin's storage beside the product, or make room again. */
async function setFull(page: Page, isFull: boolean): Promise<void> {
  await page.evaluate(async (full) => {
    const name = "filler";
    if (!full) {
      await new Promise<void>((resolve, reject) => {
        const request = indexedDB.deleteDatabase(name);
        request.onsuccess = () => resolve();
        request.onerror = () => reject(new Error("not deleted"));
      });
      return;
    }
    const db = await new Promise<IDBDatabase>((resolve, reject) => {
      const request = indexedDB.open(name, 1);
      request.onupgradeneeded = () => request.result.createObjectStore("bytes", { autoIncrement: true });
      request.onsuccess = () => resolve(request.result);
      request.onerror = () => reject(new Error("not opened"));
    });
    const store = (sizeBytes: number): Promise<boolean> =>
      new Promise((resolve) => {
        const transaction = db.transaction("bytes", "readwrite");
        const bytes = new Uint8Array(sizeBytes);
        for (let at = 0; at < sizeBytes; at += 65_536)
          crypto.getRandomValues(bytes.subarray(at, at + 65_536));
        transaction.objectStore("bytes").add(bytes);
        transaction.oncomplete = () => resolve(true);
        transaction.onabort = () => resolve(false);
      });
    // Ever smaller pieces, until not even a small one fits.
    for (let sizeBytes = 512 * 1024; sizeBytes >= 128; sizeBytes /= 2) while (await store(sizeBytes));
    db.close();
  }, isFull);
}

type Deed =
  | "createDocument"
  | "createDocuments"
  | "changeDoc"
  | "deleteDocument"
  | "undo"
  | "createKey"
  | "import";

/** Do something that must be stored. @returns its outcome, and how long it took */
async function attempt(page: Page, deed: Deed): Promise<{ outcome: string; ms: number }> {
  return page.evaluate(
    async ([what, password]) => {
      const doc = story.kept["doc"] as Awaited<ReturnType<typeof story.db.createDocument>>;
      const text = "x".repeat(20_000);
      const deeds: Record<Deed, () => Promise<unknown>> = {
        createDocument: () => story.db.createDocument({ title: "late", body: text }),
        createDocuments: () =>
          story.db.createDocuments(
            Array.from({ length: 200 }, (_, at) => ({ title: `late ${at}`, body: text })),
          ),
        changeDoc: () =>
          story.db.changeDoc(doc, (draft) => {
            draft.body = text;
          }),
        deleteDocument: () => story.db.deleteDocument(story.kept["other"] as string),
        undo: () => story.db.undo(doc),
        createKey: () => story.tenant.keys.createDocEncryptionKey("salaries"),
        import: () => story.coffer.importBackup(story.kept["file"] as Blob, { password }),
      };
      const startMs = performance.now();
      const outcome = await story.outcomeOf(deeds[what as Deed]());
      return { outcome, ms: performance.now() - startMs };
    },
    [deed, backupPassword] as const,
  );
}

/** What must work with a full disk: the document as it was, a whole backup, locking and unlocking. */
async function expectUsable(page: Page): Promise<void> {
  const seen = await page.evaluate(
    async ([password, userPassword]) => {
      const doc = story.kept["doc"] as Awaited<ReturnType<typeof story.db.createDocument>>;
      const shown = doc.data.value?.body;
      const file = await new Response(story.tenant.exportBackup({ password })).blob();
      await story.tenant.lock();
      const locked = doc.status.value;
      await story.tenant.unlock({ password: userPassword });
      await story.until(doc.status, (status) => status === "ready");
      return { shown, locked, after: doc.data.value?.body, isWhole: file.size > 2_500 };
    },
    [backupPassword, people.userPassword] as const,
  );
  expect(seen).toEqual({ shown: "as it was", locked: "locked", after: "as it was", isWhole: true });
}

test("a disk that is full at any stage refuses with store/quota in time, and everything else works", async ({
  openDevice,
  site,
}) => {
  const { page } = await openDevice();
  const cdp = await openCdp(page);
  await cdp.send("Storage.overrideQuotaForOrigin", { origin: site.origin, quotaSize: quotaBytes });
  await openSite(page, site);
  await foundTenant(page);
  await page.evaluate(async (password) => {
    const [other = ""] = await story.db.createDocuments([{ title: "other" }]);
    story.kept["other"] = other;
    const doc = await story.db.createDocument({ title: "kept", body: "as it was" });
    story.kept["doc"] = doc;
    await story.db.changeDoc(doc, (draft) => {
      draft.count = 1;
    });
    story.kept["file"] = await new Response(story.tenant.exportBackup({ password })).blob();
  }, backupPassword);

  await setFull(page, true);
  for (const deed of ["createDocument", "createDocuments", "changeDoc"] as const) {
    const { outcome, ms } = await attempt(page, deed);
    expect(outcome, deed).toBe("store/quota");
    expect(ms, deed).toBeLessThan(withinMs);
    await expectUsable(page);
  }
  // Small ones may still fit into what the browser has set aside: they end in time, one way or the other.
  for (const deed of ["deleteDocument", "undo", "createKey", "import"] as const) {
    const { outcome, ms } = await attempt(page, deed);
    expect(["resolved", "store/quota"], deed).toContain(outcome);
    expect(ms, deed).toBeLessThan(deed === "import" ? withinMs * 3 : withinMs);
    await expectUsable(page);
  }

  // A reload under a full disk opens, and reads.
  await openSite(page, site);
  await enterTenant(page);
  await page.evaluate(async () => {
    const rows = await story.until(story.query.rows, (all) => all.some(({ data }) => data.title === "kept"));
    story.kept["doc"] = await story.db.getDocument(rows.find(({ data }) => data.title === "kept")?.id ?? "");
  });
  await expectUsable(page);
  const another = await page.evaluate(
    async (options) =>
      story.outcomeOf(
        story.coffer.createTenant({ ...options, tenantId: "another", adminName: "cn=a", userName: "cn=b" }),
      ),
    people,
  );
  expect(["resolved", "store/quota"]).toContain(another);

  await setFull(page, false);
  await expect
    .poll(async () => (await attempt(page, "changeDoc")).outcome, { timeout: 15_000 })
    .toBe("resolved");
  expect(await page.evaluate(async (name) => (await story.tenant.openDB(name)).name, dbName)).toBe(dbName);
});
