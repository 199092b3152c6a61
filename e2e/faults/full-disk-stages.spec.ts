/**
 * The disk is full at each stage: every write says so within two seconds; reading, locking and exporting go on.
 *
 * The two seconds begin where IndexedDB gives up on the write, which the worker itself notes: what a slow machine takes until then, for
 * the sealing of a document or the first megabyte of a backup, is no matter of the disk.
 */
import type { Page } from "@playwright/test";
import { openCdp } from "../fixtures.ts";
import { dbName, enterTenant, expect, foundTenant, openSite, people, test, type Site } from "./world.ts";

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
  | "createGroup"
  | "import";

/** When writes of a worker were refused for want of room. */
type Watched = typeof globalThis & { refusedAtMs: number[] };

/** Note each transaction of a page's worker that the browser ends for want of room. */
async function watchRefusals(page: Page): Promise<void> {
  await page.workers()[0]?.evaluate(() => {
    const watched = globalThis as Watched;
    watched.refusedAtMs = [];
    const begin = IDBDatabase.prototype.transaction;
    IDBDatabase.prototype.transaction = function (...given) {
      const transaction = begin.apply(this, given);
      transaction.addEventListener("abort", () => {
        if (transaction.error?.name === "QuotaExceededError")
          watched.refusedAtMs.push(performance.timeOrigin + performance.now());
      });
      return transaction;
    };
  });
}

/** Do something that must be stored. @returns its outcome, and when it was there */
async function attempt(page: Page, deed: Deed, count = 0): Promise<{ outcome: string; atMs: number }> {
  return page.evaluate(
    async ([what, number, password, adminPassword]) => {
      const doc = story.kept["doc"] as Awaited<ReturnType<typeof story.db.createDocument>>;
      const others = story.kept["others"] as readonly string[];
      // Bytes that do not compress.
      const text = Array.from(crypto.getRandomValues(new Uint8Array(20_000)), (byte) =>
        byte.toString(36),
      ).join("");
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
        deleteDocument: () => story.db.deleteDocument(others[number] ?? ""),
        undo: () => story.db.undo(doc),
        createKey: () => story.tenant.keys.createDocEncryptionKey(`salaries ${number}`),
        createGroup: () =>
          story.tenant.directory.setGroup(`group ${number}`, {
            adminUser: story.admin,
            adminPassword,
            addUsers: [story.tenant.self.value?.key ?? ""],
          }),
        import: () => story.coffer.importBackup(story.kept["file"] as Blob, { password }),
      };
      const outcome = await story.outcomeOf(deeds[what as Deed]());
      return { outcome, atMs: performance.timeOrigin + performance.now() };
    },
    [deed, count, backupPassword, people.adminPassword] as const,
  );
}

/** How often a write may still fit into what the browser has set aside for the database, before none does. */
const mostFitting = 24;

/** Do it until it is refused; what fits takes the rest of the room. */
async function expectRefused(page: Page, deed: Deed): Promise<void> {
  for (let count = 0; count < mostFitting; count++) {
    await setFull(page, true);
    await page.workers()[0]?.evaluate(() => void ((globalThis as Watched).refusedAtMs = []));
    const { outcome, atMs } = await attempt(page, deed, count);
    if (outcome === "resolved") continue;
    expect(outcome, deed).toBe("store/quota");
    const refusedAtMs = (await page.workers()[0]?.evaluate(() => (globalThis as Watched).refusedAtMs)) ?? [];
    const [first] = refusedAtMs.filter((at) => at <= atMs);
    expect(first, `${deed}: the browser refused a write`).toBeDefined();
    expect(atMs - (first ?? 0), `${deed}: from the refusal to the error`).toBeLessThan(withinMs);
    return;
  }
  throw new Error(`${deed} was never refused`);
}

/** A backup of another tenant that is larger than the disk. @returns its bytes, as base64 */
async function makeBackup(page: Page, site: Site): Promise<string> {
  await openSite(page, site);
  await foundTenant(page);
  return page.evaluate(
    async ([password, sizeBytes]) => {
      const noise = (): string =>
        Array.from(crypto.getRandomValues(new Uint8Array(32_000)), (byte) => byte.toString(36)).join("");
      for (let written = 0; written < sizeBytes; written += 20 * 32_000)
        await story.db.createDocuments(Array.from({ length: 20 }, () => ({ title: "other", body: noise() })));
      const bytes = new Uint8Array(await new Response(story.tenant.exportBackup({ password })).arrayBuffer());
      let letters = "";
      for (let at = 0; at < bytes.length; at += 32_768)
        letters += String.fromCharCode(...bytes.subarray(at, at + 32_768));
      return btoa(letters);
    },
    [backupPassword, 2 * quotaBytes] as const,
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
  // Eight stages, each with a filling of the disk, a backup and an unlocking.
  test.setTimeout(360_000);
  const file = await makeBackup((await openDevice()).page, site);
  const { page } = await openDevice();
  const cdp = await openCdp(page);
  await cdp.send("Storage.overrideQuotaForOrigin", { origin: site.origin, quotaSize: quotaBytes });
  await openSite(page, site);
  await watchRefusals(page);
  await foundTenant(page);
  await page.evaluate(
    async ([bytes, mostOthers]) => {
      story.kept["file"] = new Blob([Uint8Array.from(atob(bytes), (letter) => letter.charCodeAt(0))]);
      story.kept["others"] = await story.db.createDocuments(
        Array.from({ length: mostOthers }, (_, at) => ({ title: `other ${at}` })),
      );
      const doc = await story.db.createDocument({ title: "kept", body: "as it was" });
      story.kept["doc"] = doc;
      for (let count = 0; count < mostOthers; count++) {
        await story.db.changeDoc(doc, (draft) => {
          draft.count = count;
        });
      }
    },
    [file, mostFitting] as const,
  );

  const deeds = ["createDocument", "createDocuments", "changeDoc", "deleteDocument", "undo"] as const;
  for (const deed of [...deeds, "createKey", "createGroup", "import"] as const) {
    await expectRefused(page, deed);
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
        story.coffer.createTenant({
          ...options,
          tenantId: "another",
          adminName: "cn=a",
          userName: "cn=b",
        }),
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
