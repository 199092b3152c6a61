/** What documents that cannot be read are called. */
import { CofferError, type CofferErrorCode } from "../std/index.ts";
import type { DocStatus } from "./types.ts";

/** The error of who wants to write to a document that has no value now. */
export function unreadable(status: DocStatus, docId: string): CofferError {
  const codes: Partial<Record<DocStatus, CofferErrorCode>> = {
    locked: "access/locked",
    "no-key": "key/missing",
    deleted: "doc/deleted",
    purged: "doc/deleted",
  };
  return new CofferError(codes[status] ?? "doc/missing", { docId });
}
