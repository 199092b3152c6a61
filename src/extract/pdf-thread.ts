/** The thread that reads one PDF and is ended. */
import "./close-ways.ts";
import { readPdf } from "./read-pdf.ts";

// pdf.js looks ahead for further pages, and lets go of promises that fail by what is damaged there. The verdict comes all the same.
addEventListener("unhandledrejection", (event) => event.preventDefault());
addEventListener("message", ({ data }: MessageEvent<Blob>) => {
  void data
    .arrayBuffer()
    .then((bytes) => readPdf(new Uint8Array(bytes)))
    .catch(() => ({ kind: "refused", reason: "damaged" }) as const)
    .then((extracted) => postMessage({ extracted }));
});
postMessage({ isStarted: true });
