/**
 * Addresses of files for an application's service worker: `installCofferFiles(self)` in its script, before its own listener for `fetch`.
 *
 * It holds no key and no file: it asks the page that gave an address out, and passes on what that page's unlocked worker reads, a piece
 * whenever the browser wants one. The messages are in the room `attachment`, `address.ts`.
 *
 * Guarantees
 * - H1 a request for a file's address is answered in bounded time: 404 where its page is gone or does not know it, 504 where it is silent
 * - H2 bytes are asked for one piece at a time, and no more once whoever reads them goes away
 * - H3 a request for anything else is left alone
 */
import {
  greeting,
  readAddress,
  refusal,
  type AddressPlace,
  type AnswerHead,
  type AskedFile,
  type Welcome,
} from "../src/attachment/index.ts";
import { createSystemEnv, type Env } from "../src/std/index.ts";

/** a page that knows the address says so in this time */
const hereWithinMs = 5_000;
/** and has a piece in this one, wherever it must fetch it from */
const pieceWithinMs = 120_000;

type FilesEnv = Pick<Env, "setTimer">;
type FilesScope = Pick<ServiceWorkerGlobalScope, "addEventListener" | "clients" | "registration">;

/** Answer requests for addresses of files. */
export function installCofferFiles(scope: FilesScope, env: FilesEnv = createSystemEnv()): void {
  scope.addEventListener("fetch", (event) => {
    const place = readAddress(event.request.url, scope.registration.scope);
    if (place === undefined) return;
    event.stopImmediatePropagation();
    event.respondWith(answerFile(scope, env, place, event.request));
  });
  scope.addEventListener("message", (event) => {
    const { ports, source } = event;
    if ((event.data as Partial<typeof greeting> | null)?.type !== greeting.type || source === null) return;
    const welcome: Welcome = { client: (source as Client).id, scope: scope.registration.scope };
    event.waitUntil(scope.clients.claim().then(() => ports[0]?.postMessage(welcome)));
  });
}

async function answerFile(
  { clients }: FilesScope,
  env: FilesEnv,
  { client, token }: AddressPlace,
  { destination, headers, method }: Request,
): Promise<Response> {
  const page = await clients.get(client);
  if (page === undefined) return refuse(404);
  const { port1, port2 } = new MessageChannel();
  const question = { method, destination, range: headers.get("range"), ifRange: headers.get("if-range") };
  const next = inboxOf(port1, env);
  page.postMessage({ type: "coffer-file", token, question } satisfies AskedFile, [port2]);
  const end = (): void => {
    port1.postMessage("stop");
    port1.close();
  };
  if ((await next(hereWithinMs)) === undefined) {
    end();
    return refuse(404);
  }
  const head = (await next(pieceWithinMs)) as AnswerHead | undefined;
  if (head?.hasBody !== true) end();
  if (head === undefined) return refuse(504);
  return new Response(head.hasBody ? bodyOf(port1, next, end) : null, head);
}

function bodyOf(
  port: MessagePort,
  next: (withinMs: number) => Promise<unknown>,
  end: () => void,
): ReadableStream<Uint8Array> {
  return new ReadableStream<Uint8Array>(
    {
      async pull(stream) {
        port.postMessage("pull");
        const piece = await next(pieceWithinMs);
        if (piece instanceof Uint8Array) return stream.enqueue(piece);
        end();
        if (piece === null) stream.close();
        else stream.error(new Error(typeof piece === "string" ? piece : "net/timeout"));
      },
      cancel: end,
    },
    { highWaterMark: 0 },
  );
}

function refuse(status: number): Response {
  return new Response(null, refusal(status));
}

/** What comes on a port, in order; `undefined` when nothing comes in time. */
function inboxOf(port: MessagePort, env: FilesEnv): (withinMs: number) => Promise<unknown> {
  const come: unknown[] = [];
  let wake = (): void => undefined;
  port.onmessage = ({ data }) => {
    come.push(data);
    wake();
  };
  return async (withinMs) => {
    if (come.length === 0) {
      let stop = (): void => undefined;
      await new Promise<void>((resolve) => {
        wake = resolve;
        stop = env.setTimer(withinMs, resolve);
      });
      stop();
    }
    return come.shift();
  };
}
