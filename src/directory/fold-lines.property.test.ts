/** Two or three devices with the admin's key that write apart, meet and merge, and replicas that hear of it in any order. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { createWebVerifier } from "../crypto/index.ts";
import type { Commit } from "../entry/index.ts";
import {
  bytesToId,
  compareBytes,
  idToBytes,
  utf8ToBytes,
  type AuthorKey,
  type CommitHash,
  type DbId,
  type DocId,
  type KeyId,
} from "../std/index.ts";
import {
  createAuthorGraph,
  createDirectory,
  foldCommit,
  foldLines,
  isMember,
  judgeAuthor,
  prescribedEpoch,
  type DirectoryRecord,
  type DirectoryState,
  type OpenedCommit,
} from "./index.ts";

const crypto = createWebVerifier();
const bytesOf = (text: string): Uint8Array => crypto.sha256(utf8ToBytes(text));
const idOf = <T extends "AuthorKey" | "CommitHash">(kind: T, text: string) => bytesToId(kind, bytesOf(text));
const tenantId = bytesToId("TenantId", bytesOf("tenant"));
const admin = idOf("AuthorKey", "admin");
const empty = createDirectory(crypto, tenantId, admin);
const contacts: DbId = bytesToId("DbId", bytesOf("contacts").subarray(0, 16));
const salaries: KeyId = bytesToId("KeyId", bytesOf("salaries").subarray(0, 16));
const userOf = (name: string): AuthorKey => idOf("AuthorKey", `user ${name}`);
const docOf = (name: string): DocId => bytesToId("DocId", bytesOf(`doc ${name}`).subarray(0, 16));

/** A commit of the directory; `follows`: the first is the one whose line it continues. */
function opened(name: string, follows: readonly CommitHash[], records: readonly DirectoryRecord[]) {
  const header = {
    tenantId,
    dbId: empty.dbId,
    author: admin,
    predecessors: [...follows].sort(),
    directoryHead: follows[0],
  };
  const entries = records.map(() => ({ header: { entryType: "directory_record" } }));
  const commit = { commitHash: idOf("CommitHash", name), header, entries } as unknown as Commit;
  return { commit, records } satisfies OpenedCommit;
}

const grant = (name: string): DirectoryRecord => ({
  kind: "grantaccess",
  userKey: userOf(name),
  encryptionKey: bytesOf(`encryption ${name}`),
  nameHash: bytesOf(`name ${name}`),
});
const revoke = (name: string, ...heads: readonly string[]): DirectoryRecord => ({
  kind: "revokeaccess",
  userKey: userOf(name),
  cuts: heads.length === 0 ? [] : [{ dbId: contacts, heads: heads.map((head) => idOf("CommitHash", head)) }],
});
const wipe = (name: string): DirectoryRecord => ({ kind: "wipe", userKey: userOf(name) });
const purge = (name: string): DirectoryRecord => ({ kind: "purge", dbId: contacts, docIds: [docOf(name)] });
const setting = (value: string): DirectoryRecord => ({
  kind: "tenantsettings",
  edits: [{ name: "colour", value }],
});
const epoch = (number: number, text: string): DirectoryRecord => ({
  kind: "keyepoch",
  keyId: salaries,
  epoch: number,
  fingerprint: bytesOf(text).subarray(0, 8),
  wraps: [{ userKey: userOf("ada"), sealed: bytesOf(text) }],
});

/** What a replica makes of commits one by one, as they come: the next ones are folded, and all anew when one is beside. */
class Replica {
  state: DirectoryState = empty;
  readonly #held: OpenedCommit[] = [];
  #waiting: OpenedCommit[] = [];

  take(one: OpenedCommit): void {
    const verdict = foldCommit(this.state, one.commit, one.records);
    if (verdict.kind === "waiting") return void this.#waiting.push(one);
    if (verdict.kind === "known" || verdict.kind === "rejected") return;
    this.#held.push(one);
    this.state = verdict.kind === "applied" ? verdict.state : foldLines(empty, this.#held);
    for (const later of this.#waiting.splice(0)) this.take(later);
  }
}

const unknown = idOf("CommitHash", "unknown");
const names = ["ada", "bob", "eve"] as const;

interface Deed {
  readonly device: number;
  readonly what: "grant" | "revoke" | "wipe" | "purge" | "setting" | "epoch" | "hear" | "merge";
  readonly whom: number;
  readonly from: number;
}

const deeds = fc.array(
  fc.record<Deed>({
    device: fc.nat(2),
    what: fc.constantFrom("grant", "revoke", "wipe", "purge", "setting", "epoch", "hear", "hear", "merge"),
    whom: fc.nat(2),
    from: fc.nat(2),
  }),
  { minLength: 4, maxLength: 30 },
);

/** One of them hears of all that was written and merges it. */
const closing = [0, 1, 2, 3].map((from): Deed => ({
  device: 0,
  what: from === 3 ? "merge" : "hear",
  whom: 0,
  from,
}));

/** Play what the devices do; a merge follows whatever ends its device knows. */
function play(history: readonly Deed[]): readonly OpenedCommit[] {
  const start = opened("start", [], names.map(grant));
  const all = [start];
  const devices = [new Set(all), new Set(all), new Set(all)];
  for (const [at, { device, from, what, whom }] of history.entries()) {
    const known = devices[device] ?? new Set();
    if (what === "hear") {
      for (const one of devices[from] ?? []) known.add(one);
      continue;
    }
    const { head, otherHeads } = foldLines(empty, [...known]);
    if (head === undefined) throw new Error("there is a beginning");
    const name = names[whom] ?? "ada";
    const record = {
      grant: () => grant(name),
      revoke: () => revoke(name, `${name} ${at % 3}`),
      wipe: () => wipe(name),
      purge: () => purge(`${at}`),
      setting: () => setting(`"${at}"`),
      epoch: () => epoch(1 + (at % 4), `${at}`),
      merge: () => setting(`"merged ${at}"`),
    }[what]();
    const one = opened(`c${at}`, what === "merge" ? [head, ...otherHeads] : [head], [record]);
    known.add(one);
    all.push(one);
  }
  return all;
}

/** The dull twin: what is before what, by asking each time. */
class Twin {
  readonly #byHash: ReadonlyMap<CommitHash, OpenedCommit>;
  readonly line: readonly OpenedCommit[];

  constructor(all: readonly OpenedCommit[]) {
    this.#byHash = new Map(all.map((one) => [one.commit.commitHash, one]));
    const [best] = [...all].sort(
      (a, b) =>
        this.past(b).size - this.past(a).size ||
        compareBytes(idToBytes(a.commit.commitHash), idToBytes(b.commit.commitHash)),
    );
    const line: OpenedCommit[] = [];
    for (let at = best; at !== undefined; at = this.#byHash.get(at.commit.header.directoryHead ?? unknown))
      line.unshift(at);
    this.line = line;
  }

  /** A commit and all before it. */
  past(one: OpenedCommit): ReadonlySet<OpenedCommit> {
    const before = one.commit.header.predecessors.flatMap((hash) => this.#byHash.get(hash) ?? []);
    return new Set([one, ...before.flatMap((each) => [...this.past(each)])]);
  }

  /** Revoked on any line, and never granted on the line by who knew of it. */
  isRevoked(name: string, all: readonly OpenedCommit[]): boolean {
    const says = ({ records }: OpenedCommit, kind: "grantaccess" | "revokeaccess"): boolean =>
      records.some((record) => record.kind === kind && record.userKey === userOf(name));
    const grants = this.line.filter((one) => says(one, "grantaccess"));
    return all
      .filter((one) => says(one, "revokeaccess"))
      .some((revocation) => !grants.some((one) => this.past(one).has(revocation)));
  }
}

const told = (state: DirectoryState): unknown => [
  state.head,
  state.otherHeads,
  [...state.indexByCommit],
  [...state.besideByCommit].sort(),
  [...state.grantedBeside].sort(),
  [...state.usersByKey].sort(),
  [...state.epochsByKey],
  [...state.purgedDocs].sort(),
  [...state.tenantSettings],
];

describe("lines written apart", () => {
  test("are one directory on every replica, in whatever order they come, and no revocation, purge or epoch is lost", () => {
    let forkCount = 0;
    let mergeCount = 0;
    fc.assert(
      fc.property(deeds, fc.boolean(), fc.infiniteStream(fc.nat()), (history, isClosed, dice) => {
        const all = play(isClosed ? [...history, ...closing] : history);
        const wanted = foldLines(empty, all);
        const twin = new Twin(all);
        forkCount += wanted.otherHeads.length > 0 ? 1 : 0;
        mergeCount += wanted.otherHeads.length === 0 && wanted.besideByCommit.size > 0 ? 1 : 0;
        for (let order = 0; order < 3; order++) {
          const keys = new Map(all.map((one) => [one, dice.next().value ?? 0]));
          const replica = new Replica();
          for (const one of all.toSorted((a, b) => (keys.get(a) ?? 0) - (keys.get(b) ?? 0)))
            replica.take(one);
          expect(told(replica.state)).toEqual(told(wanted));
        }
        expect([...wanted.indexByCommit.keys()]).toEqual(twin.line.map(({ commit }) => commit.commitHash));
        expect(wanted.indexByCommit.size + wanted.besideByCommit.size).toBe(all.length);
        for (const name of names)
          expect([name, isMember(wanted, userOf(name))]).toEqual([name, !twin.isRevoked(name, all)]);
        for (const { records } of all)
          for (const record of records) {
            if (record.kind === "purge")
              expect(wanted.purgedDocs.has(record.docIds[0] ?? docOf(""))).toBe(true);
            if (record.kind === "keyepoch")
              expect(
                wanted.epochsByKey.get(salaries)?.some((one) => one.fingerprint === record.fingerprint),
              ).toBe(true);
          }
      }),
    );
    expect(forkCount).toBeGreaterThan(5);
    expect(mergeCount).toBeGreaterThan(5);
  });

  const c0 = opened("c0", [], [grant("ada"), grant("eve")]);
  const first = c0.commit.commitHash;
  const header = (author: string, directoryHead: CommitHash | undefined) =>
    ({ tenantId, dbId: contacts, author: userOf(author), directoryHead }) as const;
  const graphOf = (...commits: readonly string[]) => {
    const graph = createAuthorGraph();
    for (const [at, commit] of commits.entries())
      graph.add(idOf("CommitHash", commit), at === 0 ? [] : [idOf("CommitHash", commits[at - 1] ?? "")]);
    return graph;
  };
  const isCounted = (state: DirectoryState, author: string, commit: string, head?: CommitHash) =>
    judgeAuthor(state, header(author, head ?? first), idOf("CommitHash", commit), graphOf("e1", "e2", "e3"));
  const rejected = { kind: "rejected", reason: "revoked" };

  /** A line of any length behind a commit. */
  const lineBehind = (after: OpenedCommit, name: string, length: number): readonly OpenedCommit[] => {
    const line: OpenedCommit[] = [];
    for (let at = 0; at < length; at++) {
      const before = line.at(-1) ?? after;
      line.push(opened(`${name}${at}`, [before.commit.commitHash], [setting(`"${name}${at}"`)]));
    }
    return line;
  };

  test("whoever has a stolen old copy of the admin's key undoes no revocation by a longer line, nor by merging it away", () => {
    const revocation = opened("r", [first], [revoke("eve", "e1"), epoch(2, "without eve")]);
    const stolen = lineBehind(c0, "long", 9);
    const end = stolen.at(-1)?.commit.commitHash ?? first;
    const open = foldLines(empty, [c0, revocation, ...stolen]);
    expect([open.head, open.otherHeads]).toEqual([end, [revocation.commit.commitHash]]);
    expect([isCounted(open, "eve", "e1").kind, isCounted(open, "eve", "e2", end)]).toEqual([
      "accepted",
      rejected,
    ]);
    expect(open.epochsByKey.get(salaries)?.map((one) => one.epoch)).toEqual([2]);
    // It is not held against who could not know.
    expect(prescribedEpoch(open, salaries, end)).toBe(0);
    // A second grant by who does not know of the revocation gives nothing back, and neither does a merge that is silent about it.
    const granted = opened("g", [end], [grant("eve")]);
    const merge = opened("m", [granted.commit.commitHash, revocation.commit.commitHash], [setting('"m"')]);
    for (const more of [[granted], [granted, merge]]) {
      const state = foldLines(empty, [c0, revocation, ...stolen, ...more]);
      expect([isMember(state, userOf("eve")), isCounted(state, "eve", "e2", state.head)]).toEqual([
        false,
        rejected,
      ]);
    }
    const merged = foldLines(empty, [c0, revocation, ...stolen, granted, merge]);
    expect([merged.otherHeads, prescribedEpoch(merged, salaries, merged.head)]).toEqual([[], 2]);
    // Only an open word of the admin's does, as without a fork, and what was outside the cut stays outside.
    const again = opened("again", [merge.commit.commitHash], [grant("eve")]);
    const back = foldLines(empty, [c0, revocation, ...stolen, granted, merge, again]);
    expect(isMember(back, userOf("eve"))).toBe(true);
    expect([isCounted(back, "eve", "e2"), isCounted(back, "eve", "e2", back.head).kind]).toEqual([
      rejected,
      "accepted",
    ]);
  });

  test("hold who was revoked on both to both cuts, also when they are let in again", () => {
    const one = opened("one", [first], [revoke("eve", "e1")]);
    const other = opened("other", [first], [revoke("eve", "e3")]);
    const open = foldLines(empty, [c0, one, other]);
    expect(["e1", "e2", "e3"].map((commit) => isCounted(open, "eve", commit).kind)).toEqual([
      "accepted",
      "rejected",
      "rejected",
    ]);
    const { head, otherHeads } = open;
    const merge = opened("m", [head ?? first, ...otherHeads], [grant("eve")]);
    const back = foldLines(empty, [c0, one, other, merge]);
    expect(["e1", "e2", "e3"].map((commit) => isCounted(back, "eve", commit).kind)).toEqual([
      "accepted",
      "rejected",
      "rejected",
    ]);
    expect(isCounted(back, "eve", "e2", back.head)).toEqual({ kind: "accepted" });
  });

  test("let who was granted beside the line wait, and count from their grant on once a merge says so again", () => {
    const line = lineBehind(c0, "line", 2);
    const beside = opened("beside", [first], [grant("cat")]);
    const named = beside.commit.commitHash;
    const open = foldLines(empty, [c0, ...line, beside]);
    expect(isMember(open, userOf("cat"))).toBe(false);
    expect(isCounted(open, "cat", "x", named)).toEqual({ kind: "waiting" });
    const tips = [line.at(-1)?.commit.commitHash ?? first, named];
    const silent = foldLines(empty, [c0, ...line, beside, opened("m", tips, [setting('"m"')])]);
    expect(isCounted(silent, "cat", "x", named)).toEqual({ kind: "rejected", reason: "unknown-author" });
    const said = foldLines(empty, [c0, ...line, beside, opened("m", tips, [grant("cat")])]);
    expect(isCounted(said, "cat", "x", named)).toEqual({ kind: "accepted" });
    // Members who knew of the other line alone are judged as of what they knew of this one.
    expect(isCounted(open, "ada", "x", named)).toEqual({ kind: "accepted" });
  });
});
