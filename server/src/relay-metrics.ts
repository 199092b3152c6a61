import type { CofferErrorCode } from "../../src/std/index.ts";
import type { PushResult } from "../../src/sync/index.ts";
import type { Metrics } from "./metrics.ts";
import type { PushOutcome } from "./waker.ts";

/** What a relay tells of its work. */
export interface RelayMetrics {
  /** A request was answered, so many seconds after it came. */
  answered(route: string, status: number, seconds: number): void;
  /** Commits were judged. @param acceptedBytes of those that were accepted */
  pushed(results: readonly PushResult[], acceptedBytes: number): void;
  liveOpened(): void;
  /** A push service was told that a device has news. */
  woken(outcome: PushOutcome["kind"]): void;
  /** Another server answered to commits that were forwarded. */
  forwarded(results: readonly PushResult[]): void;
  /** A chunk was forwarded, or another server has it or refused it. @param sizeBytes what was sent and stored there */
  forwardedChunk(outcome: "stored" | "present" | CofferErrorCode, sizeBytes: number): void;
  /** Forwarding to another server failed, or was put off. */
  forwardFailed(code: CofferErrorCode): void;
}

/** Nobody is told. */
export const silentMetrics: RelayMetrics = {
  answered: () => undefined,
  pushed: () => undefined,
  liveOpened: () => undefined,
  woken: () => undefined,
  forwarded: () => undefined,
  forwardedChunk: () => undefined,
  forwardFailed: () => undefined,
};

const secondsBuckets = [0.001, 0.005, 0.025, 0.1, 0.5, 2.5, 10];

/**
 * Count a relay's work.
 *
 * | name | labels | what |
 * |---|---|---|
 * | `coffer_requests_total` | route, status | answered requests |
 * | `coffer_request_seconds` | route | until an answer begins |
 * | `coffer_commits_total` | outcome: `accepted`, or the code of the refusal | commits that were pushed, again ones too |
 * | `coffer_commit_bytes_total` | | bytes of accepted commits |
 * | `coffer_live_opened_total` | | connections that asked for a live session |
 * | `coffer_forwarded_commits_total` | outcome: as above | commits that were forwarded to other servers, again ones too |
 * | `coffer_forwarded_chunks_total` | outcome: `stored`, `present` where the other server had it, or the code of the refusal | chunks of files that were forwarded |
 * | `coffer_forwarded_chunk_bytes_total` | | bytes of those that were stored |
 * | `coffer_forward_failures_total` | code | what another server refused whole, or put off |
 * | `coffer_wakes_total` | outcome: `taken`, `gone`, `again` | messages to push services |
 */
export function createRelayMetrics(metrics: Metrics): RelayMetrics {
  const requests = metrics.counter("coffer_requests_total", "Answered requests.", ["route", "status"]);
  const seconds = metrics.histogram(
    "coffer_request_seconds",
    "Seconds until an answer began.",
    secondsBuckets,
    ["route"],
  );
  const commits = metrics.counter("coffer_commits_total", "Pushed commits by outcome.", ["outcome"]);
  const bytes = metrics.counter("coffer_commit_bytes_total", "Bytes of accepted commits.");
  const wakes = metrics.counter("coffer_wakes_total", "Messages to push services by outcome.", ["outcome"]);
  const forwarded = metrics.counter(
    "coffer_forwarded_commits_total",
    "Commits that were forwarded to other servers, by outcome.",
    ["outcome"],
  );
  const chunks = metrics.counter(
    "coffer_forwarded_chunks_total",
    "Chunks of files that were forwarded to other servers, by outcome.",
    ["outcome"],
  );
  const chunkBytes = metrics.counter(
    "coffer_forwarded_chunk_bytes_total",
    "Bytes of chunks that other servers stored.",
  );
  const forwardFailures = metrics.counter(
    "coffer_forward_failures_total",
    "Failures of forwarding by code.",
    ["code"],
  );
  const opened = metrics.counter("coffer_live_opened_total", "Live connections that were opened.");
  return {
    answered(route, status, took) {
      requests.add(1, route, String(status));
      seconds.observe(took, route);
    },
    pushed(results, acceptedBytes) {
      for (const result of results) commits.add(1, outcomeOf(result));
      bytes.add(acceptedBytes);
    },
    liveOpened: () => opened.add(1),
    woken: (outcome) => wakes.add(1, outcome),
    forwarded(results) {
      for (const result of results) forwarded.add(1, outcomeOf(result));
    },
    forwardedChunk(outcome, sizeBytes) {
      chunks.add(1, outcome);
      if (sizeBytes > 0) chunkBytes.add(sizeBytes);
    },
    forwardFailed: (code) => forwardFailures.add(1, code),
  };
}

function outcomeOf({ code, status }: PushResult): string {
  return status === "accepted" ? status : (code ?? "unknown");
}
