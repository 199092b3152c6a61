import { afterEach, expect, test, vi } from "vitest";
import { createListeners } from "./listeners.ts";

afterEach(() => {
  vi.restoreAllMocks();
});

test("tells in order, twice who asked twice, and nobody who released or came while telling", () => {
  const heard: string[] = [];
  const listeners = createListeners<string>();
  const releaseA = listeners.add((event) => {
    heard.push(`a ${event}`);
    releaseB();
    listeners.add(() => heard.push("late"));
    releaseA();
  });
  const releaseB = listeners.add(() => heard.push("b"));
  const c = (event: string): void => void heard.push(`c ${event}`);
  listeners.add(c);
  listeners.add(c);
  listeners.tell("1");
  expect(heard).toEqual(["a 1", "c 1", "c 1"]);
});

test("a listener that throws harms neither the teller nor the others, and is reported", () => {
  const reports: (() => void)[] = [];
  vi.spyOn(globalThis, "queueMicrotask").mockImplementation((run) => void reports.push(run));
  const heard: number[] = [];
  const listeners = createListeners<number>();
  listeners.add(() => {
    throw new Error("broken listener");
  });
  listeners.add((event) => heard.push(event));
  listeners.tell(7);
  expect(heard).toEqual([7]);
  expect(reports).toHaveLength(1);
  expect(reports[0]).toThrow("broken listener");
});
