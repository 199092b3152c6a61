/**
 * A file that stands open on the page: its address, which an `<img>` or a `<video>` reads piece by piece.
 *
 * The page is the only one that knows which file an address means. It reads for whoever asks through the service worker, a chunk at a time
 * and only the next one; the keys stay in its worker, which refuses while the vault is locked.
 */
import {
  answerRequest,
  attachmentLimits,
  encodePart,
  findChunks,
  findParts,
  formatAddress,
  greeting,
  refusal,
  type AnswerHead,
  type AskedFile,
  type AttachmentRecord,
  type WebAnswer,
  type Welcome,
} from "../attachment/index.ts";
import {
  bytesToBase64url,
  CofferError,
  createPageEnv,
  toCofferError,
  type CofferErrorCode,
} from "../std/index.ts";
import type { AttachmentName, OpenAttachment } from "./attachment-types.ts";
import { findAttachment } from "./attachments.ts";
import type { DatabaseCore } from "./database.ts";
import type { DocCore } from "./doc.ts";
import { inBackground } from "./session.ts";
import type { Doc } from "./types.ts";

const welcomeWithinMs = 10_000;

/** A file and what reads it. */
interface Place {
  readonly core: DatabaseCore;
  readonly own: DocCore;
  readonly record: AttachmentRecord;
  /** @throws once its address is over */
  readonly require: () => void;
}

/** Open a file of a document. */
export async function openAttachment(
  core: DatabaseCore,
  doc: Doc,
  file: AttachmentName,
): Promise<OpenAttachment> {
  const own = core.own(doc);
  const record = findAttachment(own, file);
  const over = new AbortController();
  let isLocked = false;
  const require = (): void => {
    if (isLocked) throw new CofferError("access/locked");
    core.own(doc);
  };
  // What was locked once stays so: whoever unlocks shows it anew.
  const unfollow = own.shown.subscribe(({ status }) => {
    isLocked ||= status === "locked";
  });
  let url: Promise<string> | undefined;
  const dispose = (): void => {
    unfollow();
    over.abort();
  };
  return {
    async getUrl() {
      url ??= giveOut({ core, own, record, require }, over.signal);
      url.catch(() => (url = undefined));
      return url;
    },
    dispose,
    [Symbol.dispose]: dispose,
  };
}

/** Make an address for a file, and answer for it until the signal. */
async function giveOut(place: Place, over: AbortSignal): Promise<string> {
  const { serviceWorker } = navigator;
  const token = bytesToBase64url(createPageEnv().randomBytes(32));
  const welcome = await greet(serviceWorker);
  if (over.aborted) throw new CofferError("store/closed");
  serviceWorker.addEventListener(
    "message",
    ({ data, ports: [port] }: MessageEvent<Partial<AskedFile> | null>) => {
      if (data?.type !== "coffer-file" || data.token !== token || port === undefined) return;
      port.postMessage("here");
      const { question } = data as AskedFile;
      inBackground(answer(place, answerRequest(place.record, question), port));
    },
    { signal: over },
  );
  serviceWorker.startMessages();
  return formatAddress(welcome, token, place.record.name);
}

/** Have the service worker answer for this page. @throws `worker/failed` where there is none, or it knows nothing of files */
async function greet(serviceWorker: ServiceWorkerContainer | undefined): Promise<Welcome> {
  const { port1, port2 } = new MessageChannel();
  const answered = new Promise<Welcome>((resolve, reject) => {
    const fail = (): void =>
      reject(
        new CofferError("worker/failed", { message: "Addresses of files need the service worker's help." }),
      );
    createPageEnv().setTimer(welcomeWithinMs, fail);
    port1.onmessage = ({ data }: MessageEvent<Welcome>) => resolve(data);
    const asking = async (): Promise<void> =>
      (await serviceWorker?.ready)?.active?.postMessage(greeting, [port2]);
    if (serviceWorker === undefined) fail();
    else asking().catch(fail);
  });
  try {
    return await answered;
  } finally {
    port1.close();
  }
}

/** Answer on a port: the head once the first bytes are there, then a piece whenever one is asked for. */
async function answer(
  place: Place,
  { from, headers, status, to }: WebAnswer,
  port: MessagePort,
): Promise<void> {
  const tell = (head: AnswerHead): void => port.postMessage(head);
  const pieces = chunksOf(place, from, to);
  let piece: Promise<IteratorResult<Uint8Array<ArrayBuffer>, void>> | undefined;
  try {
    place.require();
    piece = pieces.next();
    const hasBody = (await piece).done !== true;
    tell({ status, headers, hasBody });
    if (!hasBody) return port.close();
  } catch (cause) {
    tell({ ...refusal(statusOf(toCofferError(cause).code)), hasBody: false });
    return port.close();
  }
  const step = async (): Promise<void> => {
    try {
      const { value } = await (piece ?? pieces.next());
      piece = undefined;
      port.postMessage(value ?? null, value === undefined ? [] : [value.buffer]);
      if (value === undefined) port.close();
    } catch (cause) {
      port.postMessage(toCofferError(cause).code);
      port.close();
    }
  };
  port.onmessage = ({ data }) => {
    if (data === "pull") inBackground(step());
    else port.close();
  };
}

/** The bytes of a range, a chunk each, read when they are asked for. */
async function* chunksOf(
  { core, own, record: { parts }, require }: Place,
  from: number,
  to: number,
): AsyncGenerator<Uint8Array<ArrayBuffer>, void> {
  for (const { index, ...within } of findParts(parts, from, to)) {
    const part = parts[index];
    if (part === undefined) continue;
    for (const chunk of findChunks(part.sizeBytes, within.from, within.to)) {
      require();
      const start = chunk.index * attachmentLimits.chunkBytes;
      const range = { from: start + chunk.from, to: start + chunk.to };
      const bytes = await core.call((api) =>
        api.readPart(core.subscription, own.place.id, encodePart(part), range),
      );
      yield bytes as Uint8Array<ArrayBuffer>;
    }
  }
}

function statusOf(code: CofferErrorCode): number {
  if (code === "access/locked") return 403;
  if (/^(doc|store\/closed|input)/.test(code)) return 404;
  return code.startsWith("net/") ? 503 : 500;
}
