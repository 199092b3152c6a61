/**
 * The words of an expression's text.
 *
 * | token | form |
 * |---|---|
 * | number | `12` `1.5` `2e-7`, and the names `nan` `infinity` |
 * | text | `'it''s'`: between quotes, a quote doubled |
 * | date | `@2024-02-29` or `@2024-02-29T12:00:00Z`; `@invalid` |
 * | name | letters, digits, `_` and `$`, not beginning with a digit |
 * | quoted name | `` `any name` ``: between backticks, a backtick doubled |
 * | sign | `= != < <= > >= + - * / % ( ) , .` |
 */
import { readDate } from "./dates.ts";
import { Malformed } from "./malformed.ts";

/** A word, and where it begins. */
export type Token =
  | { readonly kind: "number"; readonly number: number; readonly at: number; readonly end: number }
  | { readonly kind: "text" | "quoted"; readonly text: string; readonly at: number; readonly end: number }
  | { readonly kind: "date"; readonly date: Date; readonly at: number; readonly end: number }
  | { readonly kind: "name" | "sign"; readonly text: string; readonly at: number; readonly end: number }
  | { readonly kind: "end"; readonly at: number; readonly end: number };

const spaces = " \t\r\n";
const number = /^\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/;
/** digits alone, behind a dot: a step into a list */
const digits = /^\d+/;
const name = /^[\p{L}_$][\p{L}\p{M}\p{N}_$]*/u;
const date = /^@[\w:.+-]*/;
const sign = /^(?:!=|<=|>=|[=<>+\-*/%(),.])/;
/** Words are looked for in so much of the text; no name or number may be that long. */
const longest = 2048;

/** Tell whether a text is a name without quotes. */
export function isPlainName(of: string): boolean {
  return of.length < longest && name.exec(of)?.[0] === of;
}

/** Tell whether a text is digits, which need no quotes behind a dot. */
export function isDigits(of: string): boolean {
  return of.length < longest && digits.exec(of)?.[0] === of;
}

/** Read the word at a place; `isStep` behind a dot. @throws {@link Malformed} */
export function readToken(source: string, from: number, isStep = false): Token {
  let at = from;
  while (at < source.length && spaces.includes(source.charAt(at))) at += 1;
  if (at >= source.length) return { kind: "end", at, end: at };
  const head = source.slice(at, at + longest);
  const is = (form: RegExp): string => {
    const found = form.exec(head)?.[0] ?? "";
    if (found.length === longest) throw new Malformed(at, "a word that is too long");
    return found;
  };
  const word = is(name);
  if (word !== "") return { kind: "name", text: word, at, end: at + word.length };
  const figures = is(isStep ? digits : number);
  if (figures !== "") {
    const end = at + figures.length;
    if (isStep) return { kind: "name", text: figures, at, end };
    // Digits past the largest double would be infinite: that has a name.
    if (!Number.isFinite(Number(figures))) throw new Malformed(at, "a number that is too large");
    return { kind: "number", number: Number(figures), at, end };
  }
  const mark = is(sign);
  if (mark !== "") return { kind: "sign", text: mark, at, end: at + mark.length };
  if (head.startsWith("@")) {
    const found = is(date);
    return { kind: "date", date: dateOf(found, at), at, end: at + found.length };
  }
  return readQuoted(source, at);
}

function dateOf(word: string, at: number): Date {
  const read = word === "@invalid" ? new Date(Number.NaN) : readDate(word.slice(1));
  if (read === undefined) throw new Malformed(at, "no date: @2024-02-29 or @2024-02-29T12:00:00Z");
  return read;
}

function readQuoted(source: string, at: number): Token {
  const quote = source.charAt(at);
  if (quote !== "'" && quote !== "`") throw new Malformed(at, "a character that has no meaning here");
  let end = source.indexOf(quote, at + 1);
  while (end >= 0 && source[end + 1] === quote) end = source.indexOf(quote, end + 2);
  if (end < 0) throw new Malformed(at, "a quote that is never closed");
  const text = source.slice(at + 1, end).replaceAll(quote + quote, quote);
  return { kind: quote === "'" ? "text" : "quoted", text, at, end: end + 1 };
}
