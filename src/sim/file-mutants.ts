/**
 * Broken products of the kind that costs files on their way between devices without a server: each is one line that somebody could get wrong,
 * and the test that must notice.
 */
import type { SourceMutant } from "./security-mutants.ts";

const peerFiles = "src/sync/peer-files.test.ts";
const broughtFiles = "src/sync/brought-files.test.ts";
const bundleFiles = "src/sync/bundle-files.test.ts";
const filesAttack = "src/tenant/files-attack.test.ts";

type Change = readonly [name: string, from: string, to: string, file: string, test: string];

const changes: Readonly<Record<string, readonly Change[]>> = {
  "src/sync/held-chunks.ts": [
    [
      "a chunk is given whatever the disk has by now",
      "isChunk(crypto, chunk, held) ? held : undefined",
      "chunk.isHere === false ? held : undefined",
      peerFiles,
      "are not to be had where they are not",
    ],
    [
      "a file that no document names yet is given",
      "part === undefined || !((await chunks.part(named.commitHash)) ?? part).isNamed",
      "part === undefined",
      peerFiles,
      "are not to be had where they are not",
    ],
    [
      "a bundle's file counts before anybody has judged it",
      'const isAccepted = standing === "accepted";',
      "const isAccepted = standing.length > 0;",
      filesAttack,
      "while the device was locked are kept when it is unlocked",
    ],
    [
      "a chunk has any size and hash",
      "bytes.length === sizeBytes && equalBytes(crypto.sha256(bytes), hash)",
      "bytes.length <= sizeBytes * 2 && crypto.sha256(bytes).length === hash.length",
      peerFiles,
      "costs nothing and is linked no more: other bytes",
    ],
  ],
  "src/sync/peer-files.ts": [
    [
      "any chunk is the answer to any question",
      "|| due !== index)",
      "|| due === -1)",
      peerFiles,
      "costs nothing and is linked no more: another chunk of it",
    ],
    [
      "whoever talks of something else is waited for without end",
      "receivedBytes() === heardBytes || leftMs <= 0",
      "receivedBytes() === heardBytes",
      peerFiles,
      "keeps nobody waiting, though it says something else without end",
    ],
    [
      "a peer may ask while it is answered",
      "place === undefined || this.#isGiving",
      "place === undefined",
      peerFiles,
      "gives what nobody asked for, or asks twice before the answer",
    ],
    [
      "what is still coming is told of, and never again",
      "part === undefined || !isWhole || !isTold(part)",
      "part === undefined || !isTold(part)",
      broughtFiles,
      "go on whole to a third device by one that gets them at the same time",
    ],
    [
      "what came is not kept",
      "if (bytes !== undefined) await keepHeld(",
      "if (bytes?.length === 0) await keepHeld(",
      peerFiles,
      "go on behind what came, after the way broke at any byte",
    ],
  ],
  "src/sync/brought-files.ts": [
    [
      "what the device let go is brought again",
      'if (!isWanted) return "nothing";',
      "",
      broughtFiles,
      "do not come where the device let them go",
    ],
    [
      "a peer's file is brought before anybody has judged it",
      'if (standing !== "accepted") return standing === "refused" ? "nothing" : "unjudged";',
      "",
      broughtFiles,
      "of commits that are not judged are not asked for",
    ],
    [
      "one file that waits for its verdict keeps all others waiting",
      'if (part === "unjudged") unjudged.push(next);',
      'if (part === "unjudged") return;',
      broughtFiles,
      "of commits that are not judged are not asked for",
    ],
    [
      "what was purged is brought again",
      'if (isGone !== false) return isGone === true ? "nothing" : "unsure";',
      "",
      broughtFiles,
      "of a document that is purged while they come do not stay",
    ],
    [
      "what was purged while it came stays",
      "if ((await isPurged(part.docId)) !== true) continue;",
      "if (part.docId.length > 0) continue;",
      broughtFiles,
      "of a document that is purged while they come do not stay",
    ],
    [
      "files come without end",
      "lackingBytes > this.#leftBytes",
      "lackingBytes > 1e12",
      broughtFiles,
      "come no further than so many bytes in a link's life",
    ],
    [
      "files come beyond the budget",
      'kept + lackingBytes > budget ? "nothing" : part',
      "part",
      broughtFiles,
      "come no further than so many bytes in a link's life",
    ],
    [
      "what was begun is asked for from its beginning",
      "(isHere ? [] : [index])",
      "(isHere && index < 0 ? [] : [index])",
      broughtFiles,
      "do not come where the device let them go",
    ],
    [
      "files come in the order in which they lie",
      ".toSorted(byTurn)",
      "",
      broughtFiles,
      "come by themselves behind the documents",
    ],
    [
      "each name that is not known is looked up after each round",
      "this.#waiting.filter(isInLog)]",
      "this.#waiting]",
      broughtFiles,
      "of which the commits are not here cost no reading, and come once they are",
    ],
    [
      "a list of files has no end",
      "this.#waiting.length + this.#due.length > maxWaiting",
      "this.#due.length < 0",
      broughtFiles,
      "are told by a list that has an end",
    ],
    [
      "files go on being asked for on a full disk",
      "if (!(await keepHeld(place, part, bytes))) return false;",
      "await keepHeld(place, part, bytes);",
      broughtFiles,
      "stop coming on a full disk",
    ],
  ],
  "src/std/data-channel.ts": [
    [
      "what nobody reads waits without end",
      "this.#waitingBytes > maxWaitingBytes",
      "this.#waitingBytes < 0",
      peerFiles,
      "asks on without reading any answer is cut off before it fills the memory",
    ],
  ],
  "src/std/peer-channel.ts": [
    [
      "what nobody listens to waits without end",
      "waitingBytes <= maxWaitingBytes",
      "waitingBytes >= 0",
      "src/sync/data-channel.test.ts",
      "whose owner does not listen keeps 16 MiB and breaks",
    ],
  ],
  "src/sync/chunk-store.ts": [
    [
      "what a peer brought goes without a receipt",
      "isOwn: before.isOwn || (isVouched && isNew),",
      "isOwn: before.isOwn,",
      peerFiles,
      "come when they are asked for, are kept, and count as no server's receipt",
    ],
    [
      "what nobody has judged never goes",
      "isOwn: before.isOwn || (isVouched && isNew),",
      "isOwn: before.isOwn || isNew,",
      bundleFiles,
      "of commits that nobody has judged yet waits",
    ],
  ],
  "src/sync/bundle-files.ts": [
    [
      "a bundle's file of a refused commit is kept",
      'if (standingOf({ commitHash, dbId }) === "refused") return;',
      "",
      bundleFiles,
      "of commits that were refused leaves nothing behind",
    ],
    [
      "a chunk of a bundle is kept as it is",
      "chunk === undefined || !isChunk(crypto, chunk, ciphertext)",
      "chunk?.sizeBytes !== ciphertext.length",
      bundleFiles,
      "with a chunk that is another's, bent, cut or too long says so in the end",
    ],
    [
      "a bundle holds more of files than it is to hold",
      "fileBytes + hereBytes > maxFileBytes",
      "fileBytes > maxFileBytes",
      bundleFiles,
      "without any is of the first version, and holds the newest first",
    ],
    [
      "a bundle holds files that no document names",
      "!part.isNamed || !isInLog ||",
      "!isInLog ||",
      bundleFiles,
      "holds nothing that no document names",
    ],
    [
      "what is there whole is brought again",
      "|| hasWhole(part.commitHash)) continue;",
      ") continue;",
      bundleFiles,
      "brings them to who has the commits only",
    ],
  ],
  "src/sync/bundle.ts": [
    [
      "a bundle with damaged files is taken for whole",
      'wrongCount > 0 ? "files" : undefined',
      'wrongCount < 0 ? "files" : undefined',
      bundleFiles,
      "with a chunk that is another's, bent, cut or too long says so in the end",
    ],
    [
      "a chunk comes before its commit is stored",
      "      await this.close();\n      return this.#files.take(frame);",
      "      return this.#files.take(frame);",
      bundleFiles,
      "brings them to who has nothing, in pieces of any size",
    ],
  ],
  "src/tenant/bundles.ts": [
    [
      "a bundle brings back what was purged",
      "await settleParts(this.#session);",
      "",
      "worker/peer-files.test.ts",
      "of a document that was purged here do not come back",
    ],
  ],
  "src/tenant/peers.ts": [
    [
      "no peer's file is held against what was purged",
      "isPurged: (docId) => isPurged(this.#core, docId),",
      "",
      "worker/peer-files.test.ts",
      "neither at the next link nor when the purge is the admin's",
    ],
  ],
  "src/tenant/file-standing.ts": [
    [
      "a file that was refused later stays",
      'else if (standing === "refused" || isOld) gone.push(part);',
      "else if (isOld) gone.push(part);",
      filesAttack,
      "are kept, or go, as soon as what the commits waited for is here",
    ],
    [
      "a file that nobody ever judges stays for good",
      'else if (standing === "refused" || isOld) gone.push(part);',
      'else if (standing === "refused") gone.push(part);',
      filesAttack,
      "leave nothing behind in a bundle where they were refused",
    ],
    [
      "a file that was judged later does not hear of it",
      "this.#isDue ||= isOfFile || quarantined.length > 0;",
      "this.#isDue ||= isOfFile && quarantined.length > 1;",
      filesAttack,
      "are kept, or go, as soon as what the commits waited for is here",
    ],
    [
      "a file of a refused commit counts",
      'return row.verdict === "accepted" && row.dbId === dbId ? "accepted" : "refused";',
      'return row.dbId === dbId ? "accepted" : "refused";',
      filesAttack,
      "are not brought from a peer that holds them",
    ],
  ],
  "src/tenant/attachments.ts": [
    [
      "files of a peer that waited for the unlocking wait on",
      "    session.links.peers.bring();",
      "",
      "worker/peer-files.test.ts",
      "wait while who lacks them is locked, and come once it is unlocked",
    ],
  ],
  "src/tenant/chunk-links.ts": [
    [
      "no peer is asked for what is read",
      "const brought = await this.#peers.fetch(part, index);",
      "const brought = await this.#peers.fetch({ ...part, chunks: [] }, index);",
      "worker/peer-files.test.ts",
      "come when they are read, chunk by chunk",
    ],
  ],
};

/** All of them. */
export const carrying: readonly SourceMutant[] = Object.entries(changes).flatMap(([file, some]) =>
  some.map(([name, from, to, testFile, test]) => ({
    name,
    file,
    from,
    to,
    killedBy: { file: testFile, test },
  })),
);
