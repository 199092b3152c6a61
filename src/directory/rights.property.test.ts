import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { createWebVerifier } from "../crypto/index.ts";
import { entryTypes, type Commit, type CommitHeader } from "../entry/index.ts";
import {
  bytesToId,
  utf8ToBytes,
  type AuthorKey,
  type CommitHash,
  type DbId,
  type GroupId,
  type TenantId,
} from "../std/index.ts";
import {
  createAuthorGraph,
  createDirectory,
  foldCommit,
  foldLines,
  judgeAuthor,
  judgeRole,
  mayWrite,
  roleAt,
  roles,
  type AuthorGraph,
  type AuthorVerdict,
  type DirectoryCuts,
  type DirectoryRecord,
  type DirectoryState,
  type OpenedCommit,
  type Role,
  type RoleSubject,
} from "./index.ts";

const crypto = createWebVerifier();
const runs = Number(process.env["COFFER_RUNS"] ?? 300);
const bytesOf = (text: string): Uint8Array => crypto.sha256(utf8ToBytes(text));
const tenantId: TenantId = bytesToId("TenantId", bytesOf("tenant"));
const admin: AuthorKey = bytesToId("AuthorKey", bytesOf("admin"));
const empty = createDirectory(crypto, tenantId, admin);
const users = ["ada", "bob"].map((name): AuthorKey => bytesToId("AuthorKey", bytesOf(name)));
const groups = ["staff", "board"].map((name): GroupId => bytesToId("GroupId", bytesOf(name).subarray(0, 16)));
const dbs = ["films", "books"].map((name): DbId => bytesToId("DbId", bytesOf(name).subarray(0, 16)));
const hashOf = (name: string): CommitHash => bytesToId("CommitHash", bytesOf(name));
const zero = new Uint8Array(32);

function commitOf(name: string, header: Partial<CommitHeader>): Commit {
  return {
    commitHash: hashOf(name),
    header: {
      suite: 1,
      tenantId,
      dbId: empty.dbId,
      author: admin,
      writerNonce: zero.subarray(16),
      writerSeq: 1,
      predecessors: [],
      directoryHead: undefined,
      seen: { logKeyId: zero.subarray(24), epoch: 0, size: 0, rootPrefix: zero.subarray(16) },
      createdAtMs: 0,
      salt: zero,
      keys: [],
      entryHashes: [],
      ...header,
    },
    entries: Array.from({ length: 4 }, () => ({ entryHash: bytesToId("EntryHash", zero) })),
    signature: new Uint8Array(64),
    bytes: new Uint8Array(0),
  };
}

const user = fc.constantFrom(...users);
const group = fc.constantFrom(...groups);
const db = fc.constantFrom(...dbs);
const subject: fc.Arbitrary<RoleSubject> = fc.oneof(
  fc.constant({ kind: "everyone" } as const),
  user.map((userKey) => ({ kind: "user", userKey }) as const),
  group.map((groupId) => ({ kind: "group", groupId }) as const),
);
const role = fc.option(fc.constantFrom(...roles), { nil: undefined });

/** A record, with places of own commits to be picked as heads of cuts once there are some. */
type Plan = (
  heads: readonly { readonly author: AuthorKey; readonly dbId: DbId; readonly hash: CommitHash }[],
) => DirectoryRecord;

const cutsFor = (userKey: AuthorKey, picks: readonly number[]) => (heads: Parameters<Plan>[0]) => {
  const own = heads.filter(({ author }) => author === userKey);
  return dbs.flatMap((dbId) => {
    const here = own.filter((head) => head.dbId === dbId);
    const picked =
      here.length === 0 ? [] : picks.map((pick) => here[pick % here.length]?.hash ?? hashOf("none"));
    return picked.length === 0 ? [] : [{ dbId, heads: [...new Set(picked)] }];
  });
};
const picks = fc.array(fc.nat({ max: 40 }), { maxLength: 2 });
const plans: fc.Arbitrary<Plan> = fc.oneof(
  {
    weight: 3,
    arbitrary: user.map((userKey): Plan => () => ({
      kind: "grantaccess",
      userKey,
      encryptionKey: zero,
      nameHash: zero,
    })),
  },
  {
    weight: 3,
    arbitrary: fc
      .record({
        groupId: group,
        op: fc.constantFrom("added" as const, "removed" as const),
        member: fc.oneof(
          user.map((userKey) => ({ kind: "user", userKey }) as const),
          group.map((groupId) => ({ kind: "group", groupId }) as const),
        ),
      })
      .map(({ groupId, ...edit }): Plan => () => ({ kind: "group", groupId, edits: [edit] })),
  },
  {
    weight: 5,
    arbitrary: fc
      .record({ dbId: fc.option(db, { nil: undefined }), subject, role })
      .map(({ dbId, ...edit }): Plan => () => ({ kind: "role", dbId, edits: [edit] })),
  },
  {
    weight: 3,
    arbitrary: fc.record({ userKey: user, picks }).map(({ picks: picked, userKey }): Plan => (heads) => ({
      kind: "narrowing",
      users: [{ userKey, cuts: cutsFor(userKey, picked)(heads) }],
    })),
  },
  {
    weight: 3,
    arbitrary: fc.record({ userKey: user, picks }).map(({ picks: picked, userKey }): Plan => (heads) => ({
      kind: "revokeaccess",
      userKey,
      cuts: cutsFor(userKey, picked)(heads),
    })),
  },
  {
    weight: 1,
    arbitrary: fc
      .record({
        keyId: fc.constant(bytesToId("KeyId", zero.subarray(16))),
        epoch: fc.integer({ min: 1, max: 3 }),
      })
      .map(({ epoch, keyId }): Plan => () => ({
        kind: "keyepoch",
        keyId,
        epoch,
        fingerprint: zero.subarray(24),
        wraps: [],
      })),
  },
);

interface History {
  readonly line: readonly OpenedCommit[];
  readonly written: readonly Commit[];
}

/** Steps of the admin and of members, each naming a head, and predecessors of the same author, that there were by then. */
const histories: fc.Arbitrary<History> = fc
  .array(
    fc.oneof(
      {
        weight: 2,
        arbitrary: fc
          .array(plans, { minLength: 1, maxLength: 2 })
          .map((records) => ({ kind: "admin" as const, records })),
      },
      {
        weight: 3,
        arbitrary: fc.record({
          kind: fc.constant("member" as const),
          author: user,
          dbId: db,
          head: fc.nat(),
          before: picks,
        }),
      },
    ),
    { minLength: 4, maxLength: 24 },
  )
  .map((steps) => {
    const line: OpenedCommit[] = [];
    const written: Commit[] = [];
    // Everyone is granted first, so that there is something to be narrowed.
    const first = users.map((userKey): DirectoryRecord => ({
      kind: "grantaccess",
      userKey,
      encryptionKey: zero,
      nameHash: zero,
    }));
    line.push({ commit: commitOf("d0", {}), records: first });
    for (const step of steps) {
      if (step.kind === "admin") {
        const previous = line.at(-1)?.commit.commitHash;
        if (previous === undefined) continue;
        const heads = written.map(({ commitHash: hash, header: { author, dbId } }) => ({
          author,
          dbId,
          hash,
        }));
        const commit = commitOf(`d${line.length}`, { predecessors: [previous], directoryHead: previous });
        line.push({ commit, records: step.records.map((plan) => plan(heads)) });
      } else {
        const { author, dbId } = step;
        const own = written.filter(({ header }) => header.author === author && header.dbId === dbId);
        const before =
          own.length === 0 ? [] : step.before.flatMap((pick) => own[pick % own.length]?.commitHash ?? []);
        const predecessors = [...new Set(before)];
        const directoryHead = line[step.head % line.length]?.commit.commitHash;
        written.push(commitOf(`c${written.length}`, { author, dbId, predecessors, directoryHead }));
      }
    }
    return { line, written };
  });

type Verdict = Role | Extract<AuthorVerdict, { kind: "rejected" }>["reason"] | "waiting";

/**
 * What a replica makes of commits in the order in which they come: what waits is asked again whenever something
 * came, everything when someone lost something or got it back; every other verdict stands.
 */
function arrive({ line, written }: History, order: readonly number[]): ReadonlyMap<CommitHash, Verdict> {
  let state: DirectoryState = empty;
  const graphs = new Map<string, AuthorGraph>();
  const graphOf = ({ author, dbId }: CommitHeader): AuthorGraph => {
    const name = `${author}|${dbId}`;
    const graph = graphs.get(name) ?? createAuthorGraph();
    graphs.set(name, graph);
    return graph;
  };
  const verdicts = new Map<CommitHash, Verdict>();
  const seen: Commit[] = [];
  const judge = ({ commitHash, header }: Commit): Verdict => {
    const author = judgeAuthor(state, header, commitHash, graphOf(header));
    if (author.kind !== "accepted") return author.kind === "waiting" ? "waiting" : author.reason;
    const right = judgeRole(state, header, commitHash, graphOf(header));
    return right.kind === "waiting" ? "waiting" : right.role;
  };
  let early: OpenedCommit[] = [];
  const all = [...line.map((opened) => ({ opened })), ...written.map((commit) => ({ commit }))];
  const arrivals = all.map((one, index) => ({ one, key: order[index % order.length] ?? 0, index }));
  arrivals.sort((a, b) => a.key - b.key || a.index - b.index);
  for (const { one } of arrivals) {
    if ("commit" in one) {
      graphOf(one.commit.header).add(one.commit.commitHash, one.commit.header.predecessors);
      seen.push(one.commit);
    } else early.push(one.opened);
    let isAllOpen = false;
    for (let moved = true; moved;) {
      const { length } = early;
      early = early.filter(({ commit, records }) => {
        const verdict = foldCommit(state, commit, records);
        if (verdict.kind === "applied") ({ state } = verdict);
        isAllOpen ||= records.some(({ kind }) => /^(narrowing|revokeaccess|grantaccess)$/.test(kind));
        return verdict.kind === "waiting";
      });
      moved = early.length < length;
    }
    for (const commit of seen) {
      const isOpen = isAllOpen || (verdicts.get(commit.commitHash) ?? "waiting") === "waiting";
      if (isOpen) verdicts.set(commit.commitHash, judge(commit));
    }
  }
  return verdicts;
}

/** The dull twin: everything from the list of records, by walking all of it for every question. */
class Twin {
  readonly #history: History;

  constructor(history: History) {
    this.#history = history;
  }

  verdictOf({ commitHash, header }: Commit): Verdict {
    const { author, dbId } = header;
    const head = this.#history.line.findIndex(({ commit }) => commit.commitHash === header.directoryHead);
    const outside = this.#revocations(author).filter(
      ({ cuts, until }) => head < until && !this.#isCovered(commitHash, cutOf(cuts, dbId)),
    );
    if (outside.some(({ until }) => until === Infinity)) return "revoked";
    if (head < this.#grantedAt(author)) return "unknown-author";
    if (outside.length > 0) return "revoked";
    let role = this.roleOf(author, dbId, head);
    for (const narrowing of this.#records("narrowing")) {
      const row = narrowing.record.users.find(({ userKey }) => userKey === author);
      if (row === undefined || narrowing.at <= head) continue;
      if (this.#isCovered(commitHash, cutOf(row.cuts, dbId))) continue;
      const left = this.roleOf(author, dbId, narrowing.at);
      if (roles.indexOf(left) < roles.indexOf(role)) role = left;
    }
    return role;
  }

  roleOf(userKey: AuthorKey, dbId: DbId, at: number): Role {
    for (const place of [dbId, undefined]) {
      const roleOf = (of: RoleSubject): Role | undefined =>
        this.#records("role")
          .filter((row) => row.at <= at && row.record.dbId === place)
          .flatMap(({ record }) => record.edits)
          .findLast((edit) => JSON.stringify(edit.subject) === JSON.stringify(of))?.role;
      const own = roleOf({ kind: "user", userKey });
      if (own !== undefined) return own;
      const theirs = groups
        .filter((groupId) => this.#isInside(groupId, userKey, at, 1))
        .flatMap((groupId) => roleOf({ kind: "group", groupId }) ?? []);
      const highest = roles.findLast((one) => theirs.includes(one));
      if (highest !== undefined) return highest;
      const everyones = roleOf({ kind: "everyone" });
      if (everyones !== undefined) return everyones;
    }
    return "manager";
  }

  #isInside(groupId: GroupId, userKey: AuthorKey, at: number, depth: number): boolean {
    if (depth > 3) return false;
    const edits = this.#records("group")
      .filter((row) => row.at <= at && row.record.groupId === groupId)
      .flatMap(({ record }) => record.edits);
    const isIn = (member: object): boolean =>
      edits.findLast((edit) => JSON.stringify(edit.member) === JSON.stringify(member))?.op === "added";
    if (isIn({ kind: "user", userKey })) return true;
    return groups.some(
      (inner) => isIn({ kind: "group", groupId: inner }) && this.#isInside(inner, userKey, at, depth + 1),
    );
  }

  #isCovered(commit: CommitHash, heads: readonly CommitHash[]): boolean {
    return heads.some(
      (head) =>
        head === commit ||
        this.#isCovered(
          commit,
          this.#history.written.find(({ commitHash }) => commitHash === head)?.header.predecessors ?? [],
        ),
    );
  }

  /** Of revocations in a row the last one stands, until the next grant. */
  #revocations(userKey: AuthorKey): readonly { cuts: DirectoryCuts; until: number }[] {
    const revocations: { cuts: DirectoryCuts; until: number }[] = [];
    this.#history.line.forEach(({ records }, at) => {
      if (at < this.#grantedAt(userKey)) return;
      for (const record of records) {
        if ((record.kind !== "grantaccess" && record.kind !== "revokeaccess") || record.userKey !== userKey)
          continue;
        const standing = revocations.find(({ until }) => until === Infinity);
        if (record.kind === "grantaccess") {
          if (standing !== undefined) standing.until = at;
        } else if (standing === undefined) revocations.push({ cuts: record.cuts, until: Infinity });
        else standing.cuts = record.cuts;
      }
    });
    return revocations;
  }

  #grantedAt(userKey: AuthorKey): number {
    return this.#records("grantaccess").find(({ record }) => record.userKey === userKey)?.at ?? Infinity;
  }

  #records<K extends DirectoryRecord["kind"]>(
    kind: K,
  ): { record: Extract<DirectoryRecord, { kind: K }>; at: number }[] {
    return this.#history.line.flatMap(({ records }, at) =>
      records.flatMap((record) =>
        record.kind === kind ? [{ record: record as Extract<DirectoryRecord, { kind: K }>, at }] : [],
      ),
    );
  }
}

function cutOf(
  cuts: Extract<DirectoryRecord, { kind: "revokeaccess" }>["cuts"],
  dbId: DbId,
): readonly CommitHash[] {
  return cuts.find((cut) => cut.dbId === dbId)?.heads ?? [];
}

describe("roles", () => {
  test("in every order of arrival a commit is judged alike, as a plain recomputation judges it", () => {
    fc.assert(
      fc.property(histories, fc.array(fc.nat(), { minLength: 60, maxLength: 60 }), (history, order) => {
        const twin = new Twin(history);
        const wanted = new Map(history.written.map((commit) => [commit.commitHash, twin.verdictOf(commit)]));
        expect(arrive(history, order)).toEqual(wanted);
      }),
      { numRuns: runs },
    );
  });

  test("as of every directory head they are what a plain recomputation says, whoever asks and in whatever order", () => {
    fc.assert(
      fc.property(histories, fc.array(fc.nat(), { minLength: 1, maxLength: 40 }), (history, asked) => {
        const twin = new Twin(history);
        const state = foldLines(empty, history.line);
        for (const pick of asked) {
          const at = pick % history.line.length;
          const userKey = users[pick % users.length] ?? admin;
          const dbId = dbs[(pick >> 3) % dbs.length];
          if (dbId !== undefined)
            expect(roleAt(state, { userKey, dbId }, at)).toBe(twin.roleOf(userKey, dbId, at));
        }
      }),
      { numRuns: runs },
    );
  });

  test("what was judged by the head that it names stays judged so, unless a narrowing does not cover it", () => {
    fc.assert(
      fc.property(histories, (history) => {
        const before = history.line.slice(0, Math.ceil(history.line.length / 2));
        const records = (line: readonly OpenedCommit[]) => line.flatMap((opened) => opened.records);
        const narrows = records(history.line.slice(before.length)).some(
          ({ kind }) => kind === "narrowing" || kind === "revokeaccess",
        );
        if (narrows) return;
        const short = { line: before, written: history.written };
        const [early, late] = [arrive(short, [0]), arrive(history, [0])];
        const isThere = new Set(before.map(({ commit }) => commit.commitHash));
        for (const { commitHash, header } of history.written)
          if (header.directoryHead !== undefined && isThere.has(header.directoryHead))
            if (early.get(commitHash) !== "waiting") expect(late.get(commitHash)).toBe(early.get(commitHash));
      }),
      { numRuns: runs },
    );
  });

  test("each role may all that the one before may, and nobody more in another's document than in their own", () => {
    for (const entryType of entryTypes) {
      for (const isOwn of [true, false]) {
        const allowed = roles.map((one) => mayWrite(one, entryType, isOwn));
        expect(allowed).toEqual(allowed.toSorted((a, b) => Number(a) - Number(b)));
      }
      for (const one of roles)
        if (mayWrite(one, entryType, false)) expect(mayWrite(one, entryType, true)).toBe(true);
    }
    const table = roles.map((one) => [
      mayWrite(one, "doc_create", true),
      mayWrite(one, "doc_change", true),
      mayWrite(one, "doc_change", false),
      mayWrite(one, "doc_delete", true),
      mayWrite(one, "doc_delete", false),
    ]);
    expect(table).toEqual([
      [false, false, false, false, false],
      [true, true, false, true, false],
      [true, true, true, true, false],
      [true, true, true, true, true],
    ]);
  });
});
