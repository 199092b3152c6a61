/**
 * Takes in a file: bytes become parts, parts become commits, several on their way at once.
 *
 * ```
 *   turn ─┬ seal 1 ┬ seal 2 ────┬ seal 3 ────┐          ┌─ end of the turn: others are let in
 *         └        └ store 1 ───┘ └ store 2 ─┘ store 3 ─┘
 * ```
 *
 * Guarantees
 * - U1 the parts are in the order of the bytes; once one of them failed, all behind it do
 * - U2 at most {@link partsPerTurn} parts and what its caller handed over are in memory
 */
import { CofferError, concatBytes, type EntryHash } from "../std/index.ts";
import { attachmentLimits, chunkSizesOf, type Part } from "../attachment/index.ts";
import type { Commit, EntryDraft, SealedCommit } from "../entry/index.ts";
import { chunksOf, type FilePlace } from "./attachments.ts";
import { requireDoc } from "./edit-desk.ts";
import { requireRight } from "./rights.ts";
import { sealChunks } from "./shared-chunks.ts";

/** so many parts of a file are sealed in one turn of the tenant's queue, each while the one before is being stored */
const partsPerTurn = 4;

/** How a file is sealed. */
export interface UploadOptions {
  /** by its content, so that what is there already is not stored twice */
  readonly isShared: boolean;
}

/** A file that is being added or appended to. */
export class Upload {
  readonly #place: FilePlace;
  readonly #options: UploadOptions;
  readonly #parts: Part[] = [];
  #pieces: Uint8Array[] = [];
  #sizeBytes = 0;
  readonly #waiting: WaitingPart[] = [];
  #stored: Promise<unknown> = Promise.resolve();
  #isInTurn = false;
  #failure: { readonly cause: unknown } | undefined;
  /** the chunk that the next one follows */
  #last: EntryHash | undefined;

  constructor(place: FilePlace, options: UploadOptions = { isShared: false }) {
    this.#place = place;
    this.#options = options;
  }

  /**
   * Take bytes in, in the order of the calls. What fills a part is durable when the promise resolves; who hands over the next part before
   * has it sealed while this one is being stored.
   */
  async write(bytes: Uint8Array): Promise<void> {
    const filled: Promise<void>[] = [];
    for (let rest = bytes; rest.length > 0;) {
      const piece = rest.subarray(0, attachmentLimits.partBytes - this.#sizeBytes);
      this.#pieces.push(piece);
      this.#sizeBytes += piece.length;
      rest = rest.subarray(piece.length);
      if (this.#sizeBytes === attachmentLimits.partBytes) filled.push(this.#flush());
    }
    await Promise.all(filled);
  }

  /** End the file. @returns its parts, all of them durable, for the document to name */
  async finish(): Promise<readonly Part[]> {
    if (this.#sizeBytes > 0) await this.#flush();
    await this.#stored;
    if (this.#failure !== undefined) throw this.#failure.cause;
    return this.#parts;
  }

  /** What was written so far is a part. */
  #flush(): Promise<void> {
    const [only] = this.#pieces;
    const bytes = this.#pieces.length === 1 && only !== undefined ? only : concatBytes(...this.#pieces);
    this.#pieces = [];
    this.#sizeBytes = 0;
    const flushed = new Promise<void>((resolve, reject) => {
      this.#waiting.push({ bytes, resolve, reject });
    });
    this.#stored = Promise.allSettled([this.#stored, flushed]);
    void this.#takeTurns();
    return flushed;
  }

  /** One turn after the other until nothing waits. Never throws: whoever waits is told. */
  async #takeTurns(): Promise<void> {
    if (this.#isInTurn) return;
    this.#isInTurn = true;
    while (this.#waiting.length > 0) {
      try {
        await this.#place.session.exclusive(() => this.#turn());
      } catch (cause) {
        this.#fail(cause);
      }
    }
    this.#isInTurn = false;
  }

  /** Seal what waits, each part while the one before is being stored. Ends when nothing of it is in flight. */
  async #turn(): Promise<void> {
    const storing: Promise<void>[] = [];
    try {
      for (let count = 0; count < partsPerTurn && this.#failure === undefined; count++) {
        const next = this.#waiting.at(0);
        if (next === undefined) break;
        if (this.#parts.length >= attachmentLimits.parts)
          throw new CofferError("input/too-large", { limit: "bytes" });
        const { isShared } = this.#options;
        const begun = await beginPart(this.#place, next.bytes, { after: this.#last, isShared });
        this.#waiting.shift();
        this.#last = begun.commit.entries.at(-1)?.entryHash;
        const part = { commitHash: begun.commit.commitHash, sizeBytes: next.bytes.length };
        this.#parts.push(isShared ? { ...part, isShared } : part);
        storing.push(
          begun.stored.then(next.resolve, (cause: unknown) => {
            this.#failure ??= { cause };
            next.reject(cause);
          }),
        );
      }
    } finally {
      await Promise.all(storing);
    }
    if (this.#failure !== undefined) throw this.#failure.cause;
  }

  /** A part is missing: those behind it are no file. */
  #fail(cause: unknown): void {
    this.#failure ??= { cause };
    for (const { reject } of this.#waiting.splice(0)) reject(this.#failure.cause);
  }
}

/** A part that waits for its turn. */
interface WaitingPart {
  readonly bytes: Uint8Array;
  readonly resolve: () => void;
  readonly reject: (cause: unknown) => void;
}

/** A part that is sealed, and on its way to the disk. */
interface BegunPart {
  readonly commit: Commit;
  /** it is durable, and the tenant knows of it */
  readonly stored: Promise<void>;
}

/** Seal one part and begin to store it; in the tenant's queue. @throws `doc/missing`, `doc/deleted`, `access/denied`, `key/missing`, `store/quota` */
async function beginPart(
  { database, docId, session }: FilePlace,
  bytes: Uint8Array,
  { after, isShared }: UploadOptions & { readonly after: EntryHash | undefined },
): Promise<BegunPart> {
  const { core } = session;
  const { dbId } = database;
  const doc = requireDoc(database.catalog, docId);
  if (doc.isDeleted) throw new CofferError("doc/deleted", { docId });
  requireRight(core, { dbId, doc, entryType: "doc_change" });
  const key = core.currentKeyOf(doc.keyId);
  const plaintexts: Uint8Array[] = [];
  for (const size of chunkSizesOf(bytes.length)) {
    const from = plaintexts.length * attachmentLimits.chunkBytes;
    plaintexts.push(bytes.subarray(from, from + size));
  }
  const contents = isShared
    ? await sealChunks(core, key, plaintexts)
    : plaintexts.map((plaintext) => ({ plaintext }));
  const entries = contents.map((content, index): EntryDraft => {
    const dependencies = index > 0 ? [{ index: index - 1 }] : after === undefined ? [] : [after];
    return { entryType: "attachment_chunk", docId, dependencies, key, isApart: true, ...content };
  });
  const before = async (commit: SealedCommit): Promise<void> => {
    const place = { commitHash: commit.commitHash, createdAtMs: commit.header.createdAtMs, dbId, docId };
    await chunksOf(core).addOwn(place, ciphertextsOf(commit), core.nowMs(), isShared);
  };
  const { commit, stored } = await core
    .writer(dbId, core.keys.identity)
    .begin(entries, "relaxed", { before });
  return { commit, stored: stored.then((written) => core.enterOwn(written)) };
}

function ciphertextsOf({ entries }: Commit): readonly { hash: Uint8Array; bytes: Uint8Array }[] {
  return entries.flatMap(({ ciphertext, header }) =>
    ciphertext === undefined || header === undefined
      ? []
      : [{ hash: header.ciphertextHash, bytes: ciphertext }],
  );
}
