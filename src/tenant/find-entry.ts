/** Finding a document's accepted entries: by change, by entry, by actor, by what is in whose past. */
import type { EntryHash } from "../std/index.ts";
import type { AcceptedEntry, CatalogDoc } from "./catalog.ts";

/** A document's entries by name; made when it is first asked for, and grown with the document. */
interface EntryIndex {
  readonly entries: readonly AcceptedEntry[];
  size: number;
  readonly byChange: Map<string, number>;
  readonly byHash: Map<EntryHash, number>;
  readonly byTurn: Map<string, number>;
}

const indexes = new WeakMap<CatalogDoc, EntryIndex>();

function indexOf(doc: CatalogDoc): EntryIndex {
  let index = indexes.get(doc);
  if (index?.entries !== doc.entries) {
    index = { entries: doc.entries, size: 0, byChange: new Map(), byHash: new Map(), byTurn: new Map() };
    indexes.set(doc, index);
  }
  for (; index.size < doc.entries.length; index.size++) {
    const entry = doc.entries[index.size];
    if (entry === undefined) continue;
    index.byChange.set(entry.changeHash, index.size);
    index.byHash.set(entry.entryHash, index.size);
    index.byTurn.set(turnName(entry), index.size);
  }
  return index;
}

function turnName(turn: { readonly actor: string; readonly seq: number }): string {
  return `${turn.seq}@${turn.actor}`;
}

/** The index of a change among a document's accepted entries, -1 when it is not there. */
export function findChange(doc: CatalogDoc, changeHash: string): number {
  // Changes mostly follow the newest one.
  const last = doc.entries.length - 1;
  return doc.entries[last]?.changeHash === changeHash ? last : (indexOf(doc).byChange.get(changeHash) ?? -1);
}

/** The index of an entry among a document's accepted entries, -1 when it is not there. */
export function findEntry(doc: CatalogDoc, entryHash: EntryHash): number {
  const last = doc.entries.length - 1;
  return doc.entries[last]?.entryHash === entryHash ? last : (indexOf(doc).byHash.get(entryHash) ?? -1);
}

/** The accepted entry of an actor with a sequence number, -1 when there is none. */
export function findTurn(doc: CatalogDoc, turn: { readonly actor: string; readonly seq: number }): number {
  return indexOf(doc).byTurn.get(turnName(turn)) ?? -1;
}

/** Tell whether entry `past` is among `from` or in their past. */
export function isInPast(entries: readonly AcceptedEntry[], past: number, from: readonly number[]): boolean {
  const seen = new Set<number>();
  const next = [...from];
  for (let index = next.pop(); index !== undefined; index = next.pop()) {
    if (index === past) return true;
    // An entry's past comes before it.
    if (index < past || seen.has(index)) continue;
    seen.add(index);
    next.push(...(entries[index]?.dependencies ?? []));
  }
  return false;
}
