/**
 * Broken products of the kind that costs secrets: each is one line of the source that somebody could leave out, and the test that must
 * notice. A test that passes without the line it is for proves nothing.
 */

import { auditing } from "./audit-mutants.ts";
import { handing } from "./key-mutants.ts";
import { signing } from "./signing-mutants.ts";

/** A change of one source, and the one test that must fail with it. */
export interface SourceMutant {
  readonly name: string;
  readonly file: string;
  /** stands in the file exactly once */
  readonly from: string;
  readonly to: string;
  readonly killedBy: { readonly file: string; readonly test: string };
}

const entryTest = "src/entry/entry.test.ts";
const attackTest = "src/tenant/attack.test.ts";
const changeAttackTest = "src/tenant/change-attack.test.ts";
const foldTest = "src/directory/fold.test.ts";
const foldLinesTest = "src/directory/fold-lines.property.test.ts";
const unsentPurgeTest = "worker/unsent-purge.test.ts";
const joinTest = "src/keys/join.test.ts";
const relayTest = "server/test/relay.test.ts";
const runnerTest = "src/sync/runner.test.ts";
const seenAttackTest = "worker/seen-attack.test.ts";
const seenClaimsTest = "src/sync/seen-claims.test.ts";
const cryptoTest = "src/crypto/crypto.test.ts";

const sealing: readonly SourceMutant[] = [
  {
    name: "additional data is skipped",
    file: "src/crypto/webcrypto.ts",
    from: "additionalData: toBufferSource(additionalData) };",
    to: "additionalData: new Uint8Array(additionalData.length & 0) };",
    killedBy: { file: entryTest, test: "moving: ciphertext opens under no other document" },
  },
  {
    name: "an unknown version is accepted",
    file: "src/entry/verify.ts",
    from: 'if (reader.u8() !== commitVersion) reader.fail("version");',
    to: "reader.u8();",
    killedBy: { file: entryTest, test: "another version or suite is a version" },
  },
  {
    name: "an unknown suite is accepted",
    file: "src/entry/codec.ts",
    from: 'if (suite !== commitSuite) reader.fail("version");',
    to: "",
    killedBy: { file: entryTest, test: "another version or suite is a version" },
  },
  {
    name: "the commitment of a key is not compared",
    file: "src/entry/open.ts",
    from: "if (equalBytesConstantTime(sealing.commitment, commitment)) return sealing;",
    to: "if (commitment.length > 0) return sealing;",
    killedBy: { file: entryTest, test: "commitment: a commit opens under one key only" },
  },
  {
    name: "a salt is used again",
    file: "src/entry/seal.ts",
    from: "const salt = crypto.randomBytes(saltBytes);",
    to: "const salt = new Uint8Array(saltBytes);",
    killedBy: { file: entryTest, test: "draws a fresh salt" },
  },
  {
    name: "every salt that is drawn ahead is the same",
    file: "src/entry/sealing-key.ts",
    from: "const salt = crypto.randomBytes(saltBytes);",
    to: "const salt = new Uint8Array(saltBytes);",
    killedBy: { file: "src/tenant/writer.test.ts", test: "seals no two with one salt" },
  },
  {
    name: "what was prepared for one commit seals a second one",
    file: "src/entry/sealing-key.ts",
    from: "kept = undefined;",
    to: "",
    killedBy: { file: entryTest, test: "without a derivation, and never a second one" },
  },
  {
    name: "every entry of a commit has the same nonce",
    file: "src/entry/sealing-key.ts",
    from: "nonce[11] = index & 255;",
    to: "nonce[11] = index & 0;",
    killedBy: { file: "src/entry/entry.vectors.test.ts", test: "reads, whole or in part" },
  },
  {
    name: "a signature is not checked",
    file: "src/entry/verify.ts",
    from: "return isSigned ?",
    to: "return isSigned || commit.signature.length > 0 ?",
    killedBy: { file: attackTest, test: "refuses a commit signed by one member in the name of another" },
  },
  {
    name: "a wanted key that is not there is tried with another one of its name",
    file: "src/keys/key-bag.ts",
    from: "find: (name) => keyByName.get(textOf(name)),",
    to: "find: (name) => keyByName.get(textOf(name)) ?? currentById.get(name.keyId),",
    killedBy: { file: attackTest, test: "refuses keys that are not the document's, and never tries one" },
  },
  {
    name: "keys in use can be read",
    file: "src/crypto/webcrypto.ts",
    from: 'importKey("raw", toBufferSource(secret), "AES-GCM", false, ["encrypt", "decrypt"])',
    to: 'importKey("raw", toBufferSource(secret), "AES-GCM", true, ["encrypt", "decrypt"])',
    killedBy: { file: cryptoTest, test: "AES-256-GCM" },
  },
  {
    name: "a signing key can be read",
    file: "src/crypto/webcrypto.ts",
    from: 'importOkpPrivateKey("Ed25519", secret, { extractable: false })',
    to: 'importOkpPrivateKey("Ed25519", secret, { extractable: true })',
    killedBy: { file: cryptoTest, test: "Ed25519" },
  },
];

const judging: readonly SourceMutant[] = [
  {
    name: "a cut is ignored",
    file: "src/directory/judge.ts",
    from: 'return covered ? undefined : { kind: "rejected", reason: "revoked" };',
    to: "return undefined;",
    killedBy: { file: attackTest, test: "counts nothing outside the cut" },
  },
  {
    name: "who is let in again has never been away",
    file: "src/directory/fold-record.ts",
    from: "return user.revoked === undefined ? past : [...past, { until, cuts: user.revoked.cuts }];",
    to: "return [];",
    killedBy: { file: attackTest, test: "stays for what was written meanwhile" },
  },
  {
    name: "a former cut is asked for every head",
    file: "src/directory/judge.ts",
    from: "if (headIndex >= cut.until) continue;",
    to: "",
    killedBy: { file: attackTest, test: "stays for what was written meanwhile" },
  },
  {
    name: "who is let in again is not judged anew",
    file: "src/tenant/judge.ts",
    from: "return usersByKey.get(record.userKey)?.revoked !== undefined;",
    to: "return usersByKey.get(record.userKey) === undefined;",
    killedBy: { file: attackTest, test: "stays for what was written meanwhile" },
  },
  {
    name: "what follows a commit may forget what that knew",
    file: "src/tenant/judge.ts",
    from: 'if (author.kind === "accepted" && forgetsHead(',
    to: 'if (author.kind === "waiting" && forgetsHead(',
    killedBy: { file: changeAttackTest, test: "whichever of the two comes first" },
  },
  {
    name: "what came before the commit that it follows is not looked at again",
    file: "src/tenant/tail.ts",
    from: "if (overtaken.length > 0) await this.#judgeAnew(overtaken);",
    to: "",
    killedBy: { file: changeAttackTest, test: "whichever of the two comes first" },
  },
  {
    name: "a device follows what it cannot place",
    file: "src/tenant/core.ts",
    from: "return head === newest || indexOfHead(directory, head) !== undefined;",
    to: "return head === newest || head !== undefined;",
    killedBy: { file: changeAttackTest, test: "follows none of its own commits that know more" },
  },
  {
    name: "who is no member can be adopted",
    file: "src/directory/judge.ts",
    from: 'if (user !== undefined && state.adopted.has(commitHash)) return { kind: "accepted" };',
    to: 'if (state.adopted.has(commitHash)) return { kind: "accepted" };',
    killedBy: { file: attackTest, test: "can be released one by one" },
  },
  {
    name: "what the directory purges stays where it is",
    file: "src/tenant/erasing.ts",
    from: "if (directory.purgedDocs.size === 0) return [];",
    to: "if (directory.purgedDocs.size >= 0) return [];",
    killedBy: { file: unsentPurgeTest, test: "is erased on every device and server" },
  },
  {
    name: "a server keeps what is purged",
    file: "server/src/push.ts",
    from: "if (isDirectory) await purge(parts, request.tenantId, accepted);",
    to: "",
    killedBy: { file: unsentPurgeTest, test: "is erased on every device and server" },
  },
  {
    name: "a server stores what comes late of what is purged",
    file: "server/src/purged.ts",
    from: "purgedDocs.size === 0 ? undefined :",
    to: "purgedDocs.size >= 0 ? undefined :",
    killedBy: { file: unsentPurgeTest, test: "is erased on every device and server" },
  },
  {
    name: "anybody can have a device forget the tenant",
    file: "src/directory/wipe.ts",
    from: "return header.author === user.adminKey &&",
    to: "return header.author.length > 0 &&",
    killedBy: { file: attackTest, test: "forget the tenant by the admin's signed word alone" },
  },
  {
    name: "a word that was taken back has a device forget the tenant",
    file: "src/tenant/wiped.ts",
    from: "&& !(await isInLog(core, verified.commit))",
    to: "",
    killedBy: { file: attackTest, test: "forget the tenant by the admin's signed word alone" },
  },
  {
    name: "a device does not forget what the admin has it forget",
    file: "worker/host.ts",
    from: "await removeTenant(world, device, tenantId);",
    to: "",
    killedBy: { file: "worker/key-epochs.test.ts", test: "is not for who is wiped" },
  },
  {
    name: "a server does not tell the revoked why",
    file: "server/src/auth.ts",
    from: 'throw new CofferError("access/revoked", await wipeOf(directory, userKey));',
    to: 'throw new CofferError("access/revoked");',
    killedBy: { file: "worker/key-epochs.test.ts", test: "is not for who is wiped" },
  },
  {
    name: "what may be inside the cut is refused before that is known",
    file: "src/directory/judge.ts",
    from: 'if (covered === undefined) return { kind: "waiting" };',
    to: "",
    killedBy: { file: changeAttackTest, test: "waits for what comes late of it" },
  },
  {
    name: "a member may have written before the grant",
    file: "src/directory/judge.ts",
    from: "if (user === undefined || headIndex < user.grantedAt)",
    to: "if (user === undefined)",
    killedBy: { file: foldTest, test: "a member is granted at the commit's own directory head" },
  },
  {
    name: "a stranger may write",
    file: "src/directory/judge.ts",
    from: 'if (user === undefined || headIndex < user.grantedAt) return { kind: "rejected", reason: "unknown-author" };',
    to: "",
    killedBy: { file: attackTest, test: "refuses a stranger, whatever keys they hold" },
  },
  {
    name: "anybody writes the directory",
    file: "src/directory/fold.ts",
    from: 'if (header.author !== place.adminKey) return "not-admin";',
    to: "",
    killedBy: { file: attackTest, test: "nobody but the admin writes groups and settings" },
  },
  {
    name: "a fork of the directory is passed over",
    file: "src/directory/fold.ts",
    from: 'return predecessors.every(isKnown) ? { kind: "beside" } : { kind: "waiting" };',
    to: 'return { kind: "waiting" };',
    killedBy: { file: foldTest, test: "tells a second successor of any commit" },
  },
  {
    name: "what another line of the directory takes away counts nothing while the fork is open",
    file: "src/directory/fold-lines.ts",
    from: "walk.bringIn(others.map(({ hash }) => hash));",
    to: "",
    killedBy: { file: foldLinesTest, test: "undoes no revocation by a longer line" },
  },
  {
    name: "a merge forgets what the other line took away",
    file: "src/directory/fold-lines.ts",
    from: "walk.bringIn(opened.commit.header.predecessors);",
    to: "if (opened.records.length > 99) walk.bringIn(opened.commit.header.predecessors);",
    killedBy: { file: foldLinesTest, test: "undoes no revocation by a longer line" },
  },
  {
    name: "the line is the one that was seen first",
    file: "src/directory/fold-lines.ts",
    from: "const ends = [...placed.values()].filter(({ hash }) => !followed.has(hash)).sort(heaviestFirst);",
    to: "const ends = [...placed.values()].filter(({ hash }) => !followed.has(hash));",
    killedBy: { file: foldLinesTest, test: "are one directory on every replica" },
  },
  {
    name: "of two cuts the later one counts",
    file: "src/directory/fold-record.ts",
    from: 'if (record.kind !== "revokeaccess" || user?.revoked === undefined)',
    to: 'if (record.kind !== "revokeaccess" || user?.revoked?.at !== -1)',
    killedBy: { file: foldLinesTest, test: "hold who was revoked on both to both cuts" },
  },
  {
    name: "a server takes a second line of the directory",
    file: "server/src/push.ts",
    from: 'if (verdict.kind === "beside") return refused("access/denied");',
    to: "",
    killedBy: { file: relayTest, test: "keeps the directory linear and the admin's" },
  },
  {
    name: "another tenant's commit is taken",
    file: "src/tenant/judge.ts",
    from: 'if (commit.header.tenantId !== tools.tenantId) return refuseUnknown(record, "tenant");',
    to: "",
    killedBy: { file: attackTest, test: "refuses what was written for another tenant or database" },
  },
  {
    name: "a commit is taken under another one's hash",
    file: "src/tenant/judge.ts",
    from: 'if (commit.commitHash !== record.commitHash) return refuseUnknown(record, "hash");',
    to: "",
    killedBy: { file: attackTest, test: "refuses a commit under another one's hash" },
  },
  {
    name: "any actor may be used",
    file: "src/tenant/judge-entry.ts",
    from: 'return isActorOf(parsed.change.actor, actor) ? parsed.change : "actor";',
    to: 'return isActorOf(parsed.change.actor, actor) || parsed.change.seq > 0 ? parsed.change : "actor";',
    killedBy: { file: attackTest, test: "refuses another one's actor and next number" },
  },
  {
    name: "an old epoch may be used by who knows of the new one",
    file: "src/tenant/judge-entry.ts",
    from: 'if (place.staleKeys.has(header.keyIndex)) return { kind: "quarantined", reason: "epoch" };',
    to: "",
    killedBy: { file: attackTest, test: "makes stale what is sealed under an old key" },
  },
  {
    name: "a document slides to another key",
    file: "src/tenant/judge-entry.ts",
    from: 'if (doc.keyId !== keyId) return { kind: "quarantined", reason: "key" };',
    to: "",
    killedBy: { file: changeAttackTest, test: "cannot pull a document under the key that servers hold" },
  },
  {
    name: "an entry names other dependencies than its change",
    file: "src/tenant/judge-entry.ts",
    from: 'if (!isSame) return { kind: "quarantined", reason: "dependencies" };',
    to: "",
    killedBy: { file: attackTest, test: "refuses a document number used twice, sequence numbers left out" },
  },
  {
    name: "numbers of changes may be left out",
    file: "src/tenant/judge-entry.ts",
    from: "if (change.seq > 1) {",
    to: "if (change.seq > 1_000_000) {",
    killedBy: { file: changeAttackTest, test: "cannot leave out a number" },
  },
  {
    name: "what killed the worker is judged again",
    file: "src/tenant/judge.ts",
    from: 'if (state.ledger.poisoned.has(hash)) return refuse(state, tools, hash, "crashed");',
    to: "",
    killedBy: { file: attackTest, test: "judges what killed it again and again no more" },
  },
];

const resting: readonly SourceMutant[] = [
  {
    name: "a password function does as little work as a file asks for",
    file: "src/crypto/password.ts",
    from: "  checkKdfParameters(parameters);\n  const secret",
    to: "  const secret",
    killedBy: { file: "src/keys/vault.test.ts", test: "other parameters are refused before any work" },
  },
  {
    name: "a password is one spelling of a text",
    file: "src/crypto/password.ts",
    from: 'utf8ToBytes(password.normalize("NFKC"))',
    to: "utf8ToBytes(password)",
    killedBy: { file: cryptoTest, test: "takes every spelling of one text as one password" },
  },
  {
    name: "what is in a vault is not bound to its ways in",
    file: "src/keys/vault.ts",
    from: "return concatBytes(utf8ToBytes(`coffer/vault-${purpose}/v1\\0`), bound);",
    to: "return concatBytes(utf8ToBytes(`coffer/vault-${purpose}/v1\\0`), bound.subarray(0, 0));",
    killedBy: { file: "src/keys/vault-slots.test.ts", test: "any of them can add and remove others" },
  },
  {
    name: "an older key bag is taken for the newest",
    file: "src/keys/key-bag.ts",
    from: 'if (secrets.version < options.minVersion) throw corrupt("older");',
    to: "",
    killedBy: { file: "src/keys/key-bag.test.ts", test: "of an older version is noticed" },
  },
  {
    name: "a wrapped key opens at another place",
    file: "src/keys/key-wrap.ts",
    from: ".fixed(idToBytes(userKey), 32)",
    to: ".fixed(idToBytes(userKey).fill(0), 32)",
    killedBy: { file: "src/keys/key-wrap.test.ts", test: "opens for nobody else, and at no other place" },
  },
  {
    name: "a wrapped key is not what its fingerprint says",
    file: "src/keys/key-wrap.ts",
    from: "if (isSound && equalBytes(keyFingerprint(crypto, secret), place.fingerprint))",
    to: "if (isSound)",
    killedBy: { file: "src/keys/key-wrap.test.ts", test: "that is not what the fingerprint says" },
  },
  {
    name: "chunks of a backup can change places",
    file: "src/tenant/backup-codec.ts",
    from: ".u64(index)\n",
    to: ".u64(index * 0)\n",
    killedBy: { file: "src/tenant/backup-codec.test.ts", test: "open in their own file, at their own place" },
  },
  {
    name: "what nobody signed is passed over in a backup",
    file: "src/tenant/restore.ts",
    from: 'throw new CofferError("entry/forged", { what: "backup", reason: verdict.reason });',
    to: "return;",
    killedBy: { file: "worker/backup-hostile.test.ts", test: "commits that nobody signed are refused" },
  },
];

const joining: readonly SourceMutant[] = [
  {
    name: "an invitation never ends",
    file: "src/keys/join-response.ts",
    from: 'if (nowMs >= expiresAtMs) throw new CofferError("input/expired", { expiresAtMs });',
    to: "",
    killedBy: { file: joinTest, test: "is refused with what is wrong with it" },
  },
  {
    name: "an invitation is signed by nobody",
    file: "src/keys/join-response.ts",
    from: "if (!(await isSignedBy(crypto, message, idToBytes(link?.by ?? genesis.adminSigningKey))))",
    to: "if (idToBytes(link?.by ?? genesis.adminSigningKey).length === 0)",
    killedBy: { file: joinTest, test: "of a foreign admin is forged" },
  },
  {
    name: "an invitation is for who did not ask",
    file: "src/keys/join-response.ts",
    from: 'if (!equalBytes(ownHash, envelope.requestHash)) throw invalidJoin("response", "other identity");',
    to: "",
    killedBy: { file: joinTest, test: "is refused with what is wrong with it" },
  },
  {
    name: "an invitation calls a tenant by another name",
    file: "src/keys/join-response.ts",
    from: 'if (!isNameOf(crypto, genesis, secret)) throw forged("tenantName");',
    to: "",
    killedBy: { file: joinTest, test: "with a name that the genesis did not commit to is forged" },
  },
  {
    name: "a weak share password will do",
    file: "src/keys/join-response.ts",
    from: "  requireStrongPassword(draft.sharePassword);\n",
    to: "",
    killedBy: {
      file: joinTest,
      test: "is not written for another admin, another name, a weak share password",
    },
  },
  {
    name: "a request is signed by nobody",
    file: "src/keys/join-request.ts",
    from: "if (!(await isSignedBy(crypto, message, signingKeyBytes)))",
    to: "if (signingKeyBytes.length === 0)",
    killedBy: { file: joinTest, test: "is forged when any bit of it was changed" },
  },
];

const moving: readonly SourceMutant[] = [
  {
    name: "a login is good for any origin",
    file: "src/sync/auth.ts",
    from: ".fixed(domain).text(claim.origin)",
    to: ".fixed(domain)",
    killedBy: { file: relayTest, test: "refuses an answer for another origin or another server" },
  },
  {
    name: "a challenge can be answered twice",
    file: "server/src/challenges.ts",
    from: 'return burnt === "used" ? "invalid" : burnt;',
    to: 'return burnt === "used" ? "fresh" : burnt;',
    killedBy: { file: relayTest, test: "takes an answer once (replay), in time" },
  },
  {
    name: "a token opens every tenant",
    file: "server/src/routes.ts",
    from: 'if (session.tenantId !== tenantId) throw new CofferError("access/denied");',
    to: "",
    killedBy: { file: relayTest, test: "scopes a token to its tenant" },
  },
  {
    name: "a token outlives a revocation",
    file: "server/src/auth.ts",
    from: "authorize: (session) => requireMember(session.tenantId, session.userKey),",
    to: "authorize: async () => undefined,",
    killedBy: { file: relayTest, test: "cuts a revoked user off at the next request" },
  },
  {
    name: "the server acknowledges what it did not verify",
    file: "server/src/push.ts",
    from: 'if (verdict.reason !== "signature" && verdict.reason !== "hash") {',
    to: 'if (verdict.reason === "signature") { const taken = parseCommit(crypto, bytes); if (taken.kind === "verified") return { commit: taken.commit, refusal: undefined }; }\n    if (verdict.reason !== "signature" && verdict.reason !== "hash") {',
    killedBy: { file: relayTest, test: "refuses what is forged, foreign, incomplete" },
  },
  {
    name: "a device takes an acknowledgement for the proof",
    file: "src/sync/engine-push.ts",
    from: 'if (status === "accepted") expectReceipt(turn, record, result.seq);',
    to: "",
    killedBy: { file: runnerTest, test: "which acknowledges and does not keep: withheld" },
  },
  {
    name: "a shorter log is taken for news",
    file: "src/sync/merkle.ts",
    from: 'if (head.size < known.size) return "rollback";',
    to: "",
    killedBy: { file: runnerTest, test: "which shortens its log: rollback" },
  },
  {
    name: "a head is signed by nobody",
    file: "src/sync/merkle.ts",
    from: "return crypto.verify(serverKey, head.signature, headPreimage(tenantId, head));",
    to: "return serverKey.length > 0 || crypto.verify(serverKey, head.signature, headPreimage(tenantId, head));",
    killedBy: { file: runnerTest, test: "whose heads are not signed: nothing is stored" },
  },
  {
    name: "a claim of another history is taken for agreement",
    file: "src/sync/seen-claims.ts",
    from: "if (!equalBytes(root.subarray(0, claim.rootPrefix.length), claim.rootPrefix))",
    to: "if (root.length === 0)",
    killedBy: { file: seenClaimsTest, test: "is decided at once where the size was proven here" },
  },
  {
    name: "a commit says nothing of the head that its author saw",
    file: "src/tenant/writer.ts",
    from: "seen: this.#options.seen() ?? noSeenHead(),",
    to: "seen: noSeenHead(),",
    killedBy: { file: seenAttackTest, test: "a commit says which head" },
  },
  {
    name: "a stranger's word about a server is heard",
    file: "src/tenant/judge.ts",
    from: "return isRightful ? { ...outcome, claim: claimOf(commit) } : outcome;",
    to: "return isRightful === undefined ? outcome : { ...outcome, claim: claimOf(commit) };",
    killedBy: { file: seenAttackTest, test: "a member who lies about a server is named" },
  },
  {
    name: "what else of a line comes beside a piece of its merge tears the request",
    file: "server/src/push.ts",
    from: "const onLine = opened.filter(({ commit }) => line.has(commit.commitHash));",
    to: "const onLine = opened.filter(() => line.size > 0);",
    killedBy: { file: relayTest, test: "takes what a first piece of a merge brings in" },
  },
  {
    name: "redirects are followed",
    file: "src/sync/http-transport.ts",
    from: 'redirect: "error",',
    to: 'redirect: "follow",',
    killedBy: { file: "src/sync/transports.test.ts", test: "redirects are not followed" },
  },
  {
    name: "a delegation never ends",
    file: "src/sync/delegation.ts",
    from: 'if (delegation.expiresAtMs <= expected.nowMs) return { kind: "invalid", reason: "expired" };',
    to: "",
    killedBy: { file: "src/sync/signed-forms.test.ts", test: "holds for its device, tenant and time only" },
  },
];

/** All of them. */
export const securityMutants: readonly SourceMutant[] = [
  ...sealing,
  ...judging,
  ...resting,
  ...joining,
  ...moving,
  ...auditing,
  ...handing,
  ...signing,
];
