/** The calls about many documents at a time, what changed since, erasing, and named keys. */
import { parseId, type DocId } from "../src/std/index.ts";
import {
  changeDocuments,
  changesSince,
  createKey,
  missingSnapshot,
  purgeDocument,
  purgeEverywhere,
  readDocuments,
} from "../src/tenant/index.ts";
import type { ReadDocument, WorkerApi } from "./api.ts";
import { requireDocId, type WorkerHost } from "./host.ts";
import {
  readBulkDrafts,
  readCount,
  readCreation,
  readCursor,
  readDocIds,
  readDurability,
  readProof,
  readText,
  readValues,
} from "./page-messages.ts";

type BulkCalls = Pick<
  WorkerApi,
  | "createDocuments"
  | "documentIds"
  | "readDocuments"
  | "changeDocuments"
  | "changesSince"
  | "listenChanges"
  | "purgeDocument"
  | "createKey"
>;

/** Answer the calls about many documents. */
export function bulkCalls(host: WorkerHost): BulkCalls {
  return {
    async createDocuments(subscription, values, options) {
      const { session, database, shape } = host.database(subscription);
      const { keyName, run } = options === undefined ? {} : readCreation(options);
      const read = readValues(values);
      const complete = shape === undefined ? read : read.map((value) => shape.complete(value));
      return database.create({ values: complete, keyName, run }, (step) => session.exclusive(step));
    },

    async documentIds(subscription) {
      const { session, database } = host.database(subscription);
      return session.exclusive(async () => database.documentIds());
    },

    async readDocuments(subscription, docIds) {
      const open = host.database(subscription);
      const asked = readDocIds(docIds);
      await open.session.catchUp("briefly");
      const read = await open.session.exclusive(() => readDocuments(open, asked.flatMap(idOf)));
      const byId = new Map<string, ReadDocument>(read.map((document) => [document.docId, document]));
      return asked.map((docId) => byId.get(docId) ?? { docId, snapshot: missingSnapshot });
    },

    async changeDocuments(subscription, drafts, durability) {
      const open = host.database(subscription);
      const read = readBulkDrafts(drafts).flatMap((draft) =>
        idOf(draft.docId).map((docId) => ({ ...draft, docId })),
      );
      return changeDocuments(open.session, open, read, readDurability(durability, "durability"));
    },

    async changesSince(subscription, cursor, maxCount) {
      const open = host.database(subscription);
      const read = { cursor: readCursor(cursor), maxCount: readCount(maxCount) };
      return changesSince(open.session, open, read);
    },

    async listenChanges(subscription, isOn) {
      const { session, database } = host.database(subscription);
      if (isOn) session.news.listen(subscription, database);
      else session.news.unlisten(subscription);
    },

    async purgeDocument(subscription, docId, proof) {
      const { session, database } = host.database(subscription);
      const id = requireDocId(docId);
      if (proof === undefined) await purgeDocument(session, database, id);
      else await purgeEverywhere(session, database, id, readProof(proof));
    },

    async createKey(tenantId, name) {
      const session = host.tenant(tenantId);
      const read = readText(name, "name");
      await session.exclusive(() => createKey(session.core, read));
      session.touch();
      await session.recheck();
    },
  };
}

/** What is no id names no document. */
function idOf(text: string): readonly DocId[] {
  const id = parseId("DocId", text);
  return id === undefined ? [] : [id];
}
