/** Making a branch of a document, and ending it. Called in the tenant's queue. */
import { CofferError, type DocId } from "../std/index.ts";
import { branchState, entriesOfLine, lineOf, linesOf, type BranchState } from "./branches.ts";
import type { CatalogDoc } from "./catalog.ts";
import type { LineRoom } from "./database.ts";
import { requireDoc } from "./edit-desk.ts";
import { isBranchName } from "./note.ts";

/** Make a branch on the document's heads; one of that name that is open is left as it is. @throws `input/invalid`, `doc/deleted` */
export async function createBranch(room: LineRoom, docId: DocId, name: string): Promise<void> {
  const entry = requireOpen(room, docId, name);
  if (stateOf(entry, name).kind === "open") return;
  const line = lineOf(name);
  await room.documents.branchOff(docId, line);
  try {
    await room.write([await room.desk.mark(docId, { line, note: {} })], "relaxed");
  } catch (error) {
    room.documents.drop(docId, line);
    throw error;
  }
}

/**
 * Merge a branch, or leave it out for good. Nothing happens when it has ended already; what others write on it meanwhile keeps it open.
 *
 * @throws `doc/missing` without such a branch, `doc/deleted` for a merge into a deleted document
 */
export async function endBranch(
  room: LineRoom,
  docId: DocId,
  { name, how }: { readonly name: string; readonly how: "merge" | "discard" },
): Promise<void> {
  const entry = how === "merge" ? requireOpen(room, docId, name) : requireDoc(room.catalog, docId);
  const state = stateOf(entry, name);
  if (state.kind === "none") throw new CofferError("doc/missing", { docId, branch: name });
  if (state.kind === "ended") return;
  if (how === "discard") {
    const mark = await room.desk.mark(docId, { line: lineOf(name), note: { discard: true } });
    return room.write([mark], "relaxed");
  }
  const doc = await room.documents.load(docId);
  const edits = entriesOfLine(entry.entries, lineOf(name)).filter(
    ({ changeHash }) => !doc.hasHeads([changeHash]),
  );
  const changes = await room.documents.readChanges(docId, edits);
  try {
    if (doc.applyChanges(changes).applied.length < changes.length)
      throw new CofferError("entry/corrupt", { docId });
    const mark = await room.desk.mark(docId, { line: "main", note: { merge: name } });
    await room.write([mark], "relaxed");
  } catch (error) {
    // It holds the branch's edits, and they are not the document's.
    room.documents.drop(docId);
    throw error;
  }
}

function requireOpen(room: LineRoom, docId: DocId, name: string): CatalogDoc {
  if (!isBranchName(name)) throw new CofferError("input/invalid", { at: "branch" });
  const entry = requireDoc(room.catalog, docId);
  if (entry.isDeleted) throw new CofferError("doc/deleted", { docId });
  return entry;
}

function stateOf({ entries, isBranched }: CatalogDoc, name: string): BranchState {
  return isBranched ? branchState(linesOf(entries), name) : { kind: "none" };
}
