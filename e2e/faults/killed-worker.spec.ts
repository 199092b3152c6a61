/** The worker dies: what was under way settles, another one takes its place by itself, unlocked and with everything open. */
import type { Page } from "@playwright/test";
import { expect, foundTenant, openSite, people, readTitles, test, write } from "./world.ts";

/** Open a document and start to follow what the page shows of the worker. */
async function openDocument(page: Page): Promise<void> {
  await page.evaluate(async () => {
    const doc = await story.db.createDocument({ title: "open", count: 0 });
    story.kept["doc"] = doc;
    story.kept["phases"] = story.follow(story.coffer.status, ({ worker }) => worker);
  });
}

/** Edit the open document without pause until told to stop; every outcome is kept. */
async function startEditing(page: Page): Promise<void> {
  await page.evaluate(() => {
    const doc = story.kept["doc"] as Awaited<ReturnType<typeof story.db.createDocument>>;
    const outcomes: string[] = [];
    story.kept["outcomes"] = outcomes;
    story.kept["editing"] = (async () => {
      for (let count = 1; story.kept["stop"] !== true; count++) {
        const edit = story.db.changeDoc(doc, (draft) => {
          draft.count = count;
        });
        outcomes.push(await story.outcomeOf(edit));
        await new Promise((resolve) => setTimeout(resolve, 5));
      }
    })();
  });
  await page.waitForFunction(() => (story.kept["outcomes"] as string[]).length > 5);
}

/** What is expected after a death, whatever its kind. */
async function expectRevival(page: Page, withinMs = 2_000): Promise<void> {
  const seen = await page.evaluate(async () => {
    const restarted = (phases: unknown[]): boolean => phases.includes("restarting");
    const phases = story.kept["phases"] as unknown[];
    const endMs = performance.now() + 40_000;
    while (!restarted(phases) && performance.now() < endMs)
      await new Promise((resolve) => setTimeout(resolve, 1));
    const detectedMs = performance.now();
    await story.until(story.coffer.status, ({ worker }) => worker === "ready");
    const downMs = performance.now() - detectedMs;
    const outcomes = story.kept["outcomes"] as string[];
    const countThen = outcomes.length;
    while (outcomes.length < countThen + 3) await new Promise((resolve) => setTimeout(resolve, 5));
    story.kept["stop"] = true;
    await story.kept["editing"];
    const doc = story.kept["doc"] as Awaited<ReturnType<typeof story.db.createDocument>>;
    await story.db.changeDoc(doc, (draft) => {
      draft.title = "still open";
    });
    await story.until(story.query.rows, (rows) => rows.some(({ data }) => data.title === "still open"));
    return {
      phases: [...phases],
      downMs,
      unexpected: outcomes.filter((outcome) => !/^(resolved|worker\/restarted)$/.test(outcome)),
      lastThree: outcomes.slice(-3),
      phase: story.tenant.status.value.phase,
      status: doc.status.value,
      title: doc.data.value?.title,
      queryStatus: story.query.status.value,
    };
  });
  expect(seen).toEqual({
    phases: ["ready", "restarting", "ready"],
    downMs: expect.any(Number),
    unexpected: [],
    lastThree: ["resolved", "resolved", "resolved"],
    phase: "open",
    status: "ready",
    title: "still open",
    queryStatus: "ready",
  });
  expect(seen.downMs, "from the detection of the death to the next worker").toBeLessThan(withinMs);
  await write(page, ["a new one"]);
  await expect.poll(() => readTitles(page)).toEqual(["a new one", "still open"]);
}

test("a worker that ends in the middle of edits is replaced", async ({ openDevice, site }) => {
  const { page } = await openDevice();
  await openSite(page, site);
  await foundTenant(page);
  await openDocument(page);
  await startEditing(page);
  const [worker] = page.workers();
  expect(worker).toBeDefined();
  await worker?.evaluate(() => globalThis.close());
  await expectRevival(page);
  expect(page.workers()).toHaveLength(1);
});

test("a worker that the application made and lost is made again", async ({ openDevice, site }) => {
  const { page } = await openDevice();
  await openSite(page, site);
  await page.evaluate(async () => {
    await story.coffer.close();
    const made: Worker[] = [];
    story.kept["made"] = made;
    story.coffer = await story.openCoffer({
      worker: () => {
        const worker = new Worker("./dist/worker.js", { type: "module" });
        made.push(worker);
        return worker;
      },
    });
  });
  await foundTenant(page);
  await openDocument(page);
  await startEditing(page);
  await page.evaluate(() => (story.kept["made"] as Worker[])[0]?.terminate());
  await expectRevival(page);
  expect(await page.evaluate(() => (story.kept["made"] as Worker[]).length)).toBe(2);
});

test("a worker that hangs is found silent, and replaced", async ({ openDevice, site }) => {
  const { page } = await openDevice();
  await openSite(page, site);
  await foundTenant(page);
  await openDocument(page);
  await startEditing(page);
  await page
    .workers()[0]
    ?.evaluate(() => {
      setTimeout(() => {
        for (;;);
      });
    })
    .catch(() => undefined);
  // Chromium gives a busy thread two seconds before it ends it by force; until then its transactions hold the next worker up.
  await expectRevival(page, 6_000);
});

test("a locked tenant stays locked through a restart, and unlocks afterwards", async ({
  openDevice,
  site,
}) => {
  const { page } = await openDevice();
  await openSite(page, site);
  await foundTenant(page);
  await write(page, ["kept"]);
  await page.evaluate(async () => {
    await story.tenant.lock();
    story.kept["phases"] = story.follow(story.coffer.status, ({ worker }) => worker);
  });
  await page.workers()[0]?.evaluate(() => globalThis.close());
  await expect
    .poll(() => page.evaluate(() => [...(story.kept["phases"] as string[])]))
    .toEqual(["ready", "restarting", "ready"]);
  const seen = await page.evaluate(async () => ({
    phase: story.tenant.status.value.phase,
    rows: story.query.rows.value.length,
    write: await story.outcomeOf(story.db.createDocument({ title: "never" })),
  }));
  expect(seen).toEqual({ phase: "locked", rows: 0, write: "access/locked" });
  await page.evaluate((password) => story.tenant.unlock({ password }), people.userPassword);
  await expect.poll(() => readTitles(page)).toEqual(["kept"]);
});
