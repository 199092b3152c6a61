/** Files of a document: added in three ways, looked at, found by what is in them, kept, taken out and brought back, and there for somebody else. */
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import AxeBuilder from "@axe-core/playwright";
import type { Page } from "@playwright/test";
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
  unlock,
  visit,
} from "./people.ts";

const shots = process.env["COFFER_SHOTS"];
const hostile = `<svg xmlns="http://www.w3.org/2000/svg"><script>document.title = "run"</script></svg>`;

const screenplay = readFileSync(new URL("screenplay.pdf", import.meta.url));

/** Search the library: one film is found, by what is in a file of it. */
async function expectFound(page: Page, { excerpt, word }: { word: string; excerpt: string }): Promise<void> {
  await page.getByRole("link", { name: "Library" }).first().click();
  await page.getByRole("searchbox").fill(word);
  const row = page.getByTestId("film-row");
  await expect(row).toHaveCount(1);
  await expect(row).toContainText("Seven Samurai");
  await expect(row.getByTestId("excerpt")).toHaveText(excerpt);
  await expect(row.getByTestId("excerpt").locator("mark")).toHaveText(word);
}

/** How wide the picture beside the first file is. */
const smallWidth = (page: Page): Promise<number> =>
  page
    .getByTestId("file")
    .first()
    .locator("img")
    .evaluate((image: HTMLImageElement) => image.naturalWidth);

test("files are added, looked at, kept and taken out, and another person has them too", async ({
  server,
  openDevice,
}) => {
  test.setTimeout(150_000);
  const desk = (await openDevice()).page;
  const phone = (await openDevice()).page;
  await desk.setViewportSize({ width: 1440, height: 900 });
  await phone.setViewportSize({ width: 390, height: 844 });
  for (const page of [desk, phone]) page.setDefaultTimeout(15_000);
  await startWithFilm(desk, server.url, "Seven Samurai");
  const picture = await desk.screenshot();
  const rows = desk.getByTestId("file");

  await test.step("chosen, dropped and pasted", async () => {
    await desk.getByTestId("choose-files").setInputFiles([
      { name: "poster.png", mimeType: "image/png", buffer: picture },
      { name: "credits.svg", mimeType: "image/svg+xml", buffer: Buffer.from(hostile) },
      { name: "screenplay.pdf", mimeType: "application/pdf", buffer: screenplay },
    ]);
    await expect(rows).toHaveCount(3);
    await expect(desk.getByTestId("upload")).toHaveCount(0);
    for (const [index, kind] of ["drop", "paste"].entries()) {
      await desk.getByTestId("files").evaluate((element, type) => {
        const data = new DataTransfer();
        data.items.add(new File([`by ${type}`], `${type}.txt`, { type: "text/plain" }));
        const event =
          type === "drop"
            ? new DragEvent("drop", { dataTransfer: data, bubbles: true, cancelable: true })
            : new ClipboardEvent("paste", { clipboardData: data, bubbles: true, cancelable: true });
        element.dispatchEvent(event);
      }, kind);
      // Files that come in two ways go their ways side by side: the first is there before the second is on its way.
      await expect(rows).toHaveCount(4 + index);
    }
    await expect(rows.locator(".file-name")).toHaveText([
      "poster.png",
      "credits.svg",
      "screenplay.pdf",
      "drop.txt",
      "paste.txt",
    ]);
  });

  await test.step("a picture is shown, and what could run is not", async () => {
    await expect.poll(() => smallWidth(desk)).toBe(320);
    await expect(rows.nth(1).locator("img")).toHaveCount(0);
    await rows.first().getByRole("button", { name: "Look at poster.png" }).click();
    const large = desk.getByTestId("picture").locator("img");
    await expect.poll(() => large.evaluate((image: HTMLImageElement) => image.naturalWidth)).toBe(1440);
    await desk.keyboard.press("Escape");
    await expect(desk).not.toHaveTitle("run");
    const { violations } = await new AxeBuilder({ page: desk }).analyze();
    expect(violations.map(({ id, nodes }) => [id, nodes.map(({ html }) => html)])).toEqual([]);
  });

  await test.step("a film plays where it lies, through the service worker", async () => {
    await desk.getByTestId("files").evaluate(async (element) => {
      const canvas = document.createElement("canvas");
      const brush = canvas.getContext("2d");
      const recorder = new MediaRecorder(canvas.captureStream(25), { mimeType: "video/webm" });
      const pieces: Blob[] = [];
      recorder.ondataavailable = ({ data: piece }) => pieces.push(piece);
      const ended = new Promise((resolve) => (recorder.onstop = resolve));
      recorder.start();
      for (let frame = 0; frame < 12; frame++) {
        brush?.fillRect(frame * 10, 0, 10, 100);
        await new Promise((resolve) => setTimeout(resolve, 40));
      }
      recorder.stop();
      await ended;
      const data = new DataTransfer();
      data.items.add(new File(pieces, "take.webm", { type: "video/webm" }));
      element.dispatchEvent(new DragEvent("drop", { dataTransfer: data, bubbles: true, cancelable: true }));
    });
    await desk.getByRole("button", { name: "Play take.webm" }).click();
    const video = desk.getByTestId("player").locator("video");
    await expect(video).toHaveAttribute("src", /\/coffer-file\//);
    await expect.poll(() => video.evaluate((film: HTMLVideoElement) => film.readyState)).toBeGreaterThan(1);
    await video.evaluate((film: HTMLVideoElement) => film.play());
    await expect
      .poll(() => video.evaluate((film: HTMLVideoElement) => film.currentTime))
      .toBeGreaterThan(0.1);
    if (shots !== undefined) await desk.screenshot({ path: `${shots}/files-film-1440.png` });
    await desk.keyboard.press("Escape");
    await desk.getByRole("button", { name: "Take out take.webm" }).click();
    await expect(rows).toHaveCount(5);
  });

  await test.step("kept on the disk, byte for byte", async () => {
    for (const [name, bytes] of [
      ["poster.png", picture],
      ["credits.svg", Buffer.from(hostile)],
      ["paste.txt", Buffer.from("by paste")],
    ] as const) {
      const saving = desk.waitForEvent("download");
      await desk.getByRole("button", { name: `Save ${name}` }).click();
      const download = await saving;
      expect(download.suggestedFilename()).toBe(name);
      expect(readFileSync(await download.path()).equals(bytes)).toBe(true);
    }
  });

  await test.step("found by what is written in them", async () => {
    await expectFound(desk, { word: "katana", excerpt: "screenplay.pdf EXT. VILLAGE He draws his katana." });
    if (shots !== undefined) {
      mkdirSync(shots, { recursive: true });
      await desk.screenshot({ path: `${shots}/files-found-1440.png` });
    }
    await expectFound(desk, { word: "paste", excerpt: "File paste.txt" });
    await openFilm(desk, "Seven Samurai");
  });

  await test.step("taken out, and brought back", async () => {
    await desk.getByRole("button", { name: "Take out drop.txt" }).click();
    await expect(rows).toHaveCount(4);
    await desk.getByRole("button", { name: "Undo", exact: true }).click();
    await expect(rows).toHaveCount(5);
    await desk.getByRole("button", { name: "History" }).click();
    await expect(desk.getByText("“poster.png” added").first()).toBeVisible();
    await expect(desk.getByText("A file taken out").first()).toBeVisible();
    await desk.getByRole("button", { name: "Close the history" }).click();
  });

  await test.step("there for somebody else, through a server that cannot read them", async () => {
    await publish(desk);
    await visit(phone, server.url);
    await join(phone, await approve(desk, await askToJoin(phone)));
    await settled(desk);
    await settled(phone);
    await openFilm(desk, "Seven Samurai");
    await openFilm(phone, "Seven Samurai");
    const theirs = phone.getByTestId("file");
    await expect(theirs).toHaveCount(5);
    await theirs.first().scrollIntoViewIfNeeded();
    await expect.poll(() => smallWidth(phone)).toBe(320);
    await expectFound(phone, { word: "katana", excerpt: "screenplay.pdf EXT. VILLAGE He draws his katana." });
    await openFilm(phone, "Seven Samurai");
  });

  await test.step("let go from the device, fetched again and kept, and what is kept does not go", async () => {
    const kept = desk.getByTestId("kept-files");
    const free = async (): Promise<void> => {
      await desk.getByRole("link", { name: "Sync" }).first().click();
      await expect(kept.getByTestId("files-freeable")).not.toHaveText("0 B");
      await kept.getByRole("button", { name: /^Free / }).click();
      await expect(kept.getByTestId("files-freeable")).toHaveText("0 B");
    };
    await free();
    await expect(kept.getByTestId("files-local")).toHaveText("0 B");
    await openFilm(desk, "Seven Samurai");
    const [poster, credits] = [rows.first(), rows.nth(1)];
    await expect(credits).toHaveAttribute("data-place", "remote");
    await expect(poster).toContainText("not on this device");
    await poster.getByRole("button", { name: "Keep poster.png on this device" }).click();
    await expect(poster).toHaveAttribute("data-place", "local");
    await expect(poster).toContainText("kept on this device");
    await desk.getByRole("button", { name: "Save credits.svg" }).click();
    await expect(credits).toHaveAttribute("data-place", "local");
    await free();
    await openFilm(desk, "Seven Samurai");
    await expect(credits).toHaveAttribute("data-place", "remote");
    await expect(poster).toHaveAttribute("data-place", "local");
    if (shots === undefined) return;
    mkdirSync(shots, { recursive: true });
    await rows.first().scrollIntoViewIfNeeded();
    await desk.screenshot({ path: `${shots}/files-1440.png` });
    await phone.getByTestId("file").last().scrollIntoViewIfNeeded();
    await phone.screenshot({ path: `${shots}/files-390.png` });
    await desk.getByRole("link", { name: "Sync" }).first().click();
    await kept.scrollIntoViewIfNeeded();
    await desk.screenshot({ path: `${shots}/files-room-1440.png` });
  });
});

/** Holds back each large piece of files but the first, on its way to the worker, until the page is told to let them through. */
function holdPieces(): void {
  const send = Worker.prototype.postMessage;
  const held: (() => void)[] = [];
  let pieceCount = 0;
  Worker.prototype.postMessage = function (this: Worker, message: unknown, ...rest: unknown[]) {
    const go = (): unknown => Reflect.apply(send, this, [message, ...rest]);
    const call = message as {
      readonly path?: unknown[];
      readonly argumentList?: { readonly value: unknown }[];
    };
    const piece = call.path?.[0] === "writeUpload" ? call.argumentList?.[1]?.value : undefined;
    const isLarge = piece instanceof Blob && piece.size === 4 * 1024 * 1024;
    if (isLarge && ++pieceCount > 1) held.push(() => void go());
    else go();
  };
  Object.assign(globalThis, {
    letPiecesThrough: () => {
      Worker.prototype.postMessage = send;
      for (const go of held.splice(0)) go();
    },
  });
}

test("a phone's camera gives a picture, and a file on its way is seen and can be given up", async ({
  server,
  openDevice,
}, testInfo) => {
  test.setTimeout(150_000);
  const { page } = await openDevice({ isPhone: true });
  page.setDefaultTimeout(15_000);
  await page.addInitScript(holdPieces);
  await startWithFilm(page, server.url, "Ikiru");
  const rows = page.getByTestId("file");
  const upload = page.getByTestId("upload");
  const names = rows.locator(".file-name");
  const shoot = async (name: string): Promise<void> => {
    if (shots === undefined) return;
    mkdirSync(shots, { recursive: true });
    await page.screenshot({ path: `${shots}/${name}.png` });
  };

  await test.step("a picture is taken", async () => {
    const camera = page.getByLabel("Take a picture");
    await expect(page.getByText("Take a picture")).toBeVisible();
    await expect(page.getByText("Or drop them here")).toBeHidden();
    await expect(camera).toHaveAttribute("capture", "environment");
    await expect(camera).toHaveAttribute("accept", "image/*");
    const [picker] = await Promise.all([
      page.waitForEvent("filechooser"),
      page.getByText("Take a picture").tap(),
    ]);
    expect(picker.isMultiple()).toBe(false);
    const picture = await page.screenshot();
    await picker.setFiles({ name: "IMG_0001.png", mimeType: "image/png", buffer: picture });
    await expect(names).toHaveText(["IMG_0001.png"]);
    await expect(upload).toHaveCount(0);
    await expect.poll(() => smallWidth(page)).toBe(148);
    // The next picture may have the same name.
    await camera.setInputFiles({ name: "IMG_0001.png", mimeType: "image/png", buffer: picture });
    await expect(names).toHaveText(["IMG_0001.png", "IMG_0001.png"]);
    await page.getByTestId("files").scrollIntoViewIfNeeded();
    await shoot("files-camera-390");
    // Nothing beside the page itself scrolls, whatever is hidden far down in it.
    expect(await page.evaluate(() => [scrollY, document.documentElement.scrollHeight])).toEqual([0, 844]);
    await expect(page.locator(".file-camera")).toHaveCSS("outline-style", "none");
  });

  const name = "a very long take of the swing in the snow, second camera.mp4";
  const buffer = Buffer.alloc(12 * 1024 * 1024, "snow ");
  // As files on the disk: through the driver's line so many bytes go slowly.
  const [film, second] = [testInfo.outputPath(name), testInfo.outputPath("second take.mp4")];
  for (const path of [film, second]) writeFileSync(path, buffer);

  await test.step("a file on its way says how far it is", async () => {
    await page.getByTestId("choose-files").setInputFiles(film);
    await expect(upload).toHaveCount(1);
    await expect(upload.locator(".file-name")).toHaveText(name);
    const bar = upload.getByRole("progressbar", { name: `Adding ${name}` });
    await expect.poll(() => bar.evaluate(({ position }: HTMLProgressElement) => position)).toBeCloseTo(1 / 3);
    await upload.scrollIntoViewIfNeeded();
    await shoot("files-upload-390");
    const { violations } = await new AxeBuilder({ page }).analyze();
    expect(violations.map(({ id, nodes }) => [id, nodes.map(({ html }) => html)])).toEqual([]);
    const [bound, cancel] = [
      await upload.boundingBox(),
      await upload.getByRole("button", { name: `Do not add ${name}` }).boundingBox(),
    ];
    expect((cancel?.x ?? Infinity) + (cancel?.width ?? 0)).toBeLessThanOrEqual(390);
    expect(Math.min(cancel?.width ?? 0, cancel?.height ?? 0, bound?.height ?? 0)).toBeGreaterThanOrEqual(40);
  });

  await test.step("given up, it leaves the document as it was", async () => {
    await upload.getByRole("button", { name: `Do not add ${name}` }).tap();
    await expect(upload).toHaveCount(0);
    await expect(names).toHaveText(["IMG_0001.png", "IMG_0001.png"]);
    await page.evaluate(() => (globalThis as unknown as { letPiecesThrough(): void }).letPiecesThrough());
    await page.getByTestId("choose-files").setInputFiles(second);
    await expect(names).toHaveText(["IMG_0001.png", "IMG_0001.png", "second take.mp4"]);
    await page.reload();
    await unlock(page, secrets.ownerPassword);
    await openFilm(page, "Ikiru");
    await expect(field(page, "Title")).toHaveValue("Ikiru");
    await expect(names).toHaveText(["IMG_0001.png", "IMG_0001.png", "second take.mp4"]);
    const saving = page.waitForEvent("download");
    await page.getByRole("button", { name: "Save second take.mp4" }).tap();
    expect(readFileSync(await (await saving).path()).equals(buffer)).toBe(true);
  });
  for (const path of [film, second]) rmSync(path);
});
