/** Extractors where they run: real threads, decoders and films. */
import { describe, expect, it } from "vitest";
import type { Extracted, Extractor } from "../page/index.ts";
import { pdfText, pictureThumbnail, videoThumbnail } from "./index.ts";
import { line, makePdf, makeTornPdf } from "./pdf-fixtures.ts";

const { signal } = new AbortController();
const run = async (extractor: Extractor, file: Blob): Promise<Extracted> =>
  extractor.extract(file, { name: "a", type: file.type, signal });

async function content(extracted: Extracted): Promise<Blob> {
  if (extracted.kind !== "found") throw new Error(JSON.stringify(extracted));
  return extracted.content;
}

/** A picture: its left half red, its right half blue. */
async function picture(width: number, height: number, type: string): Promise<Blob> {
  const canvas = new OffscreenCanvas(width, height);
  paint(canvas);
  return canvas.convertToBlob({ type, quality: 0.9 });
}

function paint(canvas: OffscreenCanvas | HTMLCanvasElement): void {
  const context = canvas.getContext("2d") as CanvasRenderingContext2D;
  context.fillStyle = "red";
  context.fillRect(0, 0, canvas.width / 2, canvas.height);
  context.fillStyle = "blue";
  context.fillRect(canvas.width / 2, 0, canvas.width / 2, canvas.height);
}

async function look(blob: Blob): Promise<{ size: string; left: string; right: string }> {
  const bitmap = await createImageBitmap(blob);
  const canvas = new OffscreenCanvas(bitmap.width, bitmap.height);
  const context = canvas.getContext("2d");
  if (context === null) throw new Error("no canvas");
  context.drawImage(bitmap, 0, 0);
  const at = (x: number): string => {
    const [red = 0, , blue = 0] = context.getImageData(x, bitmap.height / 2, 1, 1).data;
    return red > 150 && blue < 100 ? "red" : blue > 150 && red < 100 ? "blue" : `${red} ${blue}`;
  };
  return { size: `${bitmap.width}x${bitmap.height}`, left: at(10), right: at(bitmap.width - 10) };
}

describe("a picture", () => {
  it("is painted anew, small, whatever its form", async () => {
    for (const type of ["image/png", "image/jpeg", "image/webp"]) {
      const small = await content(await run(pictureThumbnail(), await picture(1600, 900, type)));
      expect([small.type, await look(small)]).toEqual([
        "image/webp",
        { size: "320x180", left: "red", right: "blue" },
      ]);
    }
    const tiny = await content(await run(pictureThumbnail(), await picture(40, 30, "image/png")));
    expect((await look(tiny)).size).toBe("40x30");
  });

  it("that lies on its side is turned, and nothing else that was written beside it stays", async () => {
    const jpeg = new Uint8Array(await (await picture(1600, 900, "image/jpeg")).arrayBuffer());
    // Orientation 6: a quarter turn; and a place that nobody is to know.
    const tiff = [0x4d, 0x4d, 0, 42, 0, 0, 0, 8, 0, 1, 1, 0x12, 0, 3, 0, 0, 0, 1, 0, 6, 0, 0, 0, 0, 0, 0];
    const exif = [...new TextEncoder().encode("Exif\0\0")];
    const secret = [...new TextEncoder().encode("52.5200N")];
    const body = [...exif, ...tiff, ...secret];
    const segment = [0xff, 0xe1, 0, body.length + 2, ...body];
    const turned = new Blob([jpeg.subarray(0, 2), Uint8Array.from(segment), jpeg.subarray(2)], {
      type: "image/jpeg",
    });
    const small = await content(await run(pictureThumbnail(), turned));
    expect((await look(small)).size).toBe("180x320");
    expect(new TextDecoder("latin1").decode(await small.arrayBuffer())).not.toContain("52.52");
  });

  it("that is damaged, or of gigabytes in kilobytes, is a verdict", async () => {
    const sound = new Uint8Array(await (await picture(900, 900, "image/png")).arrayBuffer());
    const cut = new Blob([sound.slice(0, 60)], { type: "image/png" });
    expect(await run(pictureThumbnail(), cut)).toEqual({ kind: "refused", reason: "damaged" });
    const huge = sound.slice();
    new DataView(huge.buffer).setUint32(16, 60_000);
    new DataView(huge.buffer).setUint32(20, 60_000);
    expect(await run(pictureThumbnail(), new Blob([huge]))).toEqual({ kind: "refused", reason: "too-large" });
    const svg = new Blob([`<svg xmlns="http://www.w3.org/2000/svg"/>`], { type: "image/svg+xml" });
    expect(await run(pictureThumbnail(), svg)).toEqual({ kind: "nothing" });
  });
});

describe("a PDF", () => {
  it("is read in a thread of its own, and given up where that takes too long", async () => {
    const file = new Blob([makePdf({ pages: [line("katana")] })], { type: "application/pdf" });
    expect(await (await content(await run(pdfText(), file))).text()).toBe("katana");
    const much = line("twenty letters in it").repeat(20_000);
    const slow = new Blob([makePdf({ pages: Array<string>(40).fill(much) })]);
    expect(await run(pdfText({ withinMs: 150 }), slow)).toEqual({ kind: "refused", reason: "too-slow" });
    const broken = new Blob([(await file.slice(0, 40).text()) + "nothing more"]);
    expect(await run(pdfText(), broken)).toEqual({ kind: "refused", reason: "damaged" });
  });

  it("is read where no way leads to the network or to what is stored", async () => {
    const worker = (): Worker =>
      new Worker(new URL("./thread-fixtures.ts", import.meta.url), { type: "module" });
    const left = await run(pdfText({ worker }), new Blob(["%PDF-1.7"]));
    expect(await (await content(left)).text()).toBe("none");
  });
});

describe("a film", () => {
  async function film(): Promise<Blob> {
    const canvas = document.createElement("canvas");
    canvas.width = 640;
    canvas.height = 360;
    paint(canvas);
    const recorder = new MediaRecorder(canvas.captureStream(25), { mimeType: "video/webm" });
    const pieces: Blob[] = [];
    recorder.addEventListener("dataavailable", ({ data }) => pieces.push(data));
    const ended = new Promise((resolve) => recorder.addEventListener("stop", resolve));
    recorder.start();
    for (let frame = 0; frame < 20; frame++) {
      paint(canvas);
      await new Promise((resolve) => requestAnimationFrame(resolve));
    }
    await new Promise((resolve) => setTimeout(resolve, 300));
    recorder.stop();
    await ended;
    return new Blob(pieces, { type: "video/webm" });
  }

  it("shows a frame of its beginning; what is none is a verdict", async () => {
    const small = await content(await run(videoThumbnail(), await film()));
    expect([small.type, await look(small)]).toEqual([
      "image/webp",
      { size: "320x180", left: "red", right: "blue" },
    ]);
    const noise = new Blob([new Uint8Array(5000).fill(7)], { type: "video/mp4" });
    expect(await run(videoThumbnail(), noise)).toEqual({ kind: "refused", reason: "damaged" });
    expect(await run(videoThumbnail(), new Blob(["x"], { type: "text/plain" }))).toEqual({ kind: "nothing" });
  });
});

it("a PDF that makes its reader let go of promises is read without a word on the console", async () => {
  const thread = new Worker(new URL("./pdf-thread-fixtures.ts", import.meta.url), { type: "module" });
  const told: { isStarted?: true; isTaken?: boolean; extracted?: Extracted }[] = [];
  thread.addEventListener("message", ({ data }) => {
    told.push(data);
    if (data?.isStarted === true) thread.postMessage(new Blob([makeTornPdf()]));
  });
  await expect.poll(() => told.some(({ extracted }) => extracted !== undefined)).toBe(true);
  await expect.poll(() => told.flatMap(({ isTaken }) => isTaken ?? [])).toEqual([true]);
  thread.terminate();
});
