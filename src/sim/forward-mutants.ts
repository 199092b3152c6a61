/**
 * Servers that forward wrongly: each is one line that somebody could get wrong, and what is lost, sent for ever or let in by it is noticed by
 * the test that is named.
 */
import type { SourceMutant } from "./security-mutants.ts";

const forwardingTest = "server/test/forwarding.test.ts";
const filesTest = "server/test/forward-files.test.ts";
const filesPlaceTest = "server/test/forward-files-place.test.ts";
const restoredTest = "server/test/forward-restored.test.ts";
const placeTest = "server/test/forward-place.test.ts";

type Change = readonly [name: string, from: string, to: string, file: string, test: string];

const changes: Readonly<Record<string, readonly Change[]>> = {
  "server/src/forward-place.ts": [
    [
      "what another server puts off counts as forwarded",
      "if (said === undefined || !isSettled(said, isDirectory)) continue;",
      "if (said === undefined) continue;",
      placeTest,
      "moves the place over what is there or refused for good",
    ],
    [
      "a refused commit of the directory is passed, and its merge with it",
      'return said.status === "refused" && !isDirectory;',
      'return said.status === "refused";',
      placeTest,
      "does not move it over a refused commit of the directory",
    ],
    [
      "another server that began anew is taken for what it was",
      "known.epoch === log.epoch && known.farEpoch === farEpoch && known.seq <= log.size;",
      "known.epoch === log.epoch && known.seq <= log.size;",
      placeTest,
      "is the start, what the other one brought included",
    ],
    [
      "what is there is not passed, and sent once more",
      "nextIn(lacking, seq)?.from ?? everythingThrough;",
      "nextIn(lacking, seq)?.from ?? seq;",
      placeTest,
      "is passed where both have it",
    ],
    [
      "documents are forwarded before the directory that they are judged by",
      "return directory.length > 0 ? directory : owed;",
      "return owed;",
      placeTest,
      "is the directory alone while it is behind",
    ],
  ],
  "server/src/forward-batch.ts": [
    [
      "between what another server lacks, what it has is sent too",
      "const lackingTo = (log.lacking && nextIn(log.lacking, place.seq)?.to) ?? size;",
      "const lackingTo = log.lacking === undefined || nextIn(log.lacking, 0) === undefined ? size : Infinity;",
      restoredTest,
      "in the middle of what it sent",
    ],
  ],
  "server/src/forward-compare.ts": [
    [
      "what lacks ciphertexts at a restored server is not filled in",
      "for (const commitHash of answer.incomplete) note(commitHash);",
      "",
      "server/test/forward-compare.test.ts",
      "is what it has without ciphertexts too",
    ],
  ],
  "server/src/forward-answer.ts": [
    [
      "nobody is told what lacks ciphertexts here",
      "commits.length === 0 ?",
      "commits.length >= 0 ?",
      forwardingTest,
      "is told what it has in common",
    ],
  ],
  "server/src/forward-turn.ts": [
    [
      "after a restored backup everything is sent again",
      "if (unknown !== undefined) {",
      "if (unknown !== undefined && unknown.size < 0) {",
      restoredTest,
      "and given other commits sends these",
    ],
    [
      "what the past of a cut waits for is never forwarded",
      "if (waits && !turns.turned.has(log.dbId)) {",
      "if (waits && turns.turned.has(log.dbId)) {",
      forwardingTest,
      "of who was revoked counts as far as the cut there too",
    ],
    [
      "what is filled later is not forwarded once more",
      "place.lacking.filter((seq) => turns.filledByLog.get(dbId)?.has(seq) === true);",
      "place.lacking.filter((seq) => turns.filledByLog.get(dbId)?.has(seq) === undefined);",
      forwardingTest,
      "by its author before it was sent is filled in there",
    ],
    [
      "how far another server has a log is forgotten at a restart",
      "if (places.size > 0) await storage.writeForwarded(tenantId, farKey, places);",
      "",
      forwardingTest,
      "what is acknowledged is not sent again after a restart",
    ],
  ],
  "server/src/forward-files-place.ts": [
    [
      "the files of a server that began anew are taken for there",
      "known.farEpoch === farEpoch &&",
      "known.farEpoch >= 0 &&",
      filesPlaceTest,
      "is the place that is known",
    ],
    [
      "files that are missing are forgotten beyond a bound",
      "left = addRange(left, { from: seq, to: seq + 1 }, maxMissing);",
      "left = left.length < maxMissing ? addRange(left, { from: seq, to: seq + 1 }, maxMissing) : left;",
      filesPlaceTest,
      "forgets nothing, however much is missing",
    ],
  ],
  "server/src/forward-files-turn.ts": [
    [
      "a chunk that comes after its commit is never forwarded",
      "const missing = new Set(names.filter((name) => !here.includes(name)).map(({ seq }) => seq));",
      "const missing = new Set<number>();",
      filesTest,
      "follows when it comes long after its commit",
    ],
    [
      "a chunk is brought whether it is there or not",
      "if (known[at] === true) metrics",
      "if (known[at] === undefined) metrics",
      filesTest,
      "is asked for first",
    ],
    [
      "nobody is told that there is no room for files",
      'if (code === "store/quota") turns.full.add(name.author);',
      'if (code === "doc/deleted") turns.full.add(name.author);',
      filesTest,
      "waits where the other one has no room for its author",
    ],
    [
      "how far another server has the files is forgotten at once",
      "await storage.writeForwarded(tenantId, filesName(crypto, farKey), new Map([[log.dbId, place]]));",
      "turns.hasBegun = true;",
      filesTest,
      "passes on through a chain of three",
    ],
  ],
  "server/src/routes.ts": [
    [
      "who forwards reads files",
      "getChunk(parts, await sessionOf(parts, tenantId, request), hash, request);",
      "getChunk(parts, { ...(await sessionOf(parts, tenantId, request).catch(() => bringerOf(parts, tenantId, request))), key: tenantId as never, expiresAtMs: 0 }, hash, request);",
      filesTest,
      "brings what a commit names, byte for byte",
    ],
  ],
  "server/src/handler.ts": [
    [
      "files that are forwarded hold up the commits",
      '${isForwarder === true ? "/files" : ""}',
      '${isForwarder === true ? "" : ""}',
      filesTest,
      "has one user's rate for them beside that for commits",
    ],
  ],
  "server/src/forward-auth.ts": [
    [
      "who forwards one tenant forwards all of them",
      'if (session.tenantId !== tenantId) throw new CofferError("access/denied");',
      "",
      filesTest,
      "brings what a commit names, byte for byte",
    ],
    [
      "whoever has a key may forward",
      "      if (!trusted.has(key))\n",
      "      if (!trusted.has(key) && key.length === 0)\n",
      forwardingTest,
      "is let in by its key alone",
    ],
  ],
  "server/src/forward-link.ts": [
    [
      "a receipt that another server did not sign counts",
      "receipt !== undefined && (await verifyChunk(crypto, key, { tenantId, hash, sizeBytes }, receipt))",
      "receipt !== undefined && key.length === 32 && hash.length + sizeBytes > 0",
      filesTest,
      "counts by receipts that verify",
    ],
    [
      "an answer that another server did not sign counts",
      "if (!(await verifyHead(crypto, await serverKey(), tenantId, head)))",
      "if (head.signature.length === 0)",
      forwardingTest,
      "is believed by its signature alone",
    ],
  ],
};

/** All of them. */
export const forwardMutants: readonly SourceMutant[] = Object.entries(changes).flatMap(([file, some]) =>
  some.map(([name, from, to, where, test]) => ({ name, file, from, to, killedBy: { file: where, test } })),
);
