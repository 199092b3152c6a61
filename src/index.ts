/**
 * CofferDB: all that an application imports.
 *
 * `openCoffer` opens the door; the builders write filters; the text functions work inside `changeDoc`;
 * `bindText` ties an input to a field. Signals come from `@preact/signals-core`, which the application shares
 * with this library.
 */
export * from "./page/index.ts";
export {
  and,
  coalesce,
  contains,
  day,
  endsWith,
  eq,
  exists,
  field,
  gt,
  gte,
  isIn,
  length,
  lower,
  lt,
  lte,
  month,
  neq,
  not,
  or,
  startsWith,
  value,
  year,
  type Comparand,
  type Expression,
  type FieldPath,
  type Literal,
  type Operand,
  type SortKey,
} from "./expr/index.ts";
export { category, display, sorted, total } from "./view/index.ts";
export {
  Atomic,
  Counter,
  current,
  draftLimits,
  increment,
  mark,
  splice,
  unmark,
  updateText,
  type DocData,
  type DocValue,
  type Draft,
  type Mark,
  type Patch,
  type Path,
} from "./draft/index.ts";
export { CofferError, isCofferError, type CofferErrorCode, type ErrorDetails } from "./std/index.ts";
