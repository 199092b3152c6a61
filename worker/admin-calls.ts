/** The calls by which the admin sends people away, and lets them in again. */
import { regrantUser, revokeUser } from "../src/tenant/index.ts";
import type { WorkerApi } from "./api.ts";
import { requireAuthorKey, type WorkerHost } from "./host.ts";
import { readProof, readTexts } from "./page-messages.ts";

type AdminCalls = Pick<WorkerApi, "revokeUser" | "regrantUser">;

/** Answer the calls about who is away. */
export function adminCalls(host: WorkerHost): AdminCalls {
  return {
    async revokeUser(tenantId, userKey, proof) {
      await revokeUser(host.tenant(tenantId), requireAuthorKey(userKey), readProof(proof));
    },

    async regrantUser(tenantId, userKey, keys, proof) {
      const user = { userKey: requireAuthorKey(userKey), keys: readTexts(keys, "keys") };
      await regrantUser(host.tenant(tenantId), user, readProof(proof));
    },
  };
}
