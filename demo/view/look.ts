/** How a view is arranged and looked at, as it is stored and shared. Pure. */
import type { ViewState } from "cofferdb";
import { parseArrangement, type Arrangement } from "./arrangement.ts";

/** What is chosen, and what is expanded. */
export interface Look {
  readonly arrangement: Arrangement;
  readonly state: ViewState;
}

/** A state with more of them is refused. */
const mostKeys = 10_000;

/** Everything collapsed. */
export const collapsed: ViewState = { version: 1, expandedTo: 0, flipped: [], selected: [] };

/** What of a state is stored: what somebody has selected is theirs alone. */
export const stored = (state: ViewState): ViewState => ({ ...state, selected: [] });

/** Judge what a saved view holds; it may have been written by anybody. Every value gives a look. */
export function parseLook(input: unknown): Look {
  const { arrangement, look } =
    typeof input === "object" && input !== null ? (input as Record<string, unknown>) : {};
  return { arrangement: parseArrangement(arrangement), state: parseState(look) };
}

function parseState(input: unknown): ViewState {
  if (typeof input !== "object" || input === null) return collapsed;
  const { expandedTo, flipped } = input as Partial<Record<keyof ViewState, unknown>>;
  if (typeof expandedTo !== "number" || !Number.isSafeInteger(expandedTo) || expandedTo < 0) return collapsed;
  const keys = Array.isArray(flipped) ? flipped.filter((key): key is string => typeof key === "string") : [];
  return { version: 1, expandedTo, flipped: keys.slice(0, mostKeys), selected: [] };
}
