/** What the page says about views, judged. */
import { CofferError } from "../src/std/index.ts";
import { judgeExpression, type Expression } from "../src/expr/index.ts";
import {
  parseViewDefinition,
  parseViewState,
  viewLimits,
  type ViewDefinition,
  type ViewQuestion,
  type ViewState,
  type ViewTurn,
  type Whereabouts,
} from "../src/view/index.ts";
import type { LiveViewSource } from "../src/tenant/index.ts";
import type { SearchQuery } from "../src/search/index.ts";
import { readFields, readNatural, readText } from "./page-messages.ts";
import { readWords } from "./search-messages.ts";

const maxValues = 64;

function invalid(at: string): never {
  throw new CofferError("input/invalid", { at });
}

function readList(message: unknown, at: string, maxCount: number): readonly unknown[] {
  if (!Array.isArray(message) || message.length > maxCount) invalid(at);
  return Array.from<unknown>(message);
}

/** Read a view that is to be opened. @throws `input/invalid` with `at` */
export function readView(message: unknown): {
  readonly sources: readonly LiveViewSource[];
  readonly definition: ViewDefinition;
  readonly state: ViewState | undefined;
  readonly window: { readonly from: number; readonly count: number };
  readonly search: SearchQuery | undefined;
} {
  const { sources, definition, state, window, search } = readFields(message, "view");
  const { from, count } = readFields(window, "window");
  const read = readList(sources, "sources", viewLimits.sources).map((source, index) =>
    readSource(source, `sources.${index}`),
  );
  if (read.length === 0) invalid("sources");
  if (new Set(read.map(({ origin }) => origin)).size < read.length) invalid("sources");
  return {
    sources: read,
    definition: readViewDefinition(definition),
    state: state === undefined ? undefined : readState(state, "state"),
    window: readWindow(from, count),
    search: readViewSearch(search),
  };
}

/** Read what is searched for in a view; `undefined`: nothing. @throws `input/invalid` with `at`, `input/too-large` */
export function readViewSearch(search: unknown): SearchQuery | undefined {
  return search === undefined ? undefined : readWords(readFields(search, "search"));
}

function readSource(message: unknown, at: string): LiveViewSource {
  const { origin, database, filter } = readFields(message, at);
  const name = readText(origin, `${at}.origin`);
  if (name.length > viewLimits.nameLength) invalid(`${at}.origin`);
  return {
    origin: name,
    database: readNatural(database, `${at}.database`),
    filter: filter === undefined ? undefined : readFilter(filter, `${at}.filter`),
  };
}

function readFilter(message: unknown, at: string): Expression {
  const verdict = judgeExpression(message);
  return verdict.kind === "expression" ? verdict.expression : invalid(`${at}.${verdict.at}`);
}

/** Read a definition. @throws `input/invalid` with `at` */
export function readViewDefinition(message: unknown): ViewDefinition {
  const verdict = parseViewDefinition(message);
  return verdict.kind === "definition" ? verdict.definition : invalid(verdict.at);
}

/** Read which rows are to be shown. @throws `input/invalid` with `at` */
export function readWindow(from: unknown, count: unknown): { readonly from: number; readonly count: number } {
  const read = { from: readNatural(from, "from"), count: readNatural(count, "count") };
  return read.count > viewLimits.window ? invalid("count") : read;
}

function readState(message: unknown, at: string): ViewState {
  const verdict = parseViewState(message);
  return verdict.kind === "state" ? verdict.state : invalid(`${at}.${verdict.at}`);
}

/** Read how a view is to be looked at. @throws `input/invalid` with `at` */
export function readTurn(message: unknown): ViewTurn {
  const { turn, categories, isExpanded, where, level, keys, isSelected, state } = readFields(message, "turn");
  switch (turn) {
    case "expand":
      return {
        turn,
        categories: readList(categories, "categories", viewLimits.stateKeys).map((one, index) =>
          typeof one === "string"
            ? readKey(one, `categories.${index}`)
            : readValues(one, `categories.${index}`),
        ),
        isExpanded: readTruth(isExpanded, "isExpanded"),
      };
    case "reveal":
      return { turn, where: readWhere(where, "where") };
    case "expandTo":
      return { turn, level: Math.min(readNatural(level, "level"), viewLimits.levels) };
    case "select": {
      const read = readList(keys, "keys", viewLimits.stateKeys);
      return {
        turn,
        keys: read.map((key, index) => readKey(key, `keys.${index}`)),
        isSelected: readTruth(isSelected, "isSelected"),
      };
    }
    case "restore":
      return { turn, state: readState(state, "state") };
    default:
      return invalid("turn");
  }
}

/** Read a question about rows. @throws `input/invalid` with `at` */
export function readQuestion(message: unknown): ViewQuestion {
  const { ask, where, from, to, count } = readFields(message, "question");
  switch (ask) {
    case "find":
      return { ask, where: readWhere(where, "where") };
    case "range":
      return { ask, from: readWhere(from, "from"), to: readWhere(to, "to") };
    case "children":
      return {
        ask,
        where: where === undefined ? undefined : readWhere(where, "where"),
        ...readWindow(from, count),
      };
    case "read":
      return { ask, ...readWindow(from, count) };
    default:
      return invalid("ask");
  }
}

function readWhere(message: unknown, at: string): Whereabouts {
  const { key, values, position } = readFields(message, at);
  if (key !== undefined) return { key: readKey(key, `${at}.key`) };
  if (values !== undefined) return { values: readValues(values, `${at}.values`) };
  return { position: readText(position, `${at}.position`) };
}

function readValues(message: unknown, at: string): readonly unknown[] {
  return readList(message, at, maxValues);
}

function readKey(message: unknown, at: string): string {
  const key = readText(message, at);
  return key.length > viewLimits.keyLength ? invalid(at) : key;
}

function readTruth(message: unknown, at: string): boolean {
  return typeof message === "boolean" ? message : invalid(at);
}
