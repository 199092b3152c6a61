/** One person with two devices: the second is linked, writes as its owner, and is revoked alone. */
import { expect, test } from "../fixtures.ts";
import {
  approve,
  askToJoin,
  field,
  join,
  openFilm,
  publish,
  secrets,
  settled,
  startWithFilm,
  typeInto,
  visit,
} from "./people.ts";

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
    await startWithFilm(desk, server.url, "Seven Samurai");
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
    await field(desk, "Your password").fill(secrets.ownerPassword);
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

test("a member links a phone without the admin, loses the first device, and goes on", async ({
  server,
  openDevice,
}) => {
  test.setTimeout(150_000);
  const [desk, first, phone] = [
    (await openDevice()).page,
    (await openDevice()).page,
    (await openDevice()).page,
  ];
  for (const page of [desk, first, phone]) page.setDefaultTimeout(15_000);
  await phone.setViewportSize({ width: 390, height: 844 });

  await test.step("the member joins", async () => {
    await startWithFilm(desk, server.url, "Seven Samurai");
    await publish(desk);
    await visit(first, server.url);
    await join(first, await approve(desk, await askToJoin(first)));
    await openFilm(first, "Seven Samurai");
  });

  await test.step("their own password links the phone; the space's admin does nothing", async () => {
    await visit(phone, server.url);
    const request = await askToJoin(phone);
    await first.getByRole("link", { name: "People" }).click();
    await first.getByRole("button", { name: "Link a device" }).click();
    await field(first, "Join request").fill(request);
    await expect(first.getByTestId("request-name")).toHaveText(secrets.guest);
    await expect(field(first, "Admin password")).toHaveCount(0);
    await field(first, "Name of the device").fill("Phone");
    await field(first, "Your password").fill(secrets.guestPassword);
    await first.getByRole("button", { name: `Link the device to ${secrets.guest}` }).click();
    await expect(first.getByTestId("join-response")).toBeVisible({ timeout: 20_000 });
    await join(phone, {
      response: await first.getByTestId("join-response").inputValue(),
      sharePassword: await first.getByTestId("share-password").inputValue(),
    });
    await openFilm(phone, "Seven Samurai");
    await typeInto(phone, "Notes", "Seen on the train.");
    await settled(phone);
    await openFilm(first, "Seven Samurai");
    await expect(field(first, "Notes")).toHaveValue("Seen on the train.");
    await expect(first.getByTestId("last-change")).toContainText("you");
  });

  await test.step("the first device is revoked, and the phone goes on as the same member", async () => {
    const member = desk.getByTestId("member").filter({ hasText: secrets.guest });
    await desk.getByRole("link", { name: "People" }).click();
    await expect(member.getByTestId("device")).toHaveCount(2);
    const lost = member.getByTestId("device").filter({ hasText: "First device" });
    await lost.getByRole("button", { name: "Revoke First device…" }).click();
    await lost.getByRole("textbox", { name: "Admin password" }).fill(secrets.adminPassword);
    await lost.getByRole("button", { name: "Revoke this device" }).click();
    await expect(lost).toContainText("revoked");
    // The last one goes with its user.
    await expect(member.getByRole("button", { name: "Revoke Phone…" })).toHaveCount(0);
    await settled(desk);
    await expect(first.getByTestId("state-pill")).toHaveAttribute("data-state", "denied", {
      timeout: 30_000,
    });
    await typeInto(phone, "Notes", " And at home.");
    await settled(phone);
    await openFilm(desk, "Seven Samurai");
    await expect(field(desk, "Notes")).toHaveValue("Seen on the train. And at home.");
    await expect(field(first, "Notes")).toHaveValue("Seen on the train.");
  });
});
