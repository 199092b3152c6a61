/**
 * The texts of files that were made when they were added, for the full text of their database: those that are on this device, and those
 * that a server has to be asked for.
 */
import type { DocValue } from "../draft/index.ts";
import { findDerived, isAttachmentField, readAttachments, type Part } from "../attachment/index.ts";
import { documentTexts, type DocText } from "../search/index.ts";
import { isCofferError, type DocId, type Env, type Release } from "../std/index.ts";
import { readPartRange, type FetchChunk } from "./attachments.ts";
import type { DatabaseSession } from "./database.ts";
import type { TenantSession } from "./session.ts";

/** The field under which the names and texts of a document's files are found. */
export const filesField = "$files";

/** Of one document so much is searched: the texts of its first files. */
const mostBytes = 1024 * 1024;
const firstWaitMs = 2_000;
const longestWaitMs = 5 * 60_000;

/** The texts of a document, and what of them is not here. */
export interface ReadTexts {
  readonly texts: readonly DocText[];
  readonly missing: readonly Part[];
  /** how much of it is texts of files */
  readonly fileBytes: number;
}

/** Reads the texts of files. */
export class FileTexts {
  readonly #session: TenantSession;

  constructor(session: TenantSession) {
    this.#session = session;
  }

  /**
   * Every text of a document: its own, then of each of its files the name and, where it is here, the text that was made of it, at the
   * paths `[id, "name"]` and `[id, "text"]`: of the first ones, as far as `roomBytes` goes.
   *
   * @throws access/locked
   */
  async read(
    database: DatabaseSession,
    { docId, value }: { readonly docId: DocId; readonly value: { readonly [field: string]: DocValue } },
    roomBytes: number = mostBytes,
  ): Promise<ReadTexts> {
    const files = readAttachments(value);
    if (files.length === 0) return { texts: documentTexts(value), missing: [], fileBytes: 0 };
    const extras: DocText[] = [];
    const missing: Part[] = [];
    let room = roomBytes;
    for (const file of files) {
      extras.push({ field: filesField, path: [file.id, "name"], text: file.name });
      const part = findDerived(value, file, "text")?.part;
      if (part === undefined || part.sizeBytes > room) continue;
      room -= part.sizeBytes;
      const text = await this.#readPart(database, docId, part);
      if (text === "missing") missing.push(part);
      else if (text !== undefined)
        extras.push({ field: filesField, path: [file.id, "text"], text: text.text });
    }
    const own = Object.entries(value).filter(([field]) => !isAttachmentField(field));
    const texts = documentTexts(Object.fromEntries(own), extras);
    return { texts, missing, fileBytes: roomBytes - room };
  }

  /** Bring what is missing here, outside of the tenant's queue. @returns whether all of it is here now */
  async fetch(database: DatabaseSession, docId: DocId, parts: readonly Part[]): Promise<boolean> {
    const fetchChunk: FetchChunk = (known, index) => this.#session.links.chunks.fetch(known, index);
    for (const part of parts)
      if ((await this.#readPart(database, docId, part, fetchChunk)) === "missing") return false;
    return true;
  }

  /** `undefined`: what the document names is no text of its own, whatever one waits for. */
  async #readPart(
    database: DatabaseSession,
    docId: DocId,
    part: Part,
    fetchChunk?: FetchChunk,
  ): Promise<{ readonly text: string } | "missing" | undefined> {
    const place = { session: this.#session, database, docId };
    try {
      const bytes = await readPartRange(place, { part, from: 0, to: part.sizeBytes }, fetchChunk);
      return { text: new TextDecoder().decode(bytes) };
    } catch (error) {
      if (!isCofferError(error) || error.code === "access/locked") throw error;
      return error.code.startsWith("net/") ? "missing" : undefined;
    }
  }
}

/** Brings the texts that are missing, one document after the other; what cannot be had is asked for again, ever more seldom. */
export class TextFetcher {
  readonly #env: Pick<Env, "setTimer">;
  readonly #fetch: (docId: DocId, parts: readonly Part[]) => Promise<boolean>;
  readonly #onHere: (docId: DocId) => void;
  readonly #wanted = new Map<DocId, readonly Part[]>();
  #waitMs = firstWaitMs;
  #timer: Release | undefined;
  #isFetching = false;
  #isStopped = false;

  /** `onHere`: the document is to be read again */
  constructor(
    env: Pick<Env, "setTimer">,
    fetch: (docId: DocId, parts: readonly Part[]) => Promise<boolean>,
    onHere: (docId: DocId) => void,
  ) {
    this.#env = env;
    this.#fetch = fetch;
    this.#onHere = onHere;
  }

  /** A document lacks these; none: it lacks nothing any more. */
  want(docId: DocId, parts: readonly Part[]): void {
    if (parts.length === 0) {
      this.#wanted.delete(docId);
      return;
    }
    // What was fetched and is missing again waits with the others: nothing turns in a circle.
    const isNew = !this.#wanted.has(docId);
    this.#wanted.set(docId, parts);
    if (!isNew) return;
    this.#waitMs = firstWaitMs;
    this.#schedule(0);
  }

  stop(): void {
    this.#isStopped = true;
    this.#timer?.();
    this.#wanted.clear();
  }

  #schedule(afterMs: number): void {
    if (this.#isStopped || this.#isFetching) return;
    this.#timer?.();
    this.#timer = this.#env.setTimer(afterMs, () => {
      this.#timer = undefined;
      void this.#round();
    });
  }

  async #round(): Promise<void> {
    this.#isFetching = true;
    for (const [docId, parts] of this.#wanted) {
      const isHere = await this.#fetch(docId, parts).catch(() => false);
      if (this.#isStopped) return;
      if (isHere && this.#wanted.get(docId) === parts) this.#onHere(docId);
    }
    this.#isFetching = false;
    if (this.#wanted.size === 0) return;
    this.#schedule(this.#waitMs);
    this.#waitMs = Math.min(this.#waitMs * 2, longestWaitMs);
  }
}
