/**
 * The lines of a document: the document itself, its branches, and everything there is.
 *
 * ```
 *   create ── a ── b ────────── merge ── c      main: entries without a branch, and all in their past
 *              └── {branch} ── d ──┘            d is main's since the merge
 *              └── {branch} ── e                e is live: its branch is open
 *                        └── f ── {discard}     f is not: it is in the past of a discard of its branch
 * ```
 *
 * An entry belongs to the branch that its note names. It is live while it is not in main's past, is no discard of its branch, and no
 * discard of its branch has it in its past. A branch is open while it has live entries; as a document it is their past. So an edit
 * made while someone else ends the branch stays live, and keeps it open.
 *
 * All of it is a pure function of the accepted entries, whatever the order in which they came. It is kept up to date as entries are
 * added, each of which is looked at once for main and once for each branch that is discarded behind it.
 */
import type { AcceptedEntry } from "./catalog.ts";
import { parseNote } from "./note.ts";

/** A line of a document: what an edit continues, and what a handle shows. */
export type Line = "main" | "all" | `/${string}`;

/** The line of a branch, or of the document itself. */
export function lineOf(branch: string | undefined): Line {
  return branch === undefined ? "main" : `/${branch}`;
}

/** The branch of a line, `undefined` for others. */
export function branchOf(line: Line): string | undefined {
  return line.startsWith("/") ? line.slice(1) : undefined;
}

/** The branch that an entry was written on. */
export function taggedBranch({ note }: Pick<AcceptedEntry, "note">): string | undefined {
  return note === "" ? undefined : parseNote(note).branch;
}

interface Branch {
  readonly tagged: number[];
  readonly live: Set<number>;
  /** what was looked at behind its discards */
  readonly ended: Set<number>;
  /** heads of the live entries' past; `undefined` when they moved */
  heads: readonly number[] | undefined;
}

/** The lines of a document, by indexes of its entries. */
export interface Lines {
  readonly entries: readonly AcceptedEntry[];
  /** by entry */
  readonly isMain: boolean[];
  readonly mainHeads: Set<number>;
  readonly branches: Map<string, Branch>;
  /** the branch of each entry */
  readonly tags: (string | undefined)[];
}

const known = new WeakMap<readonly AcceptedEntry[], Lines>();

/** The lines of a document's entries, grown with them. */
export function linesOf(entries: readonly AcceptedEntry[]): Lines {
  let lines = known.get(entries);
  if (lines === undefined) {
    lines = { entries, isMain: [], mainHeads: new Set(), branches: new Map(), tags: [] };
    known.set(entries, lines);
  }
  for (let index = lines.tags.length; index < entries.length; index++) addEntry(lines, index);
  return lines;
}

function addEntry(lines: Lines, index: number): void {
  const { note = "" } = lines.entries[index] ?? {};
  const { branch: name, discard } = note === "" ? {} : parseNote(note);
  lines.tags.push(name);
  lines.isMain.push(false);
  if (name === undefined) return addToMain(lines, index);
  let branch = lines.branches.get(name);
  if (branch === undefined) {
    branch = { tagged: [], live: new Set(), ended: new Set(), heads: undefined };
    lines.branches.set(name, branch);
  }
  branch.tagged.push(index);
  setLive(branch, index, true);
  if (discard === true) discardPast(lines, branch, index);
}

/** What an entry without a branch has in its past is main's from now on. */
function addToMain(lines: Lines, entered: number): void {
  const { entries, isMain, mainHeads } = lines;
  const fresh: number[] = [];
  const next = [entered];
  for (let index = next.pop(); index !== undefined; index = next.pop()) {
    if (isMain[index] === true) continue;
    isMain[index] = true;
    fresh.push(index);
    const tag = lines.tags[index];
    const branch = tag === undefined ? undefined : lines.branches.get(tag);
    if (branch !== undefined) setLive(branch, index, false);
    next.push(...(entries[index]?.dependencies ?? []));
  }
  for (const index of fresh) mainHeads.add(index);
  for (const index of fresh) for (const past of entries[index]?.dependencies ?? []) mainHeads.delete(past);
}

/** Entries of main are not live anyway, and neither is what they have in their past. */
function discardPast({ entries, isMain, tags }: Lines, branch: Branch, discard: number): void {
  const name = tags[discard];
  const next = [discard];
  for (let index = next.pop(); index !== undefined; index = next.pop()) {
    if (branch.ended.has(index) || isMain[index] === true) continue;
    branch.ended.add(index);
    if (tags[index] === name) setLive(branch, index, false);
    next.push(...(entries[index]?.dependencies ?? []));
  }
}

function setLive(branch: Branch, index: number, isLive: boolean): void {
  if (isLive) branch.live.add(index);
  else if (!branch.live.delete(index)) return;
  branch.heads = undefined;
}

/** Heads of the document itself, as change hashes, sorted. */
export function mainHeadsOf(lines: Lines): string[] {
  return hashesOf(lines, lines.mainHeads);
}

/** Names of the branches that are open, sorted. */
export function openBranches({ branches }: Lines): readonly string[] {
  return [...branches].flatMap(([name, { live }]) => (live.size > 0 ? [name] : [])).sort();
}

/** Where a branch stands. */
export type BranchState =
  | { readonly kind: "open"; readonly heads: readonly string[] }
  /** merged or discarded; `heads` are those it ended with */
  | { readonly kind: "ended"; readonly heads: readonly string[] }
  | { readonly kind: "none" };

/** Tell where a branch stands. */
export function branchState(lines: Lines, name: string): BranchState {
  const branch = lines.branches.get(name);
  if (branch === undefined) return { kind: "none" };
  if (branch.live.size === 0)
    return { kind: "ended", heads: hashesOf(lines, headsAmong(lines.entries, branch.tagged)) };
  return { kind: "open", heads: hashesOf(lines, liveHeads(lines, branch)) };
}

/** Indexes of the entries of a line; none for a branch that is not open. */
export function indexesOfLine(entries: readonly AcceptedEntry[], line: Line): ReadonlySet<number> {
  if (line === "all") return new Set(entries.keys());
  const lines = linesOf(entries);
  const name = branchOf(line);
  if (name === undefined) return new Set([...entries.keys()].filter((index) => lines.isMain[index] === true));
  const branch = lines.branches.get(name);
  return branch === undefined ? new Set() : pastOf(entries, liveHeads(lines, branch));
}

/** The entries of a line, each behind its dependencies. */
export function entriesOfLine(entries: readonly AcceptedEntry[], line: Line): readonly AcceptedEntry[] {
  const members = indexesOfLine(entries, line);
  return members.size === entries.length ? entries : entries.filter((_, index) => members.has(index));
}

/** Heads of a line, sorted; none for a branch that is not open. */
export function lineHeads(entries: readonly AcceptedEntry[], line: Line): readonly string[] {
  const lines = linesOf(entries);
  if (line === "all") return hashesOf(lines, headsAmong(entries, [...entries.keys()]));
  const name = branchOf(line);
  if (name === undefined) return mainHeadsOf(lines);
  const state = branchState(lines, name);
  return state.kind === "open" ? state.heads : [];
}

/** Indexes of entries with everything in their past. */
export function pastOf(entries: readonly AcceptedEntry[], heads: Iterable<number>): ReadonlySet<number> {
  const past = new Set<number>();
  const next = [...heads];
  for (let index = next.pop(); index !== undefined; index = next.pop()) {
    if (past.has(index)) continue;
    past.add(index);
    next.push(...(entries[index]?.dependencies ?? []));
  }
  return past;
}

function liveHeads(lines: Lines, branch: Branch): readonly number[] {
  branch.heads ??= headsAmong(lines.entries, [...branch.live]);
  return branch.heads;
}

/** Those that are in no other one's past. */
export function headsAmong(entries: readonly AcceptedEntry[], indexes: readonly number[]): readonly number[] {
  const wanted = new Set(indexes);
  const followed = new Set<number>();
  const heads: number[] = [];
  let last = 0;
  let first = entries.length;
  for (const index of indexes) {
    last = Math.max(last, index);
    first = Math.min(first, index);
  }
  // An entry's past comes before it.
  for (let index = last; index >= first; index--) {
    const isFollowed = followed.has(index);
    if (!isFollowed && !wanted.has(index)) continue;
    if (!isFollowed) heads.push(index);
    for (const past of entries[index]?.dependencies ?? []) followed.add(past);
  }
  return heads;
}

function hashesOf({ entries }: Lines, indexes: Iterable<number>): string[] {
  return [...indexes].map((index) => entries[index]?.changeHash ?? "").sort();
}
