/** A document as it was, and how it became what it is. Called in the tenant's queue. */
import { CofferError, isCofferError, type DocId } from "../std/index.ts";
import type { OpenDoc } from "../doc/index.ts";
import type { Mark, Patch, Path } from "../draft/index.ts";
import { openEntry, verifyCommit, type CommitVerdict } from "../entry/index.ts";
import type { DocSnapshot, HistoryStep } from "../../worker/api.ts";
import { linesOf, mainHeadsOf, taggedBranch, type Line } from "./branches.ts";
import type { AcceptedEntry } from "./catalog.ts";
import { headsOf, isDeleted } from "./doc-fold.ts";
import type { LineRoom } from "./database.ts";
import { absentSnapshot, missingSnapshot } from "./doc-snapshot.ts";
import { requireDoc } from "./edit-desk.ts";
import { causalOrder } from "./entry-order.ts";
import { parseNote } from "./note.ts";
import { shapePatches } from "./shape.ts";
import type { DocRequest } from "./watched-doc.ts";

const pageLength = 64;

/** The document as its entries of up to a time made it, each with its whole past: what stands on a later one is later. */
export async function documentAt(room: LineRoom, docId: DocId, atMs: number): Promise<DocSnapshot> {
  const doc = room.catalog.get(docId);
  if (doc === undefined) return absentSnapshot(room.core.isPurged(docId));
  const entries = entriesUntil(doc.entries, atMs);
  const { isMain } = linesOf(entries);
  const last = entries.findLast((entry) => taggedBranch(entry) === undefined);
  if (last === undefined) return missingSnapshot;
  const heads = doc.isBranched ? mainHeadsOf(linesOf(entries)) : headsOf(entries);
  const shown = { ...missingSnapshot, heads, lastChange: lastChangeOf(room, entries) };
  if (isDeleted(entries, (index) => isMain[index] === true)) return { ...shown, status: "deleted" };
  const open = await room.documents.load(docId);
  return { ...shown, status: "ready", value: open.valueAt(heads) };
}

function entriesUntil(entries: readonly AcceptedEntry[], atMs: number): readonly AcceptedEntry[] {
  const places = new Map<number, number>();
  const until: AcceptedEntry[] = [];
  for (const [index, entry] of entries.entries()) {
    const dependencies = entry.dependencies.map((past) => places.get(past) ?? -1);
    if (entry.atMs > atMs || dependencies.includes(-1)) continue;
    places.set(index, until.length);
    until.push({ ...entry, dependencies });
  }
  return until;
}

function lastChangeOf({ ledger }: LineRoom, entries: readonly AcceptedEntry[]): DocSnapshot["lastChange"] {
  let last: AcceptedEntry | undefined;
  for (const entry of entries)
    if (taggedBranch(entry) === undefined && entry.atMs >= (last?.atMs ?? 0)) last = entry;
  const author = last === undefined ? undefined : ledger.at(last.position)?.author;
  return last === undefined || author === undefined ? undefined : { author, atMs: last.atMs };
}

/**
 * Steps of a document and all of its branches from number `from` on, oldest first. Each is read from the log again and held against
 * what the document was made of: signature, entry, change, dependencies.
 *
 * @throws `doc/missing`
 */
export async function readHistory(
  room: LineRoom,
  docId: DocId,
  from: number,
): Promise<{ readonly steps: readonly HistoryStep[]; readonly isDone: boolean }> {
  const { entries } = requireDoc(room.catalog, docId);
  const order = causalOrder(entries);
  const page = order.slice(from, from + pageLength);
  const doc = await readable(room, docId);
  const commits = await verifyCommits(
    room,
    page.flatMap((index) => entries[index]?.position ?? []),
  );
  const steps: HistoryStep[] = [];
  for (const index of page) {
    const entry = entries[index];
    if (entry === undefined) continue;
    const verdict = commits.get(entry.position);
    const parents = entry.dependencies.map((past) => entries[past]?.changeHash ?? "");
    const isShown = doc?.hasHeads([entry.changeHash, ...parents]) === true;
    steps.push({
      hash: entry.changeHash,
      kind: kindOf(entries, entry),
      author: room.ledger.at(entry.position)?.author ?? "",
      atMs: entry.atMs,
      parents,
      branch: taggedBranch(entry),
      patches: isShown ? (doc?.diff(parents, [entry.changeHash]) ?? []) : [],
      verified: await isAsStored(room, entry, { verdict, parents }),
    });
  }
  return { steps, isDone: from + page.length >= order.length };
}

/** Everything there is of a document; where the log is damaged, the steps are told without what they did. */
async function readable({ documents }: LineRoom, docId: DocId): Promise<OpenDoc | undefined> {
  try {
    return await documents.load(docId, "all");
  } catch (error) {
    if (isCofferError(error) && error.code === "entry/corrupt") return undefined;
    throw error;
  }
}

async function verifyCommits(
  { core }: LineRoom,
  positions: readonly number[],
): Promise<ReadonlyMap<number, CommitVerdict>> {
  const records = await core.store.readRecords([...new Set(positions)].sort((a, b) => a - b));
  const verdicts = records.map(
    async (record) => [record.position, await verifyCommit(core.world.crypto, record.bytes)] as const,
  );
  return new Map(await Promise.all(verdicts));
}

/** Whether the log holds the very change that the document was made of, signed by who is said to have made it. */
async function isAsStored(
  { core, ledger }: LineRoom,
  entry: AcceptedEntry,
  stored: { readonly verdict: CommitVerdict | undefined; readonly parents: readonly string[] },
): Promise<boolean> {
  const { verdict, parents } = stored;
  if (verdict?.kind !== "verified") return false;
  const { commit } = verdict;
  if (commit.header.author !== ledger.at(entry.position)?.author) return false;
  if (commit.entries[entry.entryIndex]?.entryHash !== entry.entryHash) return false;
  const opened = await openEntry(core.world.crypto, commit, entry.entryIndex, (name) => core.findKey(name));
  if (opened.kind !== "opened") return false;
  const parsed = core.world.codec.parseChange(opened.plaintext);
  if (parsed.kind !== "change") return false;
  const { deps, hash } = parsed.change;
  return hash === entry.changeHash && deps.join() === parents.toSorted().join();
}

function kindOf(entries: readonly AcceptedEntry[], entry: AcceptedEntry): HistoryStep["kind"] {
  if (entry.entryType === "doc_create") return "create";
  if (entry.entryType === "doc_delete") return "delete";
  const note = entry.note === "" ? {} : parseNote(entry.note);
  if (note.undo !== undefined) return "undo";
  if (note.redo !== undefined) return "redo";
  if (note.merge !== undefined) return "merge";
  if (note.discard === true) return "discard";
  if (!entry.isEmpty) return "change";
  const past = entry.dependencies.flatMap((index) => entries[index] ?? []);
  // Other empty changes of a branch join its heads.
  if (note.branch !== undefined)
    return past.some((other) => taggedBranch(other) === note.branch) ? "change" : "branch";
  return past.some(({ entryType }) => entryType === "doc_delete") ? "undelete" : "change";
}

/** What turns one version into another, on whatever lines they are. @throws `input/invalid` for versions that are not here */
export async function diffVersions(
  { catalog, documents }: LineRoom,
  { docId, line, shape }: Pick<DocRequest, "docId" | "line" | "shape">,
  { before, after }: { readonly before: readonly string[]; readonly after: readonly string[] },
): Promise<readonly Patch[]> {
  requireDoc(catalog, docId);
  const own = documents.peek(docId, line);
  const doc = own?.hasHeads([...before, ...after]) === true ? own : await documents.load(docId, "all");
  if (!doc.hasHeads([...before, ...after])) throw new CofferError("input/invalid", { at: "heads" });
  const patches = doc.diff(before, after);
  return shape === undefined
    ? patches
    : shapePatches(shape, [doc.valueAt(before), doc.valueAt(after)], patches);
}

/** Marks of a text of a line. @throws `input/invalid` where there is no text */
export async function readMarks(
  { documents }: LineRoom,
  { docId, line }: { readonly docId: DocId; readonly line: Line },
  path: Path,
): Promise<readonly Mark[]> {
  return (await documents.load(docId, line)).marks(path);
}
