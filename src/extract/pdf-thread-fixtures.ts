/** The thread that reads PDFs, for tests: it also says of each promise that was let go of whether that was taken. */
import "./pdf-thread.ts";

addEventListener("unhandledrejection", ({ defaultPrevented }) => postMessage({ isTaken: defaultPrevented }));
