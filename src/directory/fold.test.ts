import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { Commit, CommitHeader } from "../entry/index.ts";
import { bytesToId, type AuthorKey } from "../std/index.ts";
import {
  admin,
  bytesOf,
  card,
  commitOf,
  contacts,
  crypto,
  dbOf,
  empty,
  grant,
  hashOf,
  keyOf,
  tenantId,
} from "./fold-fixtures.ts";
import {
  createAuthorGraph,
  foldCommit,
  forgetsHead,
  foldLines,
  groupIdOf,
  isMember,
  isSameUser,
  keysOfUsers,
  judgeAuthor,
  prescribedEpoch,
  roleAt,
  userOf as ownerOf,
  type AuthorVerdict,
  type DirectoryRecord,
  type DirectoryState,
  type MemberRef,
  type Role,
} from "./index.ts";

const after = (previous: string | undefined): Partial<CommitHeader> => ({
  dbId: empty.dbId,
  predecessors: previous === undefined ? [] : [hashOf(previous)],
  directoryHead: previous === undefined ? undefined : hashOf(previous),
});
const lineCommit = (name: string, previous: string | undefined, header: Partial<CommitHeader> = {}): Commit =>
  commitOf(name, { ...after(previous), ...header });

const revoke = (name: string, cuts: Record<string, readonly string[]> = {}): DirectoryRecord => ({
  kind: "revokeaccess",
  userKey: keyOf(name),
  cuts: Object.entries(cuts).map(([db, heads]) => ({ dbId: dbOf(db), heads: heads.map(hashOf) })),
});

/** Fold records, one commit each, named c0, c1 … */
function stateOf(...records: readonly DirectoryRecord[]): DirectoryState {
  return records.reduce((state, record, index) => {
    const verdict = foldCommit(state, lineCommit(`c${index}`, index === 0 ? undefined : `c${index - 1}`), [
      record,
    ]);
    expect(verdict.kind).toBe("applied");
    return verdict.kind === "applied" ? verdict.state : state;
  }, empty);
}

describe("the line", () => {
  test("grows by commits that name the head, and knows them again", () => {
    const one = stateOf(grant("ada"));
    expect([one.head, one.indexByCommit.get(hashOf("c0")), isMember(one, keyOf("ada"))]).toEqual([
      hashOf("c0"),
      0,
      true,
    ]);
    expect(foldCommit(one, lineCommit("c0", undefined), [grant("ada")])).toEqual({ kind: "known" });
    expect([empty.head, empty.usersByKey.size, empty.indexByCommit.size]).toEqual([undefined, 0, 0]);
  });

  test("holds back what follows something unknown", () => {
    expect(foldCommit(empty, lineCommit("c1", "c0"), [])).toEqual({ kind: "waiting" });
  });

  test("tells a second successor of any commit, a second beginning, and a merge, and folds none of them by itself", () => {
    const state = stateOf(grant("ada"), grant("bob"));
    const beside = { kind: "beside" };
    const merge = { predecessors: [hashOf("c1"), hashOf("c0")] };
    expect(foldCommit(state, lineCommit("x", "c0"), [])).toEqual(beside);
    expect(foldCommit(state, lineCommit("x", undefined), [])).toEqual(beside);
    expect(foldCommit(state, lineCommit("m", "c1", merge), [])).toEqual(beside);
    expect(foldCommit(state, lineCommit("y", "x"), [])).toEqual({ kind: "waiting" });
    const early = { predecessors: [hashOf("c1"), hashOf("x")] };
    expect(foldCommit(state, lineCommit("m", "c1", early), [])).toEqual({ kind: "waiting" });
  });

  test.each([
    ["wrong-database", { dbId: contacts }],
    ["wrong-database", { tenantId: bytesToId("TenantId", bytesOf("other")) }],
    ["not-admin", { author: keyOf("ada") }],
    ["malformed", { predecessors: [] }],
    ["malformed", { directoryHead: undefined }],
    ["malformed", { directoryHead: hashOf("unknown") }],
    ["malformed", { predecessors: [hashOf("c1"), hashOf("c2")] }],
  ] as const)("rejects as %s: %o", (reason, header) => {
    const state = stateOf(grant("ada"));
    expect(foldCommit(state, lineCommit("c1", "c0", header), [grant("eve")])).toEqual({
      kind: "rejected",
      reason,
    });
  });

  test("holds directory records only; entries that were not transferred have no type", () => {
    const state = stateOf(grant("ada"));
    const mixed = commitOf("c1", after("c0"), ["directory_record", "doc_change"]);
    expect(foldCommit(state, mixed, [])).toEqual({ kind: "rejected", reason: "malformed" });
    const bare = { ...mixed, entries: mixed.entries.map(({ entryHash }) => ({ entryHash })) };
    expect(foldCommit(state, bare, []).kind).toBe("applied");
  });

  test("gives the same state for any order of arrival once waiting commits are tried again", () => {
    const names = ["ada", "bob", "eve"];
    const record = fc
      .constantFrom(...names)
      .chain((name) =>
        fc.constantFrom(
          grant(name),
          revoke(name, { contacts: ["a1"] }),
          revoke(name),
          card(name, `${name}!`),
        ),
      );
    const line = fc.array(fc.array(record, { maxLength: 1 }), { minLength: 1, maxLength: 12 });
    fc.assert(
      fc.property(line, fc.infiniteStream(fc.nat({ max: 1 << 20 })), (rows, stream) => {
        const arrivals = rows.map((records, index) => ({
          commit: lineCommit(`c${index}`, index === 0 ? undefined : `c${index - 1}`),
          records,
        }));
        const foldAll = (order: typeof arrivals): DirectoryState => {
          let state = empty;
          let open = order;
          while (open.length > 0) {
            open = open.filter(({ commit, records }) => {
              const verdict = foldCommit(state, commit, records);
              if (verdict.kind === "applied") state = verdict.state;
              return verdict.kind === "waiting";
            });
          }
          return state;
        };
        const shuffled = arrivals
          .map((arrival) => ({ arrival, key: stream.next().value as number }))
          .sort((a, b) => a.key - b.key)
          .map(({ arrival }) => arrival);
        expect(foldAll(shuffled)).toEqual(foldAll(arrivals));
      }),
    );
  });
});

describe("records in the fold", () => {
  test("a card names a granted user and nobody else", () => {
    const state = stateOf(card("ada", "early"), grant("ada"), card("ada", "Ada"), card("bob"));
    expect(state.usersByKey.get(keyOf("ada"))?.userName).toBe("Ada");
    expect(state.usersByKey.has(keyOf("bob"))).toBe(false);
  });

  test("a second grant replaces keys and keeps name and place", () => {
    const renewed: DirectoryRecord = { ...grant("ada"), encryptionKey: bytesOf("new") } as DirectoryRecord;
    const user = stateOf(grant("ada"), card("ada", "Ada"), renewed).usersByKey.get(keyOf("ada"));
    expect(user).toMatchObject({ grantedAt: 0, userName: "Ada", encryptionKey: bytesOf("new") });
  });

  test("a grant ends a revocation, whose cut is remembered; the admin key is never granted", () => {
    const state = stateOf(
      grant("ada"),
      revoke("ada", { contacts: ["a1"] }),
      grant("ada"),
      grant("admin"),
      revoke("bob"),
    );
    expect(isMember(state, keyOf("ada"))).toBe(true);
    expect(state.usersByKey.get(keyOf("ada"))).toMatchObject({
      grantedAt: 0,
      revoked: undefined,
      formerly: [{ until: 2, cuts: new Map([[contacts, [hashOf("a1")]]]) }],
    });
    expect([state.usersByKey.has(admin), state.usersByKey.has(keyOf("bob"))]).toEqual([false, false]);
    expect(state.head).toBe(hashOf("c4"));
  });

  test("adopted commits and purged documents are listed once; who is revoked can be wiped, until a new grant", () => {
    const docOf = (name: string) => bytesToId("DocId", bytesOf(name).subarray(0, 16));
    const wipe = (name: string): DirectoryRecord => ({ kind: "wipe", userKey: keyOf(name) });
    const adopt: DirectoryRecord = { kind: "adopt", commitHashes: [hashOf("a1")] };
    const purge: DirectoryRecord = { kind: "purge", dbId: contacts, docIds: [docOf("one"), docOf("two")] };
    const state = stateOf(grant("ada"), wipe("ada"), wipe("bob"), adopt, adopt, purge, {
      ...purge,
      dbId: dbOf("other"),
    } as DirectoryRecord);
    expect([...state.adopted]).toEqual([[hashOf("a1"), 3]]);
    expect([...state.purgedDocs]).toEqual([
      [docOf("one"), contacts],
      [docOf("two"), contacts],
    ]);
    expect(state.usersByKey.get(keyOf("ada"))?.revoked).toBeUndefined();
    const wiped = (...records: readonly DirectoryRecord[]) =>
      stateOf(grant("ada"), ...records).usersByKey.get(keyOf("ada"))?.revoked?.wipedAt;
    expect([
      wiped(revoke("ada")),
      wiped(revoke("ada"), wipe("ada")),
      wiped(revoke("ada"), wipe("ada"), revoke("ada")),
      wiped(revoke("ada"), wipe("ada"), grant("ada"), revoke("ada")),
    ]).toEqual([undefined, 2, 2, undefined]);
  });

  test("what is adopted counts whatever its author might write, and of no stranger", () => {
    const adopt: DirectoryRecord = { kind: "adopt", commitHashes: [hashOf("a1")] };
    const state = stateOf(grant("ada"), revoke("ada"), adopt);
    const judge = (author: string, name: string, head = "c0") => {
      const { header } = commitOf(name, {
        author: keyOf(author),
        dbId: contacts,
        directoryHead: hashOf(head),
      });
      return judgeAuthor(state, header, hashOf(name), createAuthorGraph()).kind;
    };
    expect([
      judge("ada", "a1"),
      judge("ada", "a1", "unknown"),
      judge("ada", "a2"),
      judge("bob", "a1"),
    ]).toEqual(["accepted", "accepted", "rejected", "rejected"]);
  });

  test("a second revocation replaces the cut", () => {
    const state = stateOf(grant("ada"), revoke("ada"), revoke("ada", { contacts: ["a2"] }));
    expect(state.usersByKey.get(keyOf("ada"))?.revoked).toEqual({
      at: 2,
      cuts: new Map([[contacts, [hashOf("a2")]]]),
      wipedAt: undefined,
    });
  });

  test("member cards that could not be opened change nothing but names", () => {
    const server = stateOf(grant("ada"));
    const member = foldCommit(
      empty,
      commitOf("c0", after(undefined), ["directory_record", "directory_record"]),
      [grant("ada"), card("ada")],
    );
    if (member.kind !== "applied") throw new Error(member.kind);
    const nameless = new Map(
      [...member.state.usersByKey].map(([key, user]) => [key, { ...user, userName: undefined }]),
    );
    const users = new Map(server.usersByKey);
    const seen = { ...server, grantedUsers: users, usersByKey: users };
    expect({ ...member.state, grantedUsers: nameless, usersByKey: nameless }).toEqual(seen);
  });
});

describe("devices in the fold", () => {
  const device = (name: string, user: string): DirectoryRecord => ({
    kind: "device",
    userKey: keyOf(user),
    deviceKey: keyOf(name),
  });
  /** Fold commits of several records, named c0, c1 … */
  const folded = (...commits: readonly (readonly DirectoryRecord[])[]): DirectoryState =>
    commits.reduce((state, records, index) => {
      const types = records.map(() => "directory_record");
      const commit = commitOf(`c${index}`, after(index === 0 ? undefined : `c${index - 1}`), types);
      const verdict = foldCommit(state, commit, records);
      if (verdict.kind !== "applied") throw new Error(verdict.kind);
      return verdict.state;
    }, empty);
  const whose = (state: DirectoryState, name: string): AuthorKey => ownerOf(state, keyOf(name));

  test("are their user's from their first grant on, and stay so", () => {
    const state = folded(
      [grant("ada")],
      [grant("phone"), device("phone", "ada")],
      [grant("bob")],
      [device("phone", "bob"), grant("phone")],
      [revoke("phone")],
      [grant("phone")],
    );
    expect([whose(state, "phone"), whose(state, "ada"), whose(state, "nobody")]).toEqual(
      ["ada", "ada", "nobody"].map(keyOf),
    );
    expect(keysOfUsers(state, new Set([keyOf("ada")]))).toEqual(new Set(["ada", "phone"].map(keyOf)));
    expect(isSameUser(state, keyOf("ada"), keyOf("phone"))).toBe(true);
    expect(isSameUser(state, keyOf("bob"), keyOf("phone"))).toBe(false);
    expect(isSameUser(state, undefined, keyOf("phone"))).toBe(false);
  });

  test("are none of who is unknown, revoked or a device, and nobody is turned into one later", () => {
    const state = folded(
      [grant("ada"), grant("bob"), grant("gone")],
      [revoke("gone")],
      [grant("phone"), device("phone", "ada")],
      [device("bob", "ada")],
      [grant("watch"), device("watch", "phone")],
      [grant("radio"), device("radio", "gone")],
      [grant("tv"), device("tv", "nobody")],
      [device("early", "ada"), grant("early")],
      [grant("twin"), device("twin", "ada"), device("twin", "bob")],
      [grant("new"), grant("same"), device("same", "new")],
      [device("stranger", "ada")],
    );
    const names = ["bob", "watch", "radio", "tv", "early", "twin", "same", "stranger"];
    const owners = ["bob", "watch", "radio", "tv", "early", "ada", "same", "stranger"];
    expect(names.map((name) => whose(state, name))).toEqual(owners.map(keyOf));
  });

  test("have the role of their user at every head, and none of their own", () => {
    const role = (user: string, given: Role): DirectoryRecord => ({
      kind: "role",
      dbId: contacts,
      edits: [{ subject: { kind: "user", userKey: keyOf(user) }, role: given }],
    });
    const state = folded(
      [grant("ada"), role("ada", "author")],
      [grant("phone"), device("phone", "ada")],
      [role("phone", "manager")],
      [role("ada", "reader")],
      [role("ada", "editor")],
    );
    const at = (name: string): readonly Role[] =>
      [0, 1, 2, 3, 4].map((index) => roleAt(state, { dbId: contacts, userKey: keyOf(name) }, index));
    expect(at("ada")).toEqual(["author", "author", "author", "reader", "editor"]);
    expect(at("phone")).toEqual(at("ada"));
  });

  test("are cut off alone", () => {
    const state = folded(
      [grant("ada")],
      [grant("phone"), device("phone", "ada")],
      [revoke("phone", { contacts: ["p1"] })],
    );
    const graph = createAuthorGraph();
    graph.add(hashOf("p1"), []);
    graph.add(hashOf("p2"), [hashOf("p1")]);
    const judge = (name: string, commit: string): AuthorVerdict =>
      judgeAuthor(
        state,
        { tenantId, dbId: contacts, author: keyOf(name), directoryHead: hashOf("c1") },
        hashOf(commit),
        graph,
      );
    expect([judge("phone", "p1"), judge("phone", "p2"), judge("ada", "a1")].map(({ kind }) => kind)).toEqual([
      "accepted",
      "rejected",
      "accepted",
    ]);
    expect(keysOfUsers(state, new Set([keyOf("ada")]))).toEqual(new Set([keyOf("ada")]));
  });
});

describe("groups and settings in the fold", () => {
  const groupOf = (name: string) => groupIdOf(crypto, bytesOf("names"), name);
  const user = (name: string): MemberRef => ({ kind: "user", userKey: keyOf(name) });
  const inner = (name: string): MemberRef => ({ kind: "group", groupId: groupOf(name) });
  const group = (name: string, ...edits: readonly (readonly ["+" | "-", MemberRef])[]): DirectoryRecord => ({
    kind: "group",
    groupId: groupOf(name),
    edits: edits.map(([op, member]) => ({ op: op === "+" ? "added" : "removed", member })),
  });
  const groupCard = (name: string, groupName = name): DirectoryRecord => ({
    kind: "groupcard",
    groupId: groupOf(name),
    groupName,
  });
  const set = (name: string, value: string | undefined, dbName?: string): DirectoryRecord => {
    const edits = [{ name, value }];
    return dbName === undefined ? { kind: "tenantsettings", edits } : { kind: "dbsettings", dbName, edits };
  };

  test("members come and go; a state that was folded upon stays as it was", () => {
    const before = stateOf(group("staff", ["+", user("ada")]), groupCard("staff", "Staff"));
    const staff = before.groupsById.get(groupOf("STAFF"));
    expect(staff).toEqual({
      groupId: groupOf("staff"),
      groupName: "Staff",
      users: new Set([keyOf("ada")]),
      groups: new Set(),
      userTurns: new Map([[keyOf("ada"), [0]]]),
      groupTurns: new Map(),
    });
    const next = foldCommit(before, lineCommit("c2", "c1"), [
      group("staff", ["-", user("ada")], ["+", user("bob")], ["+", inner("board")]),
    ]);
    if (next.kind !== "applied") throw new Error(next.kind);
    expect(next.state.groupsById.get(groupOf("staff"))).toMatchObject({
      groupName: "Staff",
      users: new Set([keyOf("bob")]),
      groups: new Set([groupOf("board")]),
      userTurns: new Map([
        [keyOf("ada"), [0, 2]],
        [keyOf("bob"), [2]],
      ]),
      groupTurns: new Map([[groupOf("board"), [2]]]),
    });
    expect(before.groupsById.get(groupOf("staff"))).toEqual(staff);
  });

  test("a card makes no group: a server, which opens none, counts as members do", () => {
    expect(stateOf(groupCard("staff")).groupsById.size).toBe(0);
    expect(stateOf(group("staff"), groupCard("staff")).groupsById.get(groupOf("staff"))?.groupName).toBe(
      "staff",
    );
  });

  test("what two devices of the admin did apart is all there, whichever came first into the line", () => {
    const here = group("staff", ["+", user("ada")], ["-", user("eve")]);
    const there = group("staff", ["+", user("bob")], ["+", inner("board")]);
    const settings = [set("a", "1"), set("b", "2", "films")];
    const start = group("staff", ["+", user("eve")]);
    const [one, other] = [
      stateOf(start, here, there, ...settings),
      stateOf(start, ...settings.toReversed(), there, here),
    ];
    // When each of them came and went is the line's own.
    const inside = ({ groupsById }: DirectoryState) =>
      new Map(
        [...groupsById].map(([id, { groupName, groups, users }]) => [id, { groupName, groups, users }]),
      );
    expect(inside(one)).toEqual(inside(other));
    expect(one.groupsById.get(groupOf("staff"))?.users).toEqual(new Set([keyOf("ada"), keyOf("bob")]));
    expect([one.tenantSettings, one.settingsByDb]).toEqual([other.tenantSettings, other.settingsByDb]);
  });

  test("roles come and go with the commits that say so; a role that goes where none is leaves nothing", () => {
    const role = (name: Role | undefined): DirectoryRecord => ({
      kind: "role",
      dbId: contacts,
      edits: [{ subject: user("ada"), role: name }],
    });
    const state = stateOf(grant("ada"), role(undefined), role("reader"), role("editor"), role(undefined));
    expect([...state.rolesByPlace.values()]).toEqual([
      {
        dbId: contacts,
        subject: user("ada"),
        turns: [
          { at: 2, role: "reader" },
          { at: 3, role: "editor" },
          { at: 4, role: undefined },
        ],
      },
    ]);
    const roleOf = (at: number) => roleAt(state, { dbId: contacts, userKey: keyOf("ada") }, at);
    expect([1, 2, 3, 4, 99].map(roleOf)).toEqual(["manager", "reader", "editor", "manager", "manager"]);
  });

  test("narrowings are kept by user, in their order; those of strangers change nothing", () => {
    const narrow = (name: string, ...heads: readonly string[]): DirectoryRecord => ({
      kind: "narrowing",
      users: [{ userKey: keyOf(name), cuts: [{ dbId: contacts, heads: heads.map(hashOf) }] }],
    });
    const state = stateOf(
      grant("ada"),
      narrow("bob", "b1"),
      narrow("ada", "a1"),
      grant("ada"),
      narrow("ada", "a2"),
    );
    expect([...state.usersByKey.keys()]).toEqual([keyOf("ada")]);
    expect(state.usersByKey.get(keyOf("ada"))?.narrowings).toEqual([
      { at: 2, cuts: new Map([[contacts, [hashOf("a1")]]]) },
      { at: 4, cuts: new Map([[contacts, [hashOf("a2")]]]) },
    ]);
  });

  test("a tenant has 10,000 roles at most", () => {
    const records = Array.from({ length: 3 }, (_, part): DirectoryRecord => ({
      kind: "role",
      dbId: contacts,
      edits: Array.from({ length: 4_000 }, (__, index) => ({
        subject: user(`u${part * 4_000 + index}`),
        role: "reader" as const,
      })),
    }));
    expect(stateOf(...records).rolesByPlace.size).toBe(10_000);
  });

  test("settings are set, replaced and taken away, each database's by itself", () => {
    const state = stateOf(
      set("a", "1"),
      set("b", "2"),
      set("a", "3"),
      set("b", undefined),
      set("a", "4", "x"),
    );
    expect(state.tenantSettings).toEqual(new Map([["a", "3"]]));
    expect(state.settingsByDb).toEqual(new Map([["x", new Map([["a", "4"]])]]));
  });

  test("what is over a limit changes nothing, and what is there can still be changed", () => {
    const many = (from: number, count: number): DirectoryRecord =>
      group("big", ...Array.from({ length: count }, (_, i) => ["+", user(`u${from + i}`)] as const));
    const full = stateOf(many(0, 5000), many(5000, 5000), many(10_000, 3), group("big", ["+", inner("x")]));
    const size = (state: DirectoryState): number => state.groupsById.get(groupOf("big"))?.users.size ?? 0;
    expect([size(full), full.groupsById.get(groupOf("big"))?.groups.size]).toEqual([10_000, 0]);
    expect(full.groupsById.get(groupOf("big"))?.users.has(keyOf("u10000"))).toBe(false);
    const line = Array.from({ length: 1001 }, (_, i) => set(`s${i}`, "1"));
    const settings = stateOf(...line, set("s0", "2"), set("s1", undefined), set("late", "3")).tenantSettings;
    expect([settings.size, settings.get("s0"), settings.get("late")]).toEqual([1000, "2", "3"]);
    expect(settings.has("s1000")).toBe(false);
  });

  test("folding a whole line equals folding one commit after the other, and leaves the start as it was", () => {
    const names = ["ada", "bob", "eve"];
    const record = fc
      .constantFrom(...names)
      .chain((name) =>
        fc.constantFrom(
          grant(name),
          card(name),
          revoke(name, { contacts: ["a1"] }),
          group("staff", ["+", user(name)]),
          group("staff", ["-", user(name)]),
          group("board", ["+", inner("staff")]),
          groupCard("staff", name),
          set(name, "1"),
          set(name, undefined, "films"),
          set(name, "2", "films"),
        ),
      );
    const lines = fc.array(fc.array(record, { maxLength: 1 }), { minLength: 1, maxLength: 15 });
    fc.assert(
      fc.property(lines, fc.nat({ max: 14 }), (rows, cut) => {
        const line = rows.map((records, index) => ({
          commit: lineCommit(`c${index}`, index === 0 ? undefined : `c${index - 1}`),
          records,
        }));
        const oneByOne = (from: DirectoryState, part: typeof line): DirectoryState =>
          part.reduce((state, { commit, records }) => {
            const verdict = foldCommit(state, commit, records);
            return verdict.kind === "applied" ? verdict.state : state;
          }, from);
        const before = structuredClone(empty);
        // Neither the order matters, nor what comes twice, nor what does not hang together.
        const shown = [...line.slice(cut), ...line.slice(0, cut), ...line];
        expect(foldLines(empty, shown)).toEqual(oneByOne(empty, line));
        expect(foldLines(empty, line.slice(cut + 1))).toEqual(empty);
        expect(empty).toEqual(before);
      }),
    );
  });
});

describe("key epochs", () => {
  const salaries = bytesToId("KeyId", bytesOf("key salaries").subarray(0, 16));
  const epochOf = (epoch: number, text: string, ...names: readonly string[]): DirectoryRecord => ({
    kind: "keyepoch",
    keyId: salaries,
    epoch,
    fingerprint: bytesOf(text).subarray(0, 8),
    wraps: names.map((name) => ({ userKey: keyOf(name), sealed: bytesOf(`${text} for ${name}`) })),
  });

  test("an epoch is in force from the commit that names it, for whoever knows that one", () => {
    const state = stateOf(
      epochOf(1, "a", "ada"),
      grant("ada"),
      epochOf(3, "b"),
      grant("bob"),
      epochOf(2, "c"),
    );
    const prescribed = (head: string | undefined): number =>
      prescribedEpoch(state, salaries, head === undefined ? undefined : hashOf(head));
    expect(["c0", "c1", "c2", "c3", "c4"].map(prescribed)).toEqual([1, 1, 3, 3, 3]);
    expect([prescribed(undefined), prescribed("unknown")]).toEqual([0, 0]);
    expect(prescribedEpoch(state, bytesToId("KeyId", new Uint8Array(16)), hashOf("c4"))).toBe(0);
  });

  test("one that is named again reaches more users, from when it was named first; two of one number stand both", () => {
    const again = { ...epochOf(2, "a"), wraps: [{ userKey: keyOf("ada"), sealed: bytesOf("again") }] };
    const state = stateOf(
      epochOf(2, "a", "ada"),
      epochOf(2, "b", "eve"),
      epochOf(2, "a", "bob"),
      again as DirectoryRecord,
    );
    expect(state.epochsByKey.get(salaries)).toEqual([
      {
        epoch: 2,
        fingerprint: bytesOf("a").subarray(0, 8),
        at: 0,
        wraps: new Map([
          [keyOf("ada"), bytesOf("again")],
          [keyOf("bob"), bytesOf("a for bob")],
        ]),
      },
      {
        epoch: 2,
        fingerprint: bytesOf("b").subarray(0, 8),
        at: 1,
        wraps: new Map([[keyOf("eve"), bytesOf("b for eve")]]),
      },
    ]);
  });

  test("verdicts on a history with revocations and rotations are the same in any order of arrival", () => {
    const people = ["ada", "bob"];
    const record = fc.oneof(
      fc.constantFrom(...people).map(grant),
      fc
        .record({ name: fc.constantFrom(...people), heads: fc.array(fc.nat({ max: 7 }), { maxLength: 2 }) })
        .map(({ heads, name }) => revoke(name, { contacts: heads.map((i) => `${name}${i}`) })),
      fc.integer({ min: 1, max: 4 }).map((epoch) => epochOf(epoch, `e${epoch}`, "ada")),
    );
    const written = fc.record({
      author: fc.constantFrom(...people),
      follows: fc.array(fc.nat({ max: 7 }), { maxLength: 2 }),
      head: fc.nat({ max: 9 }),
      epoch: fc.integer({ min: 1, max: 4 }),
    });
    const cases = fc.record({
      line: fc.array(record, { minLength: 1, maxLength: 8 }),
      commits: fc.array(written, { minLength: 1, maxLength: 8 }),
      keys: fc.array(fc.nat({ max: 1 << 20 }), { minLength: 16, maxLength: 16 }),
    });
    fc.assert(
      fc.property(cases, ({ commits, keys, line }) => {
        const named = commits.map(({ author, epoch, follows, head }, index) => ({
          epoch,
          commit: commitOf(`${author}${index}`, {
            author: keyOf(author),
            directoryHead: hashOf(`c${head}`),
            predecessors: [...new Set(follows)]
              .filter((i) => i < index && commits[i]?.author === author)
              .map((i) => hashOf(`${author}${i}`)),
          }),
        }));
        const verdictsAfter = (events: readonly { line?: number; own?: number }[]): readonly string[] => {
          let state = empty;
          const heard: number[] = [];
          const graphs = new Map(people.map((name) => [keyOf(name), createAuthorGraph()]));
          const graphOf = (author: AuthorKey) => graphs.get(author) ?? createAuthorGraph();
          let verdicts: readonly string[] = [];
          for (const event of events) {
            if (event.line !== undefined) heard.push(event.line);
            const own = event.own === undefined ? undefined : named[event.own]?.commit;
            if (own !== undefined) graphOf(own.header.author).add(own.commitHash, own.header.predecessors);
            for (let pass = 0; pass < line.length; pass++)
              for (const i of heard) {
                const next = foldCommit(state, lineCommit(`c${i}`, i === 0 ? undefined : `c${i - 1}`), [
                  line[i]!,
                ]);
                if (next.kind === "applied") ({ state } = next);
              }
            // Judged after each arrival, as a device does: what was asked before must not change what is said at the end.
            verdicts = named.map(({ commit: { commitHash, header }, epoch }) => {
              const verdict = judgeAuthor(state, header, commitHash, graphOf(header.author));
              const isStale = epoch < prescribedEpoch(state, salaries, header.directoryHead);
              return verdict.kind === "rejected" ? verdict.reason : `${verdict.kind} ${isStale}`;
            });
          }
          return verdicts;
        };
        const inOrder = [...line.map((_, i) => ({ line: i })), ...named.map((_, i) => ({ own: i }))];
        const shuffled = inOrder
          .map((event, i) => ({ event, key: (keys[i % keys.length] ?? 0) + i / 100 }))
          .sort((a, b) => a.key - b.key)
          .map(({ event }) => event);
        expect(verdictsAfter(shuffled)).toEqual(verdictsAfter(inOrder));
      }),
      { numRuns: Number(process.env["COFFER_RUNS"] ?? 300) },
    );
  });
});

describe("judging authors", () => {
  const accepted = { kind: "accepted" };
  const waiting = { kind: "waiting" };
  const rejected = (reason: string): object => ({ kind: "rejected", reason });
  const judge = (state: DirectoryState, header: Partial<CommitHeader>, name = "a1"): AuthorVerdict =>
    judgeAuthor(state, commitOf(name, header).header, hashOf(name), createAuthorGraph());
  const byAda = (head: string | undefined, dbId = contacts): Partial<CommitHeader> => ({
    author: keyOf("ada"),
    dbId,
    directoryHead: head === undefined ? undefined : hashOf(head),
  });

  test("the admin writes the directory and nothing else; members never write it", () => {
    const state = stateOf(grant("ada"));
    expect(judge(state, { dbId: empty.dbId })).toEqual(accepted);
    expect(judge(state, { dbId: contacts, directoryHead: hashOf("c0") })).toEqual(rejected("unknown-author"));
    expect(judge(state, byAda("c0", empty.dbId))).toEqual(rejected("not-admin"));
  });

  test("a member is granted at the commit's own directory head", () => {
    const state = stateOf(card("nobody"), grant("ada"), grant("bob"));
    expect(judge(state, byAda("c0"))).toEqual(rejected("unknown-author"));
    expect(judge(state, byAda("c1"))).toEqual(accepted);
    expect(judge(state, byAda("c2"))).toEqual(accepted);
    expect(judge(state, byAda("c3"))).toEqual(waiting);
    expect(judge(state, byAda(undefined))).toEqual(rejected("unknown-author"));
    expect(judge(state, { ...byAda("c1"), author: keyOf("eve") })).toEqual(rejected("unknown-author"));
    expect(judge(state, { ...byAda("c9"), author: keyOf("eve") })).toEqual(waiting);
    expect(judge(state, { ...byAda("c1"), tenantId: bytesToId("TenantId", bytesOf("x")) })).toEqual(
      rejected("unknown-author"),
    );
  });

  test("outside the cut no directory head helps, known or not; other databases are cut too", () => {
    const state = stateOf(grant("ada"), revoke("ada", { contacts: ["a1"] }));
    const graph = createAuthorGraph();
    graph.add(hashOf("a1"), []);
    const judgeIn = (name: string, head: string, db = contacts): AuthorVerdict =>
      judgeAuthor(
        state,
        commitOf(name, byAda(head, db)).header,
        hashOf(name),
        db === contacts ? graph : createAuthorGraph(),
      );
    expect(judgeIn("a1", "c0")).toEqual(accepted);
    expect(judgeIn("a2", "c0")).toEqual(rejected("revoked"));
    expect(judgeIn("a2", "unknown")).toEqual(rejected("revoked"));
    expect(judgeIn("b1", "c0", dbOf("other"))).toEqual(rejected("revoked"));
  });

  test("after a new grant what names an older head counts inside the cut only, and every cut that ever stood is asked", () => {
    const cutAt = (head: string): DirectoryRecord => revoke("ada", { contacts: [head] });
    const graph = createAuthorGraph();
    graph.add(hashOf("a1"), []);
    graph.add(hashOf("a2"), [hashOf("a1")]);
    graph.add(hashOf("a3"), [hashOf("a2")]);
    graph.add(hashOf("a4"), [hashOf("a3")]);
    const judgeIn = (state: DirectoryState, name: string, head: string, db = contacts): AuthorVerdict =>
      judgeAuthor(
        state,
        commitOf(name, byAda(head, db)).header,
        hashOf(name),
        db === contacts ? graph : createAuthorGraph(),
      );
    const again = stateOf(grant("ada"), cutAt("a1"), grant("ada"));
    expect(judgeIn(again, "a1", "c0")).toEqual(accepted);
    for (const head of ["c0", "c1"]) expect(judgeIn(again, "a2", head)).toEqual(rejected("revoked"));
    expect(judgeIn(again, "b1", "c1", dbOf("other"))).toEqual(rejected("revoked"));
    expect(judgeIn(again, "a2", "c2")).toEqual(accepted);
    expect(judgeIn(again, "a2", "unknown")).toEqual(waiting);
    // A later cut that has it in its past does not bring it back.
    const twice = stateOf(grant("ada"), cutAt("a1"), grant("ada"), cutAt("a3"), grant("ada"));
    expect(judgeIn(twice, "a2", "c0")).toEqual(rejected("revoked"));
    expect(judgeIn(twice, "a3", "c2")).toEqual(accepted);
    expect(judgeIn(twice, "a4", "c3")).toEqual(rejected("revoked"));
    expect(judgeIn(twice, "a4", "c4")).toEqual(accepted);
    const gone = stateOf(grant("ada"), cutAt("a1"), grant("ada"), cutAt("a3"));
    expect(judgeIn(gone, "a3", "c2")).toEqual(accepted);
    expect(judgeIn(gone, "a2", "c1")).toEqual(rejected("revoked"));
    expect(judgeIn(gone, "a4", "c2")).toEqual(rejected("revoked"));
    // What is between it and the cut may be missing.
    expect(
      judgeAuthor(
        stateOf(grant("ada"), cutAt("a2"), grant("ada")),
        commitOf("a1", byAda("c0")).header,
        hashOf("a1"),
        createAuthorGraph(),
      ),
    ).toEqual(waiting);
  });

  test("a head may not precede those of the commits that it follows; one that is not in the line is newer than all", () => {
    const state = stateOf(grant("ada"), grant("bob"), grant("eve"));
    const forgets = (head: string | undefined, ...before: (string | undefined)[]): boolean =>
      forgetsHead(
        state,
        byAda(head) as CommitHeader,
        before.map((one) => (one === undefined ? undefined : hashOf(one))),
      );
    expect([forgets("c1"), forgets("c1", undefined), forgets("c1", "c1"), forgets("c2", "c0", "c1")]).toEqual(
      [false, false, false, false],
    );
    expect([forgets("c0", "c1"), forgets("c1", "c0", "c2"), forgets("c2", "unknown")]).toEqual([
      true,
      true,
      true,
    ]);
    expect([forgets(undefined, "c0"), forgets("unknown", "unknown")]).toEqual([true, false]);
  });

  test("a cut gives the same verdicts whatever order commits and directory arrive in", () => {
    const cases = fc.record({
      follows: fc.array(fc.array(fc.nat({ max: 99 }), { maxLength: 2 }), { minLength: 1, maxLength: 12 }),
      cut: fc.array(fc.nat({ max: 99 }), { maxLength: 2 }),
      keys: fc.array(fc.nat({ max: 1 << 20 }), { minLength: 16, maxLength: 16 }),
    });
    fc.assert(
      fc.property(cases, ({ follows, cut, keys }) => {
        const size = follows.length;
        const before = follows.map((picks, i) =>
          i === 0 ? [] : [...new Set(picks.map((pick) => pick % i))],
        );
        const heads = [...new Set(cut.map((pick) => pick % size))];
        const past = new Set<number>();
        const walk = (at: number): void => {
          past.add(at);
          before[at]!.forEach(walk);
        };
        heads.forEach(walk);

        const line = [grant("ada"), grant("bob"), revoke("ada", { contacts: heads.map((i) => `a${i}`) })];
        const events = [...line.map((_, i) => ({ line: i })), ...before.map((_, i) => ({ own: i }))]
          .map((event, i) => ({ event, key: keys[i % keys.length]! + i / 100 }))
          .sort((a, b) => a.key - b.key);
        let state = empty;
        const graph = createAuthorGraph();
        const arrived = new Set<number>();
        const verdicts = new Map<number, AuthorVerdict>();
        const heard: number[] = [];
        for (const { event } of events) {
          if ("own" in event) {
            arrived.add(event.own);
            graph.add(
              hashOf(`a${event.own}`),
              before[event.own]!.map((i) => hashOf(`a${i}`)),
            );
          } else heard.push(event.line);
          for (let pass = 0; pass < line.length; pass++) {
            for (const i of heard) {
              const verdict = foldCommit(state, lineCommit(`c${i}`, i === 0 ? undefined : `c${i - 1}`), [
                line[i]!,
              ]);
              if (verdict.kind === "applied") state = verdict.state;
            }
          }
          for (const i of arrived) {
            const verdict = judgeAuthor(state, commitOf(`a${i}`, byAda("c0")).header, hashOf(`a${i}`), graph);
            verdicts.set(i, verdict);
            if (state.head === hashOf("c2") && !past.has(i)) expect(verdict.kind).not.toBe("accepted");
          }
        }
        const wanted = before.map((_, i) => (past.has(i) ? accepted : rejected("revoked")));
        expect(before.map((_, i) => verdicts.get(i))).toEqual(wanted);
      }),
    );
  });
});
