/** The calls about databases, documents and queries, and about the links that carry them. */
import { CofferError } from "../src/std/index.ts";
import { compileShape, lineOf, type DatabaseSession } from "../src/tenant/index.ts";
import type { DocSnapshot, WorkerApi } from "./api.ts";
import type { LinkCalls } from "./link-api.ts";
import { requireDocId, type WorkerHost } from "./host.ts";
import {
  readBranchName,
  readDraft,
  readNatural,
  readQuery,
  readShape,
  readProof,
  readText,
} from "./page-messages.ts";

type DocumentCalls = Pick<
  WorkerApi,
  | "openDatabase"
  | "closeDatabase"
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
      await session.links.publish(readText(url, "url"), session, readProof(proof));
    },

    async connect(tenantId, url, attachments) {
      if (attachments !== undefined && typeof attachments !== "boolean")
        throw new CofferError("input/invalid", { at: "attachments" });
      await host.tenant(tenantId).links.connect(readText(url, "url"), attachments);
    },

    async disconnect(tenantId, url) {
      await host.tenant(tenantId).links.disconnect(url);
    },

    readPushKey: async (tenantId, url) => host.tenant(tenantId).links.pushKey(readText(url, "url")),

    async setPushEndpoint(tenantId, url, endpoint) {
      const read = endpoint === null ? null : readText(endpoint, "endpoint");
      await host.tenant(tenantId).links.setPushEndpoint(readText(url, "url"), read);
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
    async openDatabase(tenantId, name, subscription, given) {
      const session = host.tenant(tenantId);
      const shape = given === undefined ? undefined : compileShape(readShape(given));
      const named = readText(name, "name");
      readNatural(subscription, "subscription");
      const isKept = session.subscriptions.queries.firstRows.kept(session.core.dbIdOf(named)) !== undefined;
      const open = async (): Promise<DatabaseSession> => session.database(named);
      // Whose first rows are known need not wait for all others.
      const database = await (isKept ? open() : session.exclusive(open));
      host.openDatabase(subscription, { session, database, shape });
      return session.subscriptions.openDatabase(subscription, database);
    },

    async closeDatabase(subscription) {
      const open = host.databases.get(subscription);
      open?.session.subscriptions.closeDatabase(subscription);
      open?.session.news.unlisten(subscription);
      host.closeDatabase(subscription);
    },

    openDocument: (database, docId, subscription, branch) =>
      openDocument(host, database, docId, { subscription, branch }),

    async closeDocument(subscription) {
      host.watched.get(subscription)?.subscriptions.closeDocument(subscription);
      host.watched.delete(subscription);
    },

    async changeDocument(subscription, message) {
      const session = host.watched.get(subscription);
      if (session === undefined) throw new CofferError("doc/missing");
      return session.subscriptions.changeDocument(subscription, readDraft(message));
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
      readNatural(subscription, "subscription");
      host.watched.set(subscription, open.session);
      const { session, database: source, shape } = open;
      session.subscriptions.openQuery(subscription, source, { query: read, shape });
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
  { subscription, branch }: { readonly subscription: number; readonly branch: string | undefined },
): Promise<DocSnapshot> {
  const { session, database, shape } = host.database(databaseSubscription);
  const id = requireDocId(docId);
  readNatural(subscription, "subscription");
  await session.catchUp("briefly");
  // It may stand in the part of the log that is not judged yet: after a crash, or when it has only just arrived.
  if (database.catalog.get(id) === undefined) await session.catchUp();
  const line = lineOf(branch === undefined ? undefined : readBranchName(branch, "branch"));
  const asked = { session: database, docId: id, line, shape };
  return session.exclusive(async () => {
    const snapshot = await session.subscriptions.openDocument(subscription, asked);
    host.watched.set(subscription, session);
    return snapshot;
  });
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
