import { describe, expect, it } from "vitest";
import { bytesToId, type CofferErrorCode } from "../../src/std/index.ts";
import {
  decodeForwardPlace,
  encodeForwardPlace,
  isUnknown,
  owedLogs,
  passPresent,
  placeOf,
  settle,
  type ForwardPlace,
} from "../src/forward-place.ts";
import { createDbId } from "./fixtures.ts";

const place: ForwardPlace = { epoch: 300, farEpoch: 7, seq: 5, everythingThrough: 9, lacking: [1, 400] };
const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");

describe("a place in the storage", () => {
  it("is these bytes, and comes back", () => {
    expect(hex(encodeForwardPlace(place))).toBe("01ac02070509" + "02019003");
    expect(decodeForwardPlace(encodeForwardPlace(place))).toEqual(place);
    const none = { ...place, lacking: [] };
    expect(decodeForwardPlace(encodeForwardPlace(none))).toEqual(none);
  });

  it.each([
    ["nothing", ""],
    ["another version", "02ac02070509" + "02019003"],
    ["a cut end", "01ac02070509" + "0201"],
    ["more than a place", "01ac02070509" + "0000"],
    ["too many that lack something", "01ac02070509" + "8108"],
    ["a count without end", "01ffffffffffffffffffff"],
  ])("is not %s", (_, text) => {
    expect(decodeForwardPlace(new Uint8Array(Buffer.from(text, "hex")))).toBeUndefined();
  });
});

describe("where forwarding goes on", () => {
  const log = { dbId: createDbId(), epoch: 300, size: 12, sizeBytes: 0 };
  const anew = { epoch: 300, farEpoch: 7, seq: 0, everythingThrough: 12, lacking: [] };

  it("is the place that is known, while both logs are what they were", () => {
    expect(placeOf(log, place, 7)).toBe(place);
    expect(placeOf({ ...log, size: 5 }, place, 7)).toBe(place);
  });

  it("is the start, what the other one brought included, where anything begins anew or is shorter", () => {
    expect(placeOf(log, undefined, 7)).toEqual(anew);
    expect(placeOf(log, place, 8)).toEqual({ ...anew, farEpoch: 8 });
    expect(placeOf({ ...log, epoch: 301 }, place, 7)).toEqual({ ...anew, epoch: 301 });
    expect(placeOf({ ...log, size: 4 }, place, 7)).toEqual({ ...anew, everythingThrough: 4 });
  });
});

describe("a log of which it is not known what is there", () => {
  const lacking = [
    { from: 2, to: 4 },
    { from: 7, to: 8 },
  ];
  it("is one that is not gone through, of more than a few commits", () => {
    expect(isUnknown({ ...place, seq: 0, everythingThrough: 5 })).toBe(true);
    expect(isUnknown({ ...place, seq: 0, everythingThrough: 4 })).toBe(false);
    expect(isUnknown({ ...place, seq: 12, everythingThrough: 9 })).toBe(false);
  });

  it("is passed where both have it, up to where its acknowledgements are known", () => {
    const at = (seq: number) => passPresent({ ...place, seq }, lacking).seq;
    expect([0, 1, 2, 3, 4, 6, 7, 8, 9, 30].map(at)).toEqual([2, 2, 2, 3, 7, 7, 7, 9, 9, 30]);
    expect(passPresent({ ...place, seq: 0 }, [])).toEqual({ ...place, seq: 9 });
    expect(passPresent({ ...place, seq: 0 }, [{ from: 20, to: 30 }]).seq).toBe(9);
    const same = { ...place, seq: 3 };
    expect(passPresent(same, lacking)).toBe(same);
  });
});

describe("what was answered", () => {
  const commitHash = bytesToId("CommitHash", new Uint8Array(32));
  const said = (status: "accepted" | "retry" | "refused", code?: CofferErrorCode) => ({
    commitHash,
    status,
    seq: 0,
    code,
  });
  const commit = (seq: number, answer: Parameters<typeof settle>[1][number]["said"], isLacking = false) => ({
    seq,
    isLacking,
    said: answer,
  });
  const after = (commits: Parameters<typeof settle>[1], isDirectory = false) =>
    settle(place, commits, isDirectory);

  it("moves the place over what is there or refused for good, in order, and over nothing else", () => {
    const accepted = [commit(5, said("accepted")), commit(6, "present"), commit(7, said("refused"))];
    expect(after(accepted)).toEqual({ ...place, seq: 8 });
    expect(after([...accepted, commit(8, said("retry")), commit(9, said("accepted"))]).seq).toBe(8);
    expect(after([commit(5, undefined), commit(6, said("accepted"))])).toEqual(place);
    expect(after([commit(6, said("accepted"))])).toEqual(place);
    expect(after([commit(5, said("retry")), commit(6, said("accepted"), true)])).toEqual(place);
    expect(after([])).toEqual(place);
  });

  it("does not move it over a refused commit of the directory", () => {
    expect(after([commit(5, said("accepted")), commit(6, said("refused"))], true).seq).toBe(6);
  });

  it("remembers what lacks ciphertexts, until it went whole or is refused", () => {
    expect(after([commit(5, said("accepted"), true)])).toEqual({ ...place, seq: 6, lacking: [1, 5, 400] });
    expect(after([commit(1, said("accepted"))])).toEqual({ ...place, lacking: [400] });
    expect(after([commit(1, said("refused"))])).toEqual({ ...place, lacking: [400] });
    expect(after([commit(1, said("accepted"), true)])).toEqual(place);
    expect(after([commit(1, said("retry"))])).toEqual(place);
    const many = Array.from({ length: 1100 }, (_, index) => commit(5 + index, said("accepted"), true));
    const { lacking } = after(many);
    expect(lacking).toHaveLength(1024);
    expect(lacking.at(-1)).toBe(1104);
    expect(decodeForwardPlace(encodeForwardPlace({ ...place, lacking }))?.lacking).toEqual(lacking);
  });
});

describe("what is owed", () => {
  const [directory, one, two] = [createDbId(), createDbId(), createDbId()];
  const log = (dbId: typeof one, size: number) => ({ dbId, size, place });
  const owed = (logs: Parameters<typeof owedLogs>[0], filled?: typeof one) =>
    owedLogs(logs, directory, (dbId) => dbId === filled).map(({ dbId }) => dbId);

  it("is the directory alone while it is behind, and then every log that grew or was filled", () => {
    expect(owed([log(one, 9), log(directory, 6), log(two, 9)])).toEqual([directory]);
    expect(owed([log(one, 9), log(directory, 5), log(two, 5)])).toEqual([one]);
    expect(owed([log(one, 5), log(directory, 5), log(two, 5)], two)).toEqual([two]);
    expect(owed([log(one, 5), log(directory, 5)])).toEqual([]);
  });
});
