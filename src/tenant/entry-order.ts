/** One order of a document's entries for all replicas. */
import type { AcceptedEntry } from "./catalog.ts";

/**
 * Indexes of entries, each behind its dependencies: by time, where no entry is older than what it stands on; then by how many entries
 * stand below it, then by hash. A function of the entries alone, not of the order in which they came.
 */
export function causalOrder(entries: readonly AcceptedEntry[]): readonly number[] {
  const times: number[] = [];
  const depths: number[] = [];
  for (const { atMs, dependencies } of entries) {
    let time = atMs;
    let depth = 0;
    for (const past of dependencies) {
      time = Math.max(time, times[past] ?? 0);
      depth = Math.max(depth, (depths[past] ?? 0) + 1);
    }
    times.push(time);
    depths.push(depth);
  }
  const hashOf = (index: number): string => entries[index]?.changeHash ?? "";
  return [...entries.keys()].sort(
    (a, b) =>
      (times[a] ?? 0) - (times[b] ?? 0) ||
      (depths[a] ?? 0) - (depths[b] ?? 0) ||
      (hashOf(a) < hashOf(b) ? -1 : 1),
  );
}
