import { signal } from "@preact/signals-core";
import { expect, it } from "vitest";
import type { WorkerApi } from "../../worker/api.ts";
import type { SettingValue } from "./directory-types.ts";
import {
  changeDBSettings,
  changeTenantSettings,
  createDocEncryptionKey,
  dryRun,
  exportKey,
  getDBSettings,
  getGroups,
  getRole,
  getTenantSettings,
  grant,
  importKey,
  reseal,
  rotate,
  setGroup,
  setRoles,
} from "./directory.ts";
import type { DatabaseCore } from "./database.ts";
import { purgeDocHistory } from "./past.ts";
import { adopt, regrantUser, revokeUser } from "./people.ts";
import type { Session } from "./session.ts";
import { createWorld, tenantSnapshot } from "./worker-fixtures.ts";

const options = { adminUser: { userName: "cn=admin", key: "admin-key" }, adminPassword: "secret" };
const proof = { adminKey: "admin-key", adminPassword: "secret" };

function open(part: object = {}) {
  const sent: unknown[][] = [];
  const note =
    (name: string) =>
    async (...args: unknown[]) =>
      void sent.push([name, ...args]);
  const names = [
    "setRoles",
    "dryRun",
    "getRole",
    "setGroup",
    "changeSettings",
    "grantKey",
    "rotateKey",
    "createKey",
    "exportKey",
    "importKey",
    "revokeUser",
    "regrantUser",
    "adoptCommits",
    "purgeDocument",
  ];
  const api = Object.fromEntries(names.map((name) => [name, note(name)])) as unknown as WorkerApi;
  const session = { call: async (run: (worker: WorkerApi) => unknown) => run(api) } as unknown as Session;
  const snapshot = signal({ ...tenantSnapshot(createWorld()), ...part });
  return { sent, tenant: { id: "t1", session, snapshot } };
}

it("sends what a group gains and loses, and nothing for what is not named", async () => {
  const { sent, tenant } = open();
  await setGroup(tenant, "staff", { addUsers: ["a"], removeGroups: ["b"], ...options });
  const edits = { addUsers: ["a"], removeUsers: [], addGroups: [], removeGroups: ["b"] };
  expect(sent).toEqual([["setGroup", "t1", "staff", edits, proof]]);
});

it("sends settings as JSON, and those that go as undefined", async () => {
  const { sent, tenant } = open();
  await changeTenantSettings(tenant, { a: { b: [1, null] }, old: undefined }, options);
  await changeDBSettings(tenant, "films", { ["__proto__"]: "x" }, options);
  expect(sent).toEqual([
    ["changeSettings", "t1", undefined, [{ name: "a", value: '{"b":[1,null]}' }, { name: "old" }], proof],
    ["changeSettings", "t1", "films", [{ name: "__proto__", value: '"x"' }], proof],
  ]);
});

it("sends whom a key is granted to, and which key begins anew", async () => {
  const { sent, tenant } = open();
  await grant(tenant, "salaries", { users: ["a"], ...options });
  await rotate(tenant, "salaries", options);
  await createDocEncryptionKey(tenant, "salaries");
  await exportKey(tenant, "salaries", { password: "shared" });
  await importKey(tenant, "mdb://key/AA", { password: "shared" });
  expect(sent).toEqual([
    ["grantKey", "t1", "salaries", { users: ["a"], groups: [] }, proof],
    ["rotateKey", "t1", "salaries", proof],
    ["createKey", "t1", "salaries"],
    ["exportKey", "t1", "salaries", "shared"],
    ["importKey", "t1", "mdb://key/AA", "shared"],
  ]);
});

it("sends which roles are given, tries them, and asks for one's own", async () => {
  const { sent, tenant } = open();
  const changes = [{ database: "films", group: "staff", role: "editor" as const }, { user: "a" }];
  await setRoles(tenant, changes, options);
  await dryRun(tenant, changes);
  await getRole(tenant, "films");
  await getRole(tenant, "films", "a");
  expect(sent).toEqual([
    ["setRoles", "t1", changes, proof],
    ["dryRun", "t1", changes],
    ["getRole", "t1", "films", undefined],
    ["getRole", "t1", "films", "a"],
  ]);
});

it("sends who goes, who comes back and with which keys, and what is released and purged by the admin's word", async () => {
  const { sent, tenant } = open();
  const people = { ...tenant, link: () => undefined as never };
  await revokeUser(people, "u1", options);
  await revokeUser(people, "u1", { wipe: true, ...options });
  await regrantUser(people, "u1", options);
  await regrantUser(people, "u1", { keys: ["salaries"], ...options });
  await adopt(people, ["c1"], options);
  const database = { subscription: 7, call: tenant.session.call } as unknown as DatabaseCore;
  await purgeDocHistory(database, "d1");
  await purgeDocHistory(database, "d1", options);
  expect(sent).toEqual([
    ["revokeUser", "t1", "u1", proof, undefined],
    ["revokeUser", "t1", "u1", proof, true],
    ["regrantUser", "t1", "u1", [], proof],
    ["regrantUser", "t1", "u1", ["salaries"], proof],
    ["adoptCommits", "t1", ["c1"], proof],
    ["purgeDocument", 7, "d1", undefined],
    ["purgeDocument", 7, "d1", proof],
  ]);
});

it("refuses what JSON does not hold, before anything is sent", async () => {
  const { sent, tenant } = open();
  const circle: { [key: string]: SettingValue } = {};
  circle["self"] = circle;
  for (const value of [circle, 1n, () => 0, Symbol("s")])
    await expect(
      changeTenantSettings(tenant, { a: value as unknown as SettingValue }, options),
    ).rejects.toMatchObject({ code: "input/invalid", details: { at: "a" } });
  expect(sent).toEqual([]);
});

it("reads groups and settings as they are, nothing under a name that is none, and nothing of a locked tenant", async () => {
  const { tenant } = open({ settings: { a: 1 }, databaseSettings: { films: { b: 2 } } });
  expect(await getTenantSettings(tenant)).toEqual({ a: 1 });
  expect(await getDBSettings(tenant, "\ufb01lms")).toEqual({ b: 2 });
  for (const name of ["none", "constructor", "__proto__"])
    expect(await getDBSettings(tenant, name)).toEqual({});
  const locked = open({ settings: undefined, groups: undefined, databaseSettings: undefined }).tenant;
  for (const read of [getTenantSettings(locked), getGroups(locked), getDBSettings(locked, "films")])
    await expect(read).rejects.toMatchObject({ code: "access/locked" });
});

it("seals anew step by step, tells how far it is, and ends in the worker when it is given up", async () => {
  const steps = [0, 16, 20].map((doneCount) => ({ doneCount, totalCount: 20, leftOut: ["big"] }));
  const given: number[] = [];
  const api = {
    openReseal: async () => 7,
    stepReseal: async () => steps.shift(),
    closeReseal: async (id: number) => void given.push(id),
  } as unknown as WorkerApi;
  const session = { call: async (run: (worker: WorkerApi) => unknown) => run(api) } as unknown as Session;
  const tenant = { ...open().tenant, session };
  const progress: number[] = [];
  const done = await reseal(tenant, "default", { onProgress: ({ doneCount }) => progress.push(doneCount) });
  expect([done, progress, given]).toEqual([{ doneCount: 20, leftOut: ["big"] }, [0, 16, 20], []]);
  steps.push(...progress.map((doneCount) => ({ doneCount, totalCount: 20, leftOut: [] })));
  const ending = new AbortController();
  const broken = reseal(tenant, "default", { signal: ending.signal, onProgress: () => ending.abort() });
  await expect(broken).rejects.toMatchObject({ code: "aborted" });
  expect(given).toEqual([7]);
});
