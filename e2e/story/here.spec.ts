/** Two people in one space: who is here, in which document, in which field, and whether they type. */
import { mkdirSync } from "node:fs";
import { expect, test } from "../fixtures.ts";
import {
  approve,
  askToJoin,
  field,
  join,
  lock,
  openFilm,
  publish,
  secrets,
  settled,
  startWithFilm,
  visit,
} from "./people.ts";

test.use({ actionTimeout: 15_000 });
const shots = process.env["COFFER_SHOTS"];

test("two people see each other in a document, and each other's typing", async ({ server, openDevice }) => {
  test.setTimeout(150_000);
  const desk = (await openDevice()).page;
  const phone = (await openDevice()).page;
  await desk.setViewportSize({ width: 1440, height: 900 });
  await phone.setViewportSize({ width: 390, height: 844 });
  for (const page of [desk, phone]) page.setDefaultTimeout(15_000);
  const picture = async (name: string): Promise<void> => {
    if (shots === undefined) return;
    mkdirSync(shots, { recursive: true });
    await desk.screenshot({ path: `${shots}/${name}-1440.png` });
    await phone.screenshot({ path: `${shots}/${name}-390.png` });
  };

  await startWithFilm(desk, server.url, "Seven Samurai");
  await publish(desk);
  await visit(phone, server.url);
  const answer = await approve(desk, await askToJoin(phone));
  await join(phone, answer);
  await settled(phone);

  await test.step("both are in the space", async () => {
    await expect(desk.getByTestId("here")).toContainText(`Here now: ${secrets.guest}`, { timeout: 20_000 });
    await expect(phone.getByTestId("here")).toContainText(`Here now: ${secrets.owner}`, { timeout: 20_000 });
  });

  await test.step("in the same document, in a field, typing", async () => {
    await openFilm(desk, "Seven Samurai");
    await expect(desk.getByTestId("here-doc")).toBeEmpty();
    await openFilm(phone, "Seven Samurai");
    await expect(desk.getByTestId("here-doc")).toContainText(secrets.guest);
    await expect(phone.getByTestId("here-doc")).toContainText(secrets.owner);
    await field(phone, "Notes").focus();
    await expect(desk.getByTestId("in-field")).toHaveText(new RegExp(`${secrets.guest}$`));
    await field(desk, "Director").focus();
    // It is over a moment after the last letter: it is looked for from the first one on.
    await Promise.all([
      expect(desk.getByTestId("in-field")).toContainText(`${secrets.guest} is typing`),
      field(phone, "Notes").pressSequentially("Seen on the train.", { delay: 60 }),
    ]);
    await picture("typing");
    await expect(desk.getByTestId("in-field")).not.toContainText("is typing");
    await expect(phone.getByTestId("in-field")).toContainText(secrets.owner);
  });

  await test.step("who locks is gone, and comes back", async () => {
    await lock(phone);
    await expect(desk.getByTestId("here")).toBeEmpty();
    await expect(desk.getByTestId("in-field")).toHaveCount(0);
    await field(phone, "Your password").fill(secrets.guestPassword);
    await phone.getByRole("button", { name: "Unlock" }).click();
    await expect(desk.getByTestId("here")).toContainText(secrets.guest, { timeout: 20_000 });
  });
});
