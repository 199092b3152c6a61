/** What people do in the demo, step by step, as the story tells it. */
import type { Page } from "@playwright/test";
import { expect } from "../fixtures.ts";

/** The secrets and names of the story: none of them may appear anywhere at rest. */
export const secrets = {
  space: "Kestrel Archive",
  owner: "Olivia Lindqvist",
  guest: "Gustav Aurelius",
  ownerPassword: "staple orbit lantern 41",
  adminPassword: "correct horse battery 17",
  guestPassword: "marble tunnel saffron 88",
} as const;

/** Open the demo and wait until it is installed for offline use. */
export async function visit(page: Page, url: string): Promise<void> {
  await page.goto(url);
  await page.evaluate(async () => navigator.serviceWorker.ready);
}

/** A text field by its label; buttons that show the password carry the same words. */
export function field(page: Page, name: string | RegExp) {
  return page.getByRole("textbox", { name, exact: typeof name === "string" });
}

export async function startSpace(page: Page): Promise<void> {
  await page.getByRole("button", { name: /Start a space/ }).click();
  await field(page, "Name of the space").fill(secrets.space);
  await field(page, "Your name").fill(secrets.owner);
  await field(page, "Your password").fill(secrets.ownerPassword);
  await field(page, "Admin password").fill(secrets.adminPassword);
  await page.getByRole("button", { name: "Start the space" }).click();
  await expect(page.getByTestId("empty")).toBeVisible({ timeout: 20_000 });
}

/** Come to the demo and start a space with one film in it, which stands open. */
export async function startWithFilm(page: Page, url: string, title: string): Promise<void> {
  await visit(page, url);
  await startSpace(page);
  await page.getByRole("button", { name: "New document" }).first().click();
  await field(page, "Title").fill(title);
  await expect(page.getByTestId("doc-status")).toHaveAttribute("data-status", "ready");
}

/** Import the shipped data set, seeing its progress on the way. */
export async function importFilms(page: Page): Promise<void> {
  await page.getByRole("button", { name: /Import 3,201 films/ }).click();
  await expect(page.getByTestId("import-count")).toBeVisible();
  await expect(page.getByTestId("count")).toHaveText(/3,201/, { timeout: 60_000 });
  await expect(page.getByTestId("import")).toBeHidden({ timeout: 20_000 });
}

export async function publish(page: Page): Promise<void> {
  await page.getByRole("link", { name: "Sync" }).click();
  await field(page, "Admin password").fill(secrets.adminPassword);
  await page.getByRole("button", { name: "Publish and connect" }).click();
  await expect(page.getByTestId("link")).toBeVisible({ timeout: 20_000 });
  await settled(page);
}

/** Wait until everything is sent and proven. */
export async function settled(page: Page): Promise<void> {
  await expect(page.getByTestId("state-pill")).toHaveAttribute("data-state", /^(live|verified)$/, {
    timeout: 30_000,
  });
}

/** The newcomer's half, up to the request. */
export async function askToJoin(page: Page): Promise<string> {
  await page.getByRole("button", { name: /Join a space/ }).click();
  await field(page, "Your name").fill(secrets.guest);
  await field(page, "Your password").fill(secrets.guestPassword);
  await page.getByRole("button", { name: "Make a join request" }).click();
  return copied(page, "join-request");
}

/** The admin's half: look at the request, approve it, hand out the answer. */
export async function approve(
  page: Page,
  request: string,
): Promise<{ response: string; sharePassword: string; safetyNumber: string }> {
  await page.getByRole("link", { name: "People" }).click();
  await page.getByRole("button", { name: "Invite someone" }).click();
  await field(page, "Join request").fill(request);
  await expect(page.getByTestId("request-name")).toHaveText(secrets.guest);
  const safetyNumber = (await page.getByTestId("safety-number").first().innerText()).replaceAll(/\D/g, "");
  await field(page, "Admin password").fill(secrets.adminPassword);
  await page.getByRole("button", { name: `Approve ${secrets.guest}` }).click();
  const response = await copied(page, "join-response");
  return { response, sharePassword: await copied(page, "share-password"), safetyNumber };
}

export async function join(page: Page, answer: { response: string; sharePassword: string }): Promise<void> {
  await field(page, "Join response").fill(answer.response);
  await field(page, "Share password").fill(answer.sharePassword);
  await page.getByRole("button", { name: "Join the space" }).click();
  await expect(page.getByTestId("space-name")).toHaveText(secrets.space, { timeout: 20_000 });
}

/** Find a film by its title and open it. */
export async function openFilm(page: Page, title: string): Promise<void> {
  await page.getByRole("navigation").getByRole("link", { name: "Library" }).click();
  await page.getByRole("searchbox").fill(title);
  const link = page.getByRole("link", { name: title, exact: true });
  await page.getByTestId("film-row").filter({ has: link }).first().click();
  await expect(field(page, "Title")).toHaveValue(title);
}

/** Type at the end of a field, key by key, as a person does. */
export async function typeInto(page: Page, name: string, text: string): Promise<void> {
  const target = field(page, name);
  await target.focus();
  await page.keyboard.press("Control+End");
  await target.pressSequentially(text);
}

export async function addTag(page: Page, tag: string): Promise<void> {
  const target = field(page, "Tags");
  await target.fill(tag);
  await target.press("Enter");
  await expect(page.getByTestId("tags")).toContainText(tag);
}

export async function unlock(page: Page, password: string): Promise<void> {
  await field(page, "Your password").fill(password);
  await page.getByRole("button", { name: "Unlock" }).click();
  await expect(page.getByTestId("space-name")).toHaveText(secrets.space, { timeout: 20_000 });
}

export async function lock(page: Page): Promise<void> {
  await page.getByRole("button", { name: /^Lock/ }).click();
  await expect(page.getByTestId("locked")).toBeVisible();
}

async function copied(page: Page, testId: string): Promise<string> {
  const box = page.getByTestId(testId);
  await expect(box).toBeVisible({ timeout: 20_000 });
  return box.inputValue();
}
