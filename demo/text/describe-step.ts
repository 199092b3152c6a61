/** A step of a document's history in words. Pure. */
import type { HistoryStep, Patch } from "cofferdb";
import { formatThings } from "./format.ts";

const kinds: Record<HistoryStep["kind"], string> = {
  create: "created it",
  change: "changed it",
  delete: "deleted it",
  undelete: "restored it",
  undo: "undid an edit",
  redo: "redid an edit",
  branch: "worked on a draft of it",
  merge: "took a draft over",
  discard: "gave up a draft",
};

/** "changed it" */
export const describeKind = (kind: HistoryStep["kind"]): string => kinds[kind];

const maxWords = 4;
const maxTextUnits = 40;

/** What a step changed, a few words for each field; the fields of a new document are only counted. */
export function describePatches(step: Pick<HistoryStep, "kind" | "patches">): readonly string[] {
  if (step.kind === "create") return [];
  const lines = step.patches.flatMap((patch) => {
    const field = String(patch.path[0] ?? "");
    if (field.startsWith(fileField)) return describeFile(patch);
    return field.startsWith("$") ? [] : describePatch(patch);
  });
  const unique = [...new Set(lines)];
  const rest = unique.length - maxWords;
  return rest <= 0 ? unique : [...unique.slice(0, maxWords), `and ${rest} more`];
}

/** Where the library keeps a file of a document. */
const fileField = "$file:";

/** What happened to a file: its parts are the library's, its coming and going are a person's. */
function describeFile(patch: Patch): readonly string[] {
  // What was made of a file comes and goes with it.
  if (String(patch.path[0]).includes("/")) return [];
  if (patch.path.length > 1) return patch.path[1] === "parts" && patch.op === "splice" ? ["A file grew"] : [];
  if (patch.op === "delete") return ["A file taken out"];
  if (patch.op !== "set") return [];
  const { value } = patch;
  const name: unknown =
    typeof value === "object" && value !== null && "name" in value ? value.name : undefined;
  return [typeof name === "string" && name !== "" ? `${quote(name)} added` : "A file added"];
}

function describePatch(patch: Patch): string {
  const field = fieldName(patch.path);
  switch (patch.op) {
    case "set":
      return `${field}: ${valueWords(patch.value)}`;
    case "delete":
      return `${field} cleared`;
    case "splice": {
      if (patch.values.length === 0)
        return `${field}: ${formatThings(patch.remove, "entry", "entries")} removed`;
      return `${field}: ${patch.values.map(valueWords).join(", ")} added`;
    }
    case "spliceText": {
      if (patch.insert === "") return `${field}: ${lettersWords(patch.remove)} removed`;
      return `${field}: ${quote(patch.insert)} ${patch.remove === 0 ? "typed" : `typed over ${lettersWords(patch.remove)}`}`;
    }
    case "mark":
    case "unmark":
      return `${field}: ${patch.name}`;
  }
}

/** "Runtime minutes" for ["runtimeMinutes"]; indexes are left out. */
function fieldName(path: Patch["path"]): string {
  const name = path.findLast((step) => typeof step === "string") ?? "Document";
  const words = name.replaceAll(
    /([a-z])([A-Z])/g,
    (_, before: string, after: string) => `${before} ${after.toLowerCase()}`,
  );
  return words.charAt(0).toUpperCase() + words.slice(1);
}

function valueWords(value: unknown): string {
  if (typeof value === "string") return value === "" ? "empty" : quote(value);
  if (typeof value === "number" || typeof value === "boolean") return String(value);
  if (value === null) return "empty";
  if (!Array.isArray(value)) return "filled in";
  return value.length === 0 ? "empty" : formatThings(value.length, "entry", "entries");
}

const lettersWords = (count: number): string => (count === 1 ? "a letter" : `${count} letters`);

function quote(text: string): string {
  const short = text.length > maxTextUnits ? `${text.slice(0, maxTextUnits).toWellFormed()}…` : text;
  return `“${short.replaceAll(/\s+/g, " ")}”`;
}
