import { expect, test } from "vitest";
import { formatBytes, formatClock, formatMoment, formatMoney, formatThings, initials } from "./format.ts";

test.each([
  [0, "0 B"],
  [812, "812 B"],
  [999.6, "1 kB"],
  [1500, "1.5 kB"],
  [123_456, "123 kB"],
  [3_400_000, "3.4 MB"],
  [5e15, "5000 TB"],
])("%d bytes are %s", (bytes, text) => {
  expect(formatBytes(bytes)).toBe(text);
});

test("counts take the plural", () => {
  expect(formatThings(1, "document")).toBe("1 document");
  expect(formatThings(3201, "document")).toBe("3,201 documents");
  expect(formatMoney(766_812_167)).toBe("$767M");
});

test("a moment of today is a time of day, another one has its date", () => {
  const nowMs = new Date(2026, 10, 21, 14, 2).getTime();
  expect(formatMoment(nowMs, nowMs)).toBe(formatClock(nowMs));
  expect(formatMoment(nowMs - 86_400_000, nowMs)).toBe("20 Nov 2026, 14:02");
});

test.each([
  ["Ada Lovelace", "AL"],
  ["ada", "A"],
  ["Ada King of Lovelace", "AL"],
  ["  ", ""],
])("the initials of %s are %s", (name, letters) => {
  expect(initials(name)).toBe(letters);
});
