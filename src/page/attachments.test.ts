/** Files on the page, over a worker of this process that speaks as the real one does: ports, clones, events. */
import { effect } from "@preact/signals-core";
import { expose, transferHandlers, type Endpoint } from "comlink";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { WorkerApi } from "../../worker/api.ts";
import { crypto, loadEngine, people } from "../../worker/device-fixtures.ts";
import { createService } from "../../worker/service.ts";
import {
  attachmentField,
  attachmentLimits,
  derivedField,
  derivedLimits,
  readRecord,
} from "../attachment/index.ts";
import { createChangeCodec } from "../doc/index.ts";
import { createSystemEnv, installErrorTransfer, isCofferError } from "../std/index.ts";
import { createMemoryStorage } from "../store/index.ts";
import { openCofferWith } from "./coffer.ts";
import type { Attachment, AttachmentProgress, Extractor, ExtractVerdict } from "./attachment-types.ts";
import type { WorkerSource } from "./connect.ts";
import { loadMore } from "./lazy.ts";
import type { Coffer, Database, Doc } from "./types.ts";

interface Film {
  title: string;
}

const env = createSystemEnv();
const { chunkBytes, partBytes } = attachmentLimits;
let coffer: Coffer;
let db: Database<Film>;
let doc: Doc<Film>;
/** called before each piece is taken in */
let beforeWrite: (api: WorkerApi) => Promise<void>;
const ends: (() => void)[] = [];

function createSource(): WorkerSource {
  const storage = createMemoryStorage(env);
  const spawn = () => {
    const service = createService(({ name }) => ({
      env,
      crypto,
      storage,
      scope: name,
      openTransport: () => {
        throw new Error("no network");
      },
      codec: createChangeCodec((bytes) => crypto.sha256(bytes)),
      loadEngine,
      prepareEngine: () => undefined,
    }));
    const { port1, port2 } = new MessageChannel();
    installErrorTransfer(transferHandlers as never);
    const api: WorkerApi = {
      ...service,
      start: (options) => service.start(options, (events) => port1.postMessage({ events })),
      async writeUpload(id, piece) {
        await beforeWrite(service);
        await service.writeUpload(id, piece);
      },
    };
    expose(api, port1 as unknown as Endpoint);
    port2.start();
    return {
      endpoint: port2 as unknown as ReturnType<WorkerSource["spawn"]>["endpoint"],
      onError: () => undefined,
      end: () => {
        port1.close();
        port2.close();
      },
    };
  };
  return { spawn, again: true };
}

const contentOf = (size: number): Uint8Array<ArrayBuffer> =>
  Uint8Array.from({ length: size }, (_, at) => (at * 13 + (at >>> 8)) & 255);

beforeEach(async () => {
  await loadMore();
  beforeWrite = async () => undefined;
  coffer = await openCofferWith({ env, source: createSource() } as Parameters<typeof openCofferWith>[0]);
  const { tenant } = await coffer.createTenant({ ...people, tenantId: people.tenantName });
  db = await tenant.openDB<Film>("films");
  doc = await db.createDocument({ title: "Ran" });
});
afterEach(async () => {
  for (const end of ends.splice(0)) end();
  await coffer.close();
});

async function codeOf(call: Promise<unknown>): Promise<string> {
  try {
    await call;
    return "fulfilled";
  } catch (cause) {
    return isCofferError(cause) ? cause.code : `not a CofferError: ${String(cause)}`;
  }
}

const bytesOf = async (blob: Blob): Promise<Buffer> => Buffer.from(await blob.arrayBuffer());

/** What a watcher of the document's files was told last. */
function watchFiles(): { now: readonly Attachment[] | undefined } {
  const told: { now: readonly Attachment[] | undefined } = { now: undefined };
  ends.push(effect(() => void (told.now = doc.attachments.value)));
  return told;
}

describe("a file", () => {
  it("is added from a File, listed, read whole, in a range and as a stream, and removed", async () => {
    const bytes = contentOf(partBytes + chunkBytes + 3);
    const files = watchFiles();
    const progress: AttachmentProgress[] = [];
    const onProgress = (now: AttachmentProgress): void => void progress.push(now);
    const added = await db.addAttachment(doc, new File([bytes], "still.png", { type: "image/png" }), {
      onProgress,
    });
    expect(added).toMatchObject({ name: "still.png", type: "image/png", sizeBytes: bytes.length });
    expect(progress.map(({ doneBytes }) => doneBytes)).toEqual([partBytes, bytes.length]);
    expect(progress.every(({ totalBytes }) => totalBytes === bytes.length)).toBe(true);
    await expect.poll(() => files.now).toEqual([added]);
    const blob = await db.getAttachment(doc, added);
    expect(blob.type).toBe("image/png");
    expect(Buffer.compare(await bytesOf(blob), bytes)).toBe(0);
    const range = await db.getAttachmentRange(doc, added.id, partBytes - 5, partBytes + 5);
    expect(Buffer.compare(range, bytes.subarray(partBytes - 5, partBytes + 5))).toBe(0);
    const stream = await db.streamAttachment(doc, added, { from: 7 });
    expect(Buffer.compare(await bytesOf(await new Response(stream).blob()), bytes.subarray(7))).toBe(0);
    await db.removeAttachment(doc, added);
    await expect.poll(() => files.now).toEqual([]);
    expect(doc.data.value).toEqual({ title: "Ran" });
    expect(await codeOf(db.getAttachment(doc, added))).toBe("input/unknown-id");
    await db.undo(doc);
    await expect.poll(() => files.now).toEqual([added]);
  });

  it("is added from a stream that is read at most two parts ahead of what is stored, and appended to", async () => {
    let pulled = 0;
    let stored = 0;
    let furthest = 0;
    const pieceBytes = partBytes / 4;
    beforeWrite = async () => {
      await new Promise((resolve) => setTimeout(resolve, 5));
      stored += 1;
    };
    const stream = new ReadableStream<Uint8Array>(
      {
        pull(controller) {
          pulled += 1;
          furthest = Math.max(furthest, pulled - stored);
          if (pulled > 24) controller.close();
          else controller.enqueue(contentOf(pieceBytes));
        },
      },
      { highWaterMark: 0 },
    );
    const log = await db.addAttachmentStream(doc, stream, { name: "log.txt", type: "text/plain" });
    expect(log.sizeBytes).toBe(24 * pieceBytes);
    // What is on its way, and the one that is being pulled.
    expect(furthest).toBeGreaterThan(1);
    expect(furthest).toBeLessThanOrEqual(2 * 4 + 2);
    await db.appendToAttachment(doc, log, new TextEncoder().encode("the end"));
    const text = await (await db.getAttachment(doc, log, { from: log.sizeBytes })).text();
    expect(text).toBe("the end");
    const files = watchFiles();
    await expect.poll(() => files.now?.[0]?.sizeBytes).toBe(24 * pieceBytes + 7);
  });

  it("that is given up leaves its document as it was, and its stream closed", async () => {
    const giving = new AbortController();
    beforeWrite = async () => giving.abort();
    const file = new Blob([contentOf(2 * partBytes)]);
    expect(await codeOf(db.addAttachment(doc, file, { name: "a", signal: giving.signal }))).toBe("aborted");
    expect(doc.data.value).toEqual({ title: "Ran" });
    const cancelled = vi.fn();
    const stream = new ReadableStream<Uint8Array>({
      pull: (c) => c.enqueue(contentOf(9)),
      cancel: cancelled,
    });
    const options = { name: "a", signal: AbortSignal.abort() };
    expect(await codeOf(db.addAttachmentStream(doc, stream, options))).toBe("aborted");
    expect(cancelled).toHaveBeenCalledOnce();
    beforeWrite = async () => undefined;
    const added = await db.addAttachment(doc, new Blob([contentOf(2 * partBytes)]), { name: "b" });
    const reading = new AbortController();
    const onProgress = (): void => reading.abort();
    expect(await codeOf(db.getAttachment(doc, added, { onProgress, signal: reading.signal }))).toBe(
      "aborted",
    );
  });

  it("that is to be stored once is sealed by its content, and comes back as it was", async () => {
    const bytes = contentOf(chunkBytes + 3);
    const added = [];
    for (const name of ["one", "two"])
      added.push(await db.addAttachment(doc, new Blob([bytes]), { name, deduplicate: true }));
    for (const one of added)
      expect(Buffer.compare(await bytesOf(await db.getAttachment(doc, one)), bytes)).toBe(0);
    const parts = added.map(({ id }) => {
      const record = (doc.data.value as Record<string, unknown> | undefined)?.[attachmentField(id)];
      return readRecord(id, record)?.parts[0];
    });
    expect(parts.map((part) => part?.isShared)).toEqual([true, true]);
    expect(parts[0]?.commitHash).not.toBe(parts[1]?.commitHash);
  });

  it("of a type that could run as a page comes as bytes, whatever its name", async () => {
    const script = new Blob(["<script>alert(1)</script>"], { type: "text/html" });
    const added = await db.addAttachment(doc, script, { name: "../x\u202e.html" });
    expect([added.type, added.name]).toEqual(["text/html", ".. x .html"]);
    expect((await db.getAttachment(doc, added)).type).toBe("application/octet-stream");
  });

  it("that is none is refused, and a record that somebody made up is not shown", async () => {
    expect(await codeOf(db.addAttachment(doc, "text" as never))).toBe("input/invalid");
    const numbers = new ReadableStream({ pull: (c) => c.enqueue(3) });
    expect(await codeOf(db.addAttachmentStream(doc, numbers as never, { name: "a" }))).toBe("input/invalid");
    const added = await db.addAttachment(doc, new Blob([contentOf(10)]));
    expect(added.name).toBe("file");
    for (const [from, to] of [
      [-1, 2],
      [3, 2],
      [0.5, 2],
      [0, Number.NaN],
    ] as const)
      expect(await codeOf(db.getAttachmentRange(doc, added, from, to))).toBe("input/invalid");
    expect(await db.getAttachmentRange(doc, added, 5, 500)).toHaveLength(5);
    const files = watchFiles();
    await db.changeDoc(doc, (draft) => {
      Object.assign(draft, { [attachmentField("AAAAAAAAAAAAAAAAAAAAAA")]: { v: 1, name: "a/b" } });
    });
    await expect.poll(() => files.now).toEqual([added]);
  });

  it("stands beside the fields of a schema that knows no others", async () => {
    const { tenant } = {
      tenant: await coffer.openTenant(people.tenantName, { password: people.userPassword }),
    };
    const strict = {
      "~standard": {
        version: 1,
        vendor: "test",
        validate: (value: unknown) =>
          Object.keys(value as object).every((key) => key === "title")
            ? { value: value as Film }
            : { issues: [{ message: "unknown field" }] },
      },
    } as const;
    const held = await tenant.openDB<Film>("films", { schema: strict });
    const own = await held.createDocument({ title: "Ikiru" });
    const added = await held.addAttachment(own, new Blob([contentOf(10)]), { name: "a" });
    await held.changeDoc(own, (draft) => (draft.title = "Living"));
    expect(Buffer.compare(await bytesOf(await held.getAttachment(own, added)), contentOf(10))).toBe(0);
  });
});

describe("what is made of a file", () => {
  const texts = (text: string): Extractor => ({
    gives: "text",
    extract: async () => ({ kind: "found", content: new Blob([text], { type: "text/plain" }) }),
  });
  const picture: Extractor = {
    gives: "thumbnail",
    extract: async (file) => ({ kind: "found", content: file.slice(0, 7, "image/webp") }),
  };
  const textOf = async (file: Attachment): Promise<string> =>
    (await db.getAttachment(doc, file, { extract: "text" })).text();

  it("stands beside it, comes and goes with it in one edit, and of one kind the first counts", async () => {
    const files = watchFiles();
    const verdicts: ExtractVerdict[] = [];
    const nothing: Extractor = { gives: "text", extract: async () => ({ kind: "nothing" }) };
    const added = await db.addAttachment(doc, new Blob([contentOf(chunkBytes + 3)]), {
      name: "a.pdf",
      type: "application/pdf",
      extractors: [nothing, texts("katana"), texts("second"), picture],
      onExtracted: (verdict) => verdicts.push(verdict),
    });
    expect(added.extracts).toEqual(["text", "thumbnail"]);
    await expect.poll(() => files.now).toEqual([added]);
    expect(verdicts).toEqual([
      { gives: "text", kind: "nothing" },
      { gives: "text", kind: "found" },
      { gives: "thumbnail", kind: "found" },
    ]);
    expect(await textOf(added)).toBe("katana");
    const small = await db.getAttachment(doc, added, { extract: "thumbnail" });
    expect([small.type, small.size]).toEqual(["image/webp", 7]);
    await db.undo(doc);
    await expect.poll(() => doc.data.value).toEqual({ title: "Ran" });
    await db.redo(doc);
    await expect.poll(() => files.now).toEqual([added]);
    await db.removeAttachment(doc, added);
    await expect.poll(() => doc.data.value).toEqual({ title: "Ran" });
  });

  it("counts no more once the file grew, and can be made later", async () => {
    const plain = await db.addAttachment(doc, new Blob(["one"]), { name: "log", type: "text/plain" });
    expect(plain.extracts).toEqual([]);
    expect(await codeOf(db.getAttachment(doc, plain, { extract: "text" }))).toBe("input/unknown-id");
    const whole: Extractor = {
      gives: "text",
      extract: async (file) => ({ kind: "found", content: new Blob([file], { type: "text/plain" }) }),
    };
    await db.appendToAttachment(doc, plain, new Blob([]), { extractors: [whole] });
    expect(await textOf(plain)).toBe("one");
    await db.appendToAttachment(doc, plain, new Blob([" two"]), { extractors: [whole] });
    expect(await textOf(plain)).toBe("one two");
    await db.appendToAttachment(doc, plain, new Blob([" three"]));
    expect(Object.keys(doc.data.value ?? {})).not.toContain(derivedField(plain.id, "text"));
    // Somebody else's edit brings back what was made before.
    await db.appendToAttachment(doc, plain, new Blob([]), { extractors: [texts("old")] });
    const before = (doc.data.value as Record<string, unknown> | undefined)?.[derivedField(plain.id, "text")];
    await db.appendToAttachment(doc, plain, new Blob(["!"]));
    await db.changeDoc(doc, (draft) => {
      Object.assign(draft, { [derivedField(plain.id, "text")]: before });
    });
    expect(await codeOf(db.getAttachment(doc, plain, { extract: "text" }))).toBe("input/unknown-id");
  });

  it("leaves the file as it is where an extractor throws, lies, gives too much, or is given up", async () => {
    const gives = "text" as const;
    const found = (content: Blob): Extractor => ({
      gives,
      extract: async () => ({ kind: "found", content }),
    });
    const bad: readonly (readonly [Extractor, ExtractVerdict])[] = [
      [
        { gives, extract: () => expect.fail("at once") },
        { gives, kind: "refused", reason: "damaged" },
      ],
      [
        { gives, extract: async () => expect.fail("late") },
        { gives, kind: "refused", reason: "damaged" },
      ],
      [
        { gives, extract: async () => "text" as never },
        { gives, kind: "nothing" },
      ],
      [found("text" as never), { gives, kind: "refused", reason: "damaged" }],
      [found(new Blob([], { type: "text/plain" })), { gives, kind: "nothing" }],
      [found(new Blob(["<p>"], { type: "text/html" })), { gives, kind: "refused", reason: "damaged" }],
      [found(new Blob(["x"], { type: "image/png" })), { gives, kind: "refused", reason: "damaged" }],
      [
        found(new Blob([new Uint8Array(derivedLimits.text + 1)], { type: "text/plain" })),
        { gives, kind: "refused", reason: "too-large" },
      ],
      [
        { gives, extract: async () => ({ kind: "refused", reason: "protected" }) },
        { gives, kind: "refused", reason: "protected" },
      ],
    ];
    for (const [extractor, verdict] of bad) {
      const told: ExtractVerdict[] = [];
      const options = { extractors: [extractor], onExtracted: (one: ExtractVerdict) => told.push(one) };
      const added = await db.addAttachment(doc, new Blob([contentOf(9)]), { name: "a", ...options });
      expect([told, added.extracts]).toEqual([[verdict], []]);
      expect((await db.getAttachment(doc, added)).size).toBe(9);
      await db.removeAttachment(doc, added);
    }
    const giving = new AbortController();
    const never: Extractor = {
      gives,
      extract: async (_file, { signal }) =>
        new Promise((resolve) => {
          signal.addEventListener("abort", () => resolve({ kind: "nothing" }));
          giving.abort();
        }),
    };
    const options = { name: "a", extractors: [never], signal: giving.signal };
    expect(await codeOf(db.addAttachment(doc, new Blob([contentOf(9)]), options))).toBe("aborted");
    expect(doc.data.value).toEqual({ title: "Ran" });
  });
});

describe("an open file", () => {
  it("says what is kept of it, can be pinned and let go, and stays while nobody else has it", async () => {
    const added = await db.addAttachment(doc, new Blob([contentOf(partBytes + 9)]), { name: "a" });
    const open = await db.openAttachment(doc, added);
    await expect
      .poll(() => open.state.value)
      .toMatchObject({ place: "local", isSafe: false, isPinned: false });
    const progress: AttachmentProgress[] = [];
    await open.pin({ onProgress: (now) => void progress.push(now) });
    expect(progress.map(({ doneBytes }) => doneBytes)).toEqual([partBytes, partBytes + 9]);
    await expect.poll(() => open.state.value?.isPinned).toBe(true);
    await open.unpin();
    await expect.poll(() => open.state.value?.isPinned).toBe(false);
    expect(await open.free()).toBe(0);
    expect(await codeOf(open.pin({ signal: AbortSignal.abort() }))).toBe("aborted");
    open.dispose();
    expect(await codeOf(db.openAttachment(doc, "AAAAAAAAAAAAAAAAAAAAAA"))).toBe("input/unknown-id");
  });

  it("is counted with its tenant's others, who keep to a budget as far as they may", async () => {
    const tenant = await coffer.openTenant(people.tenantName, { password: people.userPassword });
    await db.addAttachment(doc, new Blob([contentOf(chunkBytes)]), { name: "a" });
    const sums = await tenant.limitFiles({ budgetBytes: 1000, freeBytes: 1000 });
    expect(sums).toMatchObject({ budgetBytes: 1000, freeableBytes: 0, pinnedBytes: 0 });
    expect(sums.unsafeBytes).toBeGreaterThan(chunkBytes);
    await expect.poll(() => tenant.status.value.files).toEqual(sums);
    expect(await codeOf(tenant.limitFiles({ budgetBytes: -1 }))).toBe("input/invalid");
    tenant.dispose();
  });

  it("has no address where no service worker answers for it", async () => {
    const added = await db.addAttachment(doc, new Blob([contentOf(10)]), { name: "a" });
    const open = await db.openAttachment(doc, added);
    vi.stubGlobal("navigator", {});
    expect(await codeOf(open.getUrl())).toBe("worker/failed");
    vi.unstubAllGlobals();
    open.dispose();
  });
});
