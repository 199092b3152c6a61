/**
 * The main story: two people, two browsers, a blind server, and a closed tab that still syncs.
 *
 * One test, because each chapter stands on the one before.
 */
import { readFile } from "node:fs/promises";
import { join as joinPath } from "node:path";
import { fromRoot } from "../../build/paths.mjs";
import { closeOffline, expect, goOffline, test } from "../fixtures.ts";
import { findLeaks, sizeBelow } from "./at-rest.ts";
import {
  addTag,
  approve,
  askToJoin,
  field,
  importFilms,
  join,
  lock,
  openFilm,
  publish,
  secrets,
  settled,
  startSpace,
  typeInto,
  unlock,
  visit,
} from "./people.ts";

test.use({ actionTimeout: 15_000 });

const film = "12 Angry Men";

test("two people share films through a server that cannot read them", async ({ server, openDevice }) => {
  test.setTimeout(240_000);
  const owner = await openDevice();
  const guest = await openDevice();
  for (const { page } of [owner, guest]) page.setDefaultTimeout(15_000);
  const errors: string[] = [];
  for (const device of [owner, guest]) {
    device.context.on("weberror", (error) => errors.push(String(error.error())));
    device.context.on("console", (message) => {
      if (
        message.type() === "error" &&
        !/Failed to load resource|ERR_INTERNET_DISCONNECTED|WebSocket connection/.test(message.text())
      )
        errors.push(message.text());
    });
  }

  await test.step("1. the owner starts a space and imports a real data set", async () => {
    await visit(owner.page, server.url);
    await startSpace(owner.page);
    await importFilms(owner.page);
  });

  await test.step("2. the guest is invited, and sees every document", async () => {
    await publish(owner.page);
    await visit(guest.page, server.url);
    const answer = await approve(owner.page, await askToJoin(guest.page));
    await join(guest.page, answer);
    await expect(guest.page.getByTestId("count")).toHaveText(/3,201/, { timeout: 60_000 });
    await expect(guest.page.getByTestId("safety-number").first()).toBeVisible();
    expect((await guest.page.getByTestId("safety-number").first().innerText()).replaceAll(/\D/g, "")).toBe(
      answer.safetyNumber,
    );
    await settled(guest.page);
  });

  await test.step("3. both edit one document offline, and nobody's edit is lost", async () => {
    await openFilm(owner.page, film);
    await openFilm(guest.page, film);
    await goOffline(owner.page);
    await goOffline(guest.page);
    await typeInto(owner.page, "Notes", "Olivia saw it twice.");
    await typeInto(guest.page, "Notes", "Gustav prefers the play.");
    await field(owner.page, "Distributor").fill("United Artists of Bergen");
    await field(owner.page, "Votes").fill("4711");
    await field(owner.page, "Votes").press("Tab");
    await addTag(owner.page, "jury-room");
    await addTag(guest.page, "one-table");
    // Each sees their own at once.
    await expect(field(owner.page, "Notes")).toHaveValue("Olivia saw it twice.");
    await expect(field(guest.page, "Notes")).toHaveValue("Gustav prefers the play.");
    await expect(owner.page.getByTestId("state-pill")).toHaveAttribute("data-state", "offline");
    await owner.context.setOffline(false);
    await guest.context.setOffline(false);
    for (const page of [owner.page, guest.page]) {
      await expect(field(page, "Notes")).toHaveValue(/Olivia saw it twice\./, { timeout: 30_000 });
      await expect(field(page, "Notes")).toHaveValue(/Gustav prefers the play\./, { timeout: 30_000 });
      await expect(page.getByTestId("tags")).toContainText("jury-room");
      await expect(page.getByTestId("tags")).toContainText("one-table");
      await expect(field(page, "Distributor")).toHaveValue("United Artists of Bergen");
      await expect(field(page, "Votes")).toHaveValue("4711");
    }
    expect(await field(owner.page, "Notes").inputValue()).toBe(await field(guest.page, "Notes").inputValue());
    // And live, while both look at it.
    await typeInto(guest.page, "Director", " (live)");
    await expect(field(owner.page, "Director")).toHaveValue("Sidney Lumet (live)");
  });

  await test.step("4. the owner closes every tab offline, and the service worker sends", async () => {
    await settled(owner.page);
    await goOffline(owner.page);
    await typeInto(owner.page, "Notes", " Written on a train.");
    await expect(owner.page.getByTestId("doc-status")).not.toHaveText(/saving/i);
    await expect(owner.page.getByTestId("state-pill")).toHaveAttribute("data-state", "offline");
    await lock(owner.page);
    // No page of the demo is left, and no vault is open.
    await closeOffline(owner.page);
    await guest.page.waitForTimeout(3000);
    await expect(field(guest.page, "Notes")).not.toHaveValue(/Written on a train/);
    await owner.context.setOffline(false);
    await expect(field(guest.page, "Notes")).toHaveValue(/Written on a train\./, { timeout: 60_000 });
    expect(owner.context.pages().filter((page) => page.url().startsWith(server.url))).toEqual([]);
  });

  await test.step("5. the owner comes back offline: the app starts, asks, and has everything", async () => {
    // No page of theirs is open; the service worker has just sent.
    await owner.context.setOffline(true);
    const page = await owner.context.newPage();
    await page.goto(server.url);
    await expect(page.getByTestId("known-space")).toBeVisible({ timeout: 20_000 });
    await expect(page.getByText(secrets.space)).toHaveCount(0);
    await unlock(page, secrets.ownerPassword);
    await expect(page.getByTestId("count")).toHaveText(/3,201/, { timeout: 20_000 });
    await openFilm(page, film);
    await expect(field(page, "Notes")).toHaveValue(/Written on a train\./);
    // The network comes back, and the link with it.
    await owner.context.setOffline(false);
    await settled(page);
    await lock(page);
  });

  await test.step("6. nothing readable is on the server or in the locked browsers", async () => {
    await lock(guest.page);
    await owner.close();
    await guest.close();
    await server.stop();
    const films = JSON.parse(
      await readFile(fromRoot("node_modules", "vega-datasets", "data", "movies.json"), "utf8"),
    ) as Record<string, unknown>[];
    const values = films.flatMap((record) => [record["Title"], record["Director"], record["Distributor"]]);
    const long = [
      ...new Set(values.filter((value): value is string => typeof value === "string" && value.length >= 12)),
    ];
    const sample = long.filter((_, index) => index % 9 === 0);
    expect(sample.length).toBeGreaterThan(200);
    const typed = [
      "Olivia saw it twice",
      "Gustav prefers",
      "United Artists of Bergen",
      "jury-room",
      "Written on a train",
    ];
    const names = [...Object.values(secrets), "contacts", "publicinfos"];
    const texts = [...sample, ...typed, ...names];
    const folders = [
      server.dataFolder,
      ...[owner, guest].map(({ profileFolder }) => joinPath(profileFolder, "Default", "IndexedDB")),
    ];
    for (const folder of folders) {
      expect(await sizeBelow(folder), folder).toBeGreaterThan(100_000);
      expect(await findLeaks(folder, texts), folder).toEqual([]);
    }
  });

  await test.step("the service worker holds no decryption, no Automerge, and nothing that makes databases", async () => {
    const bundle = await readFile(fromRoot("demo", "dist", "sw.js"), "utf8");
    // The list of files to keep for offline use names the wasm; code is what may not be there.
    const code = bundle.replaceAll(/"assets\/[^"]*"/g, "");
    expect(code.includes("coffer-sync")).toBe(true);
    expect(
      ["decrypt", "AES-GCM", "automerge", "dexie"].filter((word) =>
        code.toLowerCase().includes(word.toLowerCase()),
      ),
    ).toEqual([]);
  });

  expect(errors).toEqual([]);
});
