/** How somebody looks at a view, as plain data: it can be stored in a document and shared. */
import { viewLimits } from "./definition.ts";

/** What is expanded and selected. */
export interface ViewState {
  readonly version: 1;
  /** categories of levels below this are expanded; 0: none are */
  readonly expandedTo: number;
  /** keys of the categories that stand otherwise than `expandedTo` says */
  readonly flipped: readonly string[];
  /** keys of rows */
  readonly selected: readonly string[];
}

/** A view as it is first seen: everything collapsed, nothing selected. */
export const initialState: ViewState = { version: 1, expandedTo: 0, flipped: [], selected: [] };

/** What the judgement of an untrusted state gives. */
export type StateVerdict =
  | { readonly kind: "state"; readonly state: ViewState }
  | { readonly kind: "malformed"; readonly at: string };

/** Judge an untrusted state: any value gives a verdict. Keys that name nothing are allowed; what they name may come. */
export function parseViewState(input: unknown): StateVerdict {
  try {
    return readState(input);
  } catch {
    return { kind: "malformed", at: "" };
  }
}

function readState(input: unknown): StateVerdict {
  if (typeof input !== "object" || input === null) return { kind: "malformed", at: "" };
  const { version, expandedTo, flipped, selected } = input as { readonly [key: string]: unknown };
  if (version !== 1) return { kind: "malformed", at: "version" };
  if (!Number.isSafeInteger(expandedTo) || Number(expandedTo) < 0)
    return { kind: "malformed", at: "expandedTo" };
  const [flippedKeys, selectedKeys] = [readKeys(flipped), readKeys(selected)];
  if (flippedKeys === undefined) return { kind: "malformed", at: "flipped" };
  if (selectedKeys === undefined) return { kind: "malformed", at: "selected" };
  const levels = Math.min(Number(expandedTo), viewLimits.levels);
  return {
    kind: "state",
    state: { version: 1, expandedTo: levels, flipped: flippedKeys, selected: selectedKeys },
  };
}

function readKeys(input: unknown): readonly string[] | undefined {
  if (!Array.isArray(input) || input.length > viewLimits.stateKeys) return undefined;
  const keys = Array.from(input as readonly unknown[]);
  return keys.every((key): key is string => typeof key === "string" && key.length <= viewLimits.keyLength)
    ? keys
    : undefined;
}
