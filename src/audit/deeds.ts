/** What commits say, for people and programs: one line for each entry, without keys and ciphertexts. */
import type { DirectoryCuts, DirectoryRecord, MemberRef, RoleSubject } from "../directory/index.ts";
import type { CommitEntry, EntryType } from "../entry/index.ts";

/** What one entry does, as far as it can be told. Ids are base64url texts. */
export interface AuditDeed {
  /** the type of the entry, or the kind of the directory record that was opened; `sealed`: neither can be read */
  readonly what: EntryType | DirectoryRecord["kind"] | "sealed";
  readonly docId?: string;
  readonly userKey?: string;
  readonly groupId?: string;
  readonly keyId?: string;
  readonly databaseId?: string;
  readonly epoch?: number;
  /** of a user, a group or a database, where a card or setting says it */
  readonly name?: string;
  /** whom it is about, each in a few words: `added user …`, `editor group …` */
  readonly about?: readonly string[];
}

/** one deed of the directory can be about thousands */
const maxAbout = 256;

/** What an entry does; `record`: what it holds, where it is a directory record that could be opened. */
export function deedOf({ header }: CommitEntry, record?: DirectoryRecord): AuditDeed {
  if (record !== undefined) return recordDeed(record);
  if (header === undefined) return { what: "sealed" };
  const { docId, entryType } = header;
  return entryType === "directory_record" ? { what: entryType } : { what: entryType, docId };
}

function recordDeed(record: DirectoryRecord): AuditDeed {
  const { kind: what } = record;
  switch (record.kind) {
    case "grantaccess":
    case "wipe":
      return { what, userKey: record.userKey };
    case "revokeaccess":
      return { what, userKey: record.userKey, about: aboutCuts(record.cuts) };
    case "membercard":
      return { what, userKey: record.userKey, name: record.userName };
    case "device":
      return { what, userKey: record.deviceKey, about: [`user ${record.userKey}`] };
    case "group":
      return {
        what,
        groupId: record.groupId,
        about: some(record.edits, ({ member, op }) => `${op} ${nameOf(member)}`),
      };
    case "groupcard":
      return { what, groupId: record.groupId, name: record.groupName };
    case "tenantsettings":
      return { what, about: some(record.edits, ({ name }) => name) };
    case "dbsettings":
      return { what, name: record.dbName, about: some(record.edits, ({ name }) => name) };
    case "keyepoch": {
      const { epoch, keyId, wraps } = record;
      return { what, keyId, epoch, about: some(wraps, ({ userKey }) => `user ${userKey}`) };
    }
    case "role": {
      const about = some(record.edits, ({ role, subject }) => `${role ?? "none"} ${nameOf(subject)}`);
      return record.dbId === undefined ? { what, about } : { what, databaseId: record.dbId, about };
    }
    case "narrowing":
      return { what, about: some(record.users, ({ userKey }) => `user ${userKey}`) };
    case "adopt":
      return { what, about: some(record.commitHashes, (hash) => `commit ${hash}`) };
    case "purge":
      return {
        what,
        databaseId: record.dbId,
        about: some(record.docIds, (docId) => `document ${docId}`),
      };
  }
}

function nameOf(subject: MemberRef | RoleSubject): string {
  if (subject.kind === "everyone") return "everyone";
  return subject.kind === "user" ? `user ${subject.userKey}` : `group ${subject.groupId}`;
}

function aboutCuts(cuts: DirectoryCuts): readonly string[] {
  const heads = cuts.flatMap(({ dbId, heads: counting }) => counting.map((head) => `${dbId} ${head}`));
  return some(heads, (head) => head);
}

function some<T>(items: readonly T[], tell: (item: T) => string): readonly string[] {
  return items.slice(0, maxAbout).map(tell);
}
