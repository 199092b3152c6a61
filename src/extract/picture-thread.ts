/** The thread that decodes one picture and is ended. */
import "./close-ways.ts";
import { shrinkPicture } from "./shrink-picture.ts";

addEventListener("message", ({ data }: MessageEvent<Blob>) => {
  void shrinkPicture(data)
    .catch(() => ({ kind: "refused", reason: "damaged" }) as const)
    .then((extracted) => postMessage({ extracted }));
});
postMessage({ isStarted: true });
