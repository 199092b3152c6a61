/** The calls about databases, documents and queries, and about the links that carry them. */
import { CofferError } from "../src/std/index.ts";
import type { DocSnapshot, WorkerApi } from "./api.ts";
import { requireAuthorKey, requireDocId, type WorkerHost } from "./host.ts";
import { readDraft, readQuery, readValues } from "./page-messages.ts";

type LinkCalls = Pick<WorkerApi, "publish" | "connect" | "disconnect" | "sync">;

type DocumentCalls = Pick<
  WorkerApi,
  | "openDatabase"
  | "closeDatabase"
  | "createDocuments"
  | "documentIds"
  | "openDocument"
  | "closeDocument"
  | "changeDocument"
  | "deleteDocument"
  | "undeleteDocument"
  | "openQuery"
  | "updateQuery"
  | "closeQuery"
>;

/** Answer the calls about links. */
export function linkCalls(host: WorkerHost): LinkCalls {
  return {
    async publish(tenantId, url, proof) {
      const session = host.tenant(tenantId);
      await session.links.publish(url, session, { ...proof, adminKey: requireAuthorKey(proof.adminKey) });
    },

    async connect(tenantId, url) {
      await host.tenant(tenantId).links.connect(url);
    },

    async disconnect(tenantId, url) {
      await host.tenant(tenantId).links.disconnect(url);
    },

    async sync(tenantId, url) {
      const session = host.tenant(tenantId);
      await session.links.sync(url);
      await session.catchUp();
    },
  };
}

/** Answer the calls about databases, documents and queries. */
export function documentCalls(host: WorkerHost): DocumentCalls {
  return {
    async openDatabase(tenantId, name, subscription) {
      const session = host.tenant(tenantId);
      const database = await session.exclusive(async () => session.database(name));
      host.databases.set(subscription, { session, database });
      return session.subscriptions.openDatabase(subscription, database);
    },

    async closeDatabase(subscription) {
      host.databases.get(subscription)?.session.subscriptions.closeDatabase(subscription);
      host.databases.delete(subscription);
    },

    async createDocuments(subscription, values) {
      const { session, database } = host.database(subscription);
      return session.exclusive(() => database.create(readValues(values)));
    },

    async documentIds(subscription) {
      const { session, database } = host.database(subscription);
      return session.exclusive(async () => database.documentIds());
    },

    openDocument: (database, docId, subscription) => openDocument(host, database, docId, subscription),

    async closeDocument(subscription) {
      host.watched.get(subscription)?.subscriptions.closeDocument(subscription);
      host.watched.delete(subscription);
    },

    async changeDocument(subscription, message) {
      const session = host.watched.get(subscription);
      if (session === undefined) throw new CofferError("doc/missing");
      const read = readDraft(message);
      return session.exclusive(() => session.subscriptions.changeDocument(subscription, read));
    },

    async deleteDocument(subscription, docId) {
      await setDeleted(host, subscription, docId, true);
    },

    async undeleteDocument(subscription, docId) {
      await setDeleted(host, subscription, docId, false);
    },

    async openQuery(database, query, subscription) {
      const open = host.database(database);
      const read = readQuery(query);
      host.watched.set(subscription, open.session);
      open.session.subscriptions.openQuery(subscription, open.database, read);
    },

    async updateQuery(subscription, query) {
      host.watched.get(subscription)?.subscriptions.updateQuery(subscription, readQuery(query));
    },

    async closeQuery(subscription) {
      host.watched.get(subscription)?.subscriptions.closeQuery(subscription);
      host.watched.delete(subscription);
    },
  };
}

async function openDocument(
  host: WorkerHost,
  databaseSubscription: number,
  docId: string,
  subscription: number,
): Promise<DocSnapshot> {
  const { session, database } = host.database(databaseSubscription);
  const id = requireDocId(docId);
  host.watched.set(subscription, session);
  // It may stand in the part of the log that is not judged yet: after a crash, or when it has only just arrived.
  if (database.catalog.get(id) === undefined) await session.catchUp();
  return session.exclusive(() => session.subscriptions.openDocument(subscription, database, id));
}

async function setDeleted(
  host: WorkerHost,
  subscription: number,
  docId: string,
  isDeleted: boolean,
): Promise<void> {
  const { session, database } = host.database(subscription);
  const id = requireDocId(docId);
  await session.exclusive(() => database.setDeleted(id, isDeleted));
}
