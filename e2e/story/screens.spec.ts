/** Every screen of the demo: accessible on a phone in the dark and on a desk in the light, by keyboard. */
import AxeBuilder from "@axe-core/playwright";
import type { Page } from "@playwright/test";
import { expect, test } from "../fixtures.ts";
import { field, lock, publish, secrets, startSpace, visit } from "./people.ts";

const looks = [
  { name: "a phone in the dark", width: 390, height: 844, colorScheme: "dark" },
  { name: "a desk in the light", width: 1440, height: 900, colorScheme: "light" },
] as const;

async function expectAccessible(page: Page, screen: string): Promise<void> {
  const { violations } = await new AxeBuilder({ page }).analyze();
  const found = violations.map(
    ({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html.slice(0, 120)).join(" | ")}`,
  );
  expect(found, screen).toEqual([]);
  const overflow = await page.evaluate(
    () => document.documentElement.scrollWidth - document.documentElement.clientWidth,
  );
  expect(overflow, `${screen} fits its width`).toBeLessThanOrEqual(0);
}

async function goTo(page: Page, place: string): Promise<void> {
  await page.getByRole("navigation").getByRole("link", { name: place }).click();
}

async function newDocument(page: Page, title: string): Promise<void> {
  await goTo(page, "Library");
  await page.getByRole("button", { name: "New document" }).first().click();
  // Until it is there, the one before it is shown.
  await expect(field(page, "Title")).toHaveValue("");
  await field(page, "Title").fill(title);
  await expect(page.getByTestId("doc-status")).toHaveAttribute("data-status", "ready");
}

for (const { name, width, height, colorScheme } of looks) {
  test(`every screen is accessible on ${name}`, async ({ server, openDevice }) => {
    const { page } = await openDevice();
    page.setDefaultTimeout(15_000);
    await page.setViewportSize({ width, height });
    await page.emulateMedia({ colorScheme, reducedMotion: "reduce" });
    await visit(page, server.url);
    await expectAccessible(page, "welcome");
    await page.getByRole("button", { name: /Join a space/ }).click();
    await expectAccessible(page, "join");
    await page.getByRole("button", { name: "Back" }).click();
    await page.getByRole("button", { name: /Restore from a file/ }).click();
    await expectAccessible(page, "restore");
    await page.getByRole("button", { name: "Back", exact: true }).click();
    await startSpace(page);
    await expectAccessible(page, "empty");
    await newDocument(page, "Seven Samurai");
    await expectAccessible(page, "document");
    await page.getByRole("button", { name: "History", exact: true }).click();
    await expect(page.getByTestId("history-step")).toHaveCount(2);
    await expectAccessible(page, "history, as it is");
    await page.getByRole("slider").press("Home");
    await expect(page.getByTestId("history-then")).toContainText("changed since");
    await expectAccessible(page, "history, as it was");
    await page.keyboard.press("Escape");
    await goTo(page, "Library");
    await expect(page.getByTestId("film-row").first()).toBeVisible();
    await expectAccessible(page, "list");
    await publish(page);
    await expectAccessible(page, "sync");
    await goTo(page, "People");
    await page.getByRole("button", { name: "Invite someone" }).click();
    await expectAccessible(page, "people");
    await page.getByRole("button", { name: "New group" }).click();
    const everyone = page.getByTestId("group").filter({ hasText: "Everyone" });
    await everyone.getByRole("button", { name: "Role…" }).click();
    await everyone.getByRole("combobox", { name: "Role in the library" }).selectOption("author");
    await expect(everyone.getByTestId("dry-run")).toContainText("none would have been refused");
    await expectAccessible(page, "people, roles and groups");
    await goTo(page, "Keys");
    await field(page, "Name of the key").fill("Jury");
    await page.getByRole("button", { name: "Make it" }).click();
    const key = page.getByTestId("key").filter({ hasText: "Jury" });
    await key.getByRole("button", { name: "Renew…" }).click();
    await expectAccessible(page, "keys");
    await key.getByRole("button", { name: "Share…" }).click();
    await key.getByRole("button", { name: "Make a text to share" }).click();
    await expect(key.getByTestId("key-text")).toBeVisible({ timeout: 20_000 });
    await expectAccessible(page, "keys, one shared");
    await goTo(page, "Safety");
    await page.getByTestId("audit").getByRole("button", { name: "Look" }).click();
    await expect(page.getByTestId("audit-step").first()).toBeVisible();
    await expectAccessible(page, "safety");
    await lock(page);
    await expectAccessible(page, "locked");
    await field(page, "Your password").fill("not this one at all");
    await page.getByRole("button", { name: "Unlock" }).click();
    await expect(page.getByTestId("error")).toHaveAttribute("data-code", "key/wrong-password");
    await expect(field(page, "Your password")).toHaveValue("not this one at all");
    await expectAccessible(page, "wrong password");
    await page.reload();
    await expect(page.getByRole("checkbox", { name: /Keep me signed in/ })).toBeVisible();
    await expectAccessible(page, "welcome, with a space");
  });

  test(`search and views are accessible on ${name}`, async ({ server, openDevice }) => {
    const { page } = await openDevice();
    page.setDefaultTimeout(15_000);
    await page.setViewportSize({ width, height });
    await page.emulateMedia({ colorScheme, reducedMotion: "reduce" });
    await visit(page, server.url);
    await startSpace(page);
    await goTo(page, "Views");
    await expect(page.getByTestId("view-empty")).toBeVisible();
    await expectAccessible(page, "view, empty");
    await newDocument(page, "Seven Samurai");
    await goTo(page, "Library");
    await page.getByRole("searchbox").fill("samurai");
    await expect(page.getByTestId("film-row").locator("mark")).toHaveText("Samurai");
    await expectAccessible(page, "search");
    await page.getByRole("searchbox").fill("zzyzzyva");
    await expect(page.getByTestId("nothing")).toContainText("Nothing matches");
    await expectAccessible(page, "search, nothing found");
    await page.getByRole("searchbox").fill("");
    await goTo(page, "Views");
    await page.getByRole("group", { name: "Expand to" }).getByRole("button", { name: "Films" }).click();
    await expect(page.getByTestId("view-film")).toBeVisible();
    await expectAccessible(page, "view");
    await page.getByRole("searchbox").fill("samurai");
    await expect(page.getByTestId("view-film").locator("mark")).toHaveText("Samurai");
    await expectAccessible(page, "view, search");
    await page.getByRole("searchbox").fill("zzyzzyva");
    await expect(page.getByTestId("view-none")).toBeVisible();
    await expectAccessible(page, "view, nothing found");
    await page.getByRole("searchbox").fill("");
    await expect(page.getByTestId("view-film")).toBeVisible();
    await page.getByRole("button", { name: "Columns" }).click();
    await expectAccessible(page, "view, columns");
    await page.getByRole("combobox", { name: "Group by" }).selectOption("genre");
    await page.keyboard.press("Escape");
    await page.getByTestId("save-view").click();
    await field(page, "Name").fill("By genre");
    await page.getByRole("button", { name: "Save", exact: true }).click();
    await expect(page.getByTestId("saved-views")).toBeHidden();
    await page.getByTestId("save-view").click();
    await expect(page.getByRole("button", { name: "Delete the view By genre" })).toBeVisible();
    await expectAccessible(page, "view, saved");
    await page.keyboard.press("Escape");
  });
}

test("a space is started, filled, searched, locked and unlocked by keyboard alone", async ({
  server,
  openDevice,
}) => {
  const { page } = await openDevice();
  page.setDefaultTimeout(15_000);
  await visit(page, server.url);
  const { keyboard } = page;
  const focusBy = async (key: string, name: RegExp): Promise<void> => {
    for (let i = 0; i < 60; i++) {
      const label = await page.evaluate(() => {
        const element = document.activeElement;
        const labels = element instanceof HTMLInputElement ? [...(element.labels ?? [])] : [];
        return [
          element?.getAttribute("aria-label"),
          ...labels.map((label) => label.textContent),
          element?.textContent,
        ].find((text) => text !== null && text !== undefined && text.trim() !== "");
      });
      if (label !== undefined && label !== null && name.test(label.trim())) return;
      await keyboard.press(key);
    }
    throw new Error(`Nothing named ${name.source} was reached`);
  };
  // No key is pressed before there is something to press it for.
  await expect(page.getByRole("button", { name: /Start a space/ })).toBeVisible();
  await focusBy("Tab", /^Start a space/);
  await keyboard.press("Enter");
  for (const [label, text] of [
    [/^Name of the space/, secrets.space],
    [/^Your name/, secrets.owner],
    [/^Your password/, secrets.ownerPassword],
    [/^Admin password/, secrets.adminPassword],
  ] as const) {
    await focusBy("Tab", label);
    await keyboard.type(text);
  }
  await keyboard.press("Enter");
  await expect(page.getByTestId("empty")).toBeVisible({ timeout: 20_000 });
  await focusBy("Tab", /^New document/);
  await keyboard.press("Enter");
  await expect(field(page, "Title")).toBeVisible();
  await focusBy("Tab", /^Title/);
  await expect(field(page, "Title")).toBeEditable();
  await keyboard.press("Control+A");
  await keyboard.type("Seven Samurai");
  await expect(page.getByTestId("doc-status")).toHaveAttribute("data-status", "ready");
  await keyboard.press("Control+Shift+L");
  await expect(page.getByTestId("locked")).toBeVisible();
  await focusBy("Tab", /^Your password/);
  await keyboard.type(secrets.ownerPassword);
  await keyboard.press("Enter");
  await expect(page.getByTestId("space-name")).toHaveText(secrets.space, { timeout: 20_000 });
  await expect(field(page, "Title")).toHaveValue("Seven Samurai");
});
