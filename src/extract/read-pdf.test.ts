/** The text of PDF files, sound and hostile. */
import { deflateSync } from "node:zlib";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Extracted } from "../page/index.ts";
import { extractLimits } from "./limits.ts";
import { line, makePdf, makeTornPdf } from "./pdf-fixtures.ts";
import { readPdf } from "./read-pdf.ts";

const textOf = async (extracted: Extracted): Promise<string> =>
  extracted.kind === "found" ? extracted.content.text() : JSON.stringify(extracted);

/** Names of what pdf.js let go of. In a browser its thread takes them; here the runner would end the run for them. */
const letGo: string[] = [];
const take = (error: unknown): void => void letGo.push((error as Error).name);
let runners: NodeJS.UnhandledRejectionListener[];
beforeAll(() => {
  runners = process.listeners("unhandledRejection");
  process.removeAllListeners("unhandledRejection").on("unhandledRejection", take);
});
afterAll(async () => {
  await new Promise((resolve) => setTimeout(resolve, 50));
  process.off("unhandledRejection", take);
  for (const runner of runners) process.on("unhandledRejection", runner);
  // Its own, and nobody else's.
  expect(letGo.filter((name) => !name.endsWith("Exception"))).toEqual([]);
});

describe("a PDF", () => {
  it("gives the text of its pages, in their order", async () => {
    const pages = [line("Seven Samurai") + line("by Akira Kurosawa", 160), line("second page")];
    expect(await textOf(await readPdf(makePdf({ pages })))).toBe(
      "Seven Samurai\nby Akira Kurosawa\nsecond page",
    );
    const packed = makePdf({ pages: [deflateSync(line("packed"))], filter: "/Filter /FlateDecode" });
    expect(await textOf(await readPdf(packed))).toBe("packed");
    expect(await readPdf(makePdf({ pages: [""] }))).toEqual({ kind: "nothing" });
  });

  it("gives no more than may be kept", async () => {
    const much = line("twenty letters in it").repeat(1000);
    const read = await readPdf(makePdf({ pages: Array<string>(60).fill(much) }));
    expect(read.kind === "found" && read.content.size).toBe(extractLimits.textBytes);
  });

  it("that wants a password is protected", async () => {
    const bytes = "ab".repeat(32);
    const encrypt = `/Encrypt << /Filter /Standard /V 1 /R 2 /O <${bytes}> /U <${bytes}> /P -4 >> /ID [<01> <01>]`;
    const file = makePdf({ pages: [line("secret")], trailer: encrypt });
    expect(await readPdf(file)).toEqual({ kind: "refused", reason: "protected" });
  });

  it("runs no script, and loads nothing", async () => {
    const ran: unknown[] = [];
    Object.assign(globalThis, { app: { alert: (text: unknown) => ran.push(text) } });
    const open =
      "/OpenAction << /S /JavaScript /JS (app.alert\\(1\\)) >> /AA << /WC << /S /URI /URI (http://127.0.0.1:9) >> >>";
    expect(await textOf(await readPdf(makePdf({ pages: [line("calm")], catalog: open })))).toBe("calm");
    expect(ran).toEqual([]);
    Reflect.deleteProperty(globalThis, "app");
  });

  it("that is packed a thousand times over, or turns in circles, ends with a verdict", async () => {
    const bomb = deflateSync(new Uint8Array(64 * 1024 * 1024).fill(32));
    const packed = makePdf({ pages: [bomb], filter: "/Filter /FlateDecode" });
    expect((await readPdf(packed)).kind).toBe("nothing");
    const circle = makePdf({ pages: [line("a")] });
    const text = new TextDecoder("latin1").decode(circle).replace("/Kids [4 0 R]", "/Kids [2 0 R]");
    expect((await readPdf(Uint8Array.from(text, (character) => character.charCodeAt(0)))).kind).not.toBe(
      "found",
    );
  });

  it("with a page that is not where it should be gives what can be read", async () => {
    expect(await textOf(await readPdf(makeTornPdf()))).toBe("one");
    await expect.poll(() => letGo).toContain("XRefEntryException");
  });

  it("of any bytes, cut or changed anywhere, gives a verdict", async () => {
    const sound = makePdf({ pages: [line("one"), line("two")] });
    const bytes = fc.oneof(
      fc.uint8Array({ maxLength: 300 }),
      fc.nat(sound.length).map((length) => sound.slice(0, length)),
      fc.array(fc.tuple(fc.nat(sound.length - 1), fc.nat(255)), { maxLength: 20 }).map((changes) => {
        const other = sound.slice();
        for (const [at, byte] of changes) other[at] = byte;
        return other;
      }),
    );
    await fc.assert(
      fc.asyncProperty(bytes, async (some) => {
        expect(["found", "nothing", "refused"]).toContain((await readPdf(some.slice())).kind);
      }),
      { numRuns: 60 },
    );
  });
});
