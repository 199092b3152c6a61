/** Films in categories with totals, and what is searched for: by keyboard, saved, shared, live, offline, on a phone. */
import { readFile } from "node:fs/promises";
import type { Page } from "@playwright/test";
import { fromRoot } from "../../build/paths.mjs";
import { expect, goOffline, test } from "../fixtures.ts";
import {
  approve,
  askToJoin,
  field,
  importFilms,
  join,
  openFilm,
  publish,
  secrets,
  settled,
  startSpace,
  unlock,
  visit,
} from "./people.ts";

test.use({ actionTimeout: 15_000 });

const rows = (page: Page) => page.getByRole("treegrid").getByRole("row");
const category = (page: Page, name: string) =>
  page.getByTestId("view-category").filter({ has: page.getByText(name, { exact: true }) });
const cell = (page: Page, name: string, column: string) =>
  category(page, name).locator(`[data-column="${column}"]`);
const total = (page: Page, column: string) =>
  page.getByTestId("view-total").locator(`[data-column="${column}"]`);
const shownView = (page: Page) => page.getByRole("combobox", { name: "View" }).locator(":checked");
const expandTo = (page: Page, level: string) =>
  page.getByRole("group", { name: "Expand to" }).getByRole("button", { name: level }).click();
const focusedName = (page: Page) =>
  page.evaluate(() => document.activeElement?.querySelector(".view-name")?.textContent ?? "");

const count = new Intl.NumberFormat("en");
const money = new Intl.NumberFormat("en", {
  style: "currency",
  currency: "USD",
  notation: "compact",
  maximumSignificantDigits: 3,
});

interface Film {
  readonly year: number;
  readonly genre: unknown;
  readonly director: unknown;
  readonly imdb: unknown;
  readonly usd: unknown;
}

/** The year of a date like "Jun 12 1998", of a data set of 2010 in which earlier centuries have two digits. */
function yearOf(date: unknown): number {
  if (typeof date !== "string" || !/^[A-Z][a-z]{2} \d{2} \d{4}$/.test(date) || date === "Dec 31 1969")
    return Number.NaN;
  const year = Number(date.slice(-4));
  return year > 2011 ? year - 100 : year;
}

/** What the categories come to, added up from the data set itself. */
async function expectedTotals() {
  const text = await readFile(fromRoot("node_modules", "vega-datasets", "data", "movies.json"), "utf8");
  const films = (JSON.parse(text) as Record<string, unknown>[]).map((record): Film => ({
    year: yearOf(record["Release Date"]),
    genre: record["Major Genre"],
    director: record["Director"],
    imdb: record["IMDB Rating"],
    usd: record["Worldwide Gross"],
  }));
  const of = (wanted: (film: Film) => boolean) => {
    const found = films.filter(wanted);
    const numbers = (field: "imdb" | "usd") =>
      found.map((film) => film[field]).filter((value): value is number => typeof value === "number");
    const sum = (values: readonly number[]) => values.reduce((all, one) => all + one, 0);
    return {
      films: count.format(found.length),
      imdb: (sum(numbers("imdb")) / numbers("imdb").length).toFixed(1),
      worldwideUsd: money.format(sum(numbers("usd"))),
    };
  };
  const isNineties = ({ year }: Film): boolean => year >= 1990 && year < 2000;
  return {
    all: of(() => true),
    kubrick: of(({ director }) => director === "Stanley Kubrick"),
    nineties: of(isNineties),
    drama: of((film) => isNineties(film) && film.genre === "Drama"),
  };
}

async function expectCells(page: Page, name: string, cells: Record<string, string>): Promise<void> {
  for (const [column, text] of Object.entries(cells)) await expect(cell(page, name, column)).toHaveText(text);
}

/** Count how much moves by itself, from now on. */
async function watchShifts(page: Page): Promise<() => Promise<number>> {
  await page.evaluate(() => {
    const watched = globalThis as unknown as { shifted: number };
    watched.shifted = 0;
    new PerformanceObserver((list) => {
      for (const entry of list.getEntries() as unknown as { value: number; hadRecentInput: boolean }[])
        if (!entry.hadRecentInput) watched.shifted += entry.value;
    }).observe({ type: "layout-shift" });
  });
  return () => page.evaluate(() => (globalThis as unknown as { shifted: number }).shifted);
}

/** How the view ever looked from the next load of the page on, for a moment included: its columns, and what of its categories was expanded. */
async function watchLooks(page: Page): Promise<() => Promise<readonly string[]>> {
  await page.addInitScript(() => {
    const seen = new Set<string>();
    Object.assign(globalThis, { seenLooks: seen });
    new MutationObserver(() => {
      const heads = document.querySelectorAll('[role="treegrid"] [role="columnheader"]');
      const categories = document.querySelectorAll('[data-testid="view-category"][aria-level="1"]');
      if (categories.length === 0) return;
      const expanded = [...categories].filter((one) => one.getAttribute("aria-expanded") === "true");
      seen.add(
        [...heads, ...expanded.map((one) => one.querySelector(".view-name"))]
          .map((one) => one?.textContent)
          .join(" | "),
      );
    }).observe(document, { subtree: true, childList: true, characterData: true });
  });
  return () => page.evaluate(() => [...(globalThis as unknown as { seenLooks: Set<string> }).seenLooks]);
}

test("a view has right totals, goes by keyboard, is saved and shared, and stays live and offline", async ({
  server,
  openDevice,
}) => {
  test.setTimeout(240_000);
  const { page, context } = await openDevice();
  const guest = await openDevice();
  for (const one of [page, guest.page]) one.setDefaultTimeout(15_000);
  const errors: string[] = [];
  context.on("weberror", (error) => errors.push(String(error.error())));
  const totals = await expectedTotals();
  await visit(page, server.url);
  await startSpace(page);
  await page.getByRole("link", { name: "Views" }).click();
  await expect(page.getByTestId("view-empty")).toBeVisible();
  await page.getByRole("link", { name: "Go to the library" }).click();
  await importFilms(page);

  await test.step("categories come to what the data set comes to", async () => {
    await page.getByRole("link", { name: "Views" }).click();
    await expect(page.getByTestId("view-count")).toHaveText("3,201 films");
    await expectCells(page, "1990s", totals.nineties);
    for (const [column, text] of Object.entries(totals.all))
      await expect(total(page, column)).toHaveText(text);
    const chart = page.getByTestId("chart").getByRole("row", { name: /1990s/ });
    await expect(chart).toContainText(totals.nineties.worldwideUsd);
  });

  await test.step("all of it goes by keyboard", async () => {
    const shifted = await watchShifts(page);
    await expect(rows(page).nth(1)).toHaveAttribute("tabindex", "0");
    await rows(page).nth(1).focus();
    const { keyboard } = page;
    for (const name of ["2000s", "1990s"]) {
      await keyboard.press("ArrowDown");
      await expect.poll(() => focusedName(page)).toBe(name);
    }
    await expect(category(page, "1990s")).toHaveAttribute("aria-expanded", "false");
    await keyboard.press("ArrowRight");
    await expect(category(page, "1990s")).toHaveAttribute("aria-expanded", "true");
    await keyboard.press("ArrowRight");
    await expect.poll(() => focusedName(page)).toBe("Action");
    await expect(category(page, "Action")).toHaveAttribute("aria-level", "2");
    await keyboard.press("Enter");
    await expect(category(page, "Action")).toHaveAttribute("aria-expanded", "true");
    await keyboard.press("ArrowDown");
    await expect(page.getByTestId("view-film").first()).toBeFocused();
    await expect(page.getByTestId("view-film").first()).toHaveAttribute("aria-level", "3");
    await keyboard.press("ArrowLeft");
    await expect.poll(() => focusedName(page)).toBe("Action");
    await keyboard.press("ArrowLeft");
    await expect(category(page, "Action")).toHaveAttribute("aria-expanded", "false");
    await keyboard.press("ArrowLeft");
    await expect.poll(() => focusedName(page)).toBe("1990s");
    await keyboard.press("End");
    await expect.poll(() => focusedName(page)).toBe("Year unknown");
    await keyboard.press("Home");
    await expect.poll(() => focusedName(page)).toBe("2010s");
    await keyboard.press("PageDown");
    await expect.poll(() => focusedName(page)).not.toBe("2010s");
    await expectCells(page, "Drama", totals.drama);
    expect(await shifted()).toBeLessThan(0.01);
  });

  await test.step("it is expanded to a level, and only the rows in sight are in the page", async () => {
    await expandTo(page, "Films");
    const tree = page.getByRole("treegrid");
    await expect.poll(async () => Number(await tree.getAttribute("aria-rowcount"))).toBeGreaterThan(3300);
    expect(await rows(page).count()).toBeLessThan(60);
    await rows(page).nth(2).focus();
    await page.keyboard.press("End");
    await expect(page.locator(":focus")).toHaveAttribute("data-testid", "view-film");
    const last = Number(await tree.getAttribute("aria-rowcount")) - 1;
    await expect(page.locator(":focus")).toHaveAttribute("aria-rowindex", String(last));
    expect(await rows(page).count()).toBeLessThan(60);
    await expandTo(page, "Decades");
    await expect.poll(async () => Number(await tree.getAttribute("aria-rowcount"))).toBeLessThan(20);
  });

  await test.step("columns are chosen, moved and summed up otherwise", async () => {
    await page.getByRole("button", { name: "Columns" }).click();
    const sheet = page.getByTestId("arrange");
    await sheet.getByRole("checkbox", { name: "Director" }).uncheck();
    await sheet.getByRole("checkbox", { name: "Budget" }).check();
    await sheet.getByRole("combobox", { name: "What Budget comes to" }).selectOption("highest");
    await sheet.getByRole("button", { name: "Move Budget up" }).click();
    await expect(sheet.getByRole("button", { name: "Move Budget up" })).toBeFocused();
    await expect(sheet.getByRole("status")).toHaveText("Budget is now column 5 of 6.");
    await page.keyboard.press("Escape");
    await expect(page.getByRole("button", { name: "Columns" })).toBeFocused();
    await expect(page.getByRole("columnheader")).toContainText([
      "Title",
      "Films",
      "Year",
      "Minutes",
      "IMDb",
      "Budget",
      "Worldwide",
    ]);
    await expect(cell(page, "1990s", "budgetUsd")).toHaveText("$200M");
  });

  await test.step("it is saved, and is there after a reload", async () => {
    await category(page, "1990s").click();
    await expect(category(page, "1990s")).toHaveAttribute("aria-expanded", "true");
    await page.getByTestId("save-view").click();
    await field(page, "Name").fill("Money by decade");
    await page.getByRole("button", { name: "Save", exact: true }).click();
    // Its name stands in the list as soon as it is written; it is what is shown, and what the address says, a moment later.
    await expect(shownView(page)).toHaveText("Money by decade");
    await expect(page).toHaveURL(/#\/views\/(?!films)[^/]+$/);
    const seenLooks = await watchLooks(page);
    await page.reload();
    await unlock(page, secrets.ownerPassword);
    await expect(cell(page, "1990s", "budgetUsd")).toHaveText("$200M");
    await expect(category(page, "1990s")).toHaveAttribute("aria-expanded", "true");
    await expectCells(page, "Drama", totals.drama);
    await expect(shownView(page)).toHaveText("Money by decade");
    const [look, ...others] = await seenLooks();
    expect(look).toMatch(/Budget.*1990s$/);
    expect(others).toEqual([]);
  });

  await test.step("a guest finds it, and what the guest edits changes the totals", async () => {
    await publish(page);
    await visit(guest.page, server.url);
    await join(guest.page, await approve(page, await askToJoin(guest.page)));
    await expect(guest.page.getByTestId("count")).toHaveText(/3,201/, { timeout: 60_000 });
    await guest.page.getByRole("link", { name: "Views" }).click();
    await guest.page.getByRole("combobox", { name: "View" }).selectOption("Money by decade");
    await expect(cell(guest.page, "1990s", "budgetUsd")).toHaveText("$200M");
    await expect(category(guest.page, "1990s")).toHaveAttribute("aria-expanded", "true");

    await page.getByRole("link", { name: "Views" }).click();
    await expect(cell(page, "1990s", "budgetUsd")).toHaveText("$200M");
    await expandTo(page, "Decades");
    await openFilm(guest.page, "Titanic");
    await field(guest.page, "Budget, $").fill("987000000");
    await field(guest.page, "Budget, $").press("Tab");
    await expect(cell(page, "1990s", "budgetUsd")).toHaveText("$987M", { timeout: 20_000 });
    await expect(total(page, "budgetUsd")).toHaveText("$987M");
    // A film that moves to another category takes its part with it.
    await field(guest.page, "Year").fill("1955");
    await field(guest.page, "Year").press("Tab");
    await expect(cell(page, "1950s", "budgetUsd")).toHaveText("$987M", { timeout: 20_000 });
    await expect(cell(page, "1990s", "films")).toHaveText(String(Number(totals.nineties.films) - 1));
    await expect(page.getByTestId("chart").getByRole("row", { name: /1950s/ })).toContainText("$2.67B");
  });

  await test.step("offline it opens, sums up what is written here, and catches up afterwards", async () => {
    await settled(page);
    await goOffline(page);
    await page.reload();
    await unlock(page, secrets.ownerPassword);
    await expandTo(page, "Decades");
    await expect(cell(page, "1950s", "budgetUsd")).toHaveText("$987M");
    await category(page, "1950s").click();
    await category(page, "Thriller/Suspense").click();
    await page.getByTestId("view-film").filter({ hasText: "Titanic" }).click();
    await field(page, "Budget, $").fill("45000000");
    await field(page, "Budget, $").press("Tab");
    await expect(cell(page, "1950s", "budgetUsd")).not.toHaveText("$987M");
    await context.setOffline(false);
    await guest.page.getByRole("link", { name: "Views" }).click();
    await expandTo(guest.page, "Decades");
    await expect(cell(guest.page, "1950s", "budgetUsd")).not.toHaveText("$987M", { timeout: 30_000 });
  });

  expect(errors).toEqual([]);
});

test("a film is opened from a view on a phone, and the way back leads to the same place", async ({
  server,
  openDevice,
}) => {
  const { page } = await openDevice();
  page.setDefaultTimeout(15_000);
  await page.setViewportSize({ width: 390, height: 844 });
  await page.emulateMedia({ colorScheme: "dark", reducedMotion: "reduce" });
  await visit(page, server.url);
  await startSpace(page);
  await importFilms(page);
  await page.getByRole("link", { name: "Views" }).click();
  await expandTo(page, "Films");
  await expect(page.getByTestId("view-film").first()).toBeVisible();
  const scroller = page.getByTestId("view").locator(".scroller");
  await scroller.evaluate((element) => (element.scrollTop = 60_000));
  const film = page.locator('[data-testid="view-film"][data-index="939"]');
  await expect(film).toBeVisible();
  const name = (await film.locator(".view-name").textContent()) ?? "";
  const top = await scroller.evaluate((element) => element.scrollTop);
  await film.click();
  await expect(field(page, "Title")).toHaveValue(name);
  await expect(page.getByTestId("view")).toBeHidden();
  await page.getByRole("link", { name: "View", exact: true }).click();
  await expect(page.getByTestId("view")).toBeVisible();
  expect(await scroller.evaluate((element) => element.scrollTop)).toBe(top);
  await expect.poll(() => focusedName(page)).toBe(name);
  // The keys go on from there, also when it has been scrolled out of sight.
  await page.keyboard.press("ArrowUp");
  await expect(page.locator(":focus")).toHaveAttribute("data-index", "938");
  await page.keyboard.press("ArrowDown");
  await expect.poll(() => focusedName(page)).toBe(name);
  await scroller.evaluate((element) => (element.scrollTop = 0));
  await expect(film).toHaveCount(0);
  await page.keyboard.press("ArrowDown");
  await expect(page.locator(":focus")).toHaveAttribute("data-index", "940");
  await page.keyboard.press("ArrowUp");
  await expect.poll(() => focusedName(page)).toBe(name);
  const before = await scroller.evaluate((element) => element.scrollTop);
  // Also after having been somewhere else.
  await page.getByRole("link", { name: "People" }).click();
  await page.getByRole("link", { name: "Views" }).click();
  await expect(film).toBeVisible();
  expect(await scroller.evaluate((element) => element.scrollTop)).toBe(before);
});

test("search finds as one types, marks what it found, and goes with filter and order", async ({
  server,
  openDevice,
}) => {
  const { page, context } = await openDevice();
  page.setDefaultTimeout(15_000);
  await visit(page, server.url);
  await startSpace(page);
  await importFilms(page);
  const box = page.getByRole("searchbox");
  const films = page.getByTestId("film-row");
  const titles = page.locator('[data-testid="film-row"] .cell-title a');

  await test.step("from anywhere a key leads to it, and what is found is marked", async () => {
    await films.first().focus();
    await page.keyboard.press("/");
    await expect(box).toBeFocused();
    await page.keyboard.type("angry m", { delay: 30 });
    await expect(titles.first()).toHaveText("12 Angry Men");
    await expect(films.first().locator("mark")).toHaveText(["Angry", "Men"]);
    await expect(page.getByTestId("count")).toHaveText(/^\d+ of 3,201 documents$/);
  });

  await test.step("words may be misspelt, in any case and without accents", async () => {
    await box.fill("KUROSWA");
    await expect(page.getByTestId("nothing")).toBeHidden();
    await expect(films.first().locator(".cell-director mark")).toHaveText("Kurosawa");
  });

  await test.step("it goes with the genre and with an order, and back to the best match", async () => {
    await box.fill("star");
    await page.getByRole("combobox", { name: "Genre" }).selectOption("Adventure");
    await page.getByRole("columnheader", { name: "Year" }).getByRole("button").click();
    await expect(page.getByRole("columnheader", { name: "Year" })).toHaveAttribute("aria-sort", "descending");
    await expect(async () => {
      const years = (await films.locator(".cell-year").allTextContents()).map(Number);
      expect(years.length).toBeGreaterThan(3);
      expect(years).toEqual(years.toSorted((a, b) => b - a));
    }).toPass();
    const genres = await films.locator(".cell-genre").allTextContents();
    expect(new Set(genres)).toEqual(new Set(["Adventure"]));
    await page.getByRole("columnheader", { name: "Year" }).getByRole("button").click();
    await page.getByRole("columnheader", { name: "Year" }).getByRole("button").click();
    await expect(page.getByRole("columnheader", { name: "Year" })).toHaveAttribute("aria-sort", "none");
  });

  await test.step("where nothing is found it says so, and leads out", async () => {
    await box.fill("zzyzzyva");
    await expect(page.getByTestId("nothing")).toContainText("Nothing matches “zzyzzyva” in Adventure");
    await page.getByRole("button", { name: "Search all genres" }).click();
    await expect(page.getByTestId("nothing")).not.toContainText("Adventure");
    await box.press("Escape");
    await expect(box).toHaveValue("");
    await expect(page.getByTestId("count")).toHaveText("3,201 documents");
  });

  await test.step("offline, a long text is found as well, and shown around the words", async () => {
    await goOffline(page);
    await openFilm(page, "Titanic");
    const filler = "Nothing of note happened on that day, or on the next. ".repeat(80);
    await field(page, "Notes").fill(`${filler}Then the cellist played a chaconne. ${filler}`);
    await expect(page.getByTestId("doc-status")).toHaveAttribute("data-status", "ready");
    await page.getByRole("navigation").getByRole("link", { name: "Library" }).click();
    await box.fill("cellist chacon");
    await expect(titles.first()).toHaveText("Titanic");
    const excerpt = films.first().getByTestId("excerpt");
    await expect(excerpt).toContainText("Notes");
    await expect(excerpt.locator("mark")).toHaveText(["cellist", "chaconne"]);
    await expect(excerpt).toContainText("… ");
    expect((await excerpt.innerText()).length).toBeLessThan(200);
    await box.press("ArrowDown");
    await expect(films.first()).toBeFocused();
    await page.keyboard.press("Enter");
    await expect(field(page, "Title")).toHaveValue("Titanic");
    await context.setOffline(false);
  });
});

test("a view shows what is found within it as one types, with its totals, and afterwards what it showed before", async ({
  server,
  openDevice,
}) => {
  const { page, context } = await openDevice();
  page.setDefaultTimeout(15_000);
  const errors: string[] = [];
  context.on("weberror", (error) => errors.push(String(error.error())));
  await visit(page, server.url);
  await startSpace(page);
  await importFilms(page);
  await page.getByRole("link", { name: "Views" }).click();
  await expect(page.getByTestId("view-count")).toHaveText("3,201 films");
  await category(page, "1990s").click();
  await expect(category(page, "Drama")).toBeVisible();
  const box = page.getByRole("searchbox");
  const films = page.getByTestId("view-film");
  const names = films.locator(".view-name");

  await test.step("from anywhere a key leads to it; what is found stands open in its categories, with what it comes to", async () => {
    await rows(page).nth(1).focus();
    await page.keyboard.press("/");
    await expect(box).toBeFocused();
    await page.keyboard.type("kubrick", { delay: 30 });
    await expect(page.getByTestId("view-count")).toHaveText("6 films");
    await expect(films).toHaveCount(6);
    await expect(films.locator('[data-column="director"] mark')).toHaveText(Array(6).fill("Kubrick"));
    const { kubrick } = await expectedTotals();
    for (const [column, text] of Object.entries(kubrick)) await expect(total(page, column)).toHaveText(text);
    await expect(cell(page, "1960s", "films")).toHaveText("3");
    // The chart is of all films.
    await expect(page.getByTestId("chart")).toBeHidden();
    await expect(page.getByRole("button", { name: "Chart" })).toHaveAttribute("aria-pressed", "false");
  });

  await test.step("it stays live: what no longer has the words is gone, from the totals too", async () => {
    const [first = ""] = await names.allTextContents();
    await films.first().click();
    await expect(field(page, "Title")).toHaveValue(first);
    await field(page, "Director").fill("Somebody else");
    await field(page, "Director").press("Tab");
    await expect(page.getByTestId("view-count")).toHaveText("5 films");
    await expect(total(page, "films")).toHaveText("5");
    await expect(names.filter({ hasText: first })).toHaveCount(0);
    await page.getByRole("navigation").getByRole("link", { name: "Views" }).click();
  });

  await test.step("grouped and ordered otherwise, it is still what is found", async () => {
    await page.getByRole("columnheader", { name: "Year" }).getByRole("button").click();
    await expect(page.getByRole("columnheader", { name: "Year" })).toHaveAttribute("aria-sort", "descending");
    await page.getByRole("button", { name: "Columns" }).click();
    await page.getByRole("combobox", { name: "Group by" }).selectOption("genre");
    await page.keyboard.press("Escape");
    await expect(films).toHaveCount(5);
    await expect(page.getByTestId("view-category").first()).toHaveAttribute("aria-expanded", "true");
  });

  await test.step("by keyboard one goes from the words to what is found, and from there through all of it", async () => {
    await box.focus();
    await page.keyboard.press("ArrowDown");
    await expect(rows(page).nth(1)).toBeFocused();
    await page.keyboard.press("ArrowDown");
    await page.keyboard.press("ArrowDown");
    await expect(films.first()).toBeFocused();
  });

  await test.step("where nothing is found it says so; without words all is as it was before", async () => {
    await box.fill("zzyzzyva");
    await expect(page.getByTestId("view-none")).toBeVisible();
    await expect(page.getByTestId("view-count")).toHaveText("0 films");
    await box.press("Escape");
    await expect(box).toHaveValue("");
    await expect(page.getByTestId("view-none")).toBeHidden();
    await expect(page.getByTestId("view-count")).toHaveText("3,201 films");
    await expect(films).toHaveCount(0);
  });

  await test.step("what was expanded before somebody searched is expanded again", async () => {
    const expanded = () =>
      rows(page).evaluateAll((all) => all.map((row) => row.getAttribute("aria-expanded")));
    await category(page, "Drama").click();
    await expect(category(page, "Drama")).toHaveAttribute("aria-expanded", "true");
    // What is shown follows the click, row by row: it stands when it is the same for a while.
    let before: readonly (string | null)[] = [];
    await expect
      .poll(
        async () => {
          const last = before;
          before = await expanded();
          return before.length > 0 && before.join() === last.join();
        },
        { intervals: [300] },
      )
      .toBe(true);
    await box.fill("titanic");
    await expect(films.locator("mark").first()).toHaveText("Titanic");
    await box.press("Escape");
    await expect(page.getByTestId("view-count")).toHaveText("3,201 films");
    await expect.poll(expanded).toEqual(before);
    await expect(page.getByTestId("chart")).toBeVisible();
  });

  await test.step("on a phone the words are marked in the lines of the cards", async () => {
    await page.setViewportSize({ width: 390, height: 844 });
    await box.fill("tarantino");
    await expect(page.getByTestId("view-count")).toHaveText("6 films");
    await expect(films.first().locator(".card-rest mark")).toHaveText("Tarantino");
  });

  expect(errors).toEqual([]);
});
