/**
 * Small edits of an open document: one typed character each, seen on the page, made durable, seen on another device.
 *
 * The title begins empty and grows by one character with each edit, so that its length names the edit.
 *
 *   owner:  foundNotes ► typeCharacters (alone) ► publishNotes ►            approve ►               typeCharacters (live)
 *   guest:                                         askToJoin  ► ──request──┘     └──► joinAndWatch ► seenTimes
 */
import { effect } from "@preact/signals-core";
import {
  openCoffer,
  splice,
  type Coffer,
  type Database,
  type Doc,
  type Identity,
  type ServerLink,
} from "cofferdb";
import {
  adminPassword,
  connectAndSync,
  foundTenant,
  publishAndSync,
  removeSession,
  required,
  userPassword,
  type BenchSession,
  type OwnedSession,
} from "./session.ts";
import { pause, until } from "./wait.ts";
import { createWallClock } from "./wall-clock.ts";

interface Note {
  title: string;
  body: string;
}

/** The times of each edit: how long it took to show and to store, and when it began, in milliseconds since 1970. */
export interface EditTimes {
  readonly shownMs: readonly number[];
  readonly durableMs: readonly number[];
  readonly beganAtMs: readonly number[];
  /** bytes of bodies sent meanwhile; 0 without a server */
  readonly sentBytes: number;
}

const pauseMs = 60;
const databaseName = "notes";

let owner: OwnedSession | undefined;
let joining: { readonly coffer: Coffer; readonly user: Identity } | undefined;
let session: BenchSession | undefined;
let db: Database<Note> | undefined;
let doc: Doc<Note> | undefined;
let link: ServerLink | undefined;
let watching: { readonly seenAtMs: readonly number[]; readonly stop: () => void } | undefined;

/** Make a tenant with one document. */
export async function foundNotes(cofferName: string): Promise<void> {
  owner = session = await foundTenant(cofferName);
  db = await owner.tenant.openDB<Note>(databaseName);
  doc = await db.createDocument({ title: "", body: "What is written here is read elsewhere." });
}

/** Put the tenant on a server. */
export async function publishNotes(serverUrl: string): Promise<void> {
  link = await publishAndSync(required(owner), serverUrl);
}

/** On the other device: make a user and ask to join. */
export async function askToJoin(cofferName: string): Promise<string> {
  const coffer = await openCoffer({ name: cofferName });
  const user = await coffer.createUserId("cn=guest/o=bench", userPassword);
  joining = { coffer, user };
  return coffer.createJoinRequest(user);
}

/** On the owner's device: let the other in. */
export async function approve(options: {
  request: string;
  serverUrl: string;
}): Promise<{ response: string; sharePassword: string }> {
  const { coffer, tenant, adminUser } = required(owner);
  const { request, serverUrl } = options;
  const sharePassword = await coffer.createSharePassword();
  const response = await tenant.approveJoinRequest(request, {
    adminUser,
    adminPassword,
    sharePassword,
    serverUrl,
  });
  await required(link).sync();
  return { response, sharePassword };
}

/** On the other device: join, sync, open the document, and note when each edit is seen. */
export async function joinAndWatch(options: {
  response: string;
  sharePassword: string;
  serverUrl: string;
}): Promise<void> {
  const { coffer, user } = required(joining);
  const { response, sharePassword, serverUrl } = options;
  const { tenant } = await coffer.joinTenant(response, { user, password: userPassword, sharePassword });
  session = { coffer, tenant };
  db = await tenant.openDB<Note>(databaseName);
  link = await connectAndSync(tenant, serverUrl);
  const query = db.query({});
  await until(() => query.rows.value.length === 1, "the other device has the document");
  doc = await db.getDocument(query.rows.peek()[0]?.id ?? "");
  query.dispose();
  watching = watchTitle(doc);
}

function watchTitle({ data }: Doc<Note>): NonNullable<typeof watching> {
  const wallMs = createWallClock();
  const seenAtMs: number[] = [];
  const stop = effect(() => {
    const length = data.value?.title.length ?? 0;
    const nowMs = wallMs();
    for (let index = seenAtMs.length; index < length; index += 1) seenAtMs.push(nowMs);
  });
  return { seenAtMs, stop };
}

/** Wait until this end talks live with the server. */
export async function untilLive(): Promise<void> {
  const { status } = required(link);
  await until(() => status.value.phase === "live" && status.value.pendingPush === 0, "the link is live");
}

/** Type `count` characters, one edit each, with a pause between them as a quick typist makes. */
export async function typeCharacters(count: number): Promise<EditTimes> {
  const target = required(doc);
  const database = required(db);
  const wallMs = createWallClock();
  const times = { shownMs: [] as number[], durableMs: [] as number[], beganAtMs: [] as number[] };
  const sentBefore = link?.status.peek().sentBytes ?? 0;
  const lengthBefore = target.data.peek()?.title.length ?? 0;
  let startMs = 0;
  const stop = effect(() => {
    const shownCount = (target.data.value?.title.length ?? 0) - lengthBefore;
    if (shownCount > times.shownMs.length) times.shownMs.push(performance.now() - startMs);
  });
  for (let done = 0; done < count; done += 1) {
    times.beganAtMs.push(wallMs());
    startMs = performance.now();
    await database.changeDoc(target, (draft) => splice(draft, ["title"], lengthBefore + done, 0, "x"));
    times.durableMs.push(performance.now() - startMs);
    await pause(pauseMs);
  }
  stop();
  if (times.shownMs.length !== count) throw new Error(`${times.shownMs.length} of ${count} edits were shown`);
  if (link !== undefined) await untilLive();
  return { ...times, sentBytes: (link?.status.peek().sentBytes ?? 0) - sentBefore };
}

/** Edit the title `count` times, one awaited after the other: how long each took. */
export async function editAwaited(count: number): Promise<readonly number[]> {
  const target = required(doc);
  const database = required(db);
  return timesOf(count, (index) =>
    database.changeDoc(target, (draft) => splice(draft, ["title"], index, 0, "x")),
  );
}

/** Create `count` documents, one awaited after the other: how long each took. */
export async function insertAwaited(count: number): Promise<readonly number[]> {
  const database = required(db);
  return timesOf(count, async (index) => {
    const made = await database.createDocument({ title: `note ${index}`, body: "Of its own." });
    made.dispose();
  });
}

async function timesOf(count: number, step: (index: number) => Promise<unknown>): Promise<readonly number[]> {
  const times: number[] = [];
  for (let index = 0; index < count; index += 1) {
    const startMs = performance.now();
    await step(index);
    times.push(performance.now() - startMs);
  }
  return times;
}

/** In another tab of the same device: open the tenant and note when each edit is seen. */
export async function watchInTab(cofferName: string): Promise<void> {
  const coffer = await openCoffer({ name: cofferName });
  const tenant = await coffer.openTenant("bench", { password: userPassword });
  session = { coffer, tenant };
  db = await tenant.openDB<Note>(databaseName);
  const query = db.query({});
  await until(() => query.rows.value.length === 1, "the other tab has the document");
  doc = await db.getDocument(query.rows.peek()[0]?.id ?? "");
  query.dispose();
  watching = watchTitle(doc);
}

/** Close that tab's share. */
export async function leaveTab(): Promise<void> {
  watching?.stop();
  await session?.coffer.close();
  session = db = doc = watching = undefined;
}

/** When the other device saw the title reach each length, once it has reached `length`. */
export async function seenTimes(length: number): Promise<readonly number[]> {
  const { data } = required(doc);
  await until(() => (data.value?.title.length ?? 0) >= length, "the other device sees every edit", 20_000);
  return required(watching).seenAtMs;
}

/** What this device has open after that. */
export function openedSession(): BenchSession {
  return required(session);
}

/** Leave and remove everything. */
export async function leaveNotes(): Promise<void> {
  watching?.stop();
  await link?.disconnect();
  await removeSession(required(session));
  owner = joining = session = db = doc = link = watching = undefined;
}
