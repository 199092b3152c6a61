/** CofferDB as it is published: signed and encrypted before it leaves the browser. The other device joins as a user of its own. */
import { openCoffer, type Coffer, type Identity, type ServerLink, type Tenant } from "cofferdb";
import {
  adminPassword,
  connectAndSync,
  foundTenant,
  publishAndSync,
  removeSession,
  required,
  userPassword,
} from "../../../page/session.ts";
import { until } from "../../../page/wait.ts";
import type { Task } from "../tasks.ts";
import type { SyncedTasks, SyncPeer } from "./sync-peer.ts";

type Row = Task & Record<string, unknown>;

let asking: { readonly coffer: Coffer; readonly user: Identity } | undefined;

async function tasksOf(coffer: Coffer, tenant: Tenant, link: ServerLink): Promise<SyncedTasks> {
  const db = await tenant.openDB<Row>("tasks");
  const query = db.query({ sort: [{ field: "title" }], limit: 50 });
  await until(
    () => link.status.value.phase === "live" && link.status.value.pendingPush === 0,
    "the link is live",
  );
  return {
    async add(tasks) {
      await db.createDocuments(tasks as readonly Row[]);
    },
    until: async (count) => until(() => query.total.value >= count, "every document is here", 150_000),
    async close() {
      query.dispose();
      await link.disconnect();
      await removeSession({ coffer, tenant });
    },
  };
}

export const peer: SyncPeer = {
  async found({ name, serverUrl }) {
    const session = await foundTenant(name);
    const { coffer, tenant, adminUser } = session;
    const link = await publishAndSync(session, serverUrl);
    return {
      ...(await tasksOf(coffer, tenant, link)),
      async invite(request) {
        const sharePassword = await coffer.createSharePassword();
        const options = { adminUser, adminPassword, sharePassword, serverUrl };
        const response = await tenant.approveJoinRequest(request, options);
        await link.sync();
        return JSON.stringify({ response, sharePassword });
      },
    };
  },

  async ask({ name }) {
    const coffer = await openCoffer({ name });
    const user = await coffer.createUserId("cn=guest/o=bench", userPassword);
    asking = { coffer, user };
    return coffer.createJoinRequest(user);
  },

  async join({ serverUrl }, invitation) {
    const { coffer, user } = required(asking);
    const { response, sharePassword } = JSON.parse(invitation) as { response: string; sharePassword: string };
    const { tenant } = await coffer.joinTenant(response, { user, password: userPassword, sharePassword });
    return tasksOf(coffer, tenant, await connectAndSync(tenant, serverUrl));
  },
};
