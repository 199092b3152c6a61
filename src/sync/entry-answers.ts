/**
 * Answers the specification's calls from the log of one database, on a device and on a server alike; see entry-store.ts for what they mean.
 *
 * Ids are looked up in an index of the log, made once and followed. It costs memory for each entry, so a log of more than
 * {@link entryCallLimits}.indexedEntries is answered by scanning only: everything else is `input/too-large` there.
 */
import { CofferError, concatBytes, utf8ToBytes, type EntryHash } from "../std/index.ts";
import type { Verifier } from "../crypto/index.ts";
import { entryIdOf, eraseEntries, parseCommit, type Commit } from "../entry/index.ts";
import { entryCallLimits, type CommitPart, type EntryAnswer, type EntryQuestion } from "./entry-calls.ts";
import type { BloomSummary } from "./store-types.ts";

/** A commit in a log. */
export interface LoggedCommit {
  /** ascends along the log, from 1 */
  readonly position: number;
  readonly bytes: Uint8Array;
}

/** The log of one database. A commit may stand in it twice; the later one has more of it. */
export interface EntryLog {
  /** names this log: another text is another log */
  readonly epoch: string;
  /** Commits after a position, in order: some of those that there are, until `maxBytes` are passed; none at the end. */
  read(after: number, maxBytes: number): Promise<readonly LoggedCommit[]>;
  /** Those at some positions. */
  readAt(positions: readonly number[]): Promise<readonly LoggedCommit[]>;
}

type Hashing = Pick<Verifier, "sha256" | "randomBytes">;

interface Indexed {
  readonly id: string;
  readonly position: number;
  readonly index: number;
}

const pageBytes = 1024 * 1024;
/** 32 bytes as text */
const hashLength = 43;
/** what follows a document's id in the id of an entry */
const restLength = "_d_00000000_".length + hashLength;
/** an answer of headers reads whole commits */
const readAtOnce = 16;
const bitsPerEntry = 10;
const hashCount = 7;
const bloomDomain = utf8ToBytes("coffer/entry-bloom/v1\0");

/** What is known of one log: made once, and kept as long as the log is asked. */
export class EntryIndex {
  readonly #crypto: Hashing;
  readonly #maxEntries: number;
  readonly #entries = new Map<EntryHash, Indexed>();
  readonly #commits = new Map<string, number>();
  #epoch: string | undefined;
  #through = 0;
  #sizeBytes = 0;
  #isTooLarge = false;
  #reading: Promise<unknown> = Promise.resolve();

  constructor(crypto: Hashing, maxEntries: number = entryCallLimits.indexedEntries) {
    this.#crypto = crypto;
    this.#maxEntries = maxEntries;
  }

  get entryCount(): number {
    return this.#entries.size;
  }
  get commitCount(): number {
    return this.#commits.size;
  }
  get sizeBytes(): number {
    return this.#sizeBytes;
  }

  /** Read on to the end of the log. @throws `input/too-large` when there is too much of it, `store/…` */
  follow(log: EntryLog): Promise<void> {
    // One after another: an index must not be filled by two at once.
    const now = this.#reading.catch(() => undefined).then(() => this.#follow(log));
    this.#reading = now;
    return now;
  }

  async #follow(log: EntryLog): Promise<void> {
    if (this.#epoch !== log.epoch) {
      this.#entries.clear();
      this.#commits.clear();
      [this.#epoch, this.#through, this.#sizeBytes] = [log.epoch, 0, 0];
      this.#isTooLarge = false;
    }
    for (;;) {
      if (this.#entries.size > this.#maxEntries) {
        // A log only grows: it need not be read again to know.
        this.#entries.clear();
        this.#commits.clear();
        this.#isTooLarge = true;
      }
      if (this.#isTooLarge) throw new CofferError("input/too-large", { maxEntries: this.#maxEntries });
      const page = await log.read(this.#through, pageBytes);
      for (const { position, bytes } of page) {
        this.#through = position;
        const verdict = parseCommit(this.#crypto, bytes);
        if (verdict.kind === "verified") this.#add(verdict.commit, position);
      }
      if (page.length === 0) return;
    }
  }

  #add(commit: Commit, position: number): void {
    if (!this.#commits.has(commit.commitHash)) this.#sizeBytes += commit.bytes.length;
    this.#commits.set(commit.commitHash, position);
    for (const [index, { header, entryHash }] of commit.entries.entries())
      if (header !== undefined)
        this.#entries.set(entryHash, { id: entryIdOf(this.#crypto, header, entryHash), position, index });
  }

  /** An entry by its id, which ends with its hash. */
  find(id: string): Indexed | undefined {
    const found = this.#entries.get(id.slice(-hashLength) as EntryHash);
    return found?.id === id ? found : undefined;
  }

  /** The id of the entry with a hash. */
  findHash(hash: string): string | undefined {
    return this.#entries.get(hash as EntryHash)?.id;
  }

  /** In the order of the log. */
  all(): Iterable<Indexed> {
    return this.#entries.values();
  }
}

/**
 * Answer a question.
 *
 * @throws `input/too-large` for a log that can only be scanned, `store/…`
 */
export async function answerEntries(
  crypto: Hashing,
  log: EntryLog,
  index: EntryIndex,
  question: EntryQuestion,
): Promise<EntryAnswer> {
  if (question.call === "scan") return scan(crypto, log, question);
  await index.follow(log);
  switch (question.call) {
    case "has": {
      const indexes = question.ids.flatMap((id, at) => (index.find(id) === undefined ? [] : [at]));
      return { call: "has", indexes };
    }
    case "new":
      return { call: "new", parts: await partsOf(crypto, log, newOnes(index, question), false) };
    case "get": {
      const found = question.ids.flatMap((id) => index.find(id) ?? []);
      return { call: "get", parts: await partsOf(crypto, log, found, true) };
    }
    case "bloom":
      return { call: "bloom", ...summarizeIds(crypto, index) };
    case "compaction": {
      const { commitCount, entryCount, sizeBytes } = index;
      return { call: "compaction", commitCount, entryCount, sizeBytes };
    }
  }
}

function newOnes(
  index: EntryIndex,
  { ids, docId }: Extract<EntryQuestion, { readonly call: "new" }>,
): readonly Indexed[] {
  const known = new Set(ids);
  const found: Indexed[] = [];
  for (const entry of index.all()) {
    if (found.length === entryCallLimits.answered) break;
    const isMeant = docId === undefined || entry.id.slice(0, -restLength) === docId;
    if (isMeant && !known.has(entry.id)) found.push(entry);
  }
  return found;
}

async function scan(
  crypto: Hashing,
  log: EntryLog,
  { cursor, limit }: Extract<EntryQuestion, { readonly call: "scan" }>,
): Promise<EntryAnswer> {
  let position = cursor.epoch === log.epoch ? cursor.position : 0;
  const parts: CommitPart[] = [];
  let count = 0;
  for (const logged of await log.read(position, entryCallLimits.answerBytes)) {
    if (count >= limit) break;
    position = logged.position;
    const verdict = parseCommit(crypto, logged.bytes);
    if (verdict.kind === "forged") continue;
    const indexes = verdict.commit.entries.flatMap(({ header }, at) => (header === undefined ? [] : [at]));
    count += indexes.length;
    parts.push({ commit: headersOf(verdict.commit), indexes });
  }
  const hasMore = (await log.read(position, 1)).length > 0;
  return { call: "scan", parts, next: { epoch: log.epoch, position }, hasMore };
}

/** Commits without what they seal: their signature covers what is left. */
const headersOf = (commit: Commit): Uint8Array => eraseEntries(commit, () => true) ?? commit.bytes;

/** The commits of some entries, until they are enough. */
async function partsOf(
  crypto: Hashing,
  log: EntryLog,
  entries: readonly Indexed[],
  isWhole: boolean,
): Promise<readonly CommitPart[]> {
  const indexesByPosition = new Map<number, Set<number>>();
  for (const { index, position } of entries)
    indexesByPosition.set(position, (indexesByPosition.get(position) ?? new Set()).add(index));
  const positions = [...indexesByPosition.keys()].toSorted((a, b) => a - b);
  const parts: CommitPart[] = [];
  // Headers are less than what is read for them.
  const budgetBytes = isWhole ? entryCallLimits.answerBytes : 4 * entryCallLimits.answerBytes;
  let sizeBytes = 0;
  for (let at = 0; at < positions.length; at += readAtOnce) {
    for (const { bytes, position } of await log.readAt(positions.slice(at, at + readAtOnce))) {
      if (sizeBytes > budgetBytes) return parts;
      const verdict = parseCommit(crypto, bytes);
      if (verdict.kind === "forged") continue;
      const commit = isWhole ? bytes : headersOf(verdict.commit);
      const indexes = [...(indexesByPosition.get(position) ?? [])].toSorted((a, b) => a - b);
      parts.push({ commit, indexes });
      sizeBytes += bytes.length;
    }
  }
  return parts;
}

function summarizeIds(crypto: Hashing, index: EntryIndex): BloomSummary {
  const salt = crypto.randomBytes(16);
  const bits = new Uint8Array(Math.max(8, Math.ceil((index.entryCount * bitsPerEntry) / 8)));
  for (const { id } of index.all())
    for (const bit of bitsOf(crypto, { salt, hashCount, bits }, id))
      bits[bit >> 3] = (bits[bit >> 3] ?? 0) | (1 << (bit & 7));
  return { salt, entryCount: index.entryCount, hashCount, bits };
}

/** Whether an id may be among those of a summary: `false` is certain, unless who gave the summary lies. */
export function mayHaveEntry(
  crypto: Pick<Verifier, "sha256">,
  summary: Pick<BloomSummary, "salt" | "hashCount" | "bits">,
  id: string,
): boolean {
  return bitsOf(crypto, summary, id).every((bit) => ((summary.bits[bit >> 3] ?? 0) & (1 << (bit & 7))) !== 0);
}

/** Two numbers of a hash give all of them: the first, and each further one by the second beyond. */
function bitsOf(
  crypto: Pick<Verifier, "sha256">,
  { salt, hashCount: count, bits }: Pick<BloomSummary, "salt" | "hashCount" | "bits">,
  id: string,
): readonly number[] {
  const hash = crypto.sha256(concatBytes(bloomDomain, salt, utf8ToBytes(id)));
  const view = new DataView(hash.buffer, hash.byteOffset, hash.byteLength);
  const [first, second] = [view.getUint32(0), (view.getUint32(4) | 1) >>> 0];
  return Array.from({ length: count }, (_, index) => (first + index * second) % (bits.length * 8));
}
