/** The ways in which a server can be wrong, each as a lie for a gate to tell. */
import { open, type Lie } from "./gate.ts";

/** The last frame of an answer: u8 type ‖ u8 length ‖ u8 more. */
const endBytes = 3;

/** Every answer is a page, as a captive portal's or a proxy's. */
export const html: Lie = ({ request, response }) => {
  response.writeHead(200, { "content-type": "text/html", ...open(request) });
  response.end("<!doctype html><title>Welcome</title><h1>Please sign in to the hotel's network</h1>");
};

/** Sessions have ended, and what is asked then is answered with JSON that means nothing. */
export const wrongJson: Lie = ({ request, response, isSync }) => {
  response.writeHead(isSync ? 401 : 200, { "content-type": "application/json", ...open(request) });
  response.end(JSON.stringify({ protocolVersion: "one", serverKey: { toString: 1 }, limits: [null] }));
};

/** Bytes that are no frames. */
export const garbage: Lie = async (asked) => {
  if (!asked.isSync) return asked.pass();
  asked.request.resume();
  asked.response.writeHead(200, { "content-type": "application/octet-stream", ...open(asked.request) });
  asked.response.end(Buffer.from(Array.from({ length: 5000 }, (_, index) => (index * 197 + 13) % 256)));
};

/** Sessions have ended, and the capabilities never do. */
export const endlessJson: Lie = ({ request, response, isSync }) => {
  response.writeHead(isSync ? 401 : 200, { "content-type": "application/json", ...open(request) });
  if (isSync) response.end("{}");
  else pour(response, Buffer.alloc(64 * 1024, " "));
};

/** An honest answer whose last frame, the end, never stops coming. */
export const endlessFrames: Lie = async (asked) => {
  if (!asked.isSync) return asked.pass();
  const { headers, body } = await asked.honest();
  asked.response.writeHead(200, headers);
  asked.response.write(body);
  const last = body.subarray(-endBytes);
  pour(asked.response, Buffer.concat(Array.from({ length: 20_000 }, () => last)));
};

/** Takes the question and says nothing. */
export const silence: Lie = ({ request }) => {
  request.resume();
};

/** An honest answer that breaks off, after a number of bytes or a share of them. */
export function truncated(at: number, how: "broken" | "ended"): Lie {
  return async (asked) => {
    if (!asked.isSync) return asked.pass();
    const { status, headers, body } = await asked.honest();
    const kept = body.subarray(0, at < 1 ? Math.floor(body.length * at) : Math.min(at, body.length - 1));
    asked.response.writeHead(status, headers);
    if (how === "ended") asked.response.end(kept);
    else asked.response.write(kept, () => setTimeout(() => asked.response.destroy(), 50));
  };
}

/** Refuses with a status, and asks to wait. */
export function refusing(status: number, retryAfterSeconds?: number): Lie {
  return ({ request, response }) => {
    request.resume();
    const wait = retryAfterSeconds === undefined ? {} : { "retry-after": String(retryAfterSeconds) };
    response.writeHead(status, { "content-type": "text/plain", ...wait, ...open(request) });
    response.end("no");
  };
}

/** Sends every question on to another address. */
export function redirecting(url: string): Lie {
  return ({ request, response, path }) => {
    request.resume();
    response.writeHead(307, { location: url + path, ...open(request) });
    response.end();
  };
}

/** Closes the connection before a word. */
export const hangUp: Lie = ({ request }) => {
  request.socket.destroy();
};

function pour(response: Parameters<Lie>[0]["response"], chunk: Buffer): void {
  const more = (): void => {
    while (!response.destroyed && response.write(chunk));
    if (!response.destroyed) response.once("drain", more);
  };
  more();
}
