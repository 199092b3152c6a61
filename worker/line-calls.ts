/** The calls about undo, branches, and documents as they were. */
import { CofferError } from "../src/std/index.ts";
import {
  createBranch,
  diffVersions,
  documentAt,
  endBranch,
  readHistory,
  readMarks,
  shapeSnapshot,
  undoDepth,
  undoLast,
  type DocRequest,
  type TenantSession,
} from "../src/tenant/index.ts";
import type { WorkerApi } from "./api.ts";
import { requireDocId, type WorkerHost } from "./host.ts";
import { readBranchName, readHeads, readNatural, readPath, readPause, readUndo } from "./page-messages.ts";

type LineCalls = Pick<
  WorkerApi,
  "undo" | "undoDepth" | "documentAt" | "history" | "diff" | "marks" | "createBranch" | "endBranch"
>;

/** Answer the calls about the lines of documents and their past. */
export function lineCalls(host: WorkerHost): LineCalls {
  return {
    async undo(subscription, options) {
      const read = readUndo(options);
      return inDocument(host, subscription, (request) => undoLast(request.session.lines, request, read));
    },

    async undoDepth(subscription, groupMs) {
      const pauseMs = readPause(groupMs, "groupMs");
      return inDocument(host, subscription, async (request) =>
        undoDepth(request.session.lines, request, pauseMs),
      );
    },

    async diff(subscription, before, after) {
      const versions = { before: readHeads(before, "before"), after: readHeads(after, "after") };
      return inDocument(host, subscription, (request) =>
        diffVersions(request.session.lines, request, versions),
      );
    },

    async marks(subscription, path) {
      const read = readPath(path, "path");
      return inDocument(host, subscription, (request) => readMarks(request.session.lines, request, read));
    },

    async documentAt(subscription, docId, atMs) {
      const { session, database, shape } = host.database(subscription);
      const [id, time] = [requireDocId(docId), readNatural(atMs, "at")];
      return inTurn(session, async () => shapeSnapshot(shape, await documentAt(database.lines, id, time)));
    },

    async history(subscription, docId, from) {
      const { session, database } = host.database(subscription);
      const [id, first] = [requireDocId(docId), readNatural(from, "from")];
      return inTurn(session, () => readHistory(database.lines, id, first));
    },

    async createBranch(subscription, docId, name) {
      const { session, database } = host.database(subscription);
      const [id, branch] = [requireDocId(docId), readBranchName(name, "branch")];
      await inTurn(session, () => createBranch(database.lines, id, branch));
    },

    async endBranch(subscription, docId, name, how) {
      const { session, database } = host.database(subscription);
      const [id, branch] = [requireDocId(docId), readBranchName(name, "branch")];
      if (how !== "merge" && how !== "discard") throw new CofferError("input/invalid", { at: "how" });
      await inTurn(session, () => endBranch(database.lines, id, { name: branch, how }));
    },
  };
}

/** Run a step in its turn, with all that the log holds: what another worker of this device wrote is part of a document's past. */
async function inTurn<T>(session: TenantSession, step: () => Promise<T>): Promise<T> {
  if ((await session.core.store.lastPosition()) > session.judgedTo) await session.catchUp();
  return session.exclusive(step);
}

/** Run a step on what a subscription watches, when its turn has come. @throws `doc/missing` */
async function inDocument<T>(
  host: WorkerHost,
  subscription: number,
  step: (request: DocRequest) => Promise<T>,
): Promise<T> {
  const session: TenantSession | undefined = host.watched.get(subscription);
  if (session === undefined) throw new CofferError("doc/missing");
  return inTurn(session, () => step(session.subscriptions.requestOf(subscription)));
}
