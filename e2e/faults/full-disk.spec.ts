/** The browser's storage fills up: the write that does not fit is refused, nothing that was told to be stored is lost. */
import { openCdp } from "../fixtures.ts";
import { expect, enterTenant, foundTenant, openSite, readTitles, test, titles } from "./world.ts";

const quotaBytes = 3 * 1024 * 1024;

test("a full disk refuses writes with store/quota, keeps what was acknowledged, and takes writes again later", async ({
  openDevice,
  site,
}) => {
  const { page } = await openDevice();
  const cdp = await openCdp(page);
  const setQuota = (sizeBytes: number | undefined) =>
    cdp.send("Storage.overrideQuotaForOrigin", {
      origin: site.origin,
      ...(sizeBytes === undefined ? {} : { quotaSize: sizeBytes }),
    });
  await setQuota(quotaBytes);
  await openSite(page, site);
  await foundTenant(page);

  const full = await page.evaluate(async () => {
    const ids: string[] = [];
    // Bytes that do not compress: the disk fills by what is written.
    const noise = (): string =>
      Array.from(crypto.getRandomValues(new Uint8Array(24_000)), (byte) => byte.toString(36)).join("");
    let outcome = "resolved";
    let tookMs = 0;
    while (outcome === "resolved" && ids.length < 600) {
      // One document, one commit: it is stored whole, or refused and not there.
      const values = [{ title: `stored ${String(ids.length).padStart(4, "0")}`, body: noise() }];
      const startMs = performance.now();
      outcome = await story.outcomeOf(
        story.db.createDocuments(values).then((stored) => void ids.push(...stored)),
      );
      tookMs = performance.now() - startMs;
    }
    return {
      ids,
      outcome,
      tookMs,
      again: await story.outcomeOf(story.db.createDocument({ title: "x", body: noise() })),
    };
  });
  expect(full.outcome).toBe("store/quota");
  expect(full.tookMs).toBeLessThan(9_000);
  expect(full.ids.length).toBeGreaterThan(0);
  const stored = titles("stored", full.ids.length);

  const readable = await page.evaluate(async (ids) => {
    const seen: (string | undefined)[] = [];
    for (const id of ids) seen.push((await story.db.getDocument(id)).data.value?.title);
    return seen;
  }, full.ids);
  expect(readable).toEqual(stored);

  await setQuota(undefined);
  await expect
    .poll(() => page.evaluate(() => story.outcomeOf(story.db.createDocument({ title: "there is room" }))), {
      timeout: 15_000,
    })
    .toBe("resolved");
  await expect.poll(() => readTitles(page)).toEqual([...stored, "there is room"]);
  await openSite(page, site);
  await enterTenant(page);
  await expect.poll(() => readTitles(page)).toEqual([...stored, "there is room"]);
});
