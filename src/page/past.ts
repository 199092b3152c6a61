/** What became of documents: undo, history, branches, and what changed since. */
import { shareStructure, type Patch } from "../draft/index.ts";
import { CofferError } from "../std/index.ts";
import type { DocSnapshot } from "../../worker/api.ts";
import { throwIfAborted, unlessAborted } from "./abort.ts";
import type { DatabaseCore } from "./database.ts";
import { adminProof } from "./directory.ts";
import type { AdminOptions } from "./directory-types.ts";
import type { ChangedDocument, Doc, HistoryStep, UndoOptions } from "./types.ts";

/** documents of one call */
const pageSize = 64;

type Heads = readonly string[];
type Run = { readonly signal?: AbortSignal };
type Plain = Record<string, unknown>;

/** The ids of the documents that are not deleted. */
export async function getAllDocumentIds(core: DatabaseCore): Promise<readonly string[]> {
  return core.call((api) => api.documentIds(core.subscription));
}

/** Take back the user's own last edit. */
export async function undo(
  core: DatabaseCore,
  doc: Doc,
  options?: UndoOptions,
): Promise<{ heads: Heads } | undefined> {
  return turn(core, doc, false, options);
}

/** Make again what was taken back last. */
export async function redo(
  core: DatabaseCore,
  doc: Doc,
  options?: UndoOptions,
): Promise<{ heads: Heads } | undefined> {
  return turn(core, doc, true, options);
}

async function turn(
  core: DatabaseCore,
  doc: Doc,
  isRedo: boolean,
  { groupMs = 0 }: UndoOptions = {},
): Promise<{ heads: Heads } | undefined> {
  const own = core.own(doc);
  return own.call((api) => api.undo(own.subscription, { isRedo, groupMs }));
}

/** How many steps can be taken back and made again. */
export async function undoDepth(
  core: DatabaseCore,
  doc: Doc,
  { groupMs = 0 }: UndoOptions = {},
): Promise<{ undo: number; redo: number }> {
  const own = core.own(doc);
  return own.call((api) => api.undoDepth(own.subscription, groupMs));
}

/** What turns one version of a document into another. */
export async function diff(
  core: DatabaseCore,
  doc: Doc,
  before: Heads,
  after: Heads,
): Promise<readonly Patch[]> {
  const own = core.own(doc);
  return own.call((api) => api.diff(own.subscription, before, after));
}

/** Delete a document. */
export async function deleteDocument(core: DatabaseCore, doc: Doc | string): Promise<void> {
  await core.call((api) => api.deleteDocument(core.subscription, idOf(core, doc)), "stores");
}

/** Bring a deleted document back. */
export async function undeleteDocument(core: DatabaseCore, id: string): Promise<void> {
  await core.call((api) => api.undeleteDocument(core.subscription, id), "stores");
}

/** Erase a document with its history from this device. */
export async function purgeDocHistory(core: DatabaseCore, id: string, by?: AdminOptions): Promise<void> {
  const proof = by && adminProof(by);
  await core.call((api) => api.purgeDocument(core.subscription, id, proof), "stores");
}

/** Open a branch, made if there is none of that name. */
export async function branch(core: DatabaseCore, doc: Doc | string, name: string): Promise<Doc> {
  const id = idOf(core, doc);
  await core.call((api) => api.createBranch(core.subscription, id, name), "stores");
  return core.openDoc(id, name);
}

/** Make a branch's edits the document's. */
export async function mergeBranch(core: DatabaseCore, doc: Doc | string, name: string): Promise<void> {
  await endBranch(core, doc, name, "merge");
}

/** Leave a branch's edits out for good. */
export async function discardBranch(core: DatabaseCore, doc: Doc | string, name: string): Promise<void> {
  await endBranch(core, doc, name, "discard");
}

async function endBranch(
  core: DatabaseCore,
  doc: Doc | string,
  name: string,
  how: "merge" | "discard",
): Promise<void> {
  const id = idOf(core, doc);
  await core.call((api) => api.endBranch(core.subscription, id, name, how), "stores");
}

/** The document as it was. @throws input/invalid for what is no time */
export async function getDocumentAtTimestamp(
  core: DatabaseCore,
  id: string,
  at: Date | number,
): Promise<ChangedDocument<Plain>> {
  const atMs = Number(at);
  if (!Number.isFinite(atMs)) throw new CofferError("input/invalid", { message: "This is no time." });
  return changedDocument(id, await core.call((api) => api.documentAt(core.subscription, id, atMs)));
}

/**
 * Everything that changed since a cursor. The worker's cursor stands behind a page: within one, documents come with the
 * cursor before it, so that nothing is left out by whoever stops there.
 */
export async function* iterateChangesSince(
  core: DatabaseCore,
  since = "",
  { signal }: Run = {},
): AsyncGenerator<{ readonly doc: ChangedDocument<Plain>; readonly cursor: string }, void> {
  const { subscription } = core;
  for (let cursor = since, isDone = false; !isDone;) {
    throwIfAborted(signal);
    const from = cursor === "" ? undefined : cursor;
    const page = await unlessAborted(
      signal,
      core.call((api) => api.changesSince(subscription, from, pageSize)),
    );
    for (const [index, { docId, snapshot }] of page.changes.entries()) {
      throwIfAborted(signal);
      const isLast = index === page.changes.length - 1;
      yield { doc: changedDocument(docId, snapshot), cursor: isLast ? page.cursor : cursor };
    }
    ({ cursor, isDone } = page);
  }
}

/** The steps of a document, oldest first. */
export async function* iterateDocumentHistory(
  core: DatabaseCore,
  id: string,
  { signal }: Run = {},
): AsyncGenerator<HistoryStep, void> {
  for (let from = 0, isDone = false; !isDone;) {
    throwIfAborted(signal);
    const start = from;
    const page = await unlessAborted(
      signal,
      core.call((api) => api.history(core.subscription, id, start)),
    );
    for (const step of page.steps) {
      throwIfAborted(signal);
      yield step;
    }
    from += page.steps.length;
    ({ isDone } = page);
  }
}

function changedDocument(id: string, { value, heads, status }: DocSnapshot): ChangedDocument<Plain> {
  return { id, data: shareStructure(undefined, value), heads, status };
}

function idOf(core: DatabaseCore, doc: Doc | string): string {
  return typeof doc === "string" ? doc : core.own(doc).place.id;
}
