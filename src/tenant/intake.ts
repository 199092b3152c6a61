/** Taking in what the judge accepted: into the open document where there is one, and into the summary always. */
import { isCofferError, type DocId } from "../std/index.ts";
import { summarizeValue, type DocEngine } from "../doc/index.ts";
import type { Catalog } from "./catalog.ts";
import type { Documents } from "./documents.ts";
import type { AcceptedChange } from "./judge.ts";

/** Where changes go. */
export interface Intake {
  readonly catalog: Catalog;
  readonly documents: Documents;
  readonly loadEngine: () => Promise<DocEngine>;
}

/**
 * Take in accepted changes of one database. A document that cannot be read now stays unread, and is tried again.
 *
 * @returns changes that Automerge would not take
 */
export async function absorb(
  intake: Intake,
  accepted: readonly AcceptedChange[],
): Promise<readonly AcceptedChange[]> {
  const byDoc = new Map<DocId, AcceptedChange[]>();
  for (const change of accepted) {
    const group = byDoc.get(change.entry.docId);
    if (group === undefined) byDoc.set(change.entry.docId, [change]);
    else group.push(change);
  }
  const refused: AcceptedChange[] = [];
  for (const [docId, changes] of byDoc) {
    try {
      refused.push(...(await absorbDoc(intake, docId, changes)));
    } catch (error) {
      if (!isCofferError(error)) throw error;
      intake.documents.drop(docId);
    }
  }
  return refused;
}

/**
 * Read the documents whose summary does not show all of their entries. One that is damaged or lacks its key is left as it is.
 *
 * @returns those that were read
 */
export async function readUnread({ catalog, documents }: Intake): Promise<readonly DocId[]> {
  const read: DocId[] = [];
  for (const docId of catalog.unread()) {
    try {
      catalog.setSummary(docId, summarizeValue((await documents.load(docId)).value));
      read.push(docId);
    } catch (error) {
      if (!isCofferError(error) || (error.code !== "entry/corrupt" && error.code !== "key/missing"))
        throw error;
    }
  }
  return read;
}

async function absorbDoc(
  { catalog, documents, loadEngine }: Intake,
  docId: DocId,
  changes: readonly AcceptedChange[],
): Promise<readonly AcceptedChange[]> {
  const held = documents.peek(docId);
  const isWhole = catalog.get(docId)?.entries.length === changes.length;
  // Loaded as it was before, it tells which of the changes it does not take.
  const before = new Set(changes.map(({ entry }) => entry.entryHash));
  const doc = held ?? (isWhole ? undefined : await documents.load(docId, before));
  const target = doc ?? (await loadEngine()).createDoc();
  const result = target.applyChanges(changes.map(({ change }) => change));
  const taken = new Set(result.applied.map(({ hash }) => hash));
  if (taken.size === changes.length) catalog.setSummary(docId, summarizeValue(target.value));
  if (doc === undefined) target.close();
  return changes.filter(({ change }) => !taken.has(change.hash));
}
