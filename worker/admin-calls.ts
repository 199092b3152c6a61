/** The calls by which the admin sends people and devices away, and lets them in again. */
import { CofferError, parseId } from "../src/std/index.ts";
import {
  adoptCommits,
  approveDevice,
  linkOwnDevice,
  mergeLines,
  regrantUser,
  revokeDevice,
  revokeUser,
} from "../src/tenant/index.ts";
import type { WorkerApi } from "./api.ts";
import { requireAuthorKey, type WorkerHost } from "./host.ts";
import {
  readDurationMs,
  readFields,
  readProof,
  readString,
  readStrings,
  readText,
  readTexts,
} from "./page-messages.ts";

type AdminCalls = Pick<
  WorkerApi,
  "revokeUser" | "regrantUser" | "adoptCommits" | "mergeLines" | "approveDevice" | "revokeDevice"
>;

/** Answer the calls about who is away. */
export function adminCalls(host: WorkerHost): AdminCalls {
  return {
    async revokeUser(tenantId, userKey, proof, wipe = false) {
      if (typeof wipe !== "boolean") throw new CofferError("input/invalid", { at: "wipe" });
      await revokeUser(host.tenant(tenantId), { userKey: requireAuthorKey(userKey), wipe }, readProof(proof));
    },

    async approveDevice(tenantId, request, options) {
      const session = host.tenant(tenantId);
      const { expiresInMs, name, password, serverUrl, user } = readFields(options, "options");
      const uri = readString(request, "request");
      const answer = {
        ...readStrings(options, "options", ["sharePassword"]),
        name: readText(name, "options.name"),
        serverUrl: serverUrl === undefined ? undefined : readText(serverUrl, "options.serverUrl"),
        expiresInMs: readDurationMs(expiresInMs, "options.expiresInMs"),
      };
      if (password !== undefined && user === undefined)
        return linkOwnDevice(session, uri, { ...answer, password: readString(password, "options.password") });
      const owner = user === undefined ? undefined : requireAuthorKey(user);
      return approveDevice(session, uri, { ...readProof(options), ...answer, user: owner });
    },

    async revokeDevice(tenantId, deviceKey, proof) {
      await revokeDevice(host.tenant(tenantId), requireAuthorKey(deviceKey), readProof(proof));
    },

    async regrantUser(tenantId, userKey, keys, proof) {
      const user = { userKey: requireAuthorKey(userKey), keys: readTexts(keys, "keys") };
      await regrantUser(host.tenant(tenantId), user, readProof(proof));
    },

    async mergeLines(tenantId, proof) {
      await mergeLines(host.tenant(tenantId), readProof(proof));
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
