/** The calls by which the admin sends people away, and lets them in again. */
import { CofferError, parseId } from "../src/std/index.ts";
import { adoptCommits, regrantUser, revokeUser } from "../src/tenant/index.ts";
import type { WorkerApi } from "./api.ts";
import { requireAuthorKey, type WorkerHost } from "./host.ts";
import { readProof, readTexts } from "./page-messages.ts";

type AdminCalls = Pick<WorkerApi, "revokeUser" | "regrantUser" | "adoptCommits">;

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

    async adoptCommits(tenantId, commitHashes, proof) {
      const hashes = readTexts(commitHashes, "commitHashes").map((text) => {
        const hash = parseId("CommitHash", text);
        if (hash === undefined) throw new CofferError("input/unknown-id", { what: "commit" });
        return hash;
      });
      await adoptCommits(host.tenant(tenantId), hashes, readProof(proof));
    },
  };
}
