/** How failures of Dexie and IndexedDB are named, and how long anything is waited for. */
import { CofferError, isCofferError, type Env } from "../std/index.ts";

/** Wait for a promise, but not longer than a limit. */
export async function within<T>(
  env: Env,
  limitMs: number,
  promise: PromiseLike<T>,
  late: () => CofferError,
): Promise<T> {
  return new Promise<T>((resolve, reject) => {
    const release = env.setTimer(limitMs, () => reject(late()));
    promise.then(
      (value) => {
        release();
        resolve(value);
      },
      (cause: unknown) => {
        release();
        reject(cause);
      },
    );
  });
}

/** The names of an error and of what Dexie and others wrapped in it. */
function errorNames(cause: unknown): readonly string[] {
  const names: string[] = [];
  let error = cause;
  for (let depth = 0; depth < 4 && typeof error === "object" && error !== null; depth++) {
    const { name, inner } = error as { name?: unknown; inner?: unknown };
    if (typeof name === "string") names.push(name);
    error = inner;
  }
  return names;
}

/** Say a failure of Dexie or IndexedDB in the store's codes. */
export function storeError(cause: unknown, store: string): CofferError {
  if (isCofferError(cause)) return cause;
  const names = errorNames(cause);
  if (names.includes("QuotaExceededError")) return new CofferError("store/quota", { store }, { cause });
  if (names.includes("DataCloneError")) return new CofferError("input/invalid", { store }, { cause });
  return new CofferError("store/failed", { store, reason: names[0] }, { cause });
}

/** A full disk and a value that cannot be stored stay so; any other failure may be the connection's, and a new one is tried. */
export function isWorthRepeating(cause: unknown): boolean {
  return (
    !isCofferError(cause) && !errorNames(cause).some((name) => /^(QuotaExceeded|DataClone)Error$/.test(name))
  );
}
