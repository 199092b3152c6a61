/** CofferDB as it is published: signed, encrypted, merged. The vault opens from the kept session. */
import {
  and,
  eq,
  gte,
  openCoffer,
  splice,
  type Coffer,
  type Database,
  type Doc,
  type Expression,
  type Tenant,
} from "cofferdb";
import { effect } from "@preact/signals-core";
import type { Peer, WindowRow } from "./peer.ts";
import type { Task } from "./tasks.ts";

const userPassword = "Owner of the bench 2085 reed";

async function openTenant(name: string): Promise<{ coffer: Coffer; tenant: Tenant }> {
  const coffer = await openCoffer({ name });
  const [known] = await coffer.tenants();
  if (known !== undefined) return { coffer, tenant: await coffer.openTenant(known.id) };
  const { tenant } = await coffer.createTenant({
    tenantId: "bench",
    adminName: "cn=admin/o=bench",
    adminPassword: "Admin of the bench 7419 lake",
    userName: "cn=owner/o=bench",
    userPassword,
  });
  const { id } = tenant;
  tenant.dispose();
  return { coffer, tenant: await coffer.openTenant(id, { password: userPassword, keepSession: true }) };
}

type Tasks = Database<Task & Record<string, unknown>>;

/** A query of its own, from its making until its signals have the rows. */
async function rowsOf(db: Tasks, filter: Expression, limit: number): Promise<readonly WindowRow[]> {
  const query = db.query({ filter, sort: [{ field: "due" }], limit });
  const rows = await new Promise<readonly WindowRow[]>((resolve) => {
    const stop = effect(() => {
      if (query.status.value !== "ready") return;
      resolve(query.rows.value.map(({ data }) => data as WindowRow));
      queueMicrotask(() => stop());
    });
  });
  query.dispose();
  return rows;
}

export const peer: Peer = {
  async open(name) {
    const { coffer, tenant } = await openTenant(name);
    const db: Tasks = await tenant.openDB("tasks");
    const open = new Map<string, Doc<Task & Record<string, unknown>>>();
    const load = async (id: string) => {
      const doc = open.get(id) ?? (await db.getDocument(id));
      open.set(id, doc);
      return doc;
    };
    return {
      async insertAll(tasks) {
        await db.createDocuments(tasks as readonly (Task & Record<string, unknown>)[]);
      },
      async insert(task) {
        const [id = ""] = await db.createDocuments([task as Task & Record<string, unknown>]);
        return id;
      },
      async update(id, title) {
        await db.changeDoc(await load(id), (draft) => {
          draft.title = title;
        });
      },
      window: async (limit) => rowsOf(db, and(eq("status", "open")), limit),
      ask: async ({ status, from, limit }) => rowsOf(db, and(eq("status", status), gte("due", from)), limit),
      // The count that is shown at first may be a kept one: all are known when their catalog is here.
      count: async () => (await db.getAllDocumentIds()).length,
      async watch(id, listener) {
        const doc = await load(id);
        return effect(() => {
          const title = doc.data.value?.title;
          if (title !== undefined) listener(String(title));
        });
      },
      async close() {
        for (const doc of open.values()) doc.dispose();
        await coffer.close();
      },
    };
  },

  async openText(name) {
    const { coffer, tenant } = await openTenant(name);
    const db = await tenant.openDB<{ text: string }>("texts");
    const [known] = await db.getAllDocumentIds();
    const doc = known === undefined ? await db.createDocument({ text: "" }) : await db.getDocument(known);
    let last: Promise<unknown> = Promise.resolve();
    return {
      insert(index, text) {
        last = db.changeDoc(doc, (draft) => splice(draft, ["text"], index, 0, text));
      },
      stored: async () => void (await last),
      read: async () => doc.data.value?.text ?? "",
      async close() {
        doc.dispose();
        await coffer.close();
      },
    };
  },
};
