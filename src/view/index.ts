/**
 * view: documents in categories, in order, with totals; kept up to date row by row.
 *
 * Guarantees
 * - a view kept up to date equals the view built afresh: rows, order, totals, bit for bit (V1, T2)
 * - a change, and reading a window, take O(log n) and the size of what is read (V2, L2)
 * - rows have keys that last, and what a page is told turns what it has into what there is (V3, W1)
 * - untrusted definitions and states are judged: they give a verdict, within limits
 *
 * It sees plain rows only: it does not know entries, documents, stores or signals, and it holds no clock.
 */
export { CountedList, type Listed } from "./counted-list.ts";
export { category, display, sorted, total } from "./builders.ts";
export {
  viewLimits,
  type Column,
  type ColumnInput,
  type ColumnReading,
  type MetaField,
  type TotalFunction,
  type ViewDefinition,
  type ViewDefinitionInput,
} from "./definition.ts";
export { readOrder, type KnownCategory, type KnownOrder } from "./known-order.ts";
export { parseViewDefinition, type ViewVerdict } from "./parse-definition.ts";
export { isCategoryValue, type CategoryValue } from "./path.ts";
export type { SourcePlan, ViewRow } from "./plan.ts";
export {
  answer,
  turn,
  type FoundRow,
  type ViewQuestion,
  type ViewTurn,
  type Whereabouts,
} from "./questions.ts";
export type { CategoryRow, DocumentRow, ShownRow, ViewMark } from "./rows.ts";
export { sortInSteps } from "./sort-in-steps.ts";
export { initialState, parseViewState, type StateVerdict, type ViewState } from "./state.ts";
export type { TotalValue } from "./totals.ts";
export { View, type ViewChange } from "./view.ts";
export { applyDelta, ViewWindow, type Splice, type WindowDelta } from "./window.ts";
