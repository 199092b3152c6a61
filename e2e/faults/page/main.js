/**
 * The page of the fault stories: the built library, and what the stories ask of a page again and again.
 * Its form is `Story` in `world.ts`.
 */
import { effect } from "@preact/signals-core";
import { openCoffer } from "./dist/index.js";

/**
 * The code a promise rejects with, or "resolved".
 *
 * @param {Promise<unknown>} promise
 * @returns {Promise<string>}
 */
function outcomeOf(promise) {
  return promise.then(
    () => "resolved",
    (error) => error.code ?? String(error),
  );
}

/**
 * Wait until a signal's value is as wanted.
 *
 * @param {{ readonly value: any }} signal
 * @param {(value: any) => boolean} isMet
 * @param {number} [withinMs]
 * @returns {Promise<any>}
 */
function until(signal, isMet, withinMs = 15_000) {
  return new Promise((resolve, reject) => {
    let stop = () => {};
    const timer = setTimeout(() => {
      stop();
      reject(new Error(`Not within ${withinMs} ms; the value is ${JSON.stringify(signal.value)}`));
    }, withinMs);
    stop = effect(() => {
      const { value } = signal;
      if (!isMet(value)) return;
      clearTimeout(timer);
      queueMicrotask(() => stop());
      resolve(value);
    });
  });
}

/**
 * Collect every value that a part of a signal takes from now on.
 *
 * @param {{ readonly value: any }} signal
 * @param {(value: any) => unknown} pick
 * @returns {unknown[]}
 */
function follow(signal, pick) {
  /** @type {unknown[]} */
  const seen = [];
  effect(() => {
    const now = pick(signal.value);
    if (seen.at(-1) !== now) seen.push(now);
  });
  return seen;
}

Object.assign(globalThis, { story: { openCoffer, effect, outcomeOf, until, follow } });
