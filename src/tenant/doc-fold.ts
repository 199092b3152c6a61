/** What a document's accepted entries come to: its heads, whether it is deleted, its open branches. The letters are catalog.ts's. */
import { linesOf, mainHeadsOf, openBranches } from "./branches.ts";
import type { AcceptedEntry, CatalogDoc } from "./catalog.ts";

/** Names of a document's open branches, sorted. */
export function branchNames(doc: CatalogDoc): readonly string[] {
  return doc.isBranched ? openBranches(linesOf(doc.entries)) : noNames;
}

const noNames: readonly string[] = [];

/** C3, of the document itself. */
export function isDocDeleted({ entries, isBranched }: CatalogDoc): boolean {
  if (!isBranched) return isDeleted(entries);
  const { isMain } = linesOf(entries);
  return isDeleted(entries, (index) => isMain[index] === true);
}

/** C3, by one walk back: a deletion counts until a change follows it. `isMember`: only some of the entries, with their past. */
export function isDeleted(
  entries: readonly AcceptedEntry[],
  isMember: (index: number) => boolean = () => true,
): boolean {
  const isFollowed = new Set<number>();
  for (let index = entries.length - 1; index >= 0; index--) {
    const entry = entries[index];
    if (entry === undefined || !isMember(index)) continue;
    if (entry.entryType === "doc_delete" && !isFollowed.has(index)) return true;
    if (entry.entryType !== "doc_change" && !isFollowed.has(index)) continue;
    for (const dependency of entry.dependencies) isFollowed.add(dependency);
  }
  return false;
}

/** The change hashes that no other entry depends on, sorted. */
export function headsOf(entries: readonly AcceptedEntry[]): string[] {
  const followed = new Set<number>();
  for (const entry of entries) for (const index of entry.dependencies) followed.add(index);
  return entries.flatMap((entry, index) => (followed.has(index) ? [] : [entry.changeHash])).sort();
}

/** C2 and C5, by one walk over the entries. */
export function currentHeads({ entries, isBranched }: Pick<CatalogDoc, "entries" | "isBranched">): string[] {
  return isBranched ? mainHeadsOf(linesOf(entries)) : headsOf(entries);
}
