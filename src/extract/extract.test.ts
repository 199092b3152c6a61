/** Extractors as far as they go without a browser: texts, sizes of pictures, and threads that do not end. */
import fc from "fast-check";
import { describe, expect, it, vi } from "vitest";
import { extractLimits, foundText } from "./limits.ts";
import { pdfText } from "./pdf-text.ts";
import { pictureThumbnail } from "./picture-thumbnail.ts";
import { readPictureSize } from "./picture-size.ts";
import { decode, plainText } from "./plain-text.ts";

const { signal } = new AbortController();

async function textOf(
  content: BlobPart,
  about: { name?: string; type?: string },
): Promise<string | undefined> {
  const { name = "a", type = "text/plain" } = about;
  const extracted = await plainText().extract(new Blob([content]), { name, type, signal });
  return extracted.kind === "found" ? extracted.content.text() : undefined;
}

describe("plain text", () => {
  it("is read in the encodings that files have, by type, or by name where there is none", async () => {
    expect(await textOf("Crème brûlée", {})).toBe("Crème brûlée");
    expect(await textOf(new Uint8Array([0xff, 0xfe, 0x41, 0, 0xac, 0x20]), {})).toBe("A€");
    expect(await textOf(new Uint8Array([0xfe, 0xff, 0, 0x41]), {})).toBe("A");
    expect(await textOf(new Uint8Array([0xef, 0xbb, 0xbf, 0x41]), {})).toBe("A");
    expect(await textOf(new Uint8Array([0x43, 0x72, 0xe8, 0x6d, 0x65]), {})).toBe("Crème");
    expect(await textOf("a,b", { type: "text/csv; charset=utf-8" })).toBe("a,b");
    expect(await textOf("# Notes", { name: "notes.md", type: "" })).toBe("# Notes");
    for (const about of [
      { type: "text/html" },
      { type: "image/svg+xml" },
      { name: "a.exe", type: "" },
      { name: "a.txt", type: "image/png" },
    ])
      expect(await textOf("text", about)).toBeUndefined();
    expect(await textOf(new Uint8Array([1, 0, 2]), {})).toBeUndefined();
    expect(await textOf(" \n ", {})).toBeUndefined();
  });

  it("is cut between characters, and of any bytes there is a verdict", async () => {
    const long = `a${"€".repeat(extractLimits.textBytes / 2)}`;
    const text = (await textOf(long, {})) ?? "";
    expect(new TextEncoder().encode(text).length).toBeGreaterThan(extractLimits.textBytes - 4);
    expect(long.startsWith(text)).toBe(true);
    fc.assert(fc.property(fc.uint8Array(), (bytes) => void decode(bytes)));
    fc.assert(fc.property(fc.string({ unit: "binary" }), (some) => void foundText(some)));
  });
});

describe("a picture's size", () => {
  const bytes = (...parts: readonly (string | readonly number[])[]): Uint8Array =>
    Uint8Array.from(
      parts.flatMap((part) =>
        typeof part === "string" ? Array.from(part, (one) => one.charCodeAt(0)) : part,
      ),
    );

  it("is read from its first bytes, in every form", () => {
    const size = { width: 300, height: 200 };
    const pictures = [
      bytes("\x89PNG\r\n\x1a\n", [0, 0, 0, 13], "IHDR", [0, 0, 1, 44, 0, 0, 0, 200]),
      bytes("GIF89a", [44, 1, 200, 0]),
      bytes("BM", Array<number>(16).fill(0), [44, 1, 0, 0, 0x38, 0xff, 0xff, 0xff]),
      bytes("RIFF____WEBPVP8 ____", [0, 0, 0, 0x9d, 1, 0x2a, 44, 1, 200, 0]),
      bytes("RIFF____WEBPVP8L____", [0x2f, 43, 0xc1, 49, 0]),
      bytes("RIFF____WEBPVP8X____", [0, 0, 0, 0, 43, 1, 0, 199, 0, 0]),
      bytes([0xff, 0xd8, 0xff, 0xe1, 0, 4, 9, 9, 0xff, 0xff, 0xc2, 0, 9, 8, 0, 200, 1, 44]),
      bytes(
        [0, 0, 0, 20],
        "ftypavif",
        Array<number>(8).fill(0),
        "ispe",
        [0, 0, 0, 0, 0, 0, 1, 44, 0, 0, 0, 200],
        Array<number>(9).fill(0),
      ),
    ];
    for (const picture of pictures) expect(readPictureSize(picture), String(picture)).toEqual(size);
    for (const picture of pictures) expect(readPictureSize(picture.subarray(0, 9))).toBeUndefined();
    const none = [
      "",
      "%PDF-1.7",
      "<svg xmlns='http://www.w3.org/2000/svg'/>",
      "\x89PNG\r\n\x1a\n________\0\0\0\0\0\0\0\0",
    ];
    for (const text of none) expect(readPictureSize(bytes(text))).toBeUndefined();
  });

  it("is never read for ever, nor with a throw", () => {
    const heads = [
      [0xff, 0xd8, 0xff, 0xe0],
      [0x89, 0x50, 0x4e, 0x47, 13, 10, 26, 10],
      [0x52, 0x49, 0x46, 0x46],
      [0, 0, 0, 20, 0x66, 0x74, 0x79, 0x70],
    ];
    fc.assert(
      fc.property(fc.constantFrom(...heads), fc.uint8Array({ maxLength: 200 }), (head, rest) => {
        readPictureSize(Uint8Array.from([...head, ...rest]));
      }),
    );
  });
});

describe("a thread", () => {
  /** A worker of this process that does what it is told. */
  function fake(act: (worker: EventTarget) => void) {
    const worker = Object.assign(new EventTarget(), { postMessage: vi.fn(), terminate: vi.fn() });
    const spawn = () => {
      queueMicrotask(() => act(worker));
      return worker as unknown as Worker;
    };
    return { worker, spawn };
  }
  const pdf = new Blob(["%PDF-1.4"]);
  const about = { name: "a.pdf", type: "application/pdf", signal };
  const says = (data: unknown) => new MessageEvent("message", { data });

  it("answers, and is ended", async () => {
    const { spawn, worker } = fake((one) => {
      for (const noise of [{ action: "ready", data: null }, null, "started", 3])
        one.dispatchEvent(says(noise));
      one.dispatchEvent(says({ isStarted: true }));
      one.dispatchEvent(says({ extracted: { kind: "nothing" } }));
    });
    expect(await pdfText({ worker: spawn }).extract(pdf, about)).toEqual({ kind: "nothing" });
    expect(worker.postMessage).toHaveBeenCalledExactlyOnceWith(pdf);
    expect(worker.terminate).toHaveBeenCalledOnce();
  });

  it("that never answers is ended in time, or when nobody waits any more", async () => {
    const hanging = fake((one) => one.dispatchEvent(says({ isStarted: true })));
    const late = await pdfText({ worker: hanging.spawn, withinMs: 20 }).extract(pdf, about);
    expect(late).toEqual({ kind: "refused", reason: "too-slow" });
    expect(hanging.worker.terminate).toHaveBeenCalledOnce();
    const giving = new AbortController();
    const left = fake(() => giving.abort());
    await pdfText({ worker: left.spawn }).extract(pdf, { ...about, signal: giving.signal });
    expect(left.worker.terminate).toHaveBeenCalledOnce();
  });

  it("that cannot be had, or dies of its file, is a verdict", async () => {
    const unreachable = fake((one) => one.dispatchEvent(new Event("error", { cancelable: true })));
    expect(await pdfText({ worker: unreachable.spawn }).extract(pdf, about)).toEqual({
      kind: "refused",
      reason: "unavailable",
    });
    const dying = fake((one) => {
      one.dispatchEvent(says({ isStarted: true }));
      one.dispatchEvent(new Event("error", { cancelable: true }));
    });
    expect(await pdfText({ worker: dying.spawn }).extract(pdf, about)).toEqual({
      kind: "refused",
      reason: "damaged",
    });
    const none = () => expect.fail("no workers here");
    expect(await pdfText({ worker: none }).extract(pdf, about)).toEqual({
      kind: "refused",
      reason: "unavailable",
    });
  });

  it("is not made for what is no file of its own, or too large", async () => {
    const worker = vi.fn<() => Worker>();
    const jpeg = new Blob([new Uint8Array([0xff, 0xd8, 0xff, 0xe0])]);
    expect(await pdfText({ worker }).extract(jpeg, about)).toEqual({ kind: "nothing" });
    expect(await pictureThumbnail({ worker }).extract(pdf, about)).toEqual({ kind: "nothing" });
    const large = Object.defineProperty(new Blob(["%PDF-1.4"]), "size", {
      value: extractLimits.fileBytes + 1,
    });
    expect(await pdfText({ worker }).extract(large, about)).toEqual({ kind: "refused", reason: "too-large" });
    expect(worker).not.toHaveBeenCalled();
  });
});
