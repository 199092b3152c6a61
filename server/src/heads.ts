import type { SigningKeyPair, Verifier } from "../../src/crypto/index.ts";
import type { DbId, Env, TenantId } from "../../src/std/index.ts";
import {
  digestHeads,
  rootOf,
  signHead,
  signTenantHead,
  type HeadClaim,
  type SignedHead,
  type SignedTenantHead,
} from "../../src/sync/index.ts";
import { frontierRows, type LogState, type RelayStorage } from "./storage.ts";

/** Signed tree heads over the logs, for any size that a log has or had. */
export interface Heads {
  headAt(tenantId: TenantId, log: LogPosition): Promise<SignedHead>;
  /** One head over all logs of a tenant, as they are given. */
  tenantHead(tenantId: TenantId, logs: readonly LogState[]): Promise<SignedTenantHead>;
}

/** A log up to a size. */
export type LogPosition = Pick<LogState, "dbId" | "epoch" | "size">;

export interface HeadsOptions {
  readonly crypto: Pick<Verifier, "sha256" | "sign">;
  readonly env: Pick<Env, "nowMs">;
  readonly storage: Pick<RelayStorage, "readNodes">;
  readonly signing: SigningKeyPair;
}

const cachedRoots = 20_000;
/** A commit that goes to many sockets at once is signed for once. */
const reuseSignatureMs = 1000;

/** Create the head maker of one server key. */
export function createHeads(options: HeadsOptions): Heads {
  const { crypto, env, storage, signing } = options;
  const claims = new Map<string, { readonly root: Uint8Array; signed: SignedHead | undefined }>();

  async function claimOf(
    tenantId: TenantId,
    log: LogPosition,
  ): Promise<{ readonly root: Uint8Array; signed: SignedHead | undefined }> {
    const name = `${tenantId}/${log.dbId}/${log.epoch}/${log.size}`;
    const known = claims.get(name);
    if (known !== undefined) return known;
    const frontier = await storage.readNodes(tenantId, log.dbId, frontierRows(log.size));
    const claim = { root: rootOf(crypto, { frontier }), signed: undefined };
    claims.set(name, claim);
    const [oldest] = claims.keys();
    if (claims.size > cachedRoots && oldest !== undefined) claims.delete(oldest);
    return claim;
  }

  return {
    async headAt(tenantId, { dbId, epoch, size }) {
      const claim = await claimOf(tenantId, { dbId, epoch, size });
      const timeMs = env.nowMs();
      const known = claim.signed;
      if (known !== undefined && Math.abs(timeMs - known.timeMs) < reuseSignatureMs) return known;
      const head: HeadClaim = { dbId, epoch, size, root: claim.root, timeMs };
      claim.signed = await signHead(crypto, signing.privateKey, tenantId, head);
      return claim.signed;
    },
    async tenantHead(tenantId, logs) {
      const heads: { dbId: DbId; epoch: number; size: number; root: Uint8Array }[] = [];
      for (const log of logs)
        if (log.size > 0) heads.push({ ...log, root: (await claimOf(tenantId, log)).root });
      const digest = digestHeads(crypto, heads);
      return signTenantHead(crypto, signing.privateKey, tenantId, {
        databaseCount: heads.length,
        digest,
        timeMs: env.nowMs(),
      });
    },
  };
}
