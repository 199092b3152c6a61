/** What the page is shown of a document or of a branch of it. */
import type { OpenDoc } from "../doc/index.ts";
import type { DocSnapshot } from "../../worker/api.ts";
import { branchOf, branchState, lineHeads, linesOf, type Line } from "./branches.ts";
import type { AcceptedEntry, CatalogDoc } from "./catalog.ts";
import { branchNames } from "./doc-fold.ts";
import type { Documents } from "./documents.ts";
import type { Ledger } from "./ledger.ts";

/** What is told of a document that is not there. */
export const missingSnapshot: DocSnapshot = {
  value: undefined,
  heads: [],
  status: "failed",
  lastChange: undefined,
  branches: [],
};

/** What is told of a document that is not there, or no more. */
export function absentSnapshot(isPurged: boolean): DocSnapshot {
  return isPurged ? { ...missingSnapshot, status: "purged" } : missingSnapshot;
}

/** Show a document. */
export function snapshotOf(entry: CatalogDoc, doc: Pick<OpenDoc, "value" | "heads">): DocSnapshot {
  return {
    value: doc.value,
    heads: doc.heads,
    status: entry.isDeleted ? "deleted" : "ready",
    lastChange: { author: entry.changedBy, atMs: entry.changedAtMs },
    branches: branchNames(entry),
  };
}

/** Show a branch. One that was merged or discarded is `deleted`, at the heads it ended with; one that never was is `failed`. */
export async function branchSnapshot(
  { documents, ledger }: { readonly documents: Documents; readonly ledger: Ledger },
  entry: CatalogDoc,
  line: Line,
): Promise<DocSnapshot> {
  const ended = endedSnapshot(entry, line);
  if (ended !== undefined) return ended;
  const doc = await documents.load(entry.docId, line);
  return openSnapshot(ledger, entry, line, doc);
}

/** The same, when that takes no reading. */
export function peekBranch(
  { documents, ledger }: { readonly documents: Documents; readonly ledger: Ledger },
  entry: CatalogDoc,
  line: Line,
): DocSnapshot | undefined {
  const doc = documents.peek(entry.docId, line);
  return endedSnapshot(entry, line) ?? (doc && openSnapshot(ledger, entry, line, doc));
}

function endedSnapshot(entry: CatalogDoc, line: Line): DocSnapshot | undefined {
  const name = branchOf(line) ?? "";
  const state = entry.isBranched ? branchState(linesOf(entry.entries), name) : ({ kind: "none" } as const);
  if (state.kind === "open") return undefined;
  return state.kind === "none"
    ? missingSnapshot
    : { ...missingSnapshot, status: "deleted", heads: state.heads };
}

function openSnapshot(ledger: Ledger, entry: CatalogDoc, line: Line, doc: OpenDoc): DocSnapshot {
  return {
    value: doc.value,
    heads: lineHeads(entry.entries, line),
    status: entry.isDeleted ? "deleted" : "ready",
    lastChange: lastChangeOf(ledger, entry.entries, line),
    branches: [],
  };
}

function lastChangeOf(
  ledger: Ledger,
  entries: readonly AcceptedEntry[],
  line: Line,
): DocSnapshot["lastChange"] {
  const { tags } = linesOf(entries);
  const name = branchOf(line);
  let last: AcceptedEntry | undefined;
  for (const [index, entry] of entries.entries())
    if (tags[index] === name && entry.atMs >= (last?.atMs ?? 0)) last = entry;
  const author = last === undefined ? undefined : ledger.at(last.position)?.author;
  return last === undefined || author === undefined ? undefined : { author, atMs: last.atMs };
}
