/** Texts of made-up words, as often as words are in a language: the n-th most frequent one about 1/n as often as the first. */
import { createDice } from "./rows.ts";

const vocabularySize = 6_000;
const syllables = ["ba", "ken", "dor", "li", "mar", "so", "ti", "ven", "ra", "gul", "fe", "non", "pa", "ros"];

/** Make `count` texts of so many characters each; and the words, the most frequent first. */
export function makeTexts(
  count: number,
  length: number,
): { readonly texts: readonly string[]; readonly words: readonly string[] } {
  const words = Array.from({ length: vocabularySize }, (_, rank) => wordOf(rank));
  const draw = createDice(7);
  // The logarithm of the rank is evenly spread: that is what 1/n comes to.
  const pick = (): string => words[Math.floor(vocabularySize ** (draw(100_000) / 100_000)) - 1] ?? "";
  const texts = Array.from({ length: count }, () => {
    let text = "";
    while (text.length < length) text += `${text === "" ? "" : " "}${pick()}`;
    return text.slice(0, length);
  });
  return { texts, words };
}

/** Frequent words are short. */
function wordOf(rank: number): string {
  let word = "";
  for (let rest = rank + 1; rest > 0; rest = Math.floor(rest / syllables.length))
    word += syllables[rest % syllables.length] ?? "";
  return word;
}
