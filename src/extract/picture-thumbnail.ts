/**
 * Small pictures of pictures, made in a thread of its own.
 *
 * The expression with the thread's address must stay exactly as it is: bundlers follow that literal, and the library's own build rewrites
 * the address in it.
 */
import type { Extractor } from "../page/index.ts";
import { nothing } from "./limits.ts";
import { readPictureSize, sizeHeadBytes } from "./picture-size.ts";
import { runThread, threadSource, type ThreadOptions } from "./thread.ts";

/** Makes a small picture of PNG, JPEG, GIF, WebP, AVIF and BMP files, 320 pixels at its longer side; of up to 64 million pixels. */
export function pictureThumbnail(options: ThreadOptions = {}): Extractor {
  const spawn = threadSource(
    options,
    () => new Worker(new URL("./picture-thread.ts", import.meta.url), { type: "module" }),
  );
  return {
    gives: "thumbnail",
    async extract(file, { signal }) {
      const head = new Uint8Array(await file.slice(0, sizeHeadBytes).arrayBuffer());
      return readPictureSize(head) === undefined ? nothing : runThread(spawn, file, signal);
    },
  };
}
