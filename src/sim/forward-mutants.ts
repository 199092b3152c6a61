/**
 * Servers that forward wrongly: each is one line that somebody could get wrong, and what is lost, sent for ever or let in by it is noticed by
 * the test that is named.
 */
import type { SourceMutant } from "./security-mutants.ts";

const forwardingTest = "server/test/forwarding.test.ts";
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
      "documents are forwarded before the directory that they are judged by",
      "return directory.length > 0 ? directory : owed;",
      "return owed;",
      placeTest,
      "is the directory alone while it is behind",
    ],
  ],
  "server/src/forward-turn.ts": [
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
  "server/src/forward-auth.ts": [
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
      "an answer that another server did not sign counts",
      "if (!(await verifyHead(crypto, serverKey, tenantId, head)))",
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
