/**
 * A film for the stories, made by the browser itself: a picture a second, each with its number in five stripes, with an index at the front as a film of the
 * web has it. Between the pictures lie bytes that nobody needs, so that what a player fetches can be told from what it may skip.
 */
import type { Page } from "@playwright/test";

/** How a film is made; it has at most 32 seconds. */
export interface FilmPlan {
  readonly seconds: number;
  /** between one picture and the next */
  readonly fillerBytes: number;
}

/** Make a film and put it into `story.kept.film`. @returns its size */
export async function makeFilm(page: Page, plan: FilmPlan): Promise<number> {
  return page.evaluate(async ({ fillerBytes, seconds }) => {
    const [width, height] = [80, 48];
    const frames: Uint8Array<ArrayBuffer>[] = [];
    const encoder = new VideoEncoder({
      output: (chunk) => {
        const bytes = new Uint8Array(chunk.byteLength);
        chunk.copyTo(bytes);
        frames.push(bytes);
      },
      error: (error) => {
        throw error;
      },
    });
    encoder.configure({ codec: "vp8", width, height });
    const canvas = new OffscreenCanvas(width, height);
    const context = canvas.getContext("2d");
    for (let second = 0; second < seconds; second++) {
      if (context === null) throw new Error("The browser draws nothing");
      for (let stripe = 0; stripe < 5; stripe++) {
        context.fillStyle = (second >> stripe) % 2 === 1 ? "white" : "black";
        context.fillRect(stripe * 16, 0, 16, height);
      }
      const frame = new VideoFrame(canvas, { timestamp: second * 1e6, duration: 1e6 });
      encoder.encode(frame, { keyFrame: true });
      frame.close();
    }
    await encoder.flush();

    const join = (parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> => {
      const joined = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
      let at = 0;
      for (const part of parts) {
        joined.set(part, at);
        at += part.length;
      }
      return joined;
    };
    const uint = (value: number, size: number): Uint8Array => {
      const bytes = new Uint8Array(size);
      for (let at = size - 1, rest = value; at >= 0; at--, rest = Math.floor(rest / 256))
        bytes[at] = rest % 256;
      return bytes;
    };
    // Every size takes eight bytes, so that places are known before what lies before them is.
    const box = (id: string, ...content: readonly Uint8Array[]): Uint8Array<ArrayBuffer> => {
      const inside = join(content);
      const name = Uint8Array.from(id.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16));
      return join([name, Uint8Array.of(1), uint(inside.length, 7), inside]);
    };
    const text = (value: string): Uint8Array => new TextEncoder().encode(value);
    const head = box(
      "1a45dfa3",
      box("4286", uint(1, 1)),
      box("42f7", uint(1, 1)),
      box("42f2", uint(4, 1)),
      box("42f3", uint(8, 1)),
      box("4282", text("webm")),
      box("4287", uint(2, 1)),
      box("4285", uint(2, 1)),
    );
    const duration = new Uint8Array(8);
    new DataView(duration.buffer).setFloat64(0, seconds * 1000);
    const info = box("1549a966", box("2ad7b1", uint(1_000_000, 4)), box("4489", duration));
    const video = box("e0", box("b0", uint(width, 2)), box("ba", uint(height, 2)));
    const track = [
      box("d7", uint(1, 1)),
      box("73c5", uint(1, 1)),
      box("83", uint(1, 1)),
      box("86", text("V_VP8")),
    ];
    const tracks = box("1654ae6b", box("ae", ...track, video));
    const clusters = frames.map((frame, second) =>
      box("1f43b675", box("e7", uint(second * 1000, 4)), box("a3", Uint8Array.of(0x81, 0, 0, 0x80), frame)),
    );
    const filler = (): Uint8Array => {
      const bytes = new Uint8Array(fillerBytes);
      for (let at = 0; at < fillerBytes; at += 65_536)
        crypto.getRandomValues(bytes.subarray(at, at + 65_536));
      return box("ec", bytes);
    };
    const cuesOf = (places: readonly number[]): Uint8Array<ArrayBuffer> =>
      box(
        "1c53bb6b",
        ...places.map((place, second) =>
          box(
            "bb",
            box("b3", uint(second * 1000, 4)),
            box("b7", box("f7", uint(1, 1)), box("f1", uint(place, 8))),
          ),
        ),
      );
    let at = info.length + tracks.length + cuesOf(frames.map(() => 0)).length;
    const body: Uint8Array[] = [];
    const places = clusters.map((cluster) => {
      const place = at;
      const void_ = filler();
      body.push(cluster, void_);
      at += cluster.length + void_.length;
      return place;
    });
    const film = join([head, box("18538067", info, tracks, cuesOf(places), ...body)]);
    story.kept["film"] = new File([film], "shoot.webm", { type: "video/webm" });
    return film.length;
  }, plan);
}

/** The number of the picture that the page's `<video>` shows. */
export async function pictureOf(page: Page): Promise<number> {
  return page.locator("video").evaluate((video) => {
    const context = new OffscreenCanvas(80, 48).getContext("2d");
    context?.drawImage(video as HTMLVideoElement, 0, 0, 80, 48);
    const isWhite = (stripe: number): boolean =>
      (context?.getImageData(stripe * 16 + 8, 24, 1, 1).data[0] ?? 0) > 128;
    return [0, 1, 2, 3, 4].reduce((sum, stripe) => sum + (isWhite(stripe) ? 1 << stripe : 0), 0);
  });
}
