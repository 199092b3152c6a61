/**
 * Words that occur nowhere else are put everywhere a user puts words, and are then looked for wherever a locked device, its logs and its
 * server could keep them: databases, caches, storages, console, errors, the service worker's memory, and the files of the profile after
 * the browser has ended. Each way of looking is shown to find what is there.
 */
import type { CDPSession, Page } from "@playwright/test";
import { controlServiceWorker, startServer, type RunningServer } from "../fixtures.ts";
import { findLeaks, sizeBelow } from "../story/at-rest.ts";
import { expect, openSite, test, type Site } from "./world.ts";

/** Each a word of its own; the passwords are strong enough to be taken. */
const canaries = {
  documentText: "quokkalantern7f3a",
  longText: "wombatspindle91be",
  fileName: "axolotlinvoice5c2d.pdf",
  fieldName: "numbatfield2e8b",
  tenantName: "pangolinworks8d41",
  databaseName: "okapiledger3a97",
  adminName: "cn=cassowary6b1f/o=roof",
  userName: "cn=binturong4e70/o=roof",
  groupName: "tarsiergroup0f5e",
  keyName: "fossakey77c9",
  settingName: "gharialsetting1d3b",
  settingValue: "saolavalue9a0c",
  adminPassword: "kinkajou-ferry-2f84-orchid",
  userPassword: "dugong-violin-6e19-marsh",
  exportPassword: "caracal-teapot-8b52-ridge",
} as const;
type Canaries = typeof canaries;
const words = Object.values(canaries);
/** What is on disk and in the open on purpose, so that a search that finds nothing at all is none. */
const control = "thylacinecontrol44aa";

/** Put every canary where it belongs, and use what reads it: queries that are kept, full text, snapshots, a backup. */
async function fill(page: Page, serverUrl: string): Promise<void> {
  await page.evaluate(
    async ([given, url]) => {
      const { tenant, adminUser } = await story.coffer.createTenant({
        tenantId: given.tenantName,
        adminName: given.adminName,
        adminPassword: given.adminPassword,
        userName: given.userName,
        userPassword: given.userPassword,
      });
      story.tenant = tenant;
      story.admin = adminUser;
      const proof = { adminUser, adminPassword: given.adminPassword };
      const db = await tenant.openDB<Record<string, string>>(given.databaseName);
      const value = {
        title: given.documentText,
        file: given.fileName,
        [given.fieldName]: "x",
        body: `${given.longText} `.repeat(300),
      };
      const doc = await db.createDocument(value);
      for (let edit = 0; edit < 80; edit++)
        await db.changeDoc(doc, (draft) => void (draft["title"] = `${given.documentText} ${edit}`));
      await tenant.keys.createDocEncryptionKey(given.keyName);
      const addUsers = (tenant.directory.users.value ?? []).map(({ key }) => key);
      await tenant.directory.setGroup(given.groupName, { ...proof, addUsers });
      await tenant.directory.changeTenantSettings({ [given.settingName]: given.settingValue }, proof);
      await tenant.publishToServer(url, proof);
      const link = await tenant.connectToServer(url);
      await link.sync();
      const query = db.query({ sort: [{ field: "title" }], limit: 10 });
      await story.until(query.rows, (rows) => rows.length === 1);
      const search = await db.search(given.documentText, { limit: 5 });
      await story.until(search.hits, (hits) => hits.length === 1);
      // What is derived is written once it is quiet.
      await new Promise((resolve) => setTimeout(resolve, 4000));
    },
    [canaries, serverUrl] as const,
  );
}

/** Calls that fail with a canary in them: all that their errors say. */
async function provoke(page: Page): Promise<string> {
  return page.evaluate(async (given) => {
    const told: string[] = [];
    const fails = async (promise: () => Promise<unknown>): Promise<void> => {
      try {
        await promise();
        told.push("resolved");
      } catch (error) {
        const { code, details, message, stack, cause } = error as Error & { code?: string; details?: object };
        told.push(JSON.stringify({ code, details, message, stack, cause: String(cause) }));
      }
    };
    const { coffer, tenant, admin } = story;
    const wrong = { adminUser: admin, adminPassword: `${given.userPassword}!` };
    await fails(() => tenant.directory.setGroup(given.groupName, { ...wrong, addUsers: [] }));
    await fails(() => tenant.keys.createDocEncryptionKey(given.keyName));
    await fails(() =>
      tenant.changePassword(given.documentText.slice(0, 3), { password: given.userPassword }),
    );
    await fails(() =>
      tenant.approveJoinRequest(given.documentText, { ...wrong, sharePassword: given.exportPassword }),
    );
    await tenant.lock();
    await fails(() => tenant.unlock({ password: `${given.userPassword}!` }));
    await fails(async () => {
      const db = await tenant.openDB<{ title: string }>(given.databaseName);
      await db.createDocument({ title: given.documentText });
    });
    await fails(() => coffer.openTenant(tenant.id, { password: given.adminPassword }));
    await fails(() =>
      coffer.joinTenant(given.documentText, {
        user: admin,
        password: given.userPassword,
        sharePassword: given.exportPassword,
      }),
    );
    return told.join("\n");
  }, canaries);
}

/** Everything that this origin keeps in a browser, as texts: databases, caches, storages, cookies. */
async function dump(page: Page): Promise<string> {
  return page.evaluate(async () => {
    const parts: string[] = [document.cookie, JSON.stringify(localStorage), JSON.stringify(sessionStorage)];
    const utf8 = new TextDecoder();
    const utf16 = new TextDecoder("utf-16le");
    const add = (value: unknown): void => {
      if (value instanceof ArrayBuffer) return add(new Uint8Array(value));
      if (ArrayBuffer.isView(value)) {
        const bytes = new Uint8Array(value.buffer, value.byteOffset, value.byteLength);
        parts.push(utf8.decode(bytes), utf16.decode(bytes));
      } else if (value instanceof CryptoKey) parts.push(`extractable:${String(value.extractable)}`);
      else if (typeof value === "object" && value !== null)
        for (const [name, inner] of Object.entries(value)) {
          parts.push(name);
          add(inner);
        }
      else parts.push(String(value));
    };
    const done = <T>(request: IDBRequest<T>) =>
      new Promise<T>((resolve, reject) => {
        request.addEventListener("success", () => resolve(request.result));
        request.addEventListener("error", () => reject(request.error ?? new Error("IndexedDB")));
      });
    for (const { name = "" } of await indexedDB.databases()) {
      parts.push(name);
      const database = await done(indexedDB.open(name));
      for (const store of database.objectStoreNames) {
        const rows = database.transaction(store).objectStore(store);
        add(await done(rows.getAllKeys()));
        add(await done(database.transaction(store).objectStore(store).getAll()));
      }
      database.close();
    }
    for (const name of await caches.keys()) {
      const cache = await caches.open(name);
      for (const request of await cache.keys()) {
        const response = await cache.match(request);
        parts.push(
          request.url,
          JSON.stringify([...(response?.headers ?? [])]),
          (await response?.text()) ?? "",
        );
      }
    }
    return parts.join("\n");
  });
}

/** The texts in the memory of the browser's service workers. */
async function memoryOfServiceWorker(page: Page): Promise<string> {
  const browser = page.context().browser();
  if (browser === null) throw new Error("no browser");
  const cdp: CDPSession = await browser.newBrowserCDPSession();
  const { targetInfos } = await cdp.send("Target.getTargets");
  const target = targetInfos.find(({ type }) => type === "service_worker");
  if (target === undefined) throw new Error("no service worker runs");
  const { sessionId } = await cdp.send("Target.attachToTarget", {
    targetId: target.targetId,
    flatten: false,
  });
  const chunks: string[] = [];
  const ended = new Promise<void>((resolve) => {
    cdp.on("Target.receivedMessageFromTarget", ({ message }) => {
      const { id, method, params } = JSON.parse(message) as {
        id?: number;
        method?: string;
        params?: { chunk?: string };
      };
      if (method === "HeapProfiler.addHeapSnapshotChunk") chunks.push(params?.chunk ?? "");
      if (id === 1) resolve();
    });
  });
  const message = JSON.stringify({ id: 1, method: "HeapProfiler.takeHeapSnapshot", params: {} });
  await cdp.send("Target.sendMessageToTarget", { sessionId, message });
  await ended;
  await cdp.detach();
  return chunks.join("");
}

/** The canaries that a text holds, as they are or as base64 of any alignment. */
function found(text: string, of: readonly string[] = words): readonly string[] {
  const forms = (word: string): readonly string[] =>
    [0, 1, 2].map((before) =>
      // Without the characters that depend on what stands around it.
      Buffer.from("x".repeat(before) + word)
        .toString("base64")
        .slice(before === 0 ? 0 : before + 1, -4),
    );
  return of.filter((word) => text.includes(word) || forms(word).some((form) => text.includes(form)));
}

async function openWithServiceWorker(page: Page, site: Site): Promise<void> {
  await openSite(page, site, { serviceWorker: "./sw.js" });
  await page.evaluate(() =>
    story.until(story.coffer.status, ({ serviceWorker }) => serviceWorker === "active"),
  );
}

test("none of a user's words is left in a locked device, its logs, its errors, or on its server", async ({
  openDevice,
  site,
}) => {
  test.setTimeout(240_000);
  const server: RunningServer = await startServer();
  const device = await openDevice();
  const { context, page } = device;
  const logs: string[] = [];
  context.on("console", (message) => logs.push(message.text()));
  context.on("weberror", (error) => logs.push(String(error.error().stack)));
  await openWithServiceWorker(page, site);
  await fill(page, server.url);
  const errors = await provoke(page);
  expect(errors.split("\n")).toHaveLength(8);
  expect(errors).not.toContain("resolved");
  expect(errors).toContain("key/wrong-password");
  expect(found(errors)).toEqual([]);

  await test.step("the service worker, which has moved what was written", async () => {
    const worker = await controlServiceWorker(page);
    const [tag = ""] = await page.evaluate(async () => {
      const { sync } = (await navigator.serviceWorker.ready) as unknown as {
        sync?: { getTags(): Promise<string[]> };
      };
      return (await sync?.getTags()) ?? [];
    });
    await worker.fireSync(tag === "" ? "coffer-sync" : tag).catch(() => undefined);
    const memory = await memoryOfServiceWorker(page);
    expect(memory.length).toBeGreaterThan(100_000);
    // The control: what it must know.
    expect(memory).toContain("sw.js");
    expect(found(memory)).toEqual([]);
  });

  await test.step("databases, caches and storages", async () => {
    await page.evaluate(async (text) => {
      localStorage.setItem("control", text);
      await (await caches.open("control")).put("/control", new Response(text));
    }, control);
    const kept = await dump(page);
    expect(found(kept, [control])).toEqual([control]);
    expect(kept).toContain("coffer/tenant/");
    expect(kept).not.toContain("extractable:true");
    expect(found(kept)).toEqual([]);
  });

  await test.step("the files of the profile, after the browser has ended", async () => {
    await device.close();
    expect(await sizeBelow(device.profileFolder)).toBeGreaterThan(1_000_000);
    expect((await findLeaks(device.profileFolder, [control])).length).toBeGreaterThan(0);
    expect(await findLeaks(device.profileFolder, words)).toEqual([]);
  });

  await test.step("logs, and the server", async () => {
    expect(found(logs.join("\n"))).toEqual([]);
    await server.stop();
    expect(found(server.output())).toEqual([]);
    expect(await sizeBelow(server.dataFolder)).toBeGreaterThan(10_000);
    expect(await findLeaks(server.dataFolder, words)).toEqual([]);
  });
});

test("the search finds words in each of their forms", () => {
  for (const before of ["", "a", "ab", "abc"])
    expect(found(Buffer.from(`${before}${canaries.documentText} and more`).toString("base64"))).toEqual([
      canaries.documentText,
    ]);
  expect(found("nothing")).toEqual([]);
  const unused: Canaries = canaries;
  expect(new Set(Object.values(unused)).size).toBe(words.length);
});
