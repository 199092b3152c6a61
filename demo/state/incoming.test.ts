import { expect, test, vi } from "vitest";

test("an address brings a request, an answer or a key, and nothing else", async () => {
  vi.stubGlobal("location", { hash: "" });
  const { readIncoming } = await import("./incoming.ts");
  expect(readIncoming("#mdb://join-request/AQ-_9")).toEqual({
    kind: "join-request",
    text: "mdb://join-request/AQ-_9",
  });
  expect(readIncoming("#mdb://join-response/AQ")?.kind).toBe("join-response");
  expect(readIncoming("#mdb://key/AQ")?.kind).toBe("key");
  for (const hash of [
    "",
    "#",
    "#/library",
    "#mdb://other/AQ",
    "#mdb://key/",
    "#mdb://key/<b>",
    "#xmdb://key/AQ",
  ])
    expect(readIncoming(hash)).toBeUndefined();
});
