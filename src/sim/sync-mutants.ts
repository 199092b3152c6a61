/**
 * Broken products of the kind that costs data: each is one line of the sync engine or of the server that somebody could get wrong, and the
 * stories of logs must notice it within two hundred seeds, or those of files within theirs; what they come upon too seldom, a test of its own does.
 */
import { carrying } from "./file-mutants.ts";
import { forwardMutants } from "./forward-mutants.ts";
import type { SourceMutant } from "./security-mutants.ts";

const killedBy = { file: "src/sim/logs.sim.test.ts", test: "hold from seed" };
const remoteSlotsTest = "src/sync/remote-slots.property.test.ts";
const localLogTest = "src/sync/local-log.test.ts";
const byRevoked = { file: "src/sim/revoked.sim.test.ts", test: "hold from seed" };
const revokedTest = "server/test/revoked-history.test.ts";
const byFiles = { file: "src/sim/files.sim.test.ts", test: "hold from seed" };

type Change = readonly [name: string, from: string, to: string, test?: SourceMutant["killedBy"]];

const changes: Readonly<Record<string, readonly Change[]>> = {
  "src/sync/engine-push.ts": [
    [
      "what the server puts off counts as sent",
      'return status === "accepted" || status === "refused";',
      "return status !== undefined;",
    ],
    [
      "the outbox moves without what waits before it",
      "const position = (all[0] ?? ahead + 1) - 1;",
      "const position = Math.max(turn.state.lastPosition, ahead);",
    ],
    [
      "what is put off is never asked for again",
      'emit(turn, { kind: "set-timer", name: "outbox", minMs: 0, spreadMs: backoffMs(outboxAttempt) });',
      'emit(turn, { kind: "clear-timer", name: "outbox" });',
    ],
    [
      "what is put off holds up what follows",
      "isHeld: isHeld || batch.isHeld,",
      "isHeld: isHeld || isPutOff,",
      { file: revokedTest, test: "holds up nothing that was written after it" },
    ],
    [
      "what lies ahead of what is put off is passed for all of it",
      "const all = [...left, ...added];",
      "const all = added;",
      { file: revokedTest, test: "holds up nothing that was written after it" },
    ],
    [
      "what was put off is tried from its beginning only",
      "set(turn, { retryAfter: isLast ? 0 : through });",
      "set(turn, { retryAfter: 0 });",
      { file: "src/sync/engine.test.ts", test: "is tried again batch by batch" },
    ],
    [
      "after the last of what was put off the first is tried at once",
      "if (isLast && isDue && putOff.length > 0) waitForTimer(turn, undefined);",
      "",
      { file: "src/sync/engine.test.ts", test: "is tried again batch by batch" },
    ],
    [
      "what is refused aside counts as settled",
      'if (isAside) return status === "accepted";',
      "",
      { file: "src/sync/engine.test.ts", test: "is not settled by being refused where it is wanted" },
    ],
    [
      "nobody looks for what the server wants",
      "  if (batch !== undefined)\n    set(turn, { batch: { ...batch, wanted:",
      "  if (batch !== undefined && commits.length < 0)\n    set(turn, { batch: { ...batch, wanted:",
      byRevoked,
    ],
    [
      "what a server wants and refuses counts as never acknowledged",
      'if (status === "refused" && !batch.isAside) refuse(turn, record, result);',
      'if (status === "refused") refuse(turn, record, result);',
      {
        file: "src/sync/engine.test.ts",
        test: "what was acknowledged before is none that the server refused",
      },
    ],
    [
      "what a server wants again and again is looked for at once",
      "batch.wanted.filter((hash) => !everWanted.has(hash));",
      "batch.wanted.filter((hash) => !everWanted.has(hash) || everWanted.size < 64);",
      { file: "src/sync/engine.test.ts", test: "waits for the timer when nothing comes of what is wanted" },
    ],
  ],
  "src/sync/engine-pull.ts": [
    ["the cursor moves without its commits", "records: run.items.flatMap(toRecord),", "records: [],"],
    ["an overlap is appended again", "if (frame.fromSeq < base.size) {", "if (frame.fromSeq < 0) {"],
    [
      "commits that the device lost are taken for there",
      "if (frame.items.some((item) => item.bytes === undefined && !item.isHere)) {",
      "if (frame.items.length === 0) {",
    ],
    ["a new epoch is not compared with the old one", "audit: hasPast ? [] : undefined,", "audit: undefined,"],
    [
      "after an audit nothing is pushed again",
      "const outbox = { ...turn.state.outbox, position: 0, everythingThrough: turn.state.lastPosition };",
      "const outbox = turn.state.outbox;",
    ],
    [
      "a head that shows more is not followed",
      `      return;
    case "ahead":
      setRound(turn, { needsPull: true });`,
      `      return;
    case "ahead":`,
      { file: "src/sync/engine.test.ts", test: "a head that shows more is followed" },
    ],
    [
      "a round is complete whatever the head of all logs says",
      "head.databaseCount === rows.length && equalBytes(digestHeads(turn.crypto, rows), head.digest);",
      "head.databaseCount >= 0;",
      { file: "src/sync/runner.test.ts", test: "which rewrites its log at the same size" },
    ],
    [
      "an old answer that comes late is evidence",
      "const isOld = head.timeMs <= known.headTimeMs;",
      "const isOld = head.timeMs < 0;",
      { file: "src/sync/engine.test.ts", test: "an old answer that comes late is no alarm" },
    ],
  ],
  "src/sync/engine.ts": [
    [
      "what arrives counts as sent, whatever waits before it",
      "const isNext = first === outbox.position + 1 && last - first === positions.length - 1;",
      "const isNext = first > 0;",
    ],
    [
      "what a failed store was to hold is taken for stored",
      `      set(turn, { isLoaded: false });
      fail(turn, event.code);`,
      "      fail(turn, event.code);",
    ],
    [
      "a failure is never tried again",
      'if (name === "retry" && (link === "waiting" || link === "denied")) connect(turn);',
      "",
    ],
    [
      "what is written while the link is busy is not heard of",
      "set(turn, { lastPosition: Math.max(event.lastPosition, turn.state.lastPosition) });\n      kick(turn);",
      "kick(turn);",
    ],
    [
      "a token that has ended is shown again",
      "    set(turn, { token: undefined });\n    if (!hasTriedAgain) {",
      "    if (!hasTriedAgain) {",
    ],
    [
      "events of a conversation that is over count",
      'if (!("session" in event) || event.session === state.session) decide(turn, event);',
      "decide(turn, event);",
    ],
    [
      "an answer without its end is whole",
      'if (round.end === undefined || run !== undefined) return fail(turn, "net/failed");',
      "if (round.end === undefined) return endCycle(turn);",
      { file: "src/sync/engine.test.ts", test: "an answer without its end is a network failure" },
    ],
  ],
  "src/sync/turn.ts": [
    [
      "who stops leaves a timer behind",
      'for (const name of ["retry", "poll", "answer"] as const)',
      'for (const name of ["answer"] as const)',
    ],
  ],
  "src/sync/local-log.ts": [
    [
      "what was received hides what was written before it",
      "if (record.origin !== remoteId || record.position <= outbox.everythingThrough) break;",
      "if (record.position <= outbox.everythingThrough) break;",
    ],
    [
      "after a loss of the server only own commits are pushed again",
      "isOwn || position <= everythingThrough ? commitOf(crypto, record) : undefined;",
      "isOwn ? commitOf(crypto, record) : undefined;",
    ],
    [
      "of what is wanted the past stays away",
      "    await add(commit.header.predecessors);",
      "",
      { file: revokedTest, test: "arrives, whose cut is its end" },
    ],
    [
      "of what is wanted the earliest comes first",
      "const position = Math.max(...open.keys());",
      "const position = Math.min(...open.keys());",
      { file: localLogTest, test: "comes with its past, the latest in the log first" },
    ],
    [
      "what is wanted goes back beyond what the server has",
      "if (isConfirmed(dbId, commitHash) && !wanted.includes(commitHash)) continue;",
      "",
      { file: localLogTest, test: "goes back to what the remote is proven to have" },
    ],
  ],
  "src/sync/judge-frame.ts": [
    [
      "what comes again is stored again",
      "return known.epoch !== frame.epoch || known.audit !== undefined || state.needsFull.has(frame.dbId);",
      "return frame.items.length < 0;",
      { file: "src/sync/judge-frame.test.ts", test: "is held against all that the device has" },
    ],
  ],
  "src/sync/remote-slots.ts": [
    [
      "an audit that was under way is forgotten at a restart",
      "if (auditFlag === 1) return { dbId, epoch, size: 0, frontier: [], headTimeMs: 0, audit: [] };",
      "",
      { file: remoteSlotsTest, test: "with an audit pending it begins again" },
    ],
    [
      "how far everything is pushed again is forgotten at a restart",
      ".u64(outbox.everythingThrough);",
      ".u64(0);",
      { file: remoteSlotsTest, test: "an outbox comes back as it went in" },
    ],
  ],
  "src/sync/conversation.ts": [
    [
      "a request that was given up is answered all the same",
      "if (signal.aborted) return connection.close();",
      "",
      { file: "src/sync/conversation.test.ts", test: "opens when nobody wants it any more" },
    ],
  ],
  "src/sync/chunk-link.ts": [
    [
      "whatever looks like a receipt is one",
      'if (!isReceipt) throw new CofferError("protocol/malformed", { field: "receipt" });',
      'if (receipt === undefined) throw new CofferError("protocol/malformed", { field: "receipt" });',
      byFiles,
    ],
    [
      "a chunk is noted as sent before anybody acknowledged it",
      "    const { hash } = chunk;\n    const query =",
      `    const { hash } = chunk;
    const received = new Map([[http.origin, (part.received.get(http.origin) ?? 0) | (1 << index)]]);
    await chunks.edit(part.commitHash, (before) => ({ ...before, received }));
    const query =`,
      byFiles,
    ],
    [
      "a part of which one chunk is missing is sent whole",
      "isHere && (received & (1 << index)) === 0 ? [index] : [],",
      "isHere && received !== (1 << part.chunks.length) - 1 ? [index] : [],",
      byFiles,
    ],
    [
      "what was fetched is not kept",
      "await chunks.addFetched(part, index, bytes).catch(",
      "await Promise.resolve().catch(",
      byFiles,
    ],
    ["what a server lost with its log counts as received", "await this.#dropFormerReceipts();", "", byFiles],
  ],
  "src/sync/chunk-eviction.ts": [
    [
      "what nobody else holds may go",
      "return !part.isOwn || isReceived(part, index);",
      "return part.chunks.length > index;",
      byFiles,
    ],
  ],
  "src/tenant/attachments.ts": [
    [
      "what a document names is not looked for after a death",
      "if (isNamed === true) await nameParts(core, [part.commitHash]);",
      "if (isNamed === true) continue;",
      byFiles,
    ],
  ],
  "server/src/push.ts": [
    [
      "a server keeps to itself what it wants before it can judge",
      "refusals.push(isFirst ? { ...behind, wanted: graph.lacking(maxWanted) } : refusal);",
      "refusals.push(refusal);",
      { file: revokedTest, test: "arrives, whose cut is its end" },
    ],
  ],
  "server/src/pull.ts": [
    [
      "a cursor of another epoch is believed",
      "seq: cursor?.epoch === log.epoch ? cursor.seq : 0 };",
      "seq: cursor?.seq ?? 0 };",
    ],
    [
      "who asks for own commits whole gets leaves",
      "const withoutReplica = request.pull.full ? undefined : request.replicaId;",
      "const withoutReplica = request.replicaId;",
    ],
  ],
  "server/src/memory-storage.ts": [
    [
      "a commit that is there is appended again",
      "if (known !== undefined) return meetKnown(log, known, commit);",
      "",
    ],
    [
      "a commit that is there is acknowledged where the log ends",
      'return { status: "present", seq };',
      'return { status: "present", seq: log.rows.length };',
    ],
  ],
};

/** All of them. */
export const syncMutants: readonly SourceMutant[] = [
  ...Object.entries(changes).flatMap(([file, some]) =>
    some.map(([name, from, to, test = killedBy]) => ({ name, file, from, to, killedBy: test })),
  ),
  ...carrying,
  ...forwardMutants,
];
