/** What a file of changes brought, in words. Pure. */
import type { BundleReport } from "cofferdb";
import { formatBytes, formatThings } from "./format.ts";

/** "12 changes came, every signature verified." */
export function describeBundle({ commitCount, newCount, newFileBytes, refusedCount }: BundleReport): string {
  const refused =
    refusedCount === 0 ? "" : ` ${formatThings(refusedCount, "change")} did not hold and came to nothing.`;
  const files = newFileBytes === 0 ? "" : `${formatBytes(newFileBytes)} of files`;
  if (newCount === 0 && files !== "") return `${files} came, every byte verified.${refused}`;
  if (commitCount === 0) return `There was no change in the file.${refused}`;
  if (newCount === 0) return `Everything in the file was here already.${refused}`;
  return `${formatThings(newCount, "new change")} came, every signature verified${files && `, with ${files}`}.${refused}`;
}
