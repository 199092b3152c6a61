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
import { shareStructure } from "../draft/index.ts";
import {
  bytesToBase64url,
  CofferError,
  createPageEnv,
  toCofferError,
  type CofferErrorCode,
  type Release,
} from "../std/index.ts";
import { throwIfAborted, unlessAborted } from "./abort.ts";
import type {
  AttachmentName,
  AttachmentRun,
  AttachmentState,
  FileLimits,
  FileSums,
  OpenAttachment,
} from "./attachment-types.ts";
import { tellProgress } from "./attachment-pieces.ts";
import { findAttachment } from "./attachments.ts";
import type { DatabaseCore } from "./database.ts";
import type { DocCore } from "./doc.ts";
import { inBackground, type RestoreCall, type Session } from "./session.ts";
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
  const kept = new KeptFile(core, record);
  const unwatch = core.watch(kept);
  const dispose = (): void => {
    unfollow();
    unwatch();
    over.abort();
  };
  const unpin = async (): Promise<void> => pin({ core, own, record }, false);
  return {
    state: kept.state,
    async pin(options = {}) {
      try {
        await pin({ core, own, record }, true, options);
      } catch (cause) {
        await unpin().catch(() => undefined);
        throw cause;
      }
    },
    unpin,
    free: async () => core.call((api) => api.freeParts(core.subscription, record.parts.map(encodePart))),
    async getUrl() {
      url ??= giveOut({ core, own, record, require }, over.signal);
      url.catch(() => (url = undefined));
      return url;
    },
    dispose,
    [Symbol.dispose]: dispose,
  };
}

/** What is kept of a file, as the worker tells it. */
class KeptFile {
  readonly state;
  readonly #core: DatabaseCore;
  readonly #parts: readonly Uint8Array[];
  readonly #subscription: number;
  readonly #unlisten: Release;

  constructor(core: DatabaseCore, { parts }: AttachmentRecord) {
    this.state = core.signals.signal<AttachmentState | undefined>(undefined);
    this.#core = core;
    this.#parts = parts.map(encodePart);
    this.#subscription = core.session.nextNumber();
    this.#unlisten = core.session.listen(this.#subscription, (event) => {
      if (event.kind === "file") this.state.value = shareStructure(this.state.peek(), event.state);
    });
  }

  open(): void {
    inBackground(this.restore(async (run) => this.#core.session.call(run)));
  }

  async restore(call: RestoreCall): Promise<void> {
    await call((api) => api.watchFile(this.#core.subscription, this.#parts, this.#subscription));
  }

  fail(): void {
    this.state.value = undefined;
  }

  dispose(): void {
    this.#unlisten();
    inBackground(this.#core.session.call((api) => api.unwatchFile(this.#subscription)));
  }
}

/** Pin a file's parts one after the other, or let them go again. */
async function pin(
  { core, own, record: { parts, sizeBytes } }: Omit<Place, "require">,
  isPinned: boolean,
  { onProgress, signal }: AttachmentRun = {},
): Promise<void> {
  let doneBytes = 0;
  for (const part of parts) {
    throwIfAborted(signal);
    const calling = core.call(
      (api) => api.pinPart(core.subscription, own.place.id, encodePart(part), isPinned),
      "stores",
    );
    await unlessAborted(signal, calling);
    doneBytes += part.sizeBytes;
    tellProgress(onProgress, { doneBytes, totalBytes: sizeBytes });
  }
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

/** Let files go from this device, and say how much of them may be here. */
export async function limitFiles(
  { id, session }: { readonly id: string; readonly session: Session },
  limits: FileLimits,
): Promise<FileSums> {
  return session.call((api) => api.limitFiles(id, limits));
}
