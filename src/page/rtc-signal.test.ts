import { describe, expect, it } from "vitest";
import { fuzzRuns } from "../std/mutate-fixtures.ts";
import fc from "fast-check";
import { parseSignal, sdpOf, signalOf, type RtcSignal } from "./rtc-signal.ts";

const signal: RtcSignal = {
  u: "a1B+",
  p: "abcdefghijklmnopqrst/+12",
  f: "0123456789abcdef".repeat(4),
  c: [
    "2064216431 1 udp 2122260223 192.0.2.7 53211 typ host",
    "1 1 udp 1685987071 2001:db8::7 53211 typ srflx raddr 0.0.0.0 rport 0",
    "3 1 tcp 1518280447 5e1b9a1c-91a2-4f38-9d6f-3f9d2f7a7c11.local 9 typ host tcptype active",
  ],
};

describe("what a description says", () => {
  it("is read and put back, for either side", () => {
    for (const kind of ["offer", "answer"] as const) expect(signalOf(sdpOf(signal, kind))).toEqual(signal);
    expect(sdpOf(signal, "offer")).toContain("a=setup:actpass\r\n");
    expect(sdpOf(signal, "answer")).toContain("a=setup:active\r\n");
  });

  it("is told without extensions, without doubles, and never more than fits", () => {
    const [first = ""] = signal.c;
    const many = Array.from({ length: 40 }, (_, n) => `${n} 1 udp 2122260223 192.0.2.${n} 53211 typ host`);
    const sdp = sdpOf(
      { ...signal, c: [`${first} generation 0 ufrag a1B+ network-id 1`, first, ...many] },
      "offer",
    );
    const read = signalOf(sdp);
    expect(read?.c[0]).toBe(first);
    expect(read?.c.length).toBe(16);
    expect(new Set(read?.c).size).toBe(16);
    expect(JSON.stringify(read).length).toBeLessThan(1900);
  });

  it.each([
    ["no object", 7],
    ["nothing", null],
    ["a line that ends in the middle", { ...signal, u: "a1B+\r\na=x:1" }],
    ["a line behind", { ...signal, p: `${signal.p}\n` }],
    ["another hash", { ...signal, f: "00" }],
    ["no list", { ...signal, c: "x" }],
    ["too many ways", { ...signal, c: Array.from({ length: 17 }, () => signal.c[0]) }],
    ["a way with a line of its own", { ...signal, c: [`${signal.c[0]}\r\na=setup:passive`] }],
    ["a way that is none", { ...signal, c: ["1 1 udp 1 example.org 1 typ nothing"] }],
    ["a way with extensions", { ...signal, c: [`${signal.c[0]} generation 0`] }],
    ["a number", { ...signal, c: [7] }],
  ])("with %s is none", (_name, value) => expect(parseSignal(value)).toBeUndefined());

  it("never brings more than its own lines into a description, whatever it says", () => {
    const text = fc.oneof(fc.string(), fc.constantFrom("\r\n", "\n", "a=", " ", signal.u, ...signal.c));
    const any = fc.record({ u: text, p: text, f: text, c: fc.array(text) });
    const near = fc.record({
      u: fc.oneof(text, fc.constant(signal.u)),
      p: fc.oneof(text, fc.constant(signal.p)),
      f: fc.oneof(text, fc.constant(signal.f)),
      c: fc.array(
        fc.oneof(
          fc.tuple(fc.constantFrom(...signal.c), text).map(([a, b]) => a + b),
          text,
        ),
        { maxLength: 4 },
      ),
    });
    fc.assert(
      fc.property(fc.oneof(any, near, fc.anything()), (value) => {
        const read = parseSignal(value);
        if (read === undefined) return;
        expect(sdpOf(read, "offer").split(/\r\n|\r|\n/)).toHaveLength(15 + read.c.length);
        expect(signalOf(sdpOf(read, "answer"))?.f).toBe(read.f);
      }),
      { numRuns: fuzzRuns(2000, 10) },
    );
  });
});
