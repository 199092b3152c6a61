/**
 * One text for each document value, whatever order its keys are in: replicas that agree may list keys in different orders, so
 * that `JSON.stringify` would tell them apart.
 */
export function canonicalText(value: unknown): string {
  if (value === undefined) return "undefined";
  if (value === null || typeof value === "boolean" || typeof value === "string") return JSON.stringify(value);
  if (typeof value === "number") return Object.is(value, -0) ? "-0" : String(value);
  if (typeof value === "bigint") return `${value}n`;
  if (value instanceof Date) return `date ${value.getTime()}`;
  if (value instanceof Uint8Array) return `bytes ${Buffer.from(value).toString("hex")}`;
  if (Array.isArray(value)) return `[${value.map(canonicalText).join(",")}]`;
  if (typeof value !== "object") throw new Error(`a document holds no ${typeof value}`);
  const fields = Object.entries(value).map(
    ([key, field]) => `${JSON.stringify(key)}:${canonicalText(field)}`,
  );
  return `{${fields.sort().join(",")}}`;
}
