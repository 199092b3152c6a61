/** One person with two devices: the second is linked, writes as its owner, and is revoked alone. */
import { expect, test } from "../fixtures.ts";
import { field, join, openFilm, publish, secrets, settled, startSpace, typeInto, visit } from "./people.ts";

test.use({ actionTimeout: 15_000 });

test("a person links a phone, writes on both, and loses one", async ({ server, openDevice }) => {
  test.setTimeout(120_000);
  const desk = (await openDevice()).page;
  const phone = (await openDevice()).page;
  await phone.setViewportSize({ width: 390, height: 844 });
  for (const page of [desk, phone]) page.setDefaultTimeout(15_000);
  const member = desk.getByTestId("member").filter({ hasText: secrets.owner });
  const device = member.getByTestId("device").filter({ hasText: "Phone" });

  await test.step("the phone asks under its owner's name, and is linked", async () => {
    await visit(desk, server.url);
    await startSpace(desk);
    await desk.getByRole("button", { name: "New document" }).first().click();
    await field(desk, "Title").fill("Seven Samurai");
    await expect(desk.getByTestId("doc-status")).toHaveAttribute("data-status", "ready");
    await publish(desk);
    await visit(phone, server.url);
    await phone.getByRole("button", { name: /Join a space/ }).click();
    await field(phone, "Your name").fill(secrets.owner);
    await field(phone, "Your password").fill(secrets.guestPassword);
    await phone.getByRole("button", { name: "Make a join request" }).click();
    await expect(phone.getByTestId("join-request")).toBeVisible({ timeout: 20_000 });
    // As a link to the application, which a camera opens.
    const request = await phone.getByTestId("join-request").inputValue();
    await desk.evaluate((hash) => (location.hash = hash), request);
    await expect(field(desk, "Join request")).toHaveValue(request);
    expect(new URL(desk.url()).hash).toBe("#/people");
    await expect(desk.getByTestId("request-name")).toHaveText(secrets.owner);
    await field(desk, "Name of the device").fill("Phone");
    await field(desk, "Admin password").fill(secrets.adminPassword);
    await desk.getByRole("button", { name: `Link the device to ${secrets.owner}` }).click();
    await expect(desk.getByTestId("join-response")).toBeVisible({ timeout: 20_000 });
    const response = await desk.getByTestId("join-response").inputValue();
    await phone.evaluate((hash) => (location.hash = hash), response);
    await expect(field(phone, "Join response")).toHaveValue(response);
    // Opened afresh, as after a day: the request is remembered, and the password is asked for.
    await phone.goto("about:blank");
    await phone.goto(`${server.url}/#${response}`);
    await expect(field(phone, "Join response")).toHaveValue(response);
    expect(phone.url()).not.toContain("mdb:");
    await field(phone, "Your password").fill(secrets.guestPassword);
    await join(phone, {
      response: `${server.url}/#${response}`,
      sharePassword: await desk.getByTestId("share-password").inputValue(),
    });
    await expect(desk.getByTestId("member")).toHaveCount(1);
    await expect(member.getByTestId("device")).toHaveCount(2);
    await expect(member.getByTestId("device").filter({ hasText: "First device" })).toContainText("this one");
  });

  await test.step("what the phone writes is its owner's, on both", async () => {
    await openFilm(phone, "Seven Samurai");
    await typeInto(phone, "Notes", "Seen on the train.");
    await expect(phone.getByTestId("last-change")).toContainText("you");
    await openFilm(desk, "Seven Samurai");
    await expect(field(desk, "Notes")).toHaveValue("Seen on the train.");
    await expect(desk.getByTestId("last-change")).toContainText("you");
    await settled(phone);
  });

  await test.step("the phone is revoked, and the desk goes on", async () => {
    await desk.getByRole("link", { name: "People" }).click();
    await device.getByRole("button", { name: "Revoke Phone…" }).click();
    await field(desk, "Admin password").fill(secrets.adminPassword);
    await device.getByRole("button", { name: "Revoke this device" }).click();
    await expect(device).toContainText("revoked");
    await settled(desk);
    await expect(phone.getByTestId("state-pill")).toHaveAttribute("data-state", "denied", {
      timeout: 30_000,
    });
    await openFilm(desk, "Seven Samurai");
    await typeInto(desk, "Notes", " And at home.");
    await expect(desk.getByTestId("doc-status")).toHaveAttribute("data-status", "ready");
    await settled(desk);
    await expect(field(phone, "Notes")).toHaveValue("Seen on the train.");
  });
});
