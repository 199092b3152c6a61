/** The calls about a tenant's groups, settings and keys. */
import type { AdminProof, TenantSnapshot } from "../../worker/api.ts";
import type { ReadonlySignal } from "@preact/signals-core";
import { CofferError } from "../std/index.ts";
import { throwIfAborted, unlessAborted } from "./abort.ts";
import { inBackground, runCallers, type Session } from "./session.ts";
import type {
  AdminOptions,
  Directory,
  DryRun,
  Group,
  Keys,
  Role,
  RoleChange,
  SettingValue,
  SettingValues,
} from "./directory-types.ts";

/** What these calls need of an open tenant. */
interface OpenTenant {
  readonly id: string;
  readonly session: Session;
  readonly snapshot: ReadonlySignal<TenantSnapshot>;
}

/** Say who acts as the admin. */
export function adminProof({ adminUser, adminPassword }: AdminOptions): AdminProof {
  return { adminKey: adminUser.key, adminPassword };
}

/** Change who is in a group. */
export async function setGroup(
  { id, session }: OpenTenant,
  name: string,
  options: Parameters<Directory["setGroup"]>[1],
): Promise<void> {
  const { addUsers = [], removeUsers = [], addGroups = [], removeGroups = [] } = options;
  const edits = { addUsers, removeUsers, addGroups, removeGroups };
  return session.call((api) => api.setGroup(id, name, edits, adminProof(options)));
}

/** Give roles, or take them away. */
export async function setRoles(
  { id, session }: OpenTenant,
  changes: readonly RoleChange[],
  options: AdminOptions,
): Promise<void> {
  return session.call((api) => api.setRoles(id, changes, adminProof(options)));
}

/** What roles would have refused. */
export async function dryRun({ id, session }: OpenTenant, changes: readonly RoleChange[]): Promise<DryRun> {
  return session.call((api) => api.dryRun(id, changes));
}

/** The role of a user in a database. */
export async function getRole({ id, session }: OpenTenant, dbName: string, key?: string): Promise<Role> {
  return session.call((api) => api.getRole(id, dbName, key));
}

/** The groups as they are now. */
export async function getGroups({ snapshot }: OpenTenant): Promise<readonly Group[]> {
  return unlocked(snapshot.peek().groups);
}

type Changes = Readonly<Record<string, SettingValue | undefined>>;

/** Change settings of the tenant. */
export async function changeTenantSettings(
  tenant: OpenTenant,
  changes: Changes,
  options: AdminOptions,
): Promise<void> {
  return changeSettings(tenant, undefined, changes, options);
}

/** Change settings of a database. */
export async function changeDBSettings(
  tenant: OpenTenant,
  dbName: string,
  changes: Changes,
  options: AdminOptions,
): Promise<void> {
  return changeSettings(tenant, dbName, changes, options);
}

/** The tenant's settings as they are now. */
export async function getTenantSettings({ snapshot }: OpenTenant): Promise<SettingValues> {
  return unlocked(snapshot.peek().settings);
}

/** A database's settings as they are now. */
export async function getDBSettings({ snapshot }: OpenTenant, dbName: string): Promise<SettingValues> {
  const byName = unlocked(snapshot.peek().databaseSettings);
  const name = dbName.normalize("NFKC");
  return (Object.hasOwn(byName, name) ? byName[name] : undefined) ?? {};
}

/** Make a named key. */
export async function createDocEncryptionKey({ id, session }: OpenTenant, name: string): Promise<void> {
  return session.call((api) => api.createKey(id, name));
}

/** A key as text under a password. */
export async function exportKey(
  { id, session }: OpenTenant,
  name: string,
  { password }: Parameters<Keys["exportKey"]>[1],
): Promise<string> {
  return session.call((api) => api.exportKey(id, name, password));
}

/** Take an exported key. */
export async function importKey(
  { id, session }: OpenTenant,
  text: string,
  { password }: Parameters<Keys["importKey"]>[1],
): Promise<string> {
  return session.call((api) => api.importKey(id, text, password));
}

/** Begin a new epoch of a key. */
export async function rotate(
  { id, session }: OpenTenant,
  name: string,
  options: AdminOptions,
): Promise<void> {
  return session.call((api) => api.rotateKey(id, name, adminProof(options)));
}

/** Seal anew what a key seals under former epochs. */
export async function reseal(
  { id, session }: OpenTenant,
  name: string,
  { onProgress, signal }: Parameters<Keys["reseal"]>[1] = {},
): ReturnType<Keys["reseal"]> {
  throwIfAborted(signal);
  const opening = session.call((api) => api.openReseal(id, name));
  let last: { readonly doneCount: number; readonly leftOut: readonly string[] } = {
    doneCount: 0,
    leftOut: [],
  };
  try {
    const resealId = await unlessAborted(signal, opening);
    for (;;) {
      throwIfAborted(signal);
      const step = await unlessAborted(
        signal,
        session.call((api) => api.stepReseal(resealId), "stores"),
      );
      if (step === undefined) return { doneCount: last.doneCount, leftOut: last.leftOut };
      last = step;
      const { doneCount, totalCount } = step;
      if (onProgress !== undefined) runCallers(() => onProgress({ doneCount, totalCount }));
    }
  } catch (error) {
    inBackground(opening.then(async (resealId) => session.call((api) => api.closeReseal(resealId))));
    throw error;
  }
}

/** Hand a key to users and groups. */
export async function grant(
  { id, session }: OpenTenant,
  name: string,
  options: Parameters<Keys["grant"]>[1],
): Promise<void> {
  const { groups = [], users = [] } = options;
  return session.call((api) => api.grantKey(id, name, { groups, users }, adminProof(options)));
}

async function changeSettings(
  { id, session }: OpenTenant,
  dbName: string | undefined,
  changes: Changes,
  options: AdminOptions,
): Promise<void> {
  const edits = Object.entries(changes).map(([name, value]) => ({ name, value: toJson(name, value) }));
  return session.call((api) => api.changeSettings(id, dbName, edits, adminProof(options)));
}

/** @throws input/invalid for what JSON does not hold */
function toJson(name: string, value: SettingValue | undefined): string | undefined {
  if (value === undefined) return undefined;
  try {
    const text: string | undefined = JSON.stringify(value);
    if (text !== undefined) return text;
  } catch {
    // A circle, or a number without bounds: refused below.
  }
  throw new CofferError("input/invalid", { at: name });
}

function unlocked<T>(value: T | undefined): T {
  if (value === undefined) throw new CofferError("access/locked");
  return value;
}
