import { deflateRawSync } from "node:zlib";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ByteWriter, utf8ToBytes } from "../std/index.ts";
import { packBytes, unpackBytes } from "./packed.ts";
import { runsOf } from "../std/runs-fixtures.ts";

const deflated = (sizeBytes: number, whole: Uint8Array): Uint8Array<ArrayBuffer> =>
  new ByteWriter().u8(1).u32(sizeBytes).fixed(deflateRawSync(whole)).toBytes();

describe("packed bytes", () => {
  it("come back whole, whatever they are, and are never more than a byte longer", async () => {
    const repeated = fc
      .tuple(fc.uint8Array({ maxLength: 60 }), fc.integer({ min: 1, max: 200 }))
      .map(([part, times]) => new Uint8Array(Array.from({ length: times }, () => [...part]).flat()));
    await fc.assert(
      fc.asyncProperty(fc.oneof(fc.uint8Array({ maxLength: 2000 }), repeated), async (bytes) => {
        const whole = new Uint8Array(bytes);
        const packed = await packBytes(whole);
        expect(packed.length).toBeLessThanOrEqual(whole.length + 1 + 4);
        expect(await unpackBytes(packed)).toEqual(whole);
      }),
      { numRuns: runsOf(60) },
    );
  });

  it("of documents alike take a third and less", async () => {
    const rows = Array.from({ length: 256 }, (_, index) => ({
      title: `task ${index}`,
      isDone: index % 3 === 0,
      notes: "the same words again",
      weight: index * 7,
    }));
    const whole = utf8ToBytes(JSON.stringify(rows));
    expect((await packBytes(whole)).length).toBeLessThan(whole.length / 3);
  });

  it("are refused when they tell another size than they have", async () => {
    const whole = new Uint8Array(5000).fill(7);
    expect(await unpackBytes(deflated(5000, whole))).toEqual(whole);
    for (const told of [0, 1, 4999, 5001, 64 * 1024 * 1024 + 1, 0xffff_ffff])
      expect(await unpackBytes(deflated(told, whole))).toBeUndefined();
  });

  it("stop inflating where they hold more than they tell", async () => {
    const bomb = deflated(1000, new Uint8Array(200_000_000));
    expect(bomb.length).toBeLessThan(250_000);
    const before = process.memoryUsage().arrayBuffers;
    expect(await unpackBytes(bomb)).toBeUndefined();
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(50_000_000);
  });

  it("are refused when cut off or of another form", async () => {
    const packed = deflated(5000, new Uint8Array(5000).fill(7));
    for (let length = 0; length < packed.length; length++)
      expect(await unpackBytes(packed.slice(0, length))).toBeUndefined();
    expect(await unpackBytes(new Uint8Array([2, 1, 2, 3]))).toBeUndefined();
  });

  it("give a verdict for any bytes", async () => {
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 300 }), async (bytes) => {
        await unpackBytes(new Uint8Array([1, 0, 0, 1, ...bytes]));
        await unpackBytes(new Uint8Array(bytes));
      }),
    );
  });
});
