/** Naming what was erased on this device: own entries of purged documents become `doc_purge` entries, see erasure.ts. */
import type { AuthorKey, DbId, DocId, EntryHash } from "../std/index.ts";
import { entryLimits, type Commit, type EntryDraft } from "../entry/index.ts";
import { keyNames, type TenantCore } from "./core.ts";
import { erasedBy } from "./erasure.ts";

/** Entries that nobody waits for: a naming itself, and chunks, whose ciphertext no commit holds. */
const unnamable: ReadonlySet<string> = new Set(["doc_purge", "attachment_chunk"]);

/** Own entries of purged documents, gathered from the log to be named. */
export class OwnErased {
  readonly #author: AuthorKey;
  readonly #ids: ReadonlySet<DocId>;
  readonly #found = new Map<EntryHash, { readonly dbId: DbId; readonly docId: DocId }>();
  readonly #named = new Set<EntryHash>();

  constructor(author: AuthorKey, ids: ReadonlySet<DocId>) {
    this.#author = author;
    this.#ids = ids;
  }

  /** Take in a commit, with or without its ciphertexts. */
  take({ entries, header: { author, dbId } }: Commit): void {
    if (author !== this.#author) return;
    for (const entry of entries) {
      for (const hash of erasedBy(entry)) this.#named.add(hash);
      const { entryHash, header } = entry;
      if (header === undefined || unnamable.has(header.entryType) || !this.#ids.has(header.docId)) continue;
      this.#found.set(entryHash, { dbId, docId: header.docId });
    }
  }

  /** What is not named yet, by database and document. */
  unnamed(): ReadonlyMap<DbId, ReadonlyMap<DocId, readonly EntryHash[]>> {
    const unnamed = new Map<DbId, Map<DocId, EntryHash[]>>();
    for (const [entryHash, { dbId, docId }] of this.#found) {
      if (this.#named.has(entryHash)) continue;
      const docs = unnamed.get(dbId) ?? new Map<DocId, EntryHash[]>();
      unnamed.set(dbId, docs);
      const hashes = docs.get(docId);
      if (hashes === undefined) docs.set(docId, [entryHash]);
      else hashes.push(entryHash);
    }
    return unnamed;
  }
}

/** Name what was erased, in the tenant's queue. @throws `access/locked`, `store/quota` */
export async function nameErased(core: TenantCore, erased: OwnErased): Promise<void> {
  for (const [dbId, docs] of erased.unnamed()) {
    const drafts = [...docs].flatMap(([docId, hashes]) => draftsOf(core, docId, hashes));
    for (let from = 0; from < drafts.length; from += entryLimits.entriesPerCommit) {
      const entries = drafts.slice(from, from + entryLimits.entriesPerCommit);
      await core.serial.run(async () =>
        core.enterOwn(await core.writer(dbId, core.keys.identity).write(entries, "strict")),
      );
    }
  }
}

function draftsOf(core: TenantCore, docId: DocId, hashes: readonly EntryHash[]): readonly EntryDraft[] {
  const key = core.currentKey(keyNames.content);
  const drafts: EntryDraft[] = [];
  for (let from = 0; from < hashes.length; from += entryLimits.dependencies) {
    const dependencies = hashes.slice(from, from + entryLimits.dependencies);
    drafts.push({ entryType: "doc_purge", docId, dependencies, key, plaintext: new Uint8Array(0) });
  }
  return drafts;
}
