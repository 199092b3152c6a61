/** Waiting for what a peer tells by its own events. */

const limitMs = 150_000;

/**
 * Resolves as soon as `isThere` holds: asked at once, and again each time the peer calls `heard`.
 *
 * @param subscribe begins to listen, and gives what ends it
 */
export async function untilHeard(
  subscribe: (heard: () => void) => () => void,
  isThere: () => boolean,
): Promise<void> {
  if (isThere()) return;
  let stop = (): void => undefined;
  let timer: ReturnType<typeof setTimeout> | undefined;
  try {
    await new Promise<void>((resolve, reject) => {
      timer = setTimeout(() => reject(new Error(`Nothing was heard for ${limitMs} ms`)), limitMs);
      stop = subscribe(() => {
        if (isThere()) resolve();
      });
    });
  } finally {
    clearTimeout(timer);
    stop();
  }
}

/** The address for WebSockets of a server's address for plain requests. */
export function socketUrl(serverUrl: string, path = ""): string {
  return `${serverUrl.replace(/^http/, "ws")}${path}`;
}
