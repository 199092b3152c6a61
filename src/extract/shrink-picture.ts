/** Paints pictures anew, small. */
import type { Extracted } from "../page/index.ts";
import { extractLimits, nothing, refused } from "./limits.ts";
import { readPictureSize, sizeHeadBytes } from "./picture-size.ts";

/** The longer side of a small picture. */
const edgePx = 320;

/** What can be painted: a decoded picture, or a frame of a film. */
interface Painted {
  readonly source: CanvasImageSource;
  readonly width: number;
  readonly height: number;
}

/** Decode a picture and paint it small. */
export async function shrinkPicture(file: Blob): Promise<Extracted> {
  const size = readPictureSize(new Uint8Array(await file.slice(0, sizeHeadBytes).arrayBuffer()));
  if (size === undefined) return nothing;
  if (size.width * size.height > extractLimits.pixels) return refused("too-large");
  // One side alone: the other follows, also where the picture says that it lies on its side.
  const side = size.width >= size.height ? "resizeWidth" : "resizeHeight";
  const isLarge = Math.max(size.width, size.height) > 2 * edgePx;
  try {
    const bitmap = await createImageBitmap(
      file,
      isLarge ? { [side]: 2 * edgePx, resizeQuality: "high" } : {},
    );
    try {
      return await paintSmall({ source: bitmap, width: bitmap.width, height: bitmap.height });
    } finally {
      bitmap.close();
    }
  } catch {
    return refused("damaged");
  }
}

/** Paint what is there as a small picture, smaller and smaller until it may be kept. */
export async function paintSmall({ height, source, width }: Painted): Promise<Extracted> {
  for (let edge = edgePx; edge >= 40; edge /= 2) {
    const scale = Math.min(1, edge / Math.max(width, height));
    const canvas = new OffscreenCanvas(
      Math.max(1, Math.round(width * scale)),
      Math.max(1, Math.round(height * scale)),
    );
    const context = canvas.getContext("2d");
    if (context === null) return refused("unavailable");
    context.imageSmoothingQuality = "high";
    context.drawImage(source, 0, 0, canvas.width, canvas.height);
    // Where WebP cannot be written it becomes PNG, and its type says so.
    const content = await canvas.convertToBlob({ type: "image/webp", quality: 0.8 });
    if (content.size <= extractLimits.pictureBytes) return { kind: "found", content };
  }
  return refused("too-large");
}
