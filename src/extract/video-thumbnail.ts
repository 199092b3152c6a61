/** Small pictures of films: a frame of their beginning. The browser decodes films elsewhere than in the page. */
import { createPageEnv } from "../std/index.ts";
import type { Extracted, Extractor } from "../page/index.ts";
import { extractLimits, nothing, refused } from "./limits.ts";
import { paintSmall } from "./shrink-picture.ts";

/** The frame at this time, or at a tenth of a shorter film. */
const atSeconds = 1;

/** Makes a small picture of films that the browser plays. */
export function videoThumbnail(): Extractor {
  return {
    gives: "thumbnail",
    async extract(file, { signal, type }) {
      if (!type.startsWith("video/")) return nothing;
      const video = document.createElement("video");
      const address = URL.createObjectURL(file);
      try {
        return await paintFrame(video, address, signal);
      } catch {
        return refused("damaged");
      } finally {
        video.removeAttribute("src");
        video.load();
        URL.revokeObjectURL(address);
      }
    },
  };
}

async function paintFrame(video: HTMLVideoElement, address: string, signal: AbortSignal): Promise<Extracted> {
  const ended = new AbortController();
  const stop = (): void => ended.abort();
  signal.addEventListener("abort", stop, { once: true });
  const release = createPageEnv().setTimer(extractLimits.videoMs, stop);
  try {
    video.muted = true;
    video.preload = "auto";
    video.src = address;
    if (!(await hears(video, "loadeddata", ended.signal))) return late(video, ended.signal);
    const { duration, videoHeight: height, videoWidth: width } = video;
    if (width * height === 0) return nothing;
    if (width * height > extractLimits.pixels) return refused("too-large");
    video.currentTime = Math.min(atSeconds, duration / 10);
    if (video.seeking && !(await hears(video, "seeked", ended.signal))) return late(video, ended.signal);
    return await paintSmall({ source: video, width, height });
  } finally {
    release();
    signal.removeEventListener("abort", stop);
  }
}

const late = (video: HTMLVideoElement, { aborted }: AbortSignal): Extracted =>
  refused(aborted && video.error === null ? "too-slow" : "damaged");

/** Wait for an event. @returns false for an error, or once nobody waits any more */
function hears(
  video: HTMLVideoElement,
  event: "loadeddata" | "seeked",
  signal: AbortSignal,
): Promise<boolean> {
  return new Promise((resolve) => {
    const end = (isThere: boolean): void => {
      video.removeEventListener(event, there);
      video.removeEventListener("error", not);
      signal.removeEventListener("abort", not);
      resolve(isThere);
    };
    const there = (): void => end(true);
    const not = (): void => end(false);
    video.addEventListener(event, there);
    video.addEventListener("error", not);
    signal.addEventListener("abort", not);
    if (signal.aborted) not();
  });
}
