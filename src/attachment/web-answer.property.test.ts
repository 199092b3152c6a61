/** Answers to requests for a file's address: ranges against a plain reading of them, and nothing that runs. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { answerRequest, formatAddress, inlineType, readAddress, type WebQuestion } from "./index.ts";

const film = { name: "a film.webm", type: "video/webm", sizeBytes: 10_000_000 };
const windowBytes = 4 * 1024 * 1024;

const ask = (range: string | null, about: Partial<WebQuestion> = {}): WebQuestion => ({
  method: "GET",
  ifRange: null,
  destination: "video",
  range,
  ...about,
});

/** The bytes of a file that a range means, one by one; `undefined` for all of it. */
function plainReading(sizeBytes: number, first: number | undefined, last: number | undefined) {
  const all = Array.from({ length: sizeBytes }, (_, at) => at);
  if (first === undefined && last === undefined) return undefined;
  if (first === undefined) return all.filter((at) => at >= sizeBytes - (last ?? 0));
  if (last !== undefined && last < first) return undefined;
  return all.filter((at) => at >= first && at <= (last ?? Infinity));
}

describe("an answer", () => {
  it("is what a plain reading of its range gives, whatever the file's size", () => {
    const bound = fc.option(fc.nat(130), { nil: undefined });
    fc.assert(
      fc.property(fc.nat(100), bound, bound, (sizeBytes, first, last) => {
        const file = { ...film, sizeBytes };
        const { from, headers, status, to } = answerRequest(file, ask(`bytes=${first ?? ""}-${last ?? ""}`));
        const expected = plainReading(sizeBytes, first, last);
        if (expected?.length === 0) {
          expect([status, headers["Content-Range"], to - from]).toEqual([416, `bytes */${sizeBytes}`, 0]);
          return;
        }
        expect(status).toBe(expected === undefined ? 200 : 206);
        expect([from, to]).toEqual(expected ? [expected[0], (expected.at(-1) ?? 0) + 1] : [0, sizeBytes]);
        expect(headers["Content-Length"]).toBe(String(to - from));
        expect(headers["Content-Range"]).toBe(
          expected === undefined ? undefined : `bytes ${from}-${to - 1}/${sizeBytes}`,
        );
      }),
    );
  });

  it("to a range without an end is one window of it, and what has an end is given whole", () => {
    expect(answerRequest(film, ask("bytes=5-"))).toMatchObject({ status: 206, from: 5, to: 5 + windowBytes });
    expect(answerRequest(film, ask("bytes=0-9999999"))).toMatchObject({ from: 0, to: film.sizeBytes });
    expect(answerRequest(film, ask("bytes=-9999999"))).toMatchObject({ from: 1, to: film.sizeBytes });
  });

  it("to what is no range, several, or upon a condition is the whole", () => {
    const odd = [
      "bytes=1-2,5-6",
      "bytes=",
      "bytes=-",
      "bytes=9-3",
      "chars=1-2",
      "bytes=a-b",
      "",
      "bytes=1e3-",
    ];
    for (const range of [null, ...odd])
      expect(answerRequest(film, ask(range))).toMatchObject({ status: 200, from: 0, to: film.sizeBytes });
    const conditional = answerRequest(film, ask("bytes=1-2", { ifRange: '"etag"' }));
    expect(conditional).toMatchObject({ status: 200, to: film.sizeBytes });
  });

  it("to a question for the head has no bytes, and tells how many there would be", () => {
    const head = answerRequest(film, ask("bytes=1-2", { method: "HEAD" }));
    expect(head).toMatchObject({ status: 200, from: 0, to: 0 });
    expect(head.headers["Content-Length"]).toBe("10000000");
    expect(answerRequest(film, ask(null, { method: "PUT" }))).toMatchObject({ status: 405, to: 0 });
  });

  it("never runs, is never kept and never fails, whatever is asked of whatever file", () => {
    const runs = ["script", "style", "worker", "sharedworker", "serviceworker", "manifest", "xslt", "font"];
    const pages = ["document", "iframe", "frame", "embed", "object"];
    const anything = fc.record({
      method: fc.oneof(fc.constantFrom("GET", "HEAD"), fc.string()),
      range: fc.option(fc.oneof(fc.string(), fc.constant("bytes=0-"))),
      ifRange: fc.option(fc.string()),
      destination: fc.oneof(fc.constantFrom("", "image", "video", ...runs, ...pages), fc.string()),
    });
    const types = ["text/html", "image/svg+xml", "application/pdf", "text/plain", "image/png", "text/xml"];
    const files = fc.record({
      name: fc.string({ unit: "binary" }),
      type: fc.oneof(fc.constantFrom(...types), fc.string()),
      sizeBytes: fc.nat(),
    });
    fc.assert(
      fc.property(files, anything, (file, question) => {
        const { from, headers, status, to } = answerRequest(file, question);
        expect(headers).toMatchObject({ "X-Content-Type-Options": "nosniff", "Cache-Control": "no-store" });
        expect(headers["Content-Security-Policy"]).toMatch(/^sandbox;/);
        expect(0 <= from && from <= to && to <= file.sizeBytes).toBe(true);
        // What a `Response` would refuse is no answer.
        expect(new Response(null, { status, headers }).status).toBe(status);
        if (runs.includes(question.destination)) expect(status).toBe(403);
        if (status >= 300) return;
        expect(headers["Content-Type"]).toMatch(
          /^(?:application\/octet-stream|text\/plain; charset=utf-8|image\/(?!svg)[^;]+|(?:video|audio)\/[^;]+)$/,
        );
        const isSaved = headers["Content-Disposition"]?.startsWith("attachment;") === true;
        if (pages.includes(question.destination) || inlineType(file.type) !== file.type)
          expect(isSaved).toBe(true);
        else expect(headers["Content-Disposition"]).toBe("inline");
      }),
    );
  });

  it("names the file for who saves it", () => {
    const { headers } = answerRequest({ ...film, name: 'é"\\;.svg', type: "image/svg+xml" }, ask(null));
    expect(headers["Content-Disposition"]).toBe(
      `attachment; filename="____.svg"; filename*=UTF-8''%C3%A9%22%5C%3B.svg`,
    );
  });
});

describe("an address", () => {
  it("is read as it was written, and nothing else is one", () => {
    const scopes = ["https://a.example/", "https://a.example/app/", "https://a.example/app"];
    fc.assert(
      fc.property(
        fc.constantFrom(...scopes),
        fc.uuid(),
        fc.base64String(),
        fc.string(),
        (scope, client, t, name) => {
          const token = t.replaceAll(/[+/=]/g, "_");
          const url = formatAddress({ client, scope }, token, name.toWellFormed());
          expect(new URL(url).href.startsWith(scope)).toBe(true);
          expect(readAddress(url, scope)).toEqual({ client, token });
          expect(readAddress(url, "https://b.example/")).toBeUndefined();
        },
      ),
    );
    expect(readAddress("https://a.example/coffer-files/x/y/z", "https://a.example/")).toBeUndefined();
    expect(readAddress("https://a.example/coffer-file/%E0%A4%A/", "https://a.example/")).toEqual({
      client: "%E0%A4%A",
      token: "",
    });
  });
});
