import { describe, expect, it } from "vitest";
import { bytesToHex, bytesToId, parseHex } from "../std/index.ts";
import {
  decodeAnswerOf,
  decodeQuestion,
  encodeAnswer,
  encodeQuestion,
  type EntryAnswer,
  type EntryQuestion,
} from "./entry-calls.ts";
import vectors from "./entry-calls.vectors.json";

const dbId = bytesToId("DbId", new Uint8Array(16).fill(9));
const commit = Uint8Array.of(1, 2, 3);
const bytesOf = (hex: string): Uint8Array<ArrayBuffer> => parseHex(hex) ?? new Uint8Array(0);

const questions: { readonly [name in keyof typeof vectors.questions]: EntryQuestion } = {
  hasEntries: { call: "has", dbId, ids: ["a", "bc"] },
  findNewEntries: { call: "new", dbId, ids: ["a"], docId: undefined },
  findNewEntriesForDoc: { call: "new", dbId, ids: [], docId: "doc" },
  getEntries: { call: "get", dbId, ids: ["a"] },
  scanEntriesSince: { call: "scan", dbId, cursor: { epoch: "e1", position: 300 }, limit: 1000 },
  getIdBloomSummary: { call: "bloom", dbId },
  getCompactionStatus: { call: "compaction", dbId },
};
const answers: { readonly [name in keyof typeof vectors.answers]: EntryAnswer } = {
  hasEntries: { call: "has", indexes: [0, 200] },
  findNewEntries: { call: "new", parts: [{ commit, indexes: [0, 2] }] },
  getEntries: { call: "get", parts: [] },
  scanEntriesSince: {
    call: "scan",
    parts: [{ commit, indexes: [] }],
    next: { epoch: "e1", position: 301 },
    hasMore: true,
  },
  getIdBloomSummary: {
    call: "bloom",
    salt: new Uint8Array(16).fill(5),
    entryCount: 3,
    hashCount: 7,
    bits: Uint8Array.of(1, 128),
  },
  getCompactionStatus: { call: "compaction", entryCount: 5, commitCount: 4, sizeBytes: 300 },
};

describe("vectors", () => {
  it.each(Object.entries(questions))("a question: %s", (name, question) => {
    const hex = vectors.questions[name as keyof typeof questions];
    expect(bytesToHex(encodeQuestion(question))).toBe(hex);
    expect(decodeQuestion(bytesOf(hex))).toEqual(question);
  });

  it.each(Object.entries(answers))("an answer: %s", (name, answer) => {
    const hex = vectors.answers[name as keyof typeof answers];
    expect(bytesToHex(encodeAnswer(answer))).toBe(hex);
    expect(decodeAnswerOf(bytesOf(hex))).toEqual(answer);
  });

  it.each(Object.entries(vectors.refusedQuestions))("a question is refused: %s", (_name, hex) => {
    expect(decodeQuestion(bytesOf(hex))).toBeUndefined();
  });

  it.each(Object.entries(vectors.refusedAnswers))("an answer is refused: %s", (_name, hex) => {
    expect(decodeAnswerOf(bytesOf(hex))).toBeUndefined();
  });
});
