/** What a live view is built of: its sources, and the building itself. See live-view.ts. */
import type { CofferError, Release } from "../std/index.ts";
import type { Expression } from "../expr/index.ts";
import { View, type SourcePlan, type ViewDefinition, type ViewRow, type ViewState } from "../view/index.ts";
import type { RowDelta, RowFollower } from "./row-feed.ts";
import type { RecalledRows } from "./view-orders.ts";
import type { FoundChange } from "./view-search.ts";

/** A database that a view shows, by the page's number for it; it may be opened later. */
export interface LiveViewSource {
  readonly origin: string;
  readonly database: number;
  readonly filter: Expression | undefined;
}

/** Follows the rows of a database. */
export type FollowRows = (follower: RowFollower) => Release;

/** A source of a live view. */
export interface Source extends LiveViewSource {
  readonly plan: SourcePlan;
  release: Release | undefined;
  /** it can be read now */
  isOpen: boolean;
  /** its rows when it began, until they are built in */
  started: readonly ViewRow[] | undefined;
}

/** A view that is being built beside what is shown. */
export interface Building {
  readonly definition: ViewDefinition;
  readonly view: View;
  /** `undefined` until it is known what was kept */
  steps: Iterator<number, void> | undefined;
  /** what changed since it began */
  queued: (readonly [source: number, deltas: readonly RowDelta[]])[];
  /** what came to what is found since, or went */
  readonly moved: FoundChange[];
  readonly asked: { resolve(): void; reject(error: CofferError): void } | undefined;
}

/** Make a view of these sources, with nothing in it yet. */
export function createView(sources: readonly Source[], definition: ViewDefinition, state: ViewState): View {
  return new View(
    definition,
    sources.map(({ plan }) => plan),
    state,
  );
}

/** All rows that can be read now, but those whose places are known. */
export function* rowsOf(
  sources: readonly Source[],
  view: View,
  recalled: readonly (RecalledRows | undefined)[],
): Generator<{ readonly origin: number; readonly row: ViewRow }, void> {
  for (const [origin, { isOpen, started }] of sources.entries()) {
    if (!isOpen) continue;
    for (const row of recalled[origin]?.others ?? started ?? view.rowsOf(origin)) yield { origin, row };
  }
}

/** Rows that a source began with, and that were never built in, are brought up to date. */
export function catchUp(source: Source | undefined, deltas: readonly RowDelta[]): void {
  if (source?.started === undefined) return;
  const rows = new Map(source.started.map((row) => [row.docId, row]));
  for (const { docId, after } of deltas) {
    if (after === undefined) rows.delete(docId);
    else rows.set(docId, after);
  }
  source.started = [...rows.values()];
}

/** Take in what changed in the rows of a source. */
export function applyDeltas(view: View, origin: number, deltas: readonly RowDelta[]): void {
  view.apply(deltas.map(({ docId, after }) => ({ origin, id: docId, row: after })));
}
