/** Broken products that seal documents under keys of others than they should. */
import type { SourceMutant } from "./security-mutants.ts";

const deviceTest = "worker/devices.test.ts";
const linkedTest = "src/directory/linked.test.ts";
const foldTest = "src/directory/fold.test.ts";
const recipientTest = "worker/recipients.test.ts";
const resealTest = "worker/reseal.test.ts";

/** Who can read what is written. */
export const handing: readonly SourceMutant[] = [
  {
    name: "what was sealed anew is sealed again",
    file: "src/tenant/reseal.ts",
    from: "return old.length > 0 && !covers.some((heads) => coversAll(doc, heads, old));",
    to: "return old.length > covers.length * 0;",
    killedBy: { file: resealTest, test: "goes on where it ended" },
  },
  {
    name: "a snapshot that was made up is taken for the sealing anew",
    file: "src/tenant/reseal.ts",
    from: 'const isWhole = row.verdict === "accepted" && row.refused === "";',
    to: "const isWhole = row.position > 0;",
    killedBy: { file: resealTest, test: "is not done by a snapshot that somebody made up" },
  },
  {
    name: "a snapshot covers what came after it",
    file: "src/tenant/reseal.ts",
    from: "return old.every((index) => past.has(index));",
    to: "return old.some((index) => past.has(index));",
    killedBy: { file: resealTest, test: "covers every old entry, not some of them" },
  },
  {
    name: "a reader seals anew",
    file: "src/tenant/reseal.ts",
    from: '  requireRight(core, { dbId, entryType: "doc_snapshot", doc });\n',
    to: "",
    killedBy: { file: resealTest, test: "is not for readers" },
  },
  {
    name: "documents of every key are sealed anew",
    file: "src/tenant/reseal.ts",
    from: "if (header === undefined || key?.keyId !== now.keyId ||",
    to: "if (header === undefined || key === undefined ||",
    killedBy: { file: resealTest, test: "of a named key touches no other key's documents" },
  },
  {
    name: "who is taken off a list is handed the next epoch",
    file: "src/tenant/key-records.ts",
    from: "filter((user) => without?.has(user) !== true)",
    to: 'filter((user) => without?.has(user) !== undefined || user !== "")',
    killedBy: { file: recipientTest, test: "tells who went nothing that is written from then on" },
  },
  {
    name: "the key of a list is everybody's",
    file: "src/tenant/recipients.ts",
    from: "const users = new Set([...named, ...ownKeys(core)]);",
    to: "const users = new Set([...named, ...core.directory.usersByKey.keys()]);",
    killedBy: { file: recipientTest, test: "is read by who is on it, and by no other member" },
  },
  {
    name: "taking somebody off a list begins no epoch",
    file: "src/tenant/recipients.ts",
    from: "const isLess = [...holdersOf(core, keyId)].some((user) => leaving.has(user));",
    to: "const isLess = leaving.size > 99;",
    killedBy: { file: recipientTest, test: "tells who went nothing that is written from then on" },
  },
  {
    name: "documents that are not for a list have recipients",
    file: "src/tenant/recipients.ts",
    from: "isListKey(one) && core.keyIdOf(one) === keyId",
    to: "isListKey(one) || core.keyIdOf(one) !== keyId",
    killedBy: { file: recipientTest, test: "refuses what makes no sense" },
  },
  {
    name: "a member is turned into a device of somebody else",
    file: "src/directory/fold-record.ts",
    from: "const isNew = draft.newcomers.has(record.deviceKey) && device?.user === undefined;",
    to: "const isNew = device?.user === undefined;",
    killedBy: { file: foldTest, test: "nobody is turned into one later" },
  },
  {
    name: "a device has devices",
    file: "src/directory/fold-record.ts",
    from: "const isUser = user !== undefined && user.user === undefined && hasDevice(draft, user);",
    to: "const isUser = user !== undefined && hasDevice(draft, user);",
    killedBy: { file: foldTest, test: "are none of who is unknown, revoked or a device" },
  },
  {
    name: "a device has a role of its own",
    file: "src/directory/rights.ts",
    from: "const user = userOf(state, userKey);",
    to: "const user = userKey;",
    killedBy: { file: deviceTest, test: "has the user's role, and the user's documents are its own" },
  },
  {
    name: "a device writes what is not its user's",
    file: "src/directory/devices.ts",
    from: "return one !== undefined && userOf(state, one) === userOf(state, other);",
    to: "return one !== undefined && other !== undefined;",
    killedBy: { file: deviceTest, test: "has the user's role, and the user's documents are its own" },
  },
  {
    name: "anybody links a device to anybody",
    file: "src/directory/linked.ts",
    from: "if (granted !== undefined && (granted.user ?? granted.userKey) !== userKey) return false;",
    to: "",
    killedBy: { file: linkedTest, test: "a link that somebody else signed" },
  },
  {
    name: "a key that did not say so is a device",
    file: "src/directory/linked.ts",
    from: "before?.grant !== undefined && before.deviceKey === act.author && before.userKey === act.userKey;",
    to: "before?.grant !== undefined;",
    killedBy: { file: linkedTest, test: "that is said again under another user" },
  },
  {
    name: "who is revoked goes on linking devices",
    file: "src/directory/linked.ts",
    from: "isCovered(commitHash, heads) === true;",
    to: "isCovered(commitHash, heads) !== null;",
    killedBy: { file: linkedTest, test: "links nothing that the cut does not cover" },
  },
  {
    name: "a device that is linked has the rights that its user lost",
    file: "src/directory/linked.ts",
    from: "formerly: [], narrowings: inherited };",
    to: "formerly: [], narrowings: [] };",
    killedBy: { file: linkedTest, test: "has no rights that its user lost since" },
  },
  {
    name: "the admin's line says nothing of devices that users linked",
    file: "src/tenant/directory-writes.ts",
    from: "if (usersByKey.size === grantedUsers.size) return;",
    to: "if (usersByKey.size >= grantedUsers.size) return;",
    killedBy: {
      file: deviceTest,
      test: "goes on when the first device is revoked, and goes when it is revoked itself",
    },
  },
  {
    name: "the devices of a revoked user go on",
    file: "src/tenant/admin.ts",
    from: "revocations(core, keysOfUsers(core.directory, new Set([userKey])), wiping)",
    to: "revocations(core, new Set([userKey]), wiping)",
    killedBy: { file: deviceTest, test: "goes with its user, and so do all others of theirs" },
  },
  {
    name: "a request under another name is linked",
    file: "src/tenant/devices.ts",
    from: "if (!isSameName ||",
    to: "if (",
    killedBy: { file: deviceTest, test: "is refused under another name" },
  },
  {
    name: "a revoked device is handed the next epoch",
    file: "src/tenant/rotate.ts",
    from: "rotationRecords(core, keyId, { without: keys })",
    to: "rotationRecords(core, keyId, {})",
    killedBy: { file: deviceTest, test: "is cut off alone" },
  },
];
