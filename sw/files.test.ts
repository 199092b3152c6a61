/** A service worker that answers for files, over real ports: what it asks, what it passes on, and that it always ends. */
import { describe, expect, it } from "vitest";
import { answerRequest, formatAddress, greeting, type AskedFile } from "../src/attachment/index.ts";
import { installCofferFiles } from "./files.ts";

const scopeUrl = "https://app.example/";
const token = "T".repeat(43);
const bytesOf = (count: number): Uint8Array => Uint8Array.from({ length: count }, (_, at) => at);

type Listener = (event: object) => void;

/** A service worker's scope with one page, which answers as `onAsked` does. */
function createScope(onAsked: (asked: AskedFile, port: MessagePort) => void) {
  const listeners = new Map<string, Listener>();
  const timers: { readonly afterMs: number; readonly run: () => void }[] = [];
  let claimed = 0;
  const page = {
    id: "page 1",
    postMessage: (asked: AskedFile, [port]: readonly [MessagePort]) => onAsked(asked, port),
  };
  const scope = {
    addEventListener: (name: string, listener: Listener) => void listeners.set(name, listener),
    registration: { scope: scopeUrl },
    clients: {
      claim: async () => void (claimed += 1),
      get: async (id: string) => (id === page.id ? page : undefined),
    },
  };
  const setTimer = (afterMs: number, run: () => void) => {
    const timer = { afterMs, run };
    timers.push(timer);
    return () => void timers.splice(timers.indexOf(timer), 1);
  };
  installCofferFiles(scope as unknown as Parameters<typeof installCofferFiles>[0], { setTimer });
  return {
    page,
    timers,
    claimed: () => claimed,
    fire: (name: string, event: object) => listeners.get(name)?.(event),
    ask(url: string, request: object = {}): Promise<Response> | undefined {
      let answered: Promise<Response> | undefined;
      const stopImmediatePropagation = (): void => undefined;
      const respondWith = (answer: Promise<Response>): void => void (answered = answer);
      const given = { url, method: "GET", destination: "", headers: new Headers(), ...request };
      listeners.get("fetch")?.({ request: given, respondWith, stopImmediatePropagation });
      return answered;
    },
  };
}

const address = formatAddress({ client: "page 1", scope: scopeUrl }, token, "a.png");

/** A page that knows a file, and counts the pieces that it was asked for. */
function createPage(pieces: readonly unknown[]) {
  const told = { pulls: 0, isStopped: false, asked: undefined as AskedFile | undefined };
  const onAsked = (asked: AskedFile, port: MessagePort): void => {
    told.asked = asked;
    port.postMessage("here");
    const { headers, status } = answerRequest(
      { name: "a.png", type: "image/png", sizeBytes: 10 },
      asked.question,
    );
    port.postMessage({ status, headers, hasBody: pieces.length > 0 });
    port.onmessage = ({ data }) => {
      if (data === "pull") port.postMessage(pieces[told.pulls++]);
      else told.isStopped = true;
      if (data !== "pull") port.close();
    };
  };
  return { told, onAsked };
}

describe("an address", () => {
  it("is answered by the page that gave it out, a piece for each that is asked for", async () => {
    const { onAsked, told } = createPage([bytesOf(4), bytesOf(6), null]);
    const { ask } = createScope(onAsked);
    const answer = await ask(address, { destination: "image", headers: new Headers({ range: "bytes=0-9" }) });
    expect(told.asked).toEqual({
      type: "coffer-file",
      token,
      question: { method: "GET", destination: "image", range: "bytes=0-9", ifRange: null },
    });
    expect([answer?.status, answer?.headers.get("content-range")]).toEqual([206, "bytes 0-9/10"]);
    expect(told.pulls).toBe(0);
    const reader = answer?.body?.getReader();
    expect((await reader?.read())?.value).toEqual(bytesOf(4));
    expect(told.pulls).toBe(1);
    expect((await reader?.read())?.value).toEqual(bytesOf(6));
    expect((await reader?.read())?.done).toBe(true);
    expect(told.pulls).toBe(3);
  });

  it("is read no further once its reader goes away", async () => {
    const { onAsked, told } = createPage([bytesOf(1), bytesOf(2), bytesOf(3), null]);
    const answer = await createScope(onAsked).ask(address);
    const reader = answer?.body?.getReader();
    await reader?.read();
    await reader?.cancel();
    await expect.poll(() => told.isStopped).toBe(true);
    expect(told.pulls).toBe(1);
  });

  it("whose file cannot be read on ends with an error, not with less", async () => {
    const { onAsked } = createPage([bytesOf(4), "access/locked"]);
    const answer = await createScope(onAsked).ask(address);
    await expect(answer?.arrayBuffer()).rejects.toThrow();
  });

  it("of a page that is gone, that knows it no more, or that falls silent is refused in time", async () => {
    const silent = createScope(() => undefined);
    expect((await silent.ask(address.replace("page%201", "page%202")))?.status).toBe(404);
    const asked = silent.ask(address);
    await expect.poll(() => silent.timers).toHaveLength(1);
    silent.timers[0]?.run();
    expect((await asked)?.status).toBe(404);
    const halfway = createScope((_, port) => port.postMessage("here"));
    const waiting = halfway.ask(address);
    // The timer of the first word is over with it; the one that then runs is that of what should follow.
    await expect.poll(() => halfway.timers.map(({ afterMs }) => afterMs)).toEqual([120_000]);
    halfway.timers[0]?.run();
    expect((await waiting)?.status).toBe(504);
  });

  it("that is none of a file is left to others", () => {
    const { ask } = createScope(() => undefined);
    for (const url of [scopeUrl, `${scopeUrl}index.html`, "https://other.example/coffer-file/a/b/c"])
      expect(ask(url)).toBeUndefined();
  });
});

describe("a greeting", () => {
  it("makes the page one that is answered for, and tells it its name here", async () => {
    const { claimed, fire, page } = createScope(() => undefined);
    const { port1, port2 } = new MessageChannel();
    const welcomed = new Promise((resolve) => (port1.onmessage = ({ data }) => resolve(data)));
    const done: Promise<unknown>[] = [];
    const waitUntil = (work: Promise<unknown>): void => void done.push(work);
    fire("message", { data: greeting, ports: [port2], source: page, waitUntil });
    expect(await welcomed).toEqual({ client: "page 1", scope: scopeUrl });
    expect([claimed(), done.length]).toEqual([1, 1]);
    port1.close();
    for (const data of [null, 3, { type: "other" }])
      fire("message", { data, ports: [], source: page, waitUntil });
    expect(claimed()).toBe(1);
  });
});
