/** Changes without operations: deletions, joins, marks. */
import { readHead } from "./change-chunk.ts";
import type { DocChange } from "./doc.ts";

/** Tell whether a judged change has no operations. */
export function isEmptyChange({ bytes }: DocChange): boolean {
  return readHead(bytes)?.columns.size === 0;
}
