import { describe, expect, it } from "vitest";
import { CofferError } from "../std/index.ts";
import type { BatchResult } from "../store/index.ts";
import { again, swapSlots } from "./swap.ts";

type Answer = "stored" | "conflict" | "unknown" | "full";

/** Change one number in a store that answers as told; what it stored it may not say. */
async function increase(answers: readonly Answer[], written: readonly Answer[] = ["stored"]) {
  let [value, attempts, unknowns] = [0, 0, 0];
  const write = async (next: number): Promise<BatchResult> => {
    const answer = answers[attempts++] ?? "conflict";
    if (written.includes(answer)) value = next;
    if (answer === "unknown") throw new CofferError("store/failed", { outcome: "unknown" });
    if (answer === "full") throw new CofferError("store/quota");
    return answer === "stored" ? { kind: "stored", positions: [] } : { kind: "conflict", slotName: "n" };
  };
  const changing = swapSlots(
    "number",
    async (swap) => {
      if (value === 1) return "there already";
      return (await swap(write(value + 1))) ? "written" : again;
    },
    () => void (unknowns += 1),
  );
  const outcome = await changing.catch((error: unknown) => error);
  return { outcome, value, attempts, unknowns };
}

describe("changing slots", () => {
  it("is tried again after others wrote, and given up when they always do", async () => {
    expect(await increase(["conflict", "conflict", "stored"])).toMatchObject({
      outcome: "written",
      attempts: 3,
    });
    expect(await increase([])).toMatchObject({
      outcome: { code: "store/failed", details: { what: "number", reason: "conflict" } },
      attempts: 8,
    });
  });

  it("looks what a write did of which nobody says so, once", async () => {
    const did = { outcome: "there already", value: 1, attempts: 1, unknowns: 1 };
    expect(await increase(["unknown"], ["unknown"])).toEqual(did);
    expect(await increase(["unknown", "stored"])).toMatchObject({ outcome: "written", attempts: 2 });
    expect(await increase(["unknown", "unknown", "stored"])).toMatchObject({
      outcome: { code: "store/failed", details: { outcome: "unknown" } },
      attempts: 2,
      unknowns: 2,
    });
  });

  it("fails with what says that nothing was written", async () => {
    expect(await increase(["full"])).toMatchObject({ outcome: { code: "store/quota" }, attempts: 1 });
  });
});
