/** Files in a real browser: added from a `File`, read back, and whole or absent when their page dies at any part. */
import type { Page } from "@playwright/test";
import { enterTenant, expect, foundTenant, openSite, test } from "./world.ts";

const megabyte = 1024 * 1024;

/** Add a file of a size to a new document. @returns the document's id, the file's id, and the hash of its bytes */
async function addFile(page: Page, sizeBytes: number) {
  return page.evaluate(async (size) => {
    const parts = Array.from({ length: Math.ceil(size / 65_536) }, (_, index) =>
      crypto.getRandomValues(new Uint8Array(Math.min(65_536, size - index * 65_536))),
    );
    const file = new File(parts, "shoot.mp4", { type: "video/mp4" });
    const doc = await story.db.createDocument({ title: "with a film", count: 0 });
    const progress: number[] = [];
    const onProgress = ({ doneBytes }: { doneBytes: number }): void => void progress.push(doneBytes);
    const { id } = await story.db.addAttachment(doc, file, { onProgress });
    const hash = await crypto.subtle.digest("SHA-256", await file.arrayBuffer());
    return { docId: doc.id, id, progress, hash: [...new Uint8Array(hash)] };
  }, sizeBytes);
}

/** The hash of a file as it is read, its type, and a range of ten bytes before each border of its first chunks. */
async function readFile(page: Page, docId: string, id: string) {
  return page.evaluate(
    async ([of, file]) => {
      const doc = await story.db.getDocument(of);
      const blob = await story.db.getAttachment(doc, file);
      const whole = new Uint8Array(await blob.arrayBuffer());
      const hash = await crypto.subtle.digest("SHA-256", whole);
      const areRanges: boolean[] = [];
      for (const border of [0, 262_144, 4_194_304]) {
        const from = Math.max(0, border - 5);
        const range = await story.db.getAttachmentRange(doc, file, from, from + 10);
        areRanges.push(range.length === 10 && range.every((byte, at) => byte === whole[from + at]));
      }
      const stream = await story.db.streamAttachment(doc, file, { from: whole.length - 9 });
      const tail = await new Response(stream).arrayBuffer();
      return { hash: [...new Uint8Array(hash)], type: blob.type, areRanges, tailBytes: tail.byteLength };
    },
    [docId, id] as const,
  );
}

test("come back byte for byte, after a reload too, and are listed", async ({ page, site }) => {
  await openSite(page, site);
  await foundTenant(page);
  const added = await addFile(page, 9 * megabyte + 77);
  expect(added.progress).toEqual([4 * megabyte, 8 * megabyte, 9 * megabyte + 77]);
  const expected = { hash: added.hash, type: "video/mp4", areRanges: [true, true, true], tailBytes: 9 };
  expect(await readFile(page, added.docId, added.id)).toEqual(expected);
  await openSite(page, site);
  await enterTenant(page);
  expect(await readFile(page, added.docId, added.id)).toEqual(expected);
  const listed = await page.evaluate(async (docId) => {
    const doc = await story.db.getDocument(docId);
    const files = await story.until(doc.attachments, (now) => now !== undefined);
    return files?.map(({ name, sizeBytes }) => ({ name, sizeBytes }));
  }, added.docId);
  expect(listed).toEqual([{ name: "shoot.mp4", sizeBytes: 9 * megabyte + 77 }]);
});

test("whose page dies at any part leave their document as it was, and can be added again", async ({
  page,
  site,
}) => {
  await openSite(page, site);
  await foundTenant(page);
  for (const diesAt of [1, 2, 3]) {
    const docId = await page.evaluate(async (count) => {
      const doc = await story.db.createDocument({ title: "whole", count: 0 });
      let told = 0;
      const reached = new Promise<void>((resolve) => {
        const onProgress = (): void => {
          told += 1;
          if (told === count) resolve();
        };
        let leftBytes = count * 4 * 1024 * 1024 + 1_000_000;
        // It stops in the middle of a part: however fast the device, the file is not all there when the page dies.
        const stream = new ReadableStream<Uint8Array>({
          async pull(controller) {
            if (leftBytes <= 0) await new Promise(() => undefined);
            const bytes = new Uint8Array(Math.min(leftBytes, 100_000));
            leftBytes -= bytes.length;
            controller.enqueue(bytes);
          },
        });
        const adding = story.db.addAttachmentStream(doc, stream, { name: "a", onProgress });
        adding.catch(() => undefined);
      });
      await reached;
      return doc.id;
    }, diesAt);
    await openSite(page, site);
    await enterTenant(page);
    const fields = await page.evaluate(
      async (id) => Object.keys((await story.db.getDocument(id)).data.value ?? {}).toSorted(),
      docId,
    );
    expect(fields).toEqual(["count", "title"]);
  }
  const added = await addFile(page, 5 * megabyte);
  expect((await readFile(page, added.docId, added.id)).hash).toEqual(added.hash);
});
