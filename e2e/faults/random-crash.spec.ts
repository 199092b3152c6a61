/**
 * Deaths at random moments of bursts of writes: of the page's process, of the worker, of the whole browser. Whatever was
 * acknowledged is there afterwards, whole, and nothing is half there. `COFFER_CRASHES` says how many deaths of each kind (5 at most
 * in a run that nobody waits for), `COFFER_CRASH_SEED` repeats one.
 */
import { cp } from "node:fs/promises";
import process from "node:process";
import type { Page } from "@playwright/test";
import { openCdp, type Device, type Fixtures } from "../fixtures.ts";
import { enterTenant, expect, foundTenant, openSite, test, type Note } from "./world.ts";

const crashCount = Number(process.env["COFFER_CRASHES"] ?? 3);
const seed = Number(process.env["COFFER_CRASH_SEED"] ?? 20_261_121);
const packSize = 20;
/** A worker that dies once more in a row is not started again. */
const deathsPerLife = 4;
/** Only what hangs ends by time: a burst can be long before its end comes. */
const patienceMs = 120_000;

/** A dice of any number of sides (mulberry32). */
function createDice(from: number): (sides: number) => number {
  let state = from >>> 0;
  return (sides) => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) % sides;
  };
}

/** What was acknowledged: the least count of each title, the packs that are there whole, and the titles that are deleted. */
interface Acknowledged {
  readonly counts: Map<string, number>;
  readonly packs: Set<string>;
  readonly deleted: Set<string>;
  deeds: number;
}

type Deed = { readonly kind: "count" | "pack" | "deleted"; readonly title: string; readonly count: number };

/** Write in several lanes without pause: documents, edits that wait for nothing, packs, deletions. Each deed is told once acknowledged. */
async function startBurst(page: Page, run: string): Promise<void> {
  await page.evaluate(
    ([name, size]) => {
      const { acknowledge } = globalThis as unknown as { acknowledge(deed: Deed): Promise<void> };
      const tell = (kind: Deed["kind"], title: string, count = 0) => void acknowledge({ kind, title, count });
      const bodyOf = (title: string): string => title.repeat(12);
      const documents = async (lane: number): Promise<void> => {
        for (let index = 0; ; index++) {
          const title = `${name} lane ${lane} no ${index}`;
          const doc = await story.db.createDocument({ title, count: 0, body: bodyOf(title) });
          tell("count", title);
          const edits: Promise<void>[] = [];
          for (let count = 1; count <= 8; count++) {
            const edit = story.db.changeDoc(doc, (draft) => {
              draft.count = count;
            });
            edits.push(edit.then(() => tell("count", title, count)));
          }
          await Promise.all(edits);
          if (index % 3 === 2) {
            await story.db.deleteDocument(doc);
            tell("deleted", title);
          }
          doc.dispose();
        }
      };
      const packs = async (): Promise<void> => {
        for (let index = 0; ; index++) {
          const pack = `${name} pack ${index}`;
          const titles = Array.from({ length: size }, (_, place) => `${pack} piece ${place}`);
          await story.db.createDocuments(titles.map((title) => ({ title, body: bodyOf(title) })));
          tell("pack", pack);
        }
      };
      for (let lane = 0; lane < 2; lane++) documents(lane).catch(() => undefined);
      packs().catch(() => undefined);
    },
    [run, packSize] as const,
  );
}

async function listen(page: Page, acknowledged: Acknowledged): Promise<void> {
  await page.exposeFunction("acknowledge", ({ kind, title, count }: Deed) => {
    acknowledged.deeds += 1;
    if (kind === "pack") acknowledged.packs.add(title);
    else if (kind === "deleted") acknowledged.deleted.add(title);
    else acknowledged.counts.set(title, Math.max(count, acknowledged.counts.get(title) ?? 0));
  });
}

/** Hold what is there against what was acknowledged. */
async function expectSound(page: Page, acknowledged: Acknowledged): Promise<void> {
  const read = () =>
    page.evaluate(() =>
      story.query.rows.value.map(
        ({ data }): Note => ({ title: data.title, count: data.count, body: data.body }) as Note,
      ),
    );
  // Every third document is deleted in the end: the deletion may be stored before it is told.
  const mayBeGone = (title: string): boolean => Number(/no (\d+)$/.exec(title)?.[1]) % 3 === 2;
  const faults = async (): Promise<readonly string[]> => {
    const rows = await read();
    const byTitle = new Map(rows.map((row) => [row.title, row]));
    const isLost = ([title, count]: readonly [string, number]): boolean => {
      const row = byTitle.get(title);
      return row === undefined ? !mayBeGone(title) : (row.count ?? -1) < count;
    };
    const isTorn = ({ title, body }: Note): boolean => body !== title.repeat(12);
    const isBroken = (pack: string): boolean =>
      Array.from({ length: packSize }, (_, place) => `${pack} piece ${place}`).some(
        (title) => !byTitle.has(title),
      );
    return [
      ...[...acknowledged.counts].filter(isLost).map(([title, count]) => `lost ${title} at ${count}`),
      ...rows.filter(isTorn).map(({ title }) => `torn ${title}`),
      ...[...acknowledged.packs].filter(isBroken).map((pack) => `not whole ${pack}`),
      ...[...acknowledged.deleted].filter((title) => byTitle.has(title)).map((title) => `risen ${title}`),
      ...(rows.length === byTitle.size ? [] : ["titles twice"]),
    ];
  };
  await expect.poll(faults, { timeout: patienceMs }).toEqual([]);
  const sound = await page.evaluate(async () => {
    const ids = await story.db.getAllDocumentIds();
    const outcomes = new Set<string>();
    // A burst can leave tens of thousands: the newest are opened, and some of all the others.
    const step = Math.ceil(ids.length / 300);
    const opened = ids.toSorted().filter((_, index) => index % step === 0 || index >= ids.length - 200);
    for (const id of opened) {
      const opening = story.db.getDocument(id);
      outcomes.add(await story.outcomeOf(opening));
      await opening.then(
        (doc) => doc.dispose(),
        () => undefined,
      );
    }
    return {
      outcomes: [...outcomes],
      quarantined: story.tenant.quarantine.value.length,
      alarms: story.tenant.alarms.value.length,
    };
  });
  expect(sound).toEqual({ outcomes: ["resolved"], quarantined: 0, alarms: 0 });
}

/**
 * End the worker and wait for the next one; the lanes end by themselves, since what was under way rejected. On a crowded machine the next
 * one can be taken for dead too, and after several in a row none is started: then the page is opened again.
 */
async function dieAndRevive({ page }: Device, site: Life["site"]): Promise<void> {
  await page.evaluate(() => {
    story.kept["phases"] = story.follow(story.coffer.status, ({ worker }) => worker);
  });
  await page
    .workers()[0]
    ?.evaluate(() => globalThis.close())
    .catch(() => undefined);
  const lastPhase = () =>
    page.evaluate(() => {
      const phases = story.kept["phases"] as readonly string[];
      return phases.includes("restarting") ? phases.at(-1) : undefined;
    });
  await expect.poll(lastPhase, { timeout: patienceMs }).toMatch(/^(ready|failed)$/);
  await page.waitForTimeout(300);
  if ((await lastPhase()) !== "failed") return;
  await openSite(page, site);
  await enterTenant(page);
}

/**
 * Enter the tenant after a death. Where that fails, the profile is kept beside the test's results, and the error says what the
 * library and the browser have of it, and whether it helps to try again.
 */
async function reenter({ page, profileFolder }: Device): Promise<void> {
  try {
    await enterTenant(page);
  } catch (cause) {
    const left = await page.evaluate(async () => {
      const tenants = await story.coffer.tenants();
      const databases = await indexedDB.databases();
      return { tenants: tenants.map(({ locked, lost }) => ({ locked, lost })), databases };
    });
    const again = await enterTenant(page).then(
      () => "opened",
      (error: unknown) => String(error),
    );
    await cp(profileFolder, test.info().outputPath("profile"), { recursive: true, filter: isNoSocket });
    throw new Error(`${String(cause)}\n${JSON.stringify(left)}\ntried again: ${again}`, { cause });
  }
}

/** The browser's locks and sockets are no files that can be copied. */
function isNoSocket(path: string): boolean {
  return !/Singleton\w+$/.test(path);
}

async function die(device: Device, kind: "page" | "browser"): Promise<void> {
  if (kind === "browser") return device.kill();
  const cdp = await openCdp(device.page);
  const crashed = device.page.waitForEvent("crash");
  // The page that is asked to crash answers no more.
  cdp.send("Page.crash").catch(() => undefined);
  await crashed;
}

for (const kind of ["page", "worker", "browser"] as const) {
  test(`deaths of the ${kind} at random moments of a burst lose nothing that was acknowledged`, async ({
    openDevice,
    site,
  }) => {
    test.setTimeout(60_000 + crashCount * 40_000);
    const draw = createDice(seed + kind.length);
    for (let run = 0; run < crashCount; run += deathsPerLife) {
      const deaths = Math.min(deathsPerLife, crashCount - run);
      await liveAndDie(openDevice, { kind, deaths, draw, site });
    }
  });
}

/** How one profile lives and dies. */
interface Life {
  readonly kind: "page" | "worker" | "browser";
  readonly deaths: number;
  readonly draw: (sides: number) => number;
  readonly site: Parameters<typeof openSite>[1];
}

/** One profile that dies several times; what it holds grows with every burst, so that it is not the same for all. */
async function liveAndDie(
  openDevice: Fixtures["openDevice"],
  { kind, deaths, draw, site }: Life,
): Promise<void> {
  const acknowledged: Acknowledged = { counts: new Map(), packs: new Set(), deleted: new Set(), deeds: 0 };
  let device = await openDevice();
  await listen(device.page, acknowledged);
  await openSite(device.page, site);
  await foundTenant(device.page);
  for (let run = 0; run < deaths; run++) {
    const deedsBefore = acknowledged.deeds;
    await startBurst(device.page, `run ${run}`);
    await expect
      .poll(() => acknowledged.deeds - deedsBefore, { intervals: [10], timeout: patienceMs })
      .toBeGreaterThan(10);
    await device.page.waitForTimeout(draw(600));
    if (kind === "worker") {
      await dieAndRevive(device, site);
      continue;
    }
    await die(device, kind);
    if (kind === "browser") device = await openDevice({ profileFolder: device.profileFolder });
    else device = { ...device, page: await device.context.newPage() };
    await listen(device.page, acknowledged);
    await openSite(device.page, site);
    await reenter(device);
    await expectSound(device.page, acknowledged);
  }
  await openSite(device.page, site);
  await reenter(device);
  await expectSound(device.page, acknowledged);
  await device.context.close();
}
