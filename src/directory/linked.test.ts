import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { AuthorKey, DbId } from "../std/index.ts";
import { card, commitOf, contacts, empty, grant, hashOf, keyOf, tenantId } from "./fold-fixtures.ts";
import {
  createAuthorGraph,
  foldCommit,
  foldLines,
  isMember,
  judgeAuthor,
  judgeRole,
  type DirectoryRecord,
  type DirectoryState,
  type FoldVerdict,
  type OpenedCommit,
} from "./index.ts";

interface Saying {
  readonly by?: string;
  /** the head of the line that it names */
  readonly head?: string | undefined;
  readonly follows?: readonly string[];
  readonly entryType?: string;
  readonly dbId?: DbId;
}

/** A commit of the directory: of the admin, behind `head`, or of a member. */
function said(name: string, saying: Saying, ...records: readonly DirectoryRecord[]): OpenedCommit {
  const { by = "admin", dbId = empty.dbId, entryType = "directory_record", head } = saying;
  const follows = saying.follows ?? (by === "admin" && head !== undefined ? [head] : []);
  const header = {
    dbId,
    author: keyOf(by),
    predecessors: follows.map(hashOf),
    directoryHead: head === undefined ? undefined : hashOf(head),
  };
  const commit = commitOf(
    name,
    header,
    records.map(() => entryType),
  );
  return { commit, records };
}

const tie = (device: string, user: string): DirectoryRecord => ({
  kind: "device",
  userKey: keyOf(user),
  deviceKey: keyOf(device),
});
const revoke = (name: string, acts: readonly string[] = []): DirectoryRecord => ({
  kind: "revokeaccess",
  userKey: keyOf(name),
  cuts: acts.length === 0 ? [] : [{ dbId: empty.dbId, heads: acts.map(hashOf) }],
});
const link = (name: string, by: string, device: string, saying: Saying = {}, user = "ada"): OpenedCommit =>
  said(name, { by, head: "d0", ...saying }, grant(device, user), tie(device, user), card(device));
const word = (name: string, device: string, to: string, saying: Saying = {}, user = "ada"): OpenedCommit =>
  said(name, { by: device, head: "d0", follows: [to], ...saying }, tie(device, user));

const founding = said("d0", {}, grant("ada"), grant("eve"));
const phone = [link("l1", "ada", "phone"), word("w1", "phone", "l1")];

/** All of it, and whatever comes first. */
function folded(...commits: readonly OpenedCommit[]): DirectoryState {
  const state = foldLines(empty, commits);
  fc.assert(
    fc.property(fc.shuffledSubarray([...commits], { minLength: commits.length }), (shuffled) => {
      let one = empty;
      let left: readonly OpenedCommit[] = shuffled;
      for (let before = Infinity; left.length < before;) {
        before = left.length;
        left = left.filter(({ commit, records }) => {
          const verdict = foldCommit(one, commit, records);
          if (verdict.kind === "applied") one = verdict.state;
          return verdict.kind === "waiting";
        });
      }
      expect(shown(one)).toEqual(shown(state));
      expect(shown(foldLines(empty, shuffled))).toEqual(shown(state));
    }),
    { numRuns: 20 },
  );
  return state;
}

const shown = ({ acts, claimedKeys, usersByKey }: DirectoryState): unknown => [
  [...usersByKey.values()].toSorted((a, b) => (a.userKey < b.userKey ? -1 : 1)),
  [...claimedKeys].toSorted(),
  [...acts.keys()].toSorted(),
];
const ownerOf = (state: DirectoryState, name: string): AuthorKey | undefined => {
  const user = state.usersByKey.get(keyOf(name));
  return user && (user.user ?? user.userKey);
};
const verdictOn = (state: DirectoryState, { commit, records }: OpenedCommit): FoldVerdict =>
  foldCommit(state, commit, records);
/** What counts of a device's first commit that names a head. */
const counts = (state: DirectoryState, name: string, head: string): string => {
  const header = { tenantId, dbId: contacts, author: keyOf(name), directoryHead: hashOf(head) };
  return judgeAuthor(state, header, hashOf(`doc of ${name}`), createAuthorGraph()).kind;
};

describe("a device that its user links", () => {
  test("is the user's once it said so itself, and signs in before that", () => {
    const claimed = folded(founding, phone[0] ?? founding);
    expect([...claimed.claimedKeys]).toEqual([keyOf("phone")]);
    expect(claimed.usersByKey.has(keyOf("phone"))).toBe(false);
    const state = folded(founding, ...phone);
    expect(state.usersByKey.get(keyOf("phone"))).toMatchObject({
      user: keyOf("ada"),
      userName: "phone",
      grantedAt: 0,
    });
    expect(state.claimedKeys.size).toBe(0);
    expect(isMember(state, keyOf("phone"))).toBe(true);
    expect(counts(state, "phone", "d0")).toBe("accepted");
    expect(state.head).toBe(hashOf("d0"));
  });

  test("links further ones, each behind its own word", () => {
    const second = [link("l2", "phone", "watch", { follows: ["w1"] }), word("w2", "watch", "l2")];
    expect(ownerOf(folded(founding, ...phone, ...second), "watch")).toBe(keyOf("ada"));
    const loose = link("l3", "phone", "watch");
    const state = folded(founding, ...phone);
    expect(verdictOn(state, loose)).toEqual({ kind: "rejected", reason: "not-admin" });
  });

  test("names no head from before its user was there, and counts from the one that its link names", () => {
    const late = said("d1", { head: "d0" }, grant("bob"));
    const commits = [
      link("l1", "bob", "phone", { head: "d1" }, "bob"),
      word("w1", "phone", "l1", { head: "d1" }, "bob"),
    ];
    const state = folded(founding, late, ...commits);
    expect(counts(state, "phone", "d1")).toBe("accepted");
    expect(counts(state, "phone", "d0")).toBe("rejected");
    const early = link("l2", "bob", "watch", { head: "d0" }, "bob");
    expect(verdictOn(state, early)).toEqual({ kind: "rejected", reason: "not-admin" });
    expect(verdictOn(folded(founding), commits[0] ?? late)).toEqual({ kind: "waiting" });
  });
});

describe("nobody gets a device by", () => {
  const noneOf = (state: DirectoryState, name: string): void => {
    expect(state.usersByKey.has(keyOf(name))).toBe(false);
    expect(counts(state, name, "d0")).toBe("rejected");
  };

  test("a link that somebody else signed, as a member, a stranger, or the admin's rival", () => {
    noneOf(folded(founding, link("l1", "eve", "phone"), word("w1", "phone", "l1")), "phone");
    const stranger = link("l2", "mallory", "phone");
    expect(verdictOn(folded(founding), stranger)).toEqual({ kind: "rejected", reason: "not-admin" });
    noneOf(
      folded(founding, link("l3", "ada", "phone", {}, "mallory"), word("w3", "phone", "l3", {}, "mallory")),
      "phone",
    );
  });

  test("a link of somebody's device that is said again under another user", () => {
    const again = link("l2", "eve", "phone", {}, "eve");
    const state = folded(founding, ...phone, again);
    expect(ownerOf(state, "phone")).toBe(keyOf("ada"));
    // Nor by speaking for the device, or by its word on another link.
    for (const forged of [
      word("w2", "phone", "l1", { by: "eve", follows: ["l2"] }, "eve"),
      word("w3", "phone", "l2", {}, "ada"),
      word("w4", "phone", "l1", {}, "eve"),
    ])
      expect(verdictOn(state, forged).kind).toBe("rejected");
  });

  test("a link of who is known already: a user, another's device, the admin", () => {
    const state = folded(founding, link("l1", "eve", "ada", {}, "eve"), word("w1", "ada", "l1", {}, "eve"));
    expect([ownerOf(state, "ada"), ownerOf(state, "eve")]).toEqual([keyOf("ada"), keyOf("eve")]);
    expect(verdictOn(state, link("l2", "eve", "admin", {}, "eve"))).toEqual({
      kind: "rejected",
      reason: "not-admin",
    });
    // Who is let in by the admin is what the admin says, whatever was linked before.
    const admitted = said("d1", { head: "d0" }, grant("phone"));
    expect(ownerOf(folded(founding, ...phone, admitted), "phone")).toBe(keyOf("phone"));
  });

  test("a link under another name than the user's", () => {
    const other = said("l1", { by: "ada", head: "d0" }, grant("phone", "eve"), tie("phone", "ada"));
    noneOf(folded(founding, other, word("w1", "phone", "l1")), "phone");
  });

  test("other records than the two, in another order, or with something beside them", () => {
    const state = folded(founding);
    const asAda = { by: "ada", head: "d0" };
    for (const commit of [
      said("a", asAda, tie("phone", "ada")),
      said("b", asAda, grant("phone", "ada")),
      said("c", asAda, tie("phone", "ada"), grant("phone", "ada")),
      said("d", asAda, grant("phone", "ada"), tie("phone", "ada"), revoke("eve")),
      said("e", asAda, revoke("eve")),
      said("f", asAda, grant("phone", "ada"), tie("watch", "ada")),
      said("g", asAda, {
        kind: "role",
        dbId: undefined,
        edits: [{ subject: { kind: "everyone" }, role: "manager" }],
      }),
      said("h", { ...asAda, entryType: "doc_create" }, grant("phone", "ada"), tie("phone", "ada")),
      said("i", { by: "ada" }, grant("phone", "ada"), tie("phone", "ada")),
      said("j", asAda),
      said("k", asAda, card("eve", "mallory")),
    ])
      expect(verdictOn(state, commit), commit.commit.commitHash).toEqual({
        kind: "rejected",
        reason: "not-admin",
      });
    expect(verdictOn(state, said("l", { ...asAda, dbId: contacts }, grant("phone", "ada")))).toEqual({
      kind: "rejected",
      reason: "wrong-database",
    });
    // A card in it names the device alone.
    const named = folded(
      founding,
      said("m", asAda, grant("phone", "ada"), tie("phone", "ada"), card("eve", "mallory")),
    );
    expect(named.usersByKey.get(keyOf("eve"))?.userName).toBeUndefined();
  });
});

describe("who is revoked", () => {
  const gone = (acts?: readonly string[]): OpenedCommit => said("d1", { head: "d0" }, revoke("ada", acts));

  test("links nothing that the cut does not cover, whatever head they name and whatever comes first", () => {
    expect(ownerOf(folded(founding, gone(["l1"]), ...phone), "phone")).toBe(keyOf("ada"));
    expect(ownerOf(folded(founding, gone(), ...phone), "phone")).toBeUndefined();
    const behind = [link("l2", "ada", "watch", { follows: ["l1"] }), word("w2", "watch", "l2")];
    const state = folded(founding, gone(["l1"]), ...phone, ...behind);
    expect([ownerOf(state, "phone"), ownerOf(state, "watch")]).toEqual([keyOf("ada"), undefined]);
    expect(counts(state, "watch", "d0")).toBe("rejected");
  });

  test("links nothing by what they linked outside the cut, and nothing by a head from before they were let in again", () => {
    const further = [link("l2", "phone", "watch", { follows: ["w1"] }), word("w2", "watch", "l2")];
    const cut = folded(founding, gone(), ...phone, ...further);
    expect([ownerOf(cut, "phone"), ownerOf(cut, "watch")]).toEqual([undefined, undefined]);
    const again = said("d2", { head: "d1" }, grant("ada"));
    const back = folded(founding, gone(), again, ...phone, ...further);
    expect([ownerOf(back, "phone"), ownerOf(back, "watch")]).toEqual([undefined, undefined]);
    const after = [link("l3", "ada", "radio", { head: "d2" }), word("w3", "radio", "l3", { head: "d2" })];
    expect(ownerOf(folded(founding, gone(), again, ...after), "radio")).toBe(keyOf("ada"));
  });

  test("is a linked device like any other, once the line took it over, with what it wrote before", () => {
    const taken = said("d1", { head: "d0" }, grant("phone", "ada"), tie("phone", "ada"));
    const out = said("d2", { head: "d1" }, revoke("phone", ["w1"]));
    const further = [link("l2", "phone", "watch", { follows: ["w1"] }), word("w2", "watch", "l2")];
    const state = folded(founding, ...phone, taken, out, ...further);
    expect(state.usersByKey.get(keyOf("phone"))).toMatchObject({ user: keyOf("ada"), grantedAt: 0 });
    expect(isMember(state, keyOf("phone"))).toBe(false);
    expect(ownerOf(state, "watch")).toBeUndefined();
    expect(isMember(state, keyOf("ada"))).toBe(true);
    // The first device goes likewise, and what it linked goes on.
    const first = said("d2", { head: "d1" }, revoke("ada", ["l1"]));
    const left = folded(founding, ...phone, taken, first);
    expect([isMember(left, keyOf("ada")), isMember(left, keyOf("phone"))]).toEqual([false, true]);
  });
});

test("who was granted on another line of the directory links devices, once a merge brings them in", () => {
  const line = [founding, said("b1", { head: "d0" }, grant("cy")), said("b2", { head: "b1" }, grant("dan"))];
  const beside = said("a1", { head: "d0" }, grant("bob"));
  const acts = [
    link("l1", "bob", "phone", { head: "a1" }, "bob"),
    word("w1", "phone", "l1", { head: "a1" }, "bob"),
  ];
  const merge = said("m", { head: "b2", follows: ["a1", "b2"] }, grant("bob"));
  const stateOf = (...commits: readonly OpenedCommit[]): DirectoryState => {
    const state = foldLines(empty, commits);
    fc.assert(
      fc.property(fc.shuffledSubarray([...commits], { minLength: commits.length }), (shuffled) => {
        expect(shown(foldLines(empty, shuffled))).toEqual(shown(state));
      }),
      { numRuns: 30 },
    );
    return state;
  };
  const open = stateOf(...line, beside, ...acts);
  expect([open.acts.size, ownerOf(open, "phone")]).toEqual([2, undefined]);
  expect(ownerOf(stateOf(...line, beside, ...acts, merge), "phone")).toBe(keyOf("bob"));
  // Without the other line nobody knows them, nor the head that they name.
  expect(foldLines(empty, [...line, ...acts]).acts.size).toBe(0);
});

test("a device that is linked with an old head has no rights that its user lost since", () => {
  const role = (given: "manager" | "reader"): DirectoryRecord => ({
    kind: "role",
    dbId: undefined,
    edits: [{ subject: { kind: "user", userKey: keyOf("ada") }, role: given }],
  });
  const narrowed: DirectoryRecord = { kind: "narrowing", users: [{ userKey: keyOf("ada"), cuts: [] }] };
  const line = [
    founding,
    said("d1", { head: "d0" }, role("manager")),
    said("d2", { head: "d1" }, role("reader"), narrowed),
  ];
  const old = { head: "d1" };
  const further = [link("l2", "phone", "watch", { follows: ["w1"] }), word("w2", "watch", "l2")];
  const state = folded(
    ...line,
    ...phone,
    ...further,
    link("l3", "ada", "radio", old),
    word("w3", "radio", "l3", old),
  );
  for (const name of ["phone", "watch", "radio"]) {
    const header = { author: keyOf(name), dbId: contacts, directoryHead: hashOf("d1") };
    expect(judgeRole(state, header, hashOf(`doc of ${name}`), createAuthorGraph())).toEqual({
      kind: "role",
      role: "reader",
    });
  }
});

test("a chain of links of any length is folded, and none of its ends is deeper than the stack", () => {
  const chain: OpenedCommit[] = [];
  for (let n = 0; n < 3_000; n++) {
    const by = n === 0 ? "ada" : `device ${n - 1}`;
    chain.push(
      link(`l${n}`, by, `device ${n}`, n === 0 ? {} : { follows: [`w${n - 1}`] }),
      word(`w${n}`, `device ${n}`, `l${n}`),
    );
  }
  expect(ownerOf(foldLines(empty, [founding, ...chain]), "device 2999")).toBe(keyOf("ada"));
  expect(
    foldLines(empty, [founding, said("d1", { head: "d0" }, revoke("ada")), ...chain]).usersByKey.size,
  ).toBe(2);
});
