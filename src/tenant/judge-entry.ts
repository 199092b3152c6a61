/** Judging one entry of a commit whose author had the right to write it. */
import { idToBytes } from "../std/index.ts";
import { isSameUser, mayWrite } from "../directory/index.ts";
import { isEmptyChange, type DocChange } from "../doc/index.ts";
import {
  createActorDerivation,
  isActorOf,
  type Commit,
  type CommitEntry,
  type EntryHeader,
  type OpenVerdict,
} from "../entry/index.ts";
import type { Catalog, CatalogDoc, DocumentEntryType, NewEntry } from "./catalog.ts";
import { erasedBy, erasedName } from "./erasure.ts";
import { findEntry, findTurn, isInPast } from "./find-entry.ts";
import type { AcceptedChange, JudgeState, JudgeTools } from "./judge.ts";
import type { KnownCommit } from "./ledger.ts";
import type { Need } from "./needs.ts";
import { creatorOf } from "./rights.ts";
import { judgeSnapshot, type OpenedSnapshots } from "./synced-snapshot.ts";

/** What judging an entry says. `known`: there is nothing to do, it is settled. */
export type EntryVerdict =
  | { kind: "accepted"; change: AcceptedChange }
  | { kind: "known" }
  | { kind: "waiting"; reason: "dependency" | "key" | "absent" | "purged"; need: Need | undefined }
  | { kind: "contested" }
  | { kind: "quarantined"; reason: string };

/** Where an entry stands. */
export interface EntryPlace {
  readonly state: JudgeState;
  readonly tools: JudgeTools;
  readonly catalog: Catalog;
  readonly commit: Commit;
  readonly row: KnownCommit;
  readonly snapshots: OpenedSnapshots;
  /** of the commit's keys those of an older epoch than its directory head prescribes */
  readonly staleKeys: ReadonlySet<number>;
  readonly actorOf: ActorOf;
}

/** The actor of a commit's author in a document, by the bytes of its id. */
export type ActorOf = ReturnType<typeof createActorDerivation>;

/** Prepare to name the actors of a commit's author. */
export function actorsOf({ crypto }: Pick<JudgeTools, "crypto">, { header }: Commit): ActorOf {
  return createActorDerivation(crypto, { author: header.author, writerNonce: header.writerNonce });
}

/** Settled as it is, see erasure.ts. The whole commit can still come, and then it is judged as ever. */
const purged: EntryVerdict = { kind: "waiting", reason: "purged", need: undefined };

/** Its hash is covered by the commit's: the whole commit can still come, see erasing.ts. */
function judgeAbsent({ commit, state }: EntryPlace, index: number): EntryVerdict {
  const { author, entryHashes } = commit.header;
  const entryHash = entryHashes[index];
  if (entryHash === undefined) return { kind: "quarantined", reason: "malformed" };
  if (state.ledger.needs.erased.has(erasedName(author, entryHash))) return purged;
  return { kind: "waiting", reason: "absent", need: `erasure/${entryHash}` };
}

/** What an author says was erased is remembered; so is the entry that says it, to be read again at the next opening. */
function judgeErasure({ commit, state }: EntryPlace, entry: CommitEntry): EntryVerdict {
  const hashes = erasedBy(entry);
  if (hashes.length === 0) return { kind: "quarantined", reason: "dependencies" };
  for (const hash of hashes) state.ledger.needs.erased.add(erasedName(commit.header.author, hash));
  return purged;
}

/** Judge one entry. */
export function judgeEntry(place: EntryPlace, index: number, opened: OpenVerdict | undefined): EntryVerdict {
  const { catalog, commit, row } = place;
  const entry: CommitEntry | undefined = commit.entries[index];
  const header = entry?.header;
  if (entry === undefined || header === undefined || opened === undefined) return judgeAbsent(place, index);
  if (place.state.isPurged(header.docId)) return { kind: "known" };
  const { entryType } = header;
  if (entryType === "doc_purge") return judgeErasure(place, entry);
  // What no document makes up for comes first, and whose the document is once it is here: verdicts are the same in every order.
  const role = row.role ?? "manager";
  if (!mayWrite(role, entryType, true)) return { kind: "quarantined", reason: "role" };
  if (entryType === "directory_record") return { kind: "quarantined", reason: "type" };
  if (place.staleKeys.has(header.keyIndex)) return { kind: "quarantined", reason: "epoch" };
  // A document names it or nobody reads it: what it holds is judged when it is read, see attachments.ts.
  if (entryType === "attachment_chunk") return { kind: "known" };
  if (opened.kind === "no-key") return { kind: "waiting", reason: "key", need: "key" };
  if (opened.kind === "absent") return judgeAbsent(place, index);
  if (opened.kind !== "opened") return { kind: "quarantined", reason: opened.reason };
  if (entryType === "doc_snapshot") return judgeSnapshot(place, index);
  const change = readChange(place, header, opened.plaintext);
  if (typeof change === "string") return { kind: "quarantined", reason: change };
  const key = commit.header.keys[header.keyIndex];
  if (key === undefined) return { kind: "quarantined", reason: "key" };
  const doc = catalog.get(header.docId);
  if (doc !== undefined && findEntry(doc, entry.entryHash) >= 0) return { kind: "known" };
  const isOwn =
    doc === undefined || isSameUser(place.state.directory, creatorOf(place.state.ledger, doc), row.author);
  const isAllowed = mayWrite(role, entryType, isOwn);
  const misfit = judgePlace({ entryType, header, change, row, isAllowed }, doc, key.keyId);
  if (misfit !== undefined) return misfit;
  const accepted: NewEntry = {
    position: row.position,
    entryIndex: index,
    entryHash: entry.entryHash,
    author: row.author,
    atMs: commit.header.createdAtMs,
    docId: header.docId,
    keyId: key.keyId,
    entryType,
    changeHash: change.hash,
    dependencyHashes: change.deps,
    actor: change.actor,
    seq: change.seq,
    note: change.note,
    isEmpty: entryType !== "doc_create" && isEmptyChange(change),
  };
  return { kind: "accepted", change: { dbId: row.dbId, entry: accepted, change } };
}

/** The change of an opened entry, or why it is none that this author can have written. */
export function readChange(
  place: Pick<EntryPlace, "tools" | "actorOf">,
  header: EntryHeader,
  plaintext: Uint8Array,
): DocChange | string {
  const parsed = place.tools.codec.parseChange(plaintext);
  if (parsed.kind === "bad") return parsed.reason;
  const actor = place.actorOf(idToBytes(header.docId));
  return isActorOf(parsed.change.actor, actor) ? parsed.change : "actor";
}

interface Placing {
  readonly entryType: DocumentEntryType;
  readonly header: EntryHeader;
  readonly change: DocChange;
  readonly row: KnownCommit;
  /** its author's role allows it in this document */
  readonly isAllowed: boolean;
}

/** Why an entry does not fit its document, or `undefined` when it does. What can change with what is yet to come makes it wait. */
function judgePlace(placing: Placing, doc: CatalogDoc | undefined, keyId: string): EntryVerdict | undefined {
  const { change, entryType, header, row } = placing;
  const contradict = (other: number): EntryVerdict =>
    doc?.entries[other]?.position === row.position
      ? { kind: "quarantined", reason: "equivocation" }
      : { kind: "contested" };
  if (entryType === "doc_create") {
    if (change.deps.length + header.dependencies.length > 0)
      return { kind: "quarantined", reason: "dependencies" };
    if (change.seq !== 1) return { kind: "quarantined", reason: "sequence" };
    return doc === undefined ? undefined : contradict(0);
  }
  const dependencies = header.dependencies.map((hash) => (doc === undefined ? -1 : findEntry(doc, hash)));
  const missing = header.dependencies.find((_, index) => dependencies[index] === -1);
  if (missing !== undefined) return { kind: "waiting", reason: "dependency", need: `entry/${missing}` };
  if (doc === undefined || dependencies.length === 0) return { kind: "quarantined", reason: "dependencies" };
  if (!placing.isAllowed) return { kind: "quarantined", reason: "role" };
  if (doc.keyId !== keyId) return { kind: "quarantined", reason: "key" };
  const hashes = dependencies.map((index) => doc.entries[index]?.changeHash ?? "").sort();
  const isSame =
    hashes.length === change.deps.length && change.deps.toSorted().every((dep, i) => dep === hashes[i]);
  if (!isSame) return { kind: "quarantined", reason: "dependencies" };
  if (change.seq > 1) {
    const before = findTurn(doc, { actor: change.actor, seq: change.seq - 1 });
    if (before < 0 || !isInPast(doc.entries, before, dependencies))
      return { kind: "quarantined", reason: "sequence" };
  }
  const other = findTurn(doc, change);
  return other < 0 ? undefined : contradict(other);
}
