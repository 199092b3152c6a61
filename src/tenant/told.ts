/** What a page was told of a document, and what is told it next: what differs, or all of it. */
import { diffValues, type DocValue, type Patch } from "../draft/index.ts";
import type { DocSnapshot, DocUpdate } from "../../worker/api.ts";

/** Patches of up to this weight are told without asking what the whole weighs. */
const lightWeight = 4096;

/**
 * What turns the snapshot told last into the one now; the whole where there is no value on either side, or where the patches would weigh
 * more.
 */
export function updateOf(told: DocSnapshot | undefined, now: DocSnapshot): DocUpdate {
  if (told?.value === undefined || now.value === undefined) return now;
  const patches = diffValues(told.value, now.value);
  const weight = weigh(
    patches.map((patch) => [patch.path, contentOf(patch)]),
    Infinity,
  );
  if (weight > lightWeight && weight > weigh(now.value, weight)) return now;
  const { branches, heads, lastChange, status } = now;
  return { branches, heads, lastChange, status, patches };
}

/** Tell whether a page that was told the one needs to be told the other. */
export function isNews(told: DocSnapshot | undefined, now: DocSnapshot): boolean {
  return (
    told === undefined ||
    told.value !== now.value ||
    told.status !== now.status ||
    told.heads.join() !== now.heads.join() ||
    told.branches.join("\n") !== now.branches.join("\n") ||
    told.lastChange?.atMs !== now.lastChange?.atMs ||
    told.lastChange?.author !== now.lastChange?.author
  );
}

function contentOf(patch: Patch): DocValue {
  switch (patch.op) {
    case "set":
      return patch.value;
    case "splice":
      return [...patch.values];
    case "spliceText":
      return patch.insert;
    default:
      return null;
  }
}

/** About as many bytes as a value takes; counted until they are more than `limit`. */
function weigh(value: DocValue, limit: number): number {
  if (typeof value === "string") return 8 + value.length;
  if (value instanceof Uint8Array) return 8 + value.length;
  if (typeof value !== "object" || value === null || value instanceof Date) return 8;
  let weight = 8;
  for (const [key, inner] of Object.entries(value)) {
    if (weight > limit) break;
    weight += 8 + key.length + weigh(inner, limit - weight);
  }
  return weight;
}
