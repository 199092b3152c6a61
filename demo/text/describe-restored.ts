/** What a backup file brought, in words. Pure. */
import type { BackupReport } from "cofferdb";
import { formatBytes, formatCount, formatThings } from "./format.ts";

/** "The file is whole: 75 commits, every signature verified. All of it is new on this device." */
export function describeRestored({ commitCount, fileBytes, newCount }: BackupReport): string {
  const found = `The file is whole: ${formatThings(commitCount, "commit")}, every signature verified.`;
  const files = fileBytes === 0 ? "" : ` With ${formatBytes(fileBytes)} of attachments.`;
  if (newCount === 0) return `${found} All of it was on this device already.${files}`;
  if (newCount === commitCount) return `${found} All of it is new on this device.${files}`;
  return `${found} ${formatCount(newCount)} of them are new on this device.${files}`;
}
