/**
 * The browser is killed between the two halves of a write to its own journal. Chromium would lose the whole origin by that, not at the
 * next start but at the one after it (`src/store/new-journal.ts`). What such a death leaves is made here by hand, so that it is there every time.
 */
import { appendFile, readdir } from "node:fs/promises";
import { join } from "node:path";
import type { Fixtures } from "../fixtures.ts";
import { enterTenant, expect, foundTenant, openSite, readTitles, test, titles, write } from "./world.ts";

/** A record's header (checksum, a length of 200, "the whole of it") and the beginning of what it announces. */
const tornRecord = new Uint8Array([1, 2, 3, 4, 200, 0, 1, ...new Uint8Array(40).fill(7)]);

/** Leave a torn record at the end of the journal of a browser that has ended. */
async function tearJournal(profileFolder: string): Promise<void> {
  const parent = join(profileFolder, "Default", "IndexedDB");
  const [folder, ...others] = (await readdir(parent)).filter((name) => name.endsWith(".leveldb"));
  expect(others).toEqual([]);
  const journals = (await readdir(join(parent, folder ?? ""))).filter((name) => name.endsWith(".log"));
  expect(journals).not.toEqual([]);
  await appendFile(join(parent, folder ?? "", journals.toSorted().at(-1) ?? ""), tornRecord);
}

/** One life of a browser on a profile: come in, find everything, write some more, end. */
async function liveOnce(
  { openDevice, site }: Pick<Fixtures, "openDevice"> & { site: Parameters<typeof openSite>[1] },
  profileFolder: string,
  written: string[],
  life: number,
): Promise<void> {
  const device = await openDevice({ profileFolder });
  await openSite(device.page, site);
  await enterTenant(device.page);
  await expect.poll(() => readTitles(device.page)).toEqual(written);
  const more = titles(`life ${life}`, 4);
  await write(device.page, more);
  written.push(...more);
  await device.close();
}

test("a torn end of the browser's journal takes nothing with it", async ({ openDevice, site }) => {
  const first = await openDevice();
  await openSite(first.page, site);
  await foundTenant(first.page);
  const written = [...titles("life 0", 8)];
  await write(first.page, written);
  await first.close();

  for (let life = 1; life <= 4; life++) {
    // Torn, what is written next stands behind it; not torn, that is read again.
    if (life % 2 === 1) await tearJournal(first.profileFolder);
    await liveOnce({ openDevice, site }, first.profileFolder, written, life);
  }
});
