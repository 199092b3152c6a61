/**
 * Devices that users link themselves, without the admin: commits of members in the directory's database, beside the admin's line. They move
 * no head of it.
 *
 * | act | author | records that are open | follows |
 * |---|---|---|---|
 * | link | a key of the user | `grantaccess` of the device, then `device` | the author's own acts before it, as far as it knows them |
 * | word | the device | `device`, the same | the link, and nothing else |
 *
 * ```
 * line    c0 ◄──── c1 ◄──── c2            link and word name the head that their authors knew, as every commit does
 *          ▲        ▲
 * acts    link ◄── word ◄── link ◄── word     the phone was linked by the desk, and linked the tablet itself
 *         by the   by the   by the   by the
 *         desk     phone    phone    tablet
 * ```
 *
 * - L1 it takes both: nobody takes a key that did not say so for a device, and nobody becomes a device of who did not say so. So a link that
 *   somebody repeats under their own name is nobody's
 * - L2 a link counts when its author was a key of that user at the head that it names, and when every cut that took its author away covers
 *   it: who was revoked links nothing later, whatever head they name, and neither does what they linked
 * - L3 the line comes first: a key that it grants is what it says. What it ties to the user who linked it, it has taken over: from the link on
 *   it is that user's, and is revoked, narrowed and let in as the line says
 * - L4 a linked device is narrowed wherever who linked it is: the line could not name its commits, so none of them is covered
 * - L5 which acts count is a function of the set of commits
 */
import { equalBytes, type AuthorKey, type CommitHash } from "../std/index.ts";
import type { Commit } from "../entry/index.ts";
import { createAuthorGraph } from "./author-graph.ts";
import type {
  AuthorGraph,
  DeviceAct,
  DirectoryRecord,
  DirectoryState,
  DirectoryUser,
  FoldVerdict,
  Narrowing,
} from "./directory.ts";
import { indexOfHead } from "./judge.ts";

/** Read what a member says in the directory's database; `undefined` for anything but a link or a word. */
export function readAct(
  { commitHash, header }: Commit,
  records: readonly DirectoryRecord[],
): DeviceAct | undefined {
  const { author, directoryHead, predecessors: follows } = header;
  const [first, second, ...rest] = records.filter(({ kind }) => kind !== "membercard");
  if (directoryHead === undefined || rest.length > 0) return undefined;
  const place = { commitHash, author, directoryHead, follows };
  if (first?.kind === "device" && second === undefined && first.deviceKey === author && follows.length === 1)
    return { ...place, userKey: first.userKey, deviceKey: author, grant: undefined };
  const isLink =
    first?.kind === "grantaccess" && second?.kind === "device" && first.userKey === second.deviceKey;
  if (!isLink || second.deviceKey === author) return undefined;
  const { deviceKey, userKey } = second;
  const card = records.find((record) => record.kind === "membercard" && record.userKey === deviceKey);
  const userName = card?.kind === "membercard" ? card.userName : undefined;
  return { ...place, userKey, deviceKey, grant: { ...first, userName } };
}

type ActVerdict =
  | Exclude<FoldVerdict, { kind: "applied" | "beside" }>
  | { readonly kind: "act"; readonly act: DeviceAct };

/** Whether an act is kept: a member wrote it, or somebody who was linked, and what it follows is here. Whether it counts is another question. */
export function judgeAct(
  state: DirectoryState,
  commit: Commit,
  records: readonly DirectoryRecord[],
): ActVerdict {
  if (state.acts.has(commit.commitHash)) return { kind: "known" };
  const act = readAct(commit, records);
  const stranger = { kind: "rejected", reason: "not-admin" } as const;
  const isForeign = commit.entries.some(
    ({ header }) => header !== undefined && header.entryType !== "directory_record",
  );
  if (act === undefined || isForeign || act.deviceKey === state.adminKey) return stranger;
  const index = indexOfHead(state, act.directoryHead);
  if (index === undefined || !act.follows.every((hash) => state.acts.has(hash))) return { kind: "waiting" };
  const [before] = act.follows.flatMap((hash) => state.acts.get(hash) ?? []);
  if (act.grant === undefined) {
    const isSame =
      before?.grant !== undefined && before.deviceKey === act.author && before.userKey === act.userKey;
    return isSame ? { kind: "act", act } : stranger;
  }
  if (act.follows.some((hash) => state.acts.get(hash)?.author === act.author)) return { kind: "act", act };
  const granted = state.grantedUsers.get(act.author);
  // Who was granted beside the line may come into it with a merge, or when another line becomes the line.
  const isGranted = granted !== undefined && granted.grantedAt <= index;
  return isGranted || state.grantedBeside.has(act.author) ? { kind: "act", act } : stranger;
}

/** A directory whose members are still to be said: by its line, and by the acts that it keeps. */
export type UnsettledState = Omit<DirectoryState, "usersByKey" | "claimedKeys">;

/** Say who the members are. Made when it is asked for first: a pull brings many acts before anybody asks. */
export function settleMembers(state: UnsettledState): DirectoryState {
  let made: Pick<DirectoryState, "usersByKey" | "claimedKeys"> | undefined;
  const members = () => (made ??= membersOf(state));
  return {
    ...state,
    get usersByKey() {
      return members().usersByKey;
    },
    get claimedKeys() {
      return members().claimedKeys;
    },
  };
}

/** What of a directory is folded, and nothing that is made of it: what a settled one was before, and what a draft has become. */
export function unsettled(state: UnsettledState): UnsettledState {
  const { acts, adminKey, adopted, besideByCommit, dbId, epochsByKey, grantedBeside, grantedUsers } = state;
  const { groupsById, head, indexByCommit, otherHeads, purgedDocs, rolesByPlace, settingsByDb } = state;
  const { tenantId, tenantSettings } = state;
  return {
    tenantId,
    dbId,
    adminKey,
    head,
    otherHeads,
    indexByCommit,
    besideByCommit,
    grantedBeside,
    grantedUsers,
    acts,
    groupsById,
    epochsByKey,
    rolesByPlace,
    adopted,
    purgedDocs,
    tenantSettings,
    settingsByDb,
  };
}

function membersOf(state: UnsettledState): Pick<DirectoryState, "usersByKey" | "claimedKeys"> {
  if (state.acts.size === 0) return { usersByKey: state.grantedUsers, claimedKeys: new Set() };
  const linking = new Linking(state);
  const usersByKey = new Map(state.grantedUsers);
  const claimedKeys = new Set<AuthorKey>();
  for (const act of state.acts.values()) {
    const user = linking.userAt(act.deviceKey);
    if (user !== undefined) usersByKey.set(act.deviceKey, user);
    else if (act.grant !== undefined && linking.counts(act)) claimedKeys.add(act.deviceKey);
  }
  return { usersByKey, claimedKeys };
}

/** A link that counts, with what the device has by it. */
interface Linked {
  readonly act: DeviceAct;
  readonly index: number;
  readonly grant: NonNullable<DeviceAct["grant"]>;
}

/** Which acts count: asked once for each. */
class Linking {
  readonly #state: UnsettledState;
  readonly #graphs = new Map<AuthorKey, AuthorGraph>();
  readonly #words = new Map<AuthorKey, DeviceAct[]>();
  readonly #counted = new Map<CommitHash, boolean>();
  /** by act: the words of its author that it follows, through what they wrote between */
  readonly #wordsBehind = new Map<CommitHash, readonly DeviceAct[]>();
  /** by link that counts: what narrows who wrote it */
  readonly #narrowed = new Map<CommitHash, readonly Narrowing[]>();

  constructor(state: UnsettledState) {
    this.#state = state;
    for (const act of state.acts.values()) {
      const before = this.#ownBefore(act);
      const graph = this.#graphs.get(act.author) ?? createAuthorGraph();
      this.#graphs.set(act.author, graph);
      graph.add(
        act.commitHash,
        before.map(({ commitHash }) => commitHash),
      );
      this.#wordsBehind.set(act.commitHash, this.#wordsOf(before));
      if (act.grant !== undefined) continue;
      const words = this.#words.get(act.author) ?? [];
      this.#words.set(act.author, words);
      words.push(act);
    }
    for (const words of this.#words.values()) words.sort((a, b) => (a.commitHash < b.commitHash ? -1 : 1));
    // Each behind what it follows: however long a chain of links is, no question is about more than one of them.
    for (const act of state.acts.values())
      if (act.grant !== undefined && this.counts(act))
        this.#narrowed.set(act.commitHash, this.#narrowingsOf(act));
  }

  /** What a key is by line and acts; `undefined` where they say nothing. */
  userAt(key: AuthorKey): DirectoryUser | undefined {
    const granted = this.#state.grantedUsers.get(key);
    const linked = this.#linkedBy(this.#words.get(key) ?? []);
    if (linked === undefined || (granted !== undefined && granted.user !== linked.act.userKey))
      return granted;
    const until = granted?.grantedAt ?? Infinity;
    const inherited = (this.#narrowed.get(linked.act.commitHash) ?? []).filter(
      ({ at }) => at > linked.index && at < until,
    );
    if (granted !== undefined)
      return {
        ...granted,
        grantedAt: Math.min(granted.grantedAt, linked.index),
        narrowings: [...inherited, ...granted.narrowings],
      };
    const { encryptionKey, nameHash, userName } = linked.grant;
    const user = { userKey: key, user: linked.act.userKey, encryptionKey, nameHash, userName };
    return { ...user, grantedAt: linked.index, revoked: undefined, formerly: [], narrowings: inherited };
  }

  /** Whether a link counts by what its author might do. */
  counts(link: DeviceAct): boolean {
    const known = this.#counted.get(link.commitHash);
    if (known !== undefined) return known;
    const counts = this.#isSound(link) && this.#isAuthors(link);
    this.#counted.set(link.commitHash, counts);
    return counts;
  }

  #isSound({ directoryHead, grant, userKey }: DeviceAct): boolean {
    const owner = this.#state.grantedUsers.get(userKey);
    const index = indexOfHead(this.#state, directoryHead);
    if (owner === undefined || owner.user !== undefined || index === undefined || grant === undefined)
      return false;
    return owner.grantedAt <= index && equalBytes(owner.nameHash, grant.nameHash);
  }

  #isAuthors(link: DeviceAct): boolean {
    const { author, commitHash, directoryHead, userKey } = link;
    const granted = this.#state.grantedUsers.get(author);
    const index = indexOfHead(this.#state, directoryHead) ?? -1;
    if (granted !== undefined && (granted.user ?? granted.userKey) !== userKey) return false;
    const isByLine = granted !== undefined && granted.grantedAt <= index;
    if (!isByLine && this.#linkBehind(link)?.act.userKey !== userKey) return false;
    const cuts =
      granted === undefined
        ? []
        : [granted.revoked, ...granted.formerly.filter(({ until }) => until > index)];
    return cuts.every((cut) => {
      const heads = cut?.cuts.get(this.#state.dbId) ?? [];
      return cut === undefined || this.#graphs.get(author)?.isCovered(commitHash, heads) === true;
    });
  }

  /** The link behind the first of some words of one key that has one which counts. */
  #linkedBy(words: readonly DeviceAct[]): Linked | undefined {
    for (const word of words) {
      const [act] = word.follows.flatMap((hash) => this.#state.acts.get(hash) ?? []);
      const index = indexOfHead(this.#state, act?.directoryHead);
      if (act?.grant !== undefined && index !== undefined && this.counts(act))
        return { act, index, grant: act.grant };
    }
    return undefined;
  }

  #wordsOf(before: readonly DeviceAct[]): readonly DeviceAct[] {
    const [only, ...others] = before;
    const behind = (act: DeviceAct): readonly DeviceAct[] =>
      act.grant === undefined ? [act] : (this.#wordsBehind.get(act.commitHash) ?? []);
    if (only === undefined) return [];
    return others.length === 0 ? behind(only) : [...new Set(before.flatMap(behind))];
  }

  #linkBehind({ commitHash }: DeviceAct): Linked | undefined {
    return this.#linkedBy(this.#wordsBehind.get(commitHash) ?? []);
  }

  #ownBefore({ author, follows }: DeviceAct): readonly DeviceAct[] {
    return follows.flatMap((hash) => this.#state.acts.get(hash) ?? []).filter((act) => act.author === author);
  }

  /** What narrows who wrote a link, none of their device's commits being covered. */
  #narrowingsOf(link: DeviceAct): readonly Narrowing[] {
    const granted = this.#state.grantedUsers.get(link.author)?.narrowings ?? [];
    const behind = this.#linkBehind(link);
    const before = behind === undefined ? [] : (this.#narrowed.get(behind.act.commitHash) ?? []);
    const indexes = new Set([...granted, ...before].map(({ at }) => at));
    return [...indexes].map((at) => ({ at, cuts: new Map() }));
  }
}
