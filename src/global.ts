/**
 * The script tag's form: everything of the library as `window.Coffer`, with the signals that an application
 * would import itself.
 */
export * from "./index.ts";
export { batch, computed, effect, signal, untracked } from "@preact/signals-core";
