import { CofferError } from "cofferdb";
import { expect, test } from "vitest";
import { explain, explainCode } from "./explain.ts";

test("an error of the library says what happened and what to do", () => {
  const { what, advice, code } = explain(
    new CofferError("key/wrong-password", { message: "The password is wrong." }),
  );
  expect(what).toBe("The password is wrong.");
  expect(advice).toContain("Caps Lock");
  expect(code).toBe("key/wrong-password");
});

test("anything else that is thrown is explained too", () => {
  expect(explain(new TypeError("x is not a function")).what).toContain("x is not a function");
  expect(explain("no").code).toBeUndefined();
});

test("a code that stopped a link has words", () => {
  expect(explainCode("net/failed")).toContain("could not be reached");
  expect(explainCode("entry/corrupt")).toContain("entry/corrupt");
});
