/** Broken products that seal documents under keys of others than they should. */
import type { SourceMutant } from "./security-mutants.ts";

const resealTest = "worker/reseal.test.ts";

/** Who can read what is written. */
export const handing: readonly SourceMutant[] = [
  {
    name: "what was sealed anew is sealed again",
    file: "src/tenant/reseal.ts",
    from: "return old.length > 0 && !covers.some((heads) => coversAll(doc, heads, old));",
    to: "return old.length > covers.length * 0;",
    killedBy: { file: resealTest, test: "goes on where it ended" },
  },
  {
    name: "a snapshot that was made up is taken for the sealing anew",
    file: "src/tenant/reseal.ts",
    from: 'const isWhole = row.verdict === "accepted" && row.refused === "";',
    to: "const isWhole = row.position > 0;",
    killedBy: { file: resealTest, test: "is not done by a snapshot that somebody made up" },
  },
  {
    name: "a snapshot covers what came after it",
    file: "src/tenant/reseal.ts",
    from: "return old.every((index) => past.has(index));",
    to: "return old.some((index) => past.has(index));",
    killedBy: { file: resealTest, test: "covers every old entry, not some of them" },
  },
  {
    name: "a reader seals anew",
    file: "src/tenant/reseal.ts",
    from: '  requireRight(core, { dbId, entryType: "doc_snapshot", doc });\n',
    to: "",
    killedBy: { file: resealTest, test: "is not for readers" },
  },
  {
    name: "documents of every key are sealed anew",
    file: "src/tenant/reseal.ts",
    from: "if (header === undefined || key?.keyId !== now.keyId ||",
    to: "if (header === undefined || key === undefined ||",
    killedBy: { file: resealTest, test: "of a named key touches no other key's documents" },
  },
];
