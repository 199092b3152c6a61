import { CofferError, type DbId, type TenantId } from "../../src/std/index.ts";
import {
  answerEntries,
  decodeQuestion,
  encodeAnswer,
  EntryIndex,
  type EntryLog,
} from "../../src/sync/index.ts";
import type { RelayCrypto } from "./directories.ts";
import type { Session } from "./sessions.ts";
import type { RelayReader } from "./storage.ts";

type Storage = Pick<RelayReader, "readLog" | "readCommits">;

/** What the specification's calls are answered from. */
export interface EntryParts {
  readonly crypto: RelayCrypto;
  readonly storage: Storage;
  readonly entryIndexes: EntryIndexes;
}

/** Of all indexes together: some hundred bytes each. */
const maxEntries = 400_000;
const pageRows = 256;

/** The indexes of the logs that were asked last: a cache, which any node makes again. */
export class EntryIndexes {
  readonly #crypto: RelayCrypto;
  readonly #indexes = new Map<string, EntryIndex>();

  constructor(crypto: RelayCrypto) {
    this.#crypto = crypto;
  }

  /** The index of a log: the one of before, or an empty one. Those that were not asked for longest make room. */
  of(tenantId: TenantId, dbId: DbId): EntryIndex {
    const name = `${tenantId}/${dbId}`;
    const index = this.#indexes.get(name) ?? new EntryIndex(this.#crypto);
    this.#indexes.delete(name);
    let count = 0;
    for (const { entryCount } of this.#indexes.values()) count += entryCount;
    for (const [other, { entryCount }] of this.#indexes) {
      if (count <= maxEntries && this.#indexes.size < pageRows) break;
      this.#indexes.delete(other);
      count -= entryCount;
    }
    this.#indexes.set(name, index);
    return index;
  }
}

/**
 * Answer one of the specification's calls on the log of a database: the bytes of entry-calls.ts both ways. A log that nobody wrote to is
 * an empty one.
 *
 * @throws `protocol/malformed` for what is no question, or over a limit; `input/too-large` for a log that can only be scanned
 */
export async function entries(
  { crypto, entryIndexes, storage }: EntryParts,
  { tenantId }: Session,
  body: Uint8Array,
): Promise<Uint8Array<ArrayBuffer>> {
  const question = decodeQuestion(body);
  if (question === undefined) throw new CofferError("protocol/malformed");
  const { dbId } = question;
  const state = await storage.readLog(tenantId, dbId);
  const log = createLog(storage, tenantId, { dbId, epoch: `${state?.epoch ?? 0}` });
  // Who asks for what is not there leaves nothing behind.
  const index = state === undefined ? new EntryIndex(crypto) : entryIndexes.of(tenantId, dbId);
  return encodeAnswer(await answerEntries(crypto, log, index, question));
}

function createLog(
  storage: Storage,
  tenantId: TenantId,
  { dbId, epoch }: { readonly dbId: DbId; readonly epoch: string },
): EntryLog {
  const read = async (fromSeq: number, maxCount: number, maxBytes: number) =>
    (await storage.readCommits(tenantId, dbId, { fromSeq, maxCount, maxBytes })).flatMap(({ seq, bytes }) =>
      bytes === undefined ? [] : [{ position: seq + 1, bytes }],
    );
  return {
    epoch,
    read: (after, maxBytes) => read(after, pageRows, maxBytes),
    readAt: async (positions) =>
      (await Promise.all(positions.map((position) => read(position - 1, 1, 1)))).flat(),
  };
}
