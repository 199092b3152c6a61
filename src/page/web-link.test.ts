import { describe, expect, test } from "vitest";
import { asWebLink, fromWebLink } from "./web-link.ts";

const uri = "mdb://join-request/AQ-_09";

describe("a request as an address of a page", () => {
  test("stands behind the #, and is read again", () => {
    const link = asWebLink(uri, "https://app.example/space/?lang=en#old");
    expect(link).toBe(`https://app.example/space/?lang=en#${uri}`);
    expect(fromWebLink(link)).toBe(uri);
    expect(fromWebLink(` ${link}\n`)).toBe(uri);
    expect(asWebLink(uri, new URL("http://localhost:8080"))).toBe(`http://localhost:8080/#${uri}`);
  });

  test("is no address where none is asked for, and what is none is left as it is", () => {
    expect(asWebLink(uri, undefined)).toBe(uri);
    for (const text of [uri, "", "#", "javascript:alert(1)#mdb://", "\u0000"])
      expect(fromWebLink(text)).toBe(text);
    expect(fromWebLink("https://app.example/")).toBe("https://app.example/");
  });

  test.each(["javascript:alert(1)", "app.example", "", "data:text/html,x"])("is not made of %j", (page) => {
    expect(() => asWebLink(uri, page)).toThrow(/https/);
  });
});
