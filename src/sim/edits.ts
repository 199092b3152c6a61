/**
 * Random documents and edits. Each leaves a mark that nothing ever takes away: the mark is there if and only if the edit is.
 */
import type { DraftOperation, DraftValue } from "../draft/index.ts";
import type { DocSnapshot } from "../../worker/api.ts";
import type { Random } from "./pcg32.ts";
import { canary } from "./world.ts";

/** A new document that bears a mark. */
export function randomDocument(random: Random, mark: string): { readonly [key: string]: DraftValue } {
  return {
    title: `${canary} ${mark}`,
    marks: { [mark]: true },
    address: {
      city: `${canary}-city-${random.below(100)}`,
      geo: { lat: random.below(90), lon: random.below(180) },
    },
    tags: Array.from({ length: random.below(4) }, (_, index) => `tag${index}`),
    rows: [{ n: random.below(10), cells: [1, 2] }],
    notes: `${canary} notes`,
    count: new Map([["counter", random.below(10)]] as const),
  };
}

/** An edit of a document as a page shows it, with its mark. */
export function randomEdit(
  random: Random,
  value: NonNullable<DocSnapshot["value"]>,
  mark: string,
): DraftOperation[] {
  const operations: DraftOperation[] = [{ op: "set", path: ["marks", mark], value: true }];
  for (let count = random.below(3); count > 0; count--) operations.push(randomOperation(random, value, mark));
  return operations;
}

function randomOperation(
  random: Random,
  value: NonNullable<DocSnapshot["value"]>,
  mark: string,
): DraftOperation {
  const text = `${canary}-${mark}`;
  switch (random.below(7)) {
    case 0:
      return { op: "set", path: ["title"], value: text };
    case 1:
      return { op: "set", path: ["address", "geo", "lat"], value: random.below(90) };
    case 2: {
      // The sizes are those before the edit: nothing but one splice of each list is in it, or it only appends.
      return { op: "splice", path: ["tags"], index: 0, remove: 0, values: [text, { deep: [text] }] };
    }
    case 3: {
      const notes = typeof value["notes"] === "string" ? value["notes"] : "";
      const index = random.below(Math.min(notes.length, canary.length) + 1);
      return { op: "spliceText", path: ["notes"], index, remove: 0, insert: text };
    }
    case 4:
      return { op: "increment", path: ["count"], by: random.below(5) + 1 };
    case 5:
      return { op: "set", path: ["rows", 0, "n"], value: random.below(1000) };
    default:
      return random.chance(0.5)
        ? { op: "delete", path: ["address", "city"] }
        : { op: "set", path: ["address", "city"], value: text };
  }
}

/** An edit that takes away: one element or some letters of what the page shows, beside its mark. */
export function randomRemoval(
  random: Random,
  value: NonNullable<DocSnapshot["value"]>,
  mark: string,
): DraftOperation[] {
  const operations: DraftOperation[] = [{ op: "set", path: ["marks", mark], value: true }];
  const { tags, notes } = value;
  if (Array.isArray(tags) && tags.length > 0) {
    operations.push({
      op: "splice",
      path: ["tags"],
      index: random.below(tags.length),
      remove: 1,
      values: [mark],
    });
  }
  if (typeof notes === "string" && notes.length > 0) {
    const index = random.below(notes.length);
    operations.push({
      op: "spliceText",
      path: ["notes"],
      index,
      remove: random.below(notes.length - index) + 1,
      insert: mark,
    });
  }
  return operations;
}
