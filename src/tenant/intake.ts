/** Taking in what the judge accepted: into the open document where there is one, and into the summary always. */
import { isCofferError, type DocId } from "../std/index.ts";
import { summarizeValue, type OpenDoc } from "../doc/index.ts";
import { entriesOfLine, lineOf, taggedBranch, type Line } from "./branches.ts";
import type { Catalog, CatalogDoc } from "./catalog.ts";
import type { TenantWorld } from "./core.ts";
import type { Documents } from "./documents.ts";
import type { AcceptedChange } from "./judge.ts";

/** Where changes go. */
export interface Intake {
  readonly catalog: Catalog;
  readonly documents: Documents;
  readonly world: Pick<TenantWorld, "codec" | "loadEngine">;
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
  { catalog, documents, world }: Intake,
  docId: DocId,
  changes: readonly AcceptedChange[],
): Promise<readonly AcceptedChange[]> {
  const entry = catalog.get(docId);
  if (entry?.isBranched === true) return absorbLines({ catalog, documents, world }, entry, changes);
  const held = documents.peek(docId);
  const isWhole = catalog.get(docId)?.entries.length === changes.length;
  const [first] = changes;
  if (held === undefined && isWhole && changes.length === 1 && first !== undefined) {
    const value = world.codec.decodeCreate(first.change);
    if (value !== undefined) {
      catalog.setSummary(docId, summarizeValue(value));
      return [];
    }
  }
  // Loaded as it was before, it tells which of the changes it does not take.
  const before = new Set(changes.map(({ entry }) => entry.entryHash));
  const doc = held ?? (isWhole ? undefined : await documents.load(docId, "main", before));
  const target = doc ?? (await world.loadEngine()).createDoc();
  const result = target.applyChanges(changes.map(({ change }) => change));
  const taken = new Set(result.applied.map(({ hash }) => hash));
  if (taken.size === changes.length) catalog.setSummary(docId, summarizeValue(target.value));
  if (doc === undefined) target.close();
  return changes.filter(({ change }) => !taken.has(change.hash));
}

/** Where there are branches: into each line that a change is in. What one of them does not take, no replica shows. */
async function absorbLines(
  { catalog, documents }: Intake,
  { docId, entries }: CatalogDoc,
  changes: readonly AcceptedChange[],
): Promise<readonly AcceptedChange[]> {
  const lines = new Set<Line>(["main", ...changes.map(({ entry }) => lineOf(taggedBranch(entry)))]);
  const refused = new Set<AcceptedChange>();
  for (const line of lines) {
    const members = new Set(entriesOfLine(entries, line).map(({ entryHash }) => entryHash));
    const own = changes.filter(({ entry }) => members.has(entry.entryHash));
    if (own.length === 0) continue;
    const { doc, taken } = await absorbLine(documents, { docId, line }, own);
    for (const change of own) if (!taken.has(change.change.hash)) refused.add(change);
    if (line === "main" && refused.size === 0) catalog.setSummary(docId, summarizeValue(doc.value));
  }
  documents.dropStale(docId);
  return [...refused];
}

/** A merge brings entries of a branch with it, which a handle in memory lacks: then it is loaded again. */
async function absorbLine(
  documents: Documents,
  { docId, line }: { readonly docId: DocId; readonly line: Line },
  accepted: readonly AcceptedChange[],
): Promise<{ readonly doc: OpenDoc; readonly taken: ReadonlySet<string> }> {
  const changes = accepted.map(({ change }) => change);
  let doc = documents.peek(docId, line);
  let result = doc?.applyChanges(changes);
  if (doc === undefined || result === undefined || result.waiting.length > 0) {
    documents.drop(docId, line);
    doc = await documents.load(docId, line, new Set(accepted.map(({ entry }) => entry.entryHash)));
    result = doc.applyChanges(changes);
  }
  return { doc, taken: new Set(result.applied.map(({ hash }) => hash)) };
}
