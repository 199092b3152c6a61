/** What a locked device and a server leave on their disks: nothing that anybody could read. */
import { readdir, readFile } from "node:fs/promises";
import { join, sep } from "node:path";
import {
  connect,
  dbName,
  expect,
  foundTenant,
  joinTenant,
  newcomer,
  openSite,
  people,
  test,
} from "./world.ts";

/** Texts that no compression can fold: every four letters of them occur once. */
const values = {
  title: "qv7Zk-Xanthippe-w2Rj",
  body: "Mb9hU-Gwendolyn-tY4c",
  long: "Pd3xF-Bartholomew-sN8v",
} as const;
const control = { value: "cH5gL-Zwingenberger-oK1a", key: "uJ6rD-Quetzalcoatl-eW0b" } as const;

/** Every file below a folder, as bytes. */
async function readAll(folder: string): Promise<readonly { path: string; bytes: Buffer }[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const files: { path: string; bytes: Buffer }[] = [];
  for (const entry of entries) {
    if (!entry.isFile()) continue;
    const path = join(entry.parentPath, entry.name);
    files.push({ path, bytes: await readFile(path) });
  }
  return files;
}

/** Where texts stand in files: as UTF-8, and as UTF-16 of both byte orders, which IndexedDB uses for values and for keys. */
function findTexts(
  files: readonly { path: string; bytes: Buffer }[],
  texts: readonly string[],
): readonly string[] {
  const hits: string[] = [];
  for (const text of texts) {
    const forms = {
      "UTF-8": Buffer.from(text),
      "UTF-16LE": Buffer.from(text, "utf16le"),
      "UTF-16BE": Buffer.from(text, "utf16le").swap16(),
    };
    for (const [form, bytes] of Object.entries(forms))
      for (const file of files)
        if (file.bytes.includes(bytes)) hits.push(`${text} as ${form} in ${file.path}`);
  }
  return hits;
}

test("a locked profile and a server's disk hold no name, no value and no password in clear", async ({
  openDevice,
  server,
  site,
}) => {
  const device = await openDevice();
  const { page } = device;
  const second = await openDevice();
  await openSite(page, site);
  await foundTenant(page);
  await connect(page, server.url);
  await openSite(second.page, site);
  await joinTenant(page, second.page, server.url);
  await page.evaluate(
    async ([{ title, body, long }, planted]) => {
      const doc = await story.db.createDocument({ title, body });
      await story.db.changeDoc(doc, (draft) => {
        draft.body = `${body} ${long.repeat(40)}`;
      });
      await story.db.createDocuments(
        Array.from({ length: 50 }, (_, index) => ({ title: `${title} ${index}`, body })),
      );
      // A control: what this page stores in clear must be found, or the search proves nothing.
      const opening = indexedDB.open("control", 1);
      opening.onupgradeneeded = () => opening.result.createObjectStore("texts");
      await new Promise((resolve) => (opening.onsuccess = resolve));
      const transaction = opening.result.transaction("texts", "readwrite", { durability: "strict" });
      transaction.objectStore("texts").put(planted.value, planted.key);
      await new Promise((resolve) => (transaction.oncomplete = resolve));
      opening.result.close();
    },
    [values, control] as const,
  );
  for (const each of [page, second.page]) {
    await each.evaluate(() => story.until(story.query.rows, (rows) => rows.length === 51));
    // Long enough for the catalog's pages to be written; locking writes the rest.
    await each.waitForTimeout(1000);
    await each.evaluate(() => story.tenant.lock());
  }
  await device.close();
  await second.close();
  await server.stop();

  const secrets = [
    ...Object.values(values),
    people.tenantId,
    people.adminName,
    people.adminPassword,
    people.userName,
    people.userPassword,
    newcomer.userName,
    newcomer.password,
    newcomer.sharePassword,
  ];
  // Words that also stand in the library's own code, which browsers cache outside of IndexedDB.
  const words = [dbName, "default", "$publicinfos"];
  for (const { profileFolder } of [device, second]) {
    const files = await readAll(profileFolder);
    const stored = files.filter(({ path }) => path.includes(`${sep}IndexedDB${sep}`));
    expect(stored.length).toBeGreaterThan(0);
    expect(findTexts(files, secrets)).toEqual([]);
    expect(findTexts(stored, words)).toEqual([]);
    if (profileFolder !== device.profileFolder) continue;
    expect(findTexts(stored, [control.value])).toEqual([expect.stringContaining("UTF-8")]);
    expect(findTexts(stored, [control.key])).toEqual([expect.stringContaining("UTF-16BE")]);
  }
  const serverFiles = await readAll(server.dataFolder);
  expect(serverFiles.reduce((sum, { bytes }) => sum + bytes.length, 0)).toBeGreaterThan(20_000);
  expect(findTexts(serverFiles, [...secrets, ...words])).toEqual([]);
});
