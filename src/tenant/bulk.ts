/** Many documents at a time: read whole, edited in few commits, and those that changed since a cursor. */
import { isCofferError, type DocId } from "../std/index.ts";
import type { DraftOperation } from "../draft/index.ts";
import type { DocSnapshot, ReadDocument } from "../../worker/api.ts";
import { encodeCursor, parseCursor, readFeed } from "./change-feed.ts";
import type { DatabaseSession } from "./database.ts";
import { missingSnapshot } from "./doc-snapshot.ts";
import type { TenantSession } from "./session.ts";
import { shapeSnapshot, type CompiledShape } from "./shape.ts";

/** A database as one page has it open. */
interface Shaped {
  readonly database: DatabaseSession;
  readonly shape: CompiledShape | undefined;
}

/** A draft on one document of many. */
export interface BulkDraft {
  readonly docId: DocId;
  readonly baseHeads: readonly string[];
  readonly operations: readonly DraftOperation[];
}

/** Read documents as they stand; one that is not there or cannot be read says so in its status. Called in the tenant's queue. */
export async function readDocuments(
  { database, shape }: Shaped,
  docIds: readonly DocId[],
): Promise<readonly ReadDocument[]> {
  const read: ReadDocument[] = [];
  for (const docId of docIds)
    read.push({ docId, snapshot: shapeSnapshot(shape, await readDocument(database, docId)) });
  return read;
}

async function readDocument(database: DatabaseSession, docId: DocId): Promise<DocSnapshot> {
  try {
    return database.peek(docId) ?? (await database.snapshot(docId));
  } catch (error) {
    if (!isCofferError(error)) throw error;
    if (error.code === "key/missing") return { ...missingSnapshot, status: "no-key" };
    if (error.code === "entry/corrupt") return missingSnapshot;
    throw error;
  }
}

/**
 * Run drafts, each on a document of its own, in as few commits as they fit. A document that is gone by now is left out.
 *
 * @returns what was changed, once it is durable
 * @throws the first refusal of a draft, after the others are written
 */
export async function changeDocuments(
  session: TenantSession,
  { database, shape }: Shaped,
  drafts: readonly BulkDraft[],
  durability: "relaxed" | "strict",
): Promise<readonly { readonly docId: DocId; readonly heads: readonly string[] }[]> {
  const outcomes = await Promise.allSettled(
    drafts.map(({ docId, operations, baseHeads }) =>
      session.subscriptions.drafts.change({
        database,
        docId,
        operations,
        shape,
        durability,
        base: () => baseHeads,
        answer: async ({ draftHeads }) => ({ docId, heads: draftHeads }),
      }),
    ),
  );
  const refusal = outcomes.find((outcome) => outcome.status === "rejected" && !isGone(outcome.reason));
  if (refusal?.status === "rejected") throw refusal.reason;
  return outcomes.flatMap((outcome) => (outcome.status === "fulfilled" ? [outcome.value] : []));
}

function isGone(error: unknown): boolean {
  return isCofferError(error) && (error.code === "doc/missing" || error.code === "doc/deleted");
}

/** The documents with news since a cursor, whole. A cursor that is none, or of another log, starts from the beginning. */
export async function changesSince(
  session: TenantSession,
  open: Shaped,
  { cursor, maxCount }: { cursor: string | undefined; maxCount: number },
): Promise<{ changes: readonly ReadDocument[]; cursor: string; isDone: boolean }> {
  const start = cursor === undefined ? undefined : parseCursor(cursor);
  // Another tab may have judged further than this one.
  await session.settle();
  return session.exclusive(async () => {
    const { judgedTo } = session;
    const page = await readFeed(session.core, open.database.dbId, { cursor: start, maxCount, judgedTo });
    const changes = await readDocuments(open, page.docIds);
    return { changes, cursor: encodeCursor(page.cursor), isDone: page.isDone };
  });
}
