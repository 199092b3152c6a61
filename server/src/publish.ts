import { createDirectory, foldLines, type OpenedCommit } from "../../src/directory/index.ts";
import { createContentKey, presenceOf, verifyCommit, type Commit } from "../../src/entry/index.ts";
import {
  CofferError,
  equalBytes,
  idToBytes,
  type DbId,
  type Env,
  type TenantId,
} from "../../src/std/index.ts";
import { parsePublication, verifyPublication, type Publication } from "../../src/sync/index.ts";
import { findOnly, isTorn, openRecords } from "./directories.ts";
import { pushCommits, toNewCommit, type PushParts } from "./push.ts";
import { readTenantRoot, toTenantRecord, type TenantRoot } from "./tenant-record.ts";

export interface PublishParts extends PushParts {
  readonly env: Pick<Env, "nowMs">;
  /** what this server answers to */
  readonly origins: readonly string[];
  readonly maxTenants: number;
}

export interface PublishOutcome {
  readonly tenantId: TenantId;
  readonly directoryDbId: DbId;
  /** `false` when it was there already, with equal content */
  readonly isNew: boolean;
}

/** A publication is good for as long; repeating one changes nothing, so the span forgives wrong clocks. */
const freshForMs = 60 * 60_000;

/**
 * Take a publication: `POST /v1/tenants`.
 *
 * The id is the genesis record's hash, the signature its admin key's; it must be meant for this server and the directory must
 * fold from its first commit.
 *
 * @throws `protocol/malformed`, `entry/forged`, `access/denied` (another server), `input/expired`, `entry/corrupt`,
 *   `input/used` when the tenant is here with other content, `store/quota`
 */
export async function publishTenant(parts: PublishParts, body: Uint8Array): Promise<PublishOutcome> {
  const { crypto, storage } = parts;
  const signed = parsePublication(body);
  const root = signed && readTenantRoot(crypto, signed.publication.genesis);
  if (signed === undefined || root === undefined) throw new CofferError("protocol/malformed");
  const { publication } = signed;
  if (!(await verifyPublication(crypto, idToBytes(root.adminKey), signed)))
    throw new CofferError("entry/forged");
  if (!parts.origins.includes(publication.origin)) {
    throw new CofferError("access/denied", { message: "This publication is meant for another server." });
  }
  if (Math.abs(parts.env.nowMs() - publication.createdAtMs) > freshForMs) {
    throw new CofferError("input/expired", {
      message: "This publication is too old, or this device's clock is wrong.",
    });
  }
  const { tenantId } = root;
  const commits = await foldDirectory(parts, root, publication);
  const record = toTenantRecord(crypto, tenantId, publication);
  if ((await storage.readTenant(tenantId)) === undefined) {
    if ((await storage.tenantCount()) >= parts.maxTenants) {
      throw new CofferError("store/quota", { message: "This server takes no more tenants." });
    }
    if (await storage.createTenant(record, commits.map(toNewCommit)))
      return { tenantId, directoryDbId: record.directoryDbId, isNew: true };
  }
  const stored = await storage.readTenant(tenantId);
  if (stored === undefined || !equalBytes(stored.publication, record.publication)) throw conflict();
  await mergeDirectory(parts, record.tenantId, publication);
  return { tenantId, directoryDbId: record.directoryDbId, isNew: false };
}

/** Verify all commits of a directory and fold them in order. */
async function foldDirectory(
  { crypto }: PublishParts,
  root: TenantRoot,
  { publicInfosKey, directoryCommits }: Publication,
): Promise<readonly Commit[]> {
  const findKey = findOnly(await createContentKey(crypto, publicInfosKey));
  const commits: Commit[] = [];
  const opened: OpenedCommit[] = [];
  for (const bytes of directoryCommits) {
    const verdict = await verifyCommit(crypto, bytes);
    if (verdict.kind === "forged") throw new CofferError("entry/forged");
    const { commit } = verdict;
    if (presenceOf(commit) !== "whole") throw unfoldable();
    opened.push({ commit, records: await openRecords(crypto, commit, findKey) });
    commits.push(commit);
  }
  const directory = foldLines(createDirectory(crypto, root.tenantId, root.adminKey), opened);
  if (isTorn(directory, opened.length)) throw unfoldable();
  return commits;
}

function unfoldable(): CofferError {
  return new CofferError("entry/corrupt", { message: "The directory does not fold." });
}

/** A tenant that is here already: what is published must be its directory, or continue it. */
async function mergeDirectory(
  parts: PublishParts,
  tenantId: TenantId,
  publication: Publication,
): Promise<void> {
  const directory = await parts.directories.read(tenantId);
  if (directory === undefined) throw conflict();
  const results = await pushCommits(parts, {
    tenantId,
    dbId: directory.state.dbId,
    replicaId: new Uint8Array(16),
    userKey: undefined,
    commits: publication.directoryCommits,
  });
  if (results.some(({ code }) => code === "store/quota")) throw new CofferError("store/quota");
  if (results.some(({ status }) => status !== "accepted")) throw conflict();
}

function conflict(): CofferError {
  return new CofferError("input/used", {
    message: "There is another tenant with this id, or with another directory.",
  });
}
