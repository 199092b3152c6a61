/**
 * A page that an attacker writes into: every call of the contract, with arguments that nobody meant. Each settles, and never with
 * anything but a `CofferError` that is no failure of the worker; what is honest goes on afterwards.
 */
import fc from "fast-check";
import { afterEach, describe, expect, it } from "vitest";
import { encodePart } from "../src/attachment/index.ts";
import { bytesToId, isCofferError, type CofferError } from "../src/std/index.ts";
import { createMemoryStorage } from "../src/store/index.ts";
import type { DraftOperation, DraftValue } from "../src/draft/index.ts";
import { category, total } from "../src/view/index.ts";
import type { ReadDocument, SearchMessage, WorkerApi } from "./api.ts";
import {
  closeDevices,
  draft,
  env,
  newSubscription,
  people,
  shownAfter,
  startDevice,
  type Device,
} from "./device-fixtures.ts";

/** A query of everything that can be asked. */
const everyQuery = {
  filter: "text = 'a' or exists(n)",
  sort: [{ field: "text" }, { field: ["n"], order: "desc" }],
  locale: "de",
  limit: 3,
  offset: 0,
  after: { keys: ["a", undefined], id: "x" },
  select: { text: "text", n: { op: "field", path: ["n"] } },
  distinct: true,
  group: { by: { text: "text" }, totals: { n: { fn: "sum", of: "n" }, count: { fn: "count" } } },
} as const;

afterEach(closeDevices);

const runs = Number(process.env["COFFER_RUNS"] ?? 100);
const password = "fourteen amber foxes under glass";

/** One device with a tenant, a database and a document that are open, and what a page would know of them. */
interface Scene {
  readonly device: Device;
  readonly tenantId: string;
  readonly adminKey: string;
  readonly userKey: string;
  readonly database: number;
  readonly doc: number;
  readonly query: number;
  readonly search: number;
  readonly presence: number;
  readonly view: number;
  readonly docId: string;
  readonly heads: readonly string[];
  readonly exportId: number;
  readonly importId: number;
}

const asked: SearchMessage = {
  text: "ada",
  fields: ["text"],
  prefix: "last",
  fuzzy: "auto",
  filter: undefined,
  sort: [],
  locale: undefined,
  limit: 5,
  offset: 0,
  highlight: true,
  excerptLength: 80,
};

async function openScene(): Promise<Scene> {
  const device = await startDevice(createMemoryStorage(env));
  const { api } = device;
  const tenant = await api.createTenant(people);
  const [database, doc, query] = [newSubscription(), newSubscription(), newSubscription()];
  const search = newSubscription();
  const presence = newSubscription();
  const view = newSubscription();
  await api.openDatabase(tenant.id, "contacts", database);
  const [docId = ""] = await api.createDocuments(database, [{ text: "Ada", list: [1, { a: 2 }], count: 3 }]);
  const { heads } = await api.openDocument(database, docId, doc);
  await api.openQuery(database, { filter: undefined, sort: [], limit: 5, offset: 0 }, query);
  await api.openSearch(database, asked, search);
  await api.openPresence(database, presence);
  const definition = { columns: [category("text"), total("count", "sum")] };
  const sources = [{ origin: "eu", database, filter: undefined }];
  await api.openView({ sources, definition, state: undefined, window: { from: 0, count: 5 } }, view);
  const exportId = await api.openExport(tenant.id, { password, documents: true, resume: undefined });
  const importId = await api.openImport(password);
  const [adminKey, userKey] = [tenant.adminUser?.key ?? "", tenant.self?.key ?? ""];
  return {
    device,
    tenantId: tenant.id,
    adminKey,
    userKey,
    database,
    doc,
    query,
    search,
    presence,
    view,
    docId,
    heads,
    exportId,
    importId,
  };
}

type Method = Exclude<keyof WorkerApi, "start" | "ping">;
type Call = readonly unknown[];

const somePart = encodePart({ commitHash: bytesToId("CommitHash", new Uint8Array(32)), sizeBytes: 20 });

/** For each method a call that could be honest. */
const honest: { readonly [method in Method]: (scene: Scene) => Call } = {
  tenants: () => [],
  pendingIdentities: () => [],
  createTenant: () => [{ ...people, tenantName: "second" }],
  openTenant: (s) => [
    s.tenantId,
    { userName: people.userName, password: people.userPassword, keepSession: false },
  ],
  resumeTenant: (s) => [s.tenantId, { tenantId: s.tenantId, opaque: { publicIdentity: { userName: "x" } } }],
  closeTenant: () => ["AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"],
  removeTenant: () => ["AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"],
  lock: () => ["AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"],
  unlock: (s) => [s.tenantId, { password: "not this one" }],
  passkeys: (s) => [s.tenantId],
  keySlots: (s) => [s.tenantId, s.adminKey],
  addKeySlot: (s) => [
    s.tenantId,
    s.userKey,
    { recoveryCode: "0000-0000" },
    { passkey: { credentialId: new Uint8Array(16), output: new Uint8Array(32), salt: new Uint8Array(32) } },
  ],
  removeKeySlot: (s) => [s.tenantId, s.adminKey, { password: "not this one" }, "0011223344556677"],
  changePassword: (s) => [
    s.tenantId,
    undefined,
    { passkey: { credentialId: new Uint8Array(16), output: new Uint8Array(32) } },
    password,
  ],
  createUserId: () => ["cn=guest/o=acme", password],
  createJoinRequest: (s) => [s.userKey],
  inspectJoinRequest: (s) => [s.tenantId, "mdb://join-request/AAAA"],
  approveJoinRequest: (s) => [
    s.tenantId,
    "mdb://join-request/AAAA",
    {
      adminKey: s.adminKey,
      adminPassword: people.adminPassword,
      sharePassword: password,
      serverUrl: undefined,
      expiresInMs: 1000,
    },
  ],
  joinTenant: (s) => ["mdb://join-response/AAAA", { key: s.userKey, password, sharePassword: password }],
  safetyNumber: (s) => [s.tenantId, s.userKey],
  createKey: (s) => [s.tenantId, "salaries"],
  exportKey: (s) => [s.tenantId, "salaries", password],
  importKey: (s) => [s.tenantId, "mdb://key/AAAA", password],
  openExport: (s) => [
    s.tenantId,
    { password, documents: true, resume: { header: new Uint8Array(64), sizeBytes: 9 } },
  ],
  readExport: (s) => [s.exportId],
  openImport: () => [password],
  writeImport: (s) => [s.importId, new Uint8Array(200)],
  finishImport: (s) => [s.importId],
  abortBackup: (s) => [s.importId],
  summarize: (s) => [s.tenantId],
  openBundleExport: (s) => [s.tenantId, new Uint8Array(60), 1000],
  measureBundle: (s) => [s.tenantId, new Uint8Array(60), 1000],
  openBundleImport: (s) => [s.tenantId],
  finishBundleImport: (s) => [s.importId],
  measureStorage: () => [],
  adoptCommits: (s) => [
    s.tenantId,
    ["AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"],
    { adminKey: s.adminKey, adminPassword: people.adminPassword },
  ],
  mergeLines: (s) => [s.tenantId, { adminKey: s.adminKey, adminPassword: people.adminPassword }],
  regrantUser: (s) => [
    s.tenantId,
    s.docId,
    ["salaries"],
    { adminKey: s.adminKey, adminPassword: people.adminPassword },
  ],
  openUpload: (s) => [s.database, s.docId],
  writeUpload: () => [1, new Uint8Array(20)],
  finishUpload: () => [1],
  abortUpload: () => [1],
  watchFile: (s) => [s.database, [somePart], 9007],
  unwatchFile: () => [9007],
  pinPart: (s) => [s.database, s.docId, somePart, true],
  freeParts: (s) => [s.database, [somePart]],
  limitFiles: (s) => [s.tenantId, { budgetBytes: 5_000_000, freeBytes: 100 }],
  nameParts: (s) => [s.database, [somePart]],
  readPart: (s) => [s.database, s.docId, somePart, { from: 0, to: 9 }],
  readPieces: (s) => [s.database, s.docId, somePart, { from: 0, to: 9 }],
  audit: (s) => [
    s.tenantId,
    0,
    { fromMs: 0, toMs: 4_000_000_000_000, database: "contacts", user: s.userKey },
  ],
  openAuditReport: (s) => [s.tenantId, true],
  revokeUser: (s) => [s.tenantId, s.docId, { adminKey: s.adminKey, adminPassword: people.adminPassword }],
  setGroup: (s) => [
    s.tenantId,
    "staff",
    { addUsers: [s.userKey], removeUsers: [], addGroups: [], removeGroups: ["none"] },
    { adminKey: s.adminKey, adminPassword: people.adminPassword },
  ],
  openReseal: (s) => [s.tenantId, "default"],
  stepReseal: (s) => [s.exportId],
  closeReseal: (s) => [s.exportId],
  createListKey: (s) => [
    s.tenantId,
    { users: [s.userKey], groups: [] },
    { adminKey: s.adminKey, adminPassword: people.adminPassword },
  ],
  recipientsOf: (s) => [s.database, s.docId],
  changeRecipients: (s) => [
    s.database,
    s.docId,
    { add: [s.userKey], remove: [] },
    { adminKey: s.adminKey, adminPassword: people.adminPassword },
  ],
  approveDevice: (s) => [
    s.tenantId,
    "mdb://join-request/AAAA",
    {
      adminKey: s.adminKey,
      adminPassword: people.adminPassword,
      sharePassword: password,
      serverUrl: undefined,
      expiresInMs: 1000,
      user: s.userKey,
      name: "phone",
    },
  ],
  revokeDevice: (s) => [s.tenantId, s.userKey, { adminKey: s.adminKey, adminPassword: people.adminPassword }],
  rotateKey: (s) => [s.tenantId, "default", { adminKey: s.adminKey, adminPassword: people.adminPassword }],
  setRoles: (s) => [
    s.tenantId,
    [{ database: "contacts", user: s.userKey, group: undefined, role: "manager" }],
    { adminKey: s.adminKey, adminPassword: people.adminPassword },
  ],
  dryRun: (s) => [s.tenantId, [{ database: undefined, user: undefined, group: undefined, role: "reader" }]],
  getRole: (s) => [s.tenantId, "contacts", s.userKey],
  grantKey: (s) => [
    s.tenantId,
    "salaries",
    { users: [s.userKey], groups: [] },
    { adminKey: s.adminKey, adminPassword: people.adminPassword },
  ],
  changeSettings: (s) => [
    s.tenantId,
    "contacts",
    [{ name: "colour", value: '"red"' }],
    { adminKey: s.adminKey, adminPassword: people.adminPassword },
  ],
  createSharePassword: () => [],
  checkPassword: () => [password],
  readPushKey: (s) => [s.tenantId, "http://127.0.0.1:9"],
  setPushEndpoint: (s) => [s.tenantId, "http://127.0.0.1:9", "https://fcm.googleapis.com/fcm/send/a"],
  publish: (s) => [
    s.tenantId,
    "http://127.0.0.1:9",
    { adminKey: s.adminKey, adminPassword: people.adminPassword },
  ],
  connect: (s) => [s.tenantId, "http://127.0.0.1:9"],
  disconnect: (s) => [s.tenantId, "http://127.0.0.1:9"],
  sync: (s) => [s.tenantId, "http://127.0.0.1:9"],
  openPeer: (s) => [s.tenantId, 9005, undefined, "on-demand"],
  tellPeer: () => [9005, new Uint8Array(9)],
  syncPeer: () => [9006],
  closePeer: () => [9005],
  writePeerWord: (s) => [s.tenantId, { u: "abcd", c: ["a"] }, "0".repeat(32)],
  readPeerWord: (s) => [s.tenantId, "mdb://peer-offer/AAAA"],
  openMeeting: (s) => [s.tenantId, 9008],
  callStore: (s) => [
    s.database,
    { server: undefined, directory: true },
    "findNewEntriesForDoc",
    [["a"], s.docId],
  ],
  openDatabase: (s) => [s.tenantId, "others", 9001, { version: 1, defaults: { tags: [] }, migrations: [] }],
  closeDatabase: () => [9001],
  createDocuments: (s) => [
    s.database,
    [{ a: 1, b: [new Date(0), new Uint8Array(3)] }],
    { keyName: "salaries" },
  ],
  documentIds: (s) => [s.database],
  openDocument: (s) => [s.database, s.docId, 9002, "draft"],
  closeDocument: () => [9002],
  changeDocument: (s) => [
    s.doc,
    draft(
      [
        { op: "set", path: ["new"], value: { a: new Map([["counter", 3]]) } },
        { op: "spliceText", path: ["text"], index: 0, remove: 1, insert: "a" },
        { op: "splice", path: ["list"], index: 0, remove: 1, values: [1, new Map([["moved", { a: 1 }]])] },
        {
          op: "mark",
          path: ["text"],
          range: { start: 0, end: 1, expand: "both" },
          name: "bold",
          value: true,
        },
        { op: "unmark", path: ["text"], range: { start: 0, end: 1 }, name: "bold" },
        { op: "increment", path: ["new", "a"], by: 2 },
        { op: "updateText", path: ["text"], value: "Eda" },
        { op: "delete", path: ["new"] },
      ],
      s.heads,
    ),
  ],
  readDocuments: (s) => [s.database, [s.docId]],
  changeDocuments: (s) => [
    s.database,
    [{ docId: s.docId, baseHeads: s.heads, operations: [{ op: "set", path: ["count"], value: 4 }] }],
    "relaxed",
  ],
  changesSince: (s) => [s.database, undefined, 8],
  listenChanges: (s) => [s.database, true],
  undo: (s) => [s.doc, { isRedo: false, groupMs: 5 }],
  undoDepth: (s) => [s.doc, 5],
  documentAt: (s) => [s.database, s.docId, 4_000_000_000_000],
  history: (s) => [s.database, s.docId, 0],
  diff: (s) => [s.doc, s.heads, s.heads],
  marks: (s) => [s.doc, ["text"]],
  createBranch: (s) => [s.database, s.docId, "draft"],
  endBranch: (s) => [s.database, s.docId, "draft", "discard"],
  purgeDocument: (s) => [s.database, "AAAAAAAAAAAAAAAAAAAAAA"],
  deleteDocument: (s) => [s.database, "AAAAAAAAAAAAAAAAAAAAAA"],
  undeleteDocument: (s) => [s.database, s.docId],
  openQuery: (s) => [s.database, everyQuery, 9003],
  updateQuery: (s) => [s.query, everyQuery],
  closeQuery: () => [9003],
  openSearch: (s) => [s.database, asked, 9004],
  updateSearch: (s) => [s.search, { ...asked, text: "x", sort: [{ field: "count" }] }],
  closeSearch: () => [9004],
  openPresence: ({ database, presence }) => [database, presence],
  setPresence: ({ presence }) => [presence, { cursor: ["text", 3] }],
  broadcast: ({ presence }) => [presence, "ping", { a: 1 }],
  closePresence: ({ presence }) => [presence],
  openView: (s) => [
    {
      sources: [{ origin: "eu", database: s.database, filter: undefined }],
      definition: {
        columns: [
          { role: "category", name: "text" },
          { role: "total", name: "n", total: "sum" },
        ],
      },
      state: { version: 1, expandedTo: 1, flipped: ["/0sAda"], selected: [] },
      window: { from: 0, count: 5 },
    },
    9004,
  ],
  updateView: (s) => [s.view, { columns: [{ role: "sorted", name: "text", order: "desc" }] }],
  cancelView: (s) => [s.view],
  moveView: (s) => [s.view, 1, 7],
  turnView: (s) => [s.view, { turn: "expand", categories: ["/0sAda", ["Ada", 1]], isExpanded: true }],
  askView: (s) => [s.view, { ask: "range", from: { key: "/0sAda" }, to: { values: ["Ada", 1] } }],
  searchView: (s) => [s.view, { text: "ada", fields: ["text"], prefix: "last", fuzzy: 0 }],
  closeView: () => [9004],
};
const methods = Object.keys(honest) as Method[];

const cycle: unknown[] = [];
cycle.push({ cycle });

/** One array, again and again: small as a message, without end as a value. */
function bomb(leaf: unknown, wide = 2): unknown {
  let value = leaf;
  for (let depth = 0; depth < 62; depth++) value = Array.from({ length: wide }, () => value);
  return value;
}

const junk: readonly unknown[] = [
  undefined,
  null,
  true,
  Number.NaN,
  Number.POSITIVE_INFINITY,
  -1,
  0.5,
  -0,
  2 ** 32,
  2 ** 53,
  10n ** 30n,
  "",
  "\ud800",
  "__proto__",
  "constructor",
  "x".repeat(300_000),
  "../..",
  "javascript:alert(1)",
  {},
  JSON.parse('{"__proto__": {"op": "set"}, "constructor": 1, "toString": 2, "length": 3}'),
  { length: 3, op: "set", path: [], value: 1, op2: 2 },
  [],
  [undefined],
  [null],
  [[[]]],
  Array.from({ length: 3 }),
  Object.assign([], { length: 7 }),
  Object.assign([], { length: 2 ** 32 - 1 }),
  Array.from({ length: 30_000 }, () => 1),
  Array.from({ length: 200 }, () => ({ a: 1 })),
  cycle,
  bomb(1),
  bomb({ op: "set", path: ["a"], value: 1 }),
  bomb("a", 30),
  new Date(Number.NaN),
  new Date(0),
  new Map(),
  new Map([[{}, 1]]),
  new Map([["counter", 2 ** 60]]),
  new Map([["counter", Number.NaN]]),
  new Map([["atomic", 3]]),
  new Map([["moved", undefined]]),
  new Map([["moved", new Map([["moved", 1]])]]),
  new Set([1]),
  /x/g,
  new Error("x"),
  Object("boxed"),
  Object(3),
  new Uint8Array(0),
  new Uint8Array(300_000),
  new Uint16Array(3),
  new ArrayBuffer(8),
  new BigInt64Array(2),
  new DataView(new ArrayBuffer(4)),
];

type Steps = readonly (string | number)[];

/** Every place in the arguments of a call. */
function placesIn(value: unknown, at: Steps = []): Steps[] {
  const isTree = Array.isArray(value) || Object.getPrototypeOf(value ?? 0) === Object.prototype;
  if (!isTree) return [at];
  const below = Object.entries(value as object).flatMap(([key, part]) =>
    placesIn(part, [...at, Array.isArray(value) ? Number(key) : key]),
  );
  return at.length === 0 ? below : [at, ...below];
}

/** The arguments with something else at one place. */
function withAt(value: unknown, [step, ...rest]: Steps, now: unknown): unknown {
  if (step === undefined) return now;
  const part = withAt((value as Record<string | number, unknown>)[step], rest, now);
  return Array.isArray(value) ? value.with(Number(step), part) : { ...(value as object), [step]: part };
}

/** A call as it comes over the line. Calls that never settle fail the test by its time limit. */
async function outcomeOf(scene: Scene, method: Method, call: Call): Promise<string> {
  try {
    const sent = structuredClone(call);
    const answer = await (scene.device.api[method] as (...args: unknown[]) => Promise<unknown>)(...sent);
    if (method !== "resumeTenant") structuredClone(answer);
    return "answered";
  } catch (error) {
    return isCofferError(error) ? error.code : `${method}: ${String(error)} ${(error as Error).stack}`;
  }
}

const outcomes = /^(answered|aborted|(access|doc|entry|input|key|net|protocol|store)\/[a-z-]+)$/;

/** Backups that junk began or ended make room for the next. */
async function reopened(scene: Scene): Promise<Scene> {
  const { api } = scene.device;
  for (let id = scene.exportId; id < scene.importId + 8; id++) await api.abortBackup(id);
  const exportId = await api.openExport(scene.tenantId, { password, documents: true, resume: undefined });
  return { ...scene, exportId, importId: await api.openImport(password) };
}

/** An honest page goes on. */
async function expectHonest({ device: { api }, tenantId }: Scene): Promise<void> {
  const [database, doc] = [newSubscription(), newSubscription()];
  await api.openTenant(tenantId, { userName: undefined, password: people.userPassword, keepSession: false });
  await api.openDatabase(tenantId, "contacts", database);
  const [docId = ""] = await api.createDocuments(database, [{ text: "honest" }]);
  const { heads } = await api.openDocument(database, docId, doc);
  await api.changeDocument(doc, draft([{ op: "set", path: ["n"], value: 1 }], heads));
  const [read] = await api.readDocuments(database, [docId]);
  expect(read?.snapshot.value).toEqual({ n: 1, text: "honest" });
  await api.closeDatabase(database);
}

describe("calls with junk in them", () => {
  it.each(methods)(
    "%s: in any one place",
    async (method) => {
      let scene = await openScene();
      const isBackup = method.endsWith("Import") || method.endsWith("Export");
      expect(await outcomeOf(scene, method, honest[method](scene))).toMatch(outcomes);
      for (const place of placesIn(honest[method](scene))) {
        for (const [index, now] of junk.entries()) {
          if (isBackup) scene = await reopened(scene);
          const outcome = await outcomeOf(scene, method, withAt(honest[method](scene), place, now) as Call);
          expect(outcome, `${place.join(".")} is junk ${index}`).toMatch(outcomes);
        }
      }
      await expectHonest(scene);
    },
    60_000,
  );

  it.each(["locked", "closed"] as const)("none of them while it is %s", async (state) => {
    const scene = await openScene();
    const { api } = scene.device;
    if (state === "locked") await api.lock(scene.tenantId);
    else await api.closeTenant(scene.tenantId);
    const opening: readonly Method[] = ["openTenant", "resumeTenant", "createTenant"];
    for (const method of methods) {
      if (opening.includes(method)) continue;
      const call = honest[method](scene);
      expect(await outcomeOf(scene, method, call), method).toMatch(outcomes);
      for (const place of placesIn(call)) {
        for (const now of [undefined, null, 7, "x", {}, [], bomb(1)]) {
          const junked = withAt(call, place, now) as Call;
          expect(await outcomeOf(scene, method, junked), `${method} ${place.join(".")}`).toMatch(outcomes);
        }
      }
    }
    const known = await api.tenants();
    expect(known.find(({ id }) => id === scene.tenantId)).toMatchObject({ locked: true });
    await expectHonest(scene);
  });

  it("many of them at once", async () => {
    const scene = await openScene();
    const arbitraryCall = fc.constantFrom(...methods).chain((method) => {
      const call = honest[method](scene);
      const places = placesIn(call);
      const spoil =
        places.length === 0
          ? fc.constant([])
          : fc.tuple(fc.constantFrom(...places), fc.constantFrom(...junk));
      return fc.array(spoil as fc.Arbitrary<[Steps, unknown]>, { maxLength: 3 }).map((spoils) => ({
        method,
        call: spoils.reduce<unknown>(
          (now, [place, value]) =>
            place === undefined || !isThere(now, place) ? now : withAt(now, place, value),
          call,
        ) as Call,
      }));
    });
    await fc.assert(
      fc.asyncProperty(fc.array(arbitraryCall, { minLength: 1, maxLength: 12 }), async (calls) => {
        const outcome = await Promise.all(calls.map(({ method, call }) => outcomeOf(scene, method, call)));
        for (const one of outcome) expect(one).toMatch(outcomes);
      }),
      { numRuns: runs },
    );
    await expectHonest(await reopened(scene));
  });
});

function isThere(value: unknown, [step, ...rest]: Steps): boolean {
  if (step === undefined) return true;
  const isTree = Array.isArray(value) || Object.getPrototypeOf(value ?? 0) === Object.prototype;
  return (
    isTree && Object.hasOwn(value as object, step) && isThere((value as Record<string, unknown>)[step], rest)
  );
}

const places = fc.constantFrom<Steps>(
  ["text"],
  ["list"],
  ["list", 0],
  ["list", 1],
  ["list", 1, "a"],
  ["map"],
  ["map", "text"],
  ["count"],
  ["none"],
  ["none", "x"],
  [],
  ["list", "0"],
  ["text", 0],
  ["__proto__"],
  ["map", "__proto__"],
  ["map", ""],
);
const naturals = fc.oneof(fc.nat(12), fc.constantFrom(2 ** 31, 2 ** 32, 2 ** 32 + 1, 2 ** 53 - 1));
const values = fc.oneof(
  fc.constantFrom<DraftValue>(
    null,
    true,
    -0,
    Number.NaN,
    Number.NEGATIVE_INFINITY,
    2 ** 53,
    -(2 ** 63),
    1e300,
    "\ud83d",
    "\udc4d a",
    "",
    "👍👍",
    new Date(8.64e15),
    new Date(-1),
    new Date(1.5),
    new Uint8Array([0, 255]),
    new Map([["counter", Number.MAX_SAFE_INTEGER]]),
    new Map([["atomic", "\ud83d"]]),
    new Map([["moved", [{ a: new Map([["counter", 1]]) }]]]),
    new Map([["moved", "a"]]),
    [],
    {},
    [[], [{}], "a"],
    JSON.parse('{"__proto__": {"x": 1}, "constructor": [2], "": 3, "\\ud83d": 4}') as DraftValue,
  ),
);
const ranges = fc.record(
  { start: naturals, end: naturals, expand: fc.constantFrom("before" as const, "after", "both", "none") },
  { requiredKeys: ["start", "end"] },
);
/** Those that fit what is there, as long as nothing before them took it away. */
const fitting: fc.Arbitrary<DraftOperation> = fc.oneof(
  fc.record({ op: fc.constant("set" as const), path: fc.constant(["map", "x"]), value: values }),
  fc.record({
    op: fc.constant("splice" as const),
    path: fc.constant(["list"]),
    index: fc.nat(1),
    remove: fc.nat(1),
    values: fc.array(values, { maxLength: 2 }),
  }),
  fc.record({
    op: fc.constant("spliceText" as const),
    path: fc.constant(["text"]),
    index: fc.nat(4),
    remove: fc.nat(2),
    insert: fc.constantFrom("", "x", "👍"),
  }),
  fc.record({ op: fc.constant("increment" as const), path: fc.constant(["count"]), by: fc.integer() }),
);
const wild: fc.Arbitrary<DraftOperation> = fc.oneof(
  fc.record({ op: fc.constant("set" as const), path: places, value: values }),
  fc.record({ op: fc.constant("delete" as const), path: places }),
  fc.record({
    op: fc.constant("splice" as const),
    path: places,
    index: naturals,
    remove: naturals,
    values: fc.array(values, { maxLength: 3 }),
  }),
  fc.record({
    op: fc.constant("spliceText" as const),
    path: places,
    index: naturals,
    remove: naturals,
    insert: fc.constantFrom("", "x", "👍", "\ud83d", "\udc4d", "a\u0000b"),
  }),
  fc.record({
    op: fc.constant("updateText" as const),
    path: places,
    value: fc.constantFrom("", "a👍", "\udc4d👍"),
  }),
  fc.record({
    op: fc.constant("increment" as const),
    path: places,
    by: fc.constantFrom(1, -1, Number.MAX_SAFE_INTEGER, -Number.MAX_SAFE_INTEGER),
  }),
  fc.record({
    op: fc.constant("mark" as const),
    path: places,
    range: ranges,
    name: fc.constantFrom("bold", "", "__proto__", "\ud83d"),
    value: fc.constantFrom<null | boolean | number | string>(null, true, Number.NaN, 2 ** 53, "\ud83d"),
  }),
  fc.record({
    op: fc.constant("unmark" as const),
    path: places,
    range: ranges,
    name: fc.constantFrom("bold", ""),
  }),
);

const operations = fc.oneof({ weight: 3, arbitrary: wild }, { weight: 2, arbitrary: fitting });

/** Drafts of the right form that no recorder makes: each is refused whole, or the page and the log agree on what it did. */
it("takes wild drafts whole or not at all", async () => {
  const { device, tenantId, database } = await openScene();
  const { api, events } = device;
  const first = {
    text: "Ada 👍 L",
    list: [1, { a: "x" }],
    map: { text: "👍" },
    count: new Map([["counter", 1]]),
  };
  let [taken, refused] = [0, 0];
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.array(operations, { minLength: 1, maxLength: 3 }), { minLength: 1, maxLength: 4 }),
      async (drafts) => {
        const [docId = ""] = await api.createDocuments(database, [first as unknown as DraftValue]);
        const doc = newSubscription();
        let shown = await api.openDocument(database, docId, doc);
        const opened = shown.heads;
        for (const [index, list] of drafts.entries()) {
          const before = shown;
          // every other one behind the heads
          const base = index % 2 === 1 ? opened : shown.heads;
          try {
            const { update } = await api.changeDocument(doc, structuredClone(draft(list, base)));
            shown = shownAfter(shown, structuredClone(update));
            taken += 1;
          } catch (error) {
            expect((error as CofferError).code).toMatch(/^input\//);
            const [{ snapshot }] = (await api.readDocuments(database, [docId])) as [ReadDocument];
            expect(snapshot.value).toEqual(before.value);
            refused += 1;
          }
        }
        await api.closeDocument(doc);
        await api.lock(tenantId);
        await api.unlock(tenantId, { password: people.userPassword });
        const again = newSubscription();
        const fresh = await api.openDocument(database, docId, again);
        expect(shown.value).toEqual(fresh.value);
        const { steps } = await api.history(database, docId, 0);
        for (const step of steps) expect(step.verified).toBe(true);
        structuredClone(events.splice(0));
        await api.closeDocument(again);
      },
    ),
    { numRuns: runs },
  );
  expect(taken).toBeGreaterThan(runs / 10);
  expect(refused).toBeGreaterThan(runs / 10);
});
