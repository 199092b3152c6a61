/**
 * search: full text over plain rows, each an id and its texts.
 *
 * Guarantees
 * - T1 an index that was kept up to date answers as one that was built afresh from the same documents, scores included
 * - T2 a document that was dropped leaves nothing behind: no term that only it had, and nothing in the segments
 * - T3 segments bring back the index that they were taken from; damaged ones are refused, and nothing of them is taken
 * - T4 a search is bounded whatever is asked: in its words, their length, and how far a word may be from what was written
 * - T5 words are found however they are written: case, diacritics, width and ligatures make no difference
 *
 * It knows no store, no keys and no documents: who uses it says what their texts are, when they change, and where segments are kept.
 */
export { cutExcerpts, excerptLimits, type SearchExcerpt } from "./excerpts.ts";
export { findMarks, maxMarks, type SearchMark } from "./marks.ts";
export { searchLimits, type SearchQuery } from "./match.ts";
export { encodeSegment, parseSegment, type IdForm, type SegmentDoc } from "./segment.ts";
export { segmentSize, TextIndex, type Found, type SearchResult } from "./text-index.ts";
export { documentTexts, type DocText } from "./texts.ts";
export { eachWord, termsOf, wordsSignature } from "./words.ts";
