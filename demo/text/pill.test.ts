import type { LinkStatus } from "cofferdb";
import { describe, expect, test } from "vitest";
import { formatClock } from "./format.ts";
import { describePersistence, describeState, type PillInput } from "./pill.ts";

const live: LinkStatus = {
  phase: "live",
  pendingPush: 0,
  pendingPull: 0,
  verifiedCompleteAtMs: undefined,
  error: undefined,
  sentBytes: 0,
  receivedBytes: 0,
};
const calm: PillInput = { worker: "ready", isOnline: true, isSaving: false, unjudgedCount: 0, link: live };
const atMs = Date.UTC(2026, 10, 21, 14, 2);

describe("the state pill says", () => {
  test.each<[string, Partial<PillInput>]>([
    ["live", {}],
    [`verified complete at ${formatClock(atMs)}`, { link: { ...live, verifiedCompleteAtMs: atMs } }],
    ["saving", { isSaving: true }],
    ["3 to send", { link: { ...live, pendingPush: 3, verifiedCompleteAtMs: atMs } }],
    ["1,200 to receive", { link: { ...live, pendingPull: 1200 } }],
    ["7 to verify", { unjudgedCount: 7, link: { ...live, verifiedCompleteAtMs: atMs } }],
    ["syncing", { link: { ...live, phase: "syncing" } }],
    ["connecting", { link: { ...live, phase: "connecting" } }],
    ["offline", { isOnline: false }],
    ["offline", { link: { ...live, phase: "offline" } }],
    ["offline · 3 to send", { isOnline: false, link: { ...live, pendingPush: 3 } }],
    ["on this device", { link: undefined }],
    ["offline", { link: undefined, isOnline: false }],
    ["access denied", { link: { ...live, phase: "denied" } }],
    ["restarting", { worker: "restarting", isSaving: true }],
    ["stopped", { worker: "failed" }],
  ])("%s", (text, change) => {
    expect(describeState({ ...calm, ...change }).text).toBe(text);
  });

  test("nothing is verified while something waits to be verified", () => {
    const link = { ...live, verifiedCompleteAtMs: atMs };
    expect(describeState({ ...calm, link, unjudgedCount: 1 }).kind).toBe("checking");
  });
});

test("the browser's promise has three answers", () => {
  const answers = [undefined, true, false].map(describePersistence);
  expect(new Set(answers).size).toBe(3);
});
