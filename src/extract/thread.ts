/** Threads that look at one file and are ended. */
import { createPageEnv } from "../std/index.ts";
import type { Extracted } from "../page/index.ts";
import { extractLimits, refused } from "./limits.ts";

/** Where a thread's script is, for pages that serve it from elsewhere or make workers themselves. */
export interface ThreadOptions {
  readonly worker?: string | URL | (() => Worker);
}

/** What a thread says: first that it is there, then what it found in the file that it is sent. */
export interface ThreadMessage {
  readonly isStarted?: true;
  readonly extracted?: Extracted;
}

/** Run a thread on a file. Whatever it does, this resolves: when it answers, is late, fails, or the signal fires. */
export async function runThread(
  spawn: () => Worker,
  file: Blob,
  signal: AbortSignal,
  withinMs: number = extractLimits.threadMs,
): Promise<Extracted> {
  if (signal.aborted) return refused("too-slow");
  let worker: Worker | undefined;
  let release = (): void => undefined;
  try {
    return await new Promise<Extracted>((resolve) => {
      signal.addEventListener("abort", () => resolve(refused("too-slow")), { once: true });
      release = createPageEnv().setTimer(withinMs, () => resolve(refused("too-slow")));
      worker = spawn();
      // A script that cannot be loaded says nothing but this, before it was told anything; one that ran out of memory does too.
      worker.addEventListener("error", (event) => {
        event.preventDefault();
        resolve(refused(isStarted ? "damaged" : "unavailable"));
      });
      let isStarted = false;
      worker.addEventListener("message", ({ data }: MessageEvent<ThreadMessage | null>) => {
        // What a library in it says to whom it takes for its own page is nothing here.
        if (data?.extracted !== undefined) resolve(data.extracted);
        if (data?.isStarted !== true || isStarted) return;
        isStarted = true;
        worker?.postMessage(file);
      });
    });
  } catch {
    return refused("unavailable");
  } finally {
    release();
    worker?.terminate();
  }
}

/** Where the caller says that workers come from; otherwise the script beside this one. */
export function threadSource({ worker }: ThreadOptions, spawnDefault: () => Worker): () => Worker {
  if (typeof worker === "function") return worker;
  if (worker !== undefined) return () => new Worker(trusted(worker), { type: "module" });
  return () => withTrustedAddress(spawnDefault);
}

/**
 * Bundlers put their own address into a literal, and only the constructor sees it. So that it can be given its trusted form there, the
 * constructor is another one while the literal runs, which is synchronous.
 */
function withTrustedAddress(make: () => Worker): Worker {
  const plain = globalThis.Worker;
  globalThis.Worker = new Proxy(plain, {
    construct: (target, [url, options]: [string | URL, unknown]) =>
      Reflect.construct(target, [trusted(url), options]) as Worker,
  });
  try {
    return make();
  } finally {
    globalThis.Worker = plain;
  }
}

interface Policy {
  createScriptURL(url: string): unknown;
}

let policy: Policy | undefined;

/**
 * The address of a script in the form that the page's policy demands: a `TrustedScriptURL` of the policy "coffer" where there are Trusted
 * Types. A page that names its policies lists it with `'allow-duplicates'`, since the library itself has one, or hands in workers of its own making.
 */
function trusted(url: string | URL): string {
  const { href } = new URL(url, location.href);
  const types = (globalThis as { trustedTypes?: { createPolicy(name: string, rules: Policy): Policy } })
    .trustedTypes;
  try {
    policy ??= types?.createPolicy("coffer", { createScriptURL: (own) => own });
  } catch {
    // The page's list leaves it out; whether plain text passes is for the browser to say.
  }
  // The DOM's types know addresses as texts only, and every sink takes the trusted form as well.
  return (policy?.createScriptURL(href) ?? href) as string;
}
