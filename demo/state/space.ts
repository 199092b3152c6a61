/** The open space: its tenant and its one database. */
import { computed, signal } from "@preact/signals";
import type { Database, Member, Tenant } from "cofferdb";
import { databaseName, type Film } from "../film/film.ts";
import { FilmList } from "./film-list.ts";
import { Here } from "./here.ts";
import { docHref, goTo } from "./route.ts";

/** An open space; it stays open while it is locked. */
export interface Space {
  readonly tenant: Tenant;
  readonly db: Database<Film>;
  readonly list: FilmList;
  /** who else is here */
  readonly here: Here;
}

/** The open space; undefined on the first screen. */
export const space = signal<Space | undefined>(undefined);

/** Whether the whole window is locked. */
export const isLocked = computed(() => space.value?.tenant.status.value.phase === "locked");

/** Open a tenant's database and show it. */
export async function enterSpace(tenant: Tenant): Promise<void> {
  const db = await tenant.openDB<Film>(databaseName);
  leaveSpace();
  space.value = { tenant, db, list: new FilmList(db), here: new Here(tenant, db) };
}

/** Whether a space was left by choice: then none opens by itself. */
export const isLeft = signal(false);

/** Close the space and go back to the first screen. */
export function leaveSpace(): void {
  const left = space.peek();
  space.value = undefined;
  isLeft.value = left !== undefined;
  left?.list.dispose();
  left?.here.dispose();
  left?.db.dispose();
  left?.tenant.dispose();
}

/** Lock the space: from here on nothing of it can be read in this window. */
export async function lockSpace(): Promise<void> {
  await space.peek()?.tenant.lock();
}

/** The open space's name; undefined while it is locked. */
export const spaceName = computed(() => space.value?.tenant.name.value);

/** The member who has this key, or whose device does. */
function findMember(key: string): Member | undefined {
  const tenant = space.value?.tenant;
  const userKey = tenant?.devices.value?.find((device) => device.key === key)?.user ?? key;
  return tenant?.directory.users.value?.find((user) => user.key === userKey);
}

/** The name of a member by its key, "you" for oneself. */
export function authorName(key: string): string {
  const member = findMember(key);
  return member?.self === true ? "you" : (member?.userName ?? "someone who is no longer known");
}

/** Whether a key is one's own, or a device's of oneself. */
export function isOwnKey(key: string): boolean {
  return findMember(key)?.self === true;
}

/** The name of a member by its key. */
export function memberName(key: string): string {
  return findMember(key)?.userName ?? "someone whose name is not known";
}

/** Make an empty film and open its page. */
export async function createAndOpen(film: Film): Promise<void> {
  const open = space.peek();
  if (open === undefined) return;
  const doc = await open.db.createDocument(film);
  goTo(docHref(doc.id));
  doc.dispose();
}
