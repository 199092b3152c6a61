/**
 * Words of a text, as they are indexed and searched.
 *
 * ```
 *   "Crème Brûlée, 東京都"  ──►  runs of letters and digits  ──►  words, by Intl.Segmenter where a script has no spaces
 *                           ──►  folded: NFKC, lower case, without diacritics  ──►  creme · brulee · 東京 · 都
 * ```
 * A place is counted in UTF-16 units of the text as it was given, so that a hit can be marked in it.
 */

/** Longer words are cut, in the text and in what is searched for alike. */
export const maxTermUnits = 64;

/** What of a longer run is looked at: folding can make a character up to 18. */
const maxRunUnits = 4 * maxTermUnits;
const runs = /[\p{L}\p{N}\p{M}]+/gu;
const plain = /^[\da-z]+$/;
const unspaced =
  /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Thai}\p{Script=Lao}\p{Script=Khmer}\p{Script=Myanmar}]/u;
/** Marks of scripts that are read without them; those of others, as vowels of Devanagari, are letters of their own right. */
const diacritics =
  /([\p{Script=Latin}\p{Script=Greek}\p{Script=Cyrillic}\p{Script=Hebrew}\p{Script=Arabic}])\p{Mn}+/gu;
const foldable = /[ßøłđðþæœıς]/g;
/** Letters that no normalization takes apart. */
const folds: Readonly<Record<string, string>> = {
  ß: "ss",
  ø: "o",
  ł: "l",
  đ: "d",
  ð: "d",
  þ: "th",
  æ: "ae",
  œ: "oe",
  ı: "i",
  ς: "σ",
};

/** Hears of a word: its term, and where it stands. */
export type WordListener = (term: string, from: number, to: number) => void;

const segmenter =
  typeof Intl.Segmenter === "function" ? new Intl.Segmenter("en", { granularity: "word" }) : undefined;

/** Go through the words of a text, in their order. Linear in the text. */
export function eachWord(text: string, hear: WordListener): void {
  for (const { 0: run, index } of text.matchAll(runs)) {
    if (unspaced.test(run)) eachUnspaced(run, index, hear);
    else fold(run, index, index + run.length, hear);
  }
}

/** A run of a script without spaces: by dictionary, or character by character where the platform has none. */
function eachUnspaced(run: string, start: number, hear: WordListener): void {
  if (segmenter === undefined) {
    let at = start;
    for (const character of run) fold(character, at, (at += character.length), hear);
    return;
  }
  for (const { index, segment } of segmenter.segment(run))
    fold(segment, start + index, start + index + segment.length, hear);
}

function fold(word: string, from: number, to: number, hear: WordListener): void {
  const lower = word.slice(0, maxRunUnits).toLowerCase();
  if (plain.test(lower)) return hear(lower.slice(0, maxTermUnits), from, to);
  const folded = lower
    .normalize("NFKC")
    .toLowerCase()
    .normalize("NFD")
    .replace(diacritics, "$1")
    .normalize("NFC")
    .replace(foldable, (letter) => folds[letter] ?? letter);
  // Folding can bring what is no letter: a fraction has a stroke in it.
  for (const [term] of folded.matchAll(runs)) hear(cut(term), from, to);
}

/** Never inside a character. */
function cut(term: string): string {
  if (term.length <= maxTermUnits) return term;
  const last = term.charCodeAt(maxTermUnits - 1);
  return term.slice(0, (last & 0xfc00) === 0xd800 ? maxTermUnits - 1 : maxTermUnits);
}

/** The terms of a text, in their order. */
export function termsOf(text: string): string[] {
  const terms: string[] = [];
  eachWord(text, (term) => terms.push(term));
  return terms;
}

const version = 1;
const sample = "Crème ẞtraße ﬁ 東京都に住む ภาษาไทย Ångström İ";

/**
 * How this platform makes words: another version, or another platform's dictionary, makes others, and what was indexed with them is
 * indexed again.
 */
export function wordsSignature(): string {
  return `${version} ${termsOf(sample).join(" ")}`;
}
