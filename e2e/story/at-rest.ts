/** Looking for plaintext where there must be none: every file of a folder, as one-byte, two-byte and base64 text. */
import { readdir, readFile, stat } from "node:fs/promises";
import { join } from "node:path";

/** A text that was found where it must not be. */
export interface Leak {
  readonly text: string;
  readonly file: string;
}

/** Search all files below `folder` for any of `texts`, in Latin-1/UTF-8 and in UTF-16. */
export async function findLeaks(folder: string, texts: readonly string[]): Promise<readonly Leak[]> {
  const needles = texts.flatMap((text) => [
    { text, bytes: Buffer.from(text, "utf8") },
    { text, bytes: Buffer.from(text, "utf16le") },
  ]);
  const leaks: Leak[] = [];
  for (const file of await filesBelow(folder)) {
    const content = await readFile(file);
    for (const { text, bytes } of needles) if (content.includes(bytes)) leaks.push({ text, file });
  }
  return leaks;
}

/** How many bytes the files below a folder hold, so that a scan of nothing does not pass. */
export async function sizeBelow(folder: string): Promise<number> {
  let sizeBytes = 0;
  for (const file of await filesBelow(folder)) sizeBytes += (await stat(file)).size;
  return sizeBytes;
}

async function filesBelow(folder: string): Promise<readonly string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  return entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
}
