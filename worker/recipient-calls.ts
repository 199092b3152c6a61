/** The calls about documents for some people alone. */
import { CofferError } from "../src/std/index.ts";
import { changeRecipients, createListKey, recipientsOf } from "../src/tenant/index.ts";
import type { WorkerApi } from "./api.ts";
import { requireAuthorKey, requireDocId, type WorkerHost } from "./host.ts";
import { readFields, readProof, readTexts } from "./page-messages.ts";

type RecipientCalls = Pick<WorkerApi, "createListKey" | "recipientsOf" | "changeRecipients">;

/** Answer the calls about recipients. */
export function recipientCalls(host: WorkerHost): RecipientCalls {
  return {
    async createListKey(tenantId, recipients, proof) {
      const { groups, users } = readFields(recipients, "recipients");
      const read = {
        users: readTexts(users, "recipients.users").map(requireAuthorKey),
        groups: readTexts(groups, "recipients.groups"),
      };
      return createListKey(host.tenant(tenantId), read, readProof(proof));
    },

    async recipientsOf(database, docId) {
      const { doc, session } = await openDoc(host, database, docId);
      return recipientsOf(session.core, doc);
    },

    async changeRecipients(database, docId, edits, proof) {
      const { doc, session } = await openDoc(host, database, docId);
      const { add, remove } = readFields(edits, "edits");
      const read = {
        add: readTexts(add, "edits.add").map(requireAuthorKey),
        remove: readTexts(remove, "edits.remove").map(requireAuthorKey),
      };
      await changeRecipients(session, doc, read, readProof(proof));
    },
  };
}

/** A document of an open database. @throws `doc/missing` */
async function openDoc(host: WorkerHost, subscription: number, docId: unknown) {
  const { database, session } = host.database(subscription);
  const id = requireDocId(docId);
  await session.settle();
  return session.exclusive(async () => {
    const doc = database.lines.catalog.get(id);
    if (doc === undefined) throw new CofferError("doc/missing", { docId: id });
    return { doc, session };
  });
}
