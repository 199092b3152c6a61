import { type } from "arktype";
import * as v from "valibot";
import { describe, expect, it } from "vitest";
import { z } from "zod";
import { Counter, decodeValue, encodeInitialValue, shareStructure, type DocValue } from "../draft/index.ts";
import { field } from "../expr/index.ts";
import { createShape } from "./schema.ts";
import type { OpenDatabaseOptions, StandardSchema } from "./types.ts";

type Fields = { readonly [key: string]: DocValue };

const frozen = (fields: unknown): Fields => shareStructure<unknown>(undefined, fields) as Fields;
const shapeOf = (options: object) =>
  createShape(options as OpenDatabaseOptions<Record<string, unknown>>, { decodeValue, encodeInitialValue });
const failure = (run: () => unknown): unknown => {
  try {
    run();
  } catch (error) {
    return error;
  }
  return undefined;
};

/** One contact in three libraries; each also in a form that refuses unknown fields. */
const libraries: Record<string, { loose: StandardSchema; strict: StandardSchema }> = {
  zod: (() => {
    const fields = {
      name: z.string().min(1),
      age: z.number().optional(),
      born: z.date().optional(),
      tags: z.array(z.object({ label: z.string() })),
    };
    return { loose: z.object(fields), strict: z.strictObject(fields) };
  })(),
  valibot: (() => {
    const fields = {
      name: v.pipe(v.string(), v.minLength(1)),
      age: v.optional(v.number()),
      born: v.optional(v.date()),
      tags: v.array(v.object({ label: v.string() })),
    };
    return { loose: v.object(fields), strict: v.strictObject(fields) };
  })(),
  arktype: (() => {
    const fields = {
      name: "string >= 1",
      "age?": "number",
      "born?": "Date",
      tags: type({ label: "string" }).array(),
    } as const;
    return { loose: type(fields), strict: type({ "+": "reject", ...fields }) };
  })(),
};

describe.each(Object.entries(libraries))("a schema of %s", (_, { loose, strict }) => {
  const good = { name: "Ada", tags: [{ label: "vip" }] };

  it("lets pass what fits, unknown fields and the version among it", () => {
    const { validateNew, validateEdit } = shapeOf({ schema: loose });
    validateNew({ ...good, age: Counter(3), born: new Date(3), more: { deep: [1] } });
    validateEdit(frozen(good), frozen({ ...good, more: 1, $version: 3 }));
    shapeOf({ schema: strict }).validateEdit(frozen(good), frozen({ ...good, $version: 3 }));
  });

  it("refuses a new document with the place and all issues", () => {
    const { validateNew } = shapeOf({ schema: loose });
    expect(failure(() => validateNew({ name: 1, tags: [{ label: "a" }, { label: null }] }))).toMatchObject({
      code: "input/schema",
      message: expect.stringContaining("/name: "),
      details: { path: "/name", issues: [{ path: "/name" }, { path: "/tags/1/label" }] },
    });
    expect(failure(() => shapeOf({ schema: strict }).validateNew({ ...good, more: 1 }))).toMatchObject({
      code: "input/schema",
    });
  });

  it("refuses an edit only for what did not fail before", () => {
    const { validateEdit } = shapeOf({ schema: loose });
    const broken = frozen({ name: 7, tags: [] });
    validateEdit(broken, frozen({ name: 7, tags: [{ label: "a" }] }));
    validateEdit(broken, frozen({ name: "Ada", tags: [] }));
    expect(failure(() => validateEdit(broken, frozen({ name: 7, tags: "x" })))).toMatchObject({
      code: "input/schema",
      details: { path: "/tags", issues: [{ path: "/tags" }] },
    });
  });

  it("counts defaults in", () => {
    const { validateNew, shape } = shapeOf({ schema: loose, defaults: { tags: [] } });
    validateNew({ name: "Ada" });
    expect(shape).toEqual({ version: 0, defaults: { tags: [] }, migrations: [] });
    expect(failure(() => validateNew({}))).toMatchObject({ details: { issues: [{ path: "/name" }] } });
  });
});

describe("schemas that are not supported", () => {
  const nameOf = (schema: StandardSchema, name: unknown = " Ada ") =>
    failure(() => shapeOf({ schema }).validateNew({ name }));

  it.each<[string, StandardSchema]>([
    ["zod", z.object({ name: z.string().trim() })],
    ["zod, a date of a text", z.object({ name: z.coerce.date().or(z.string().transform(() => 1)) })],
    ["valibot", v.object({ name: v.pipe(v.string(), v.toUpperCase()) })],
    ["arktype", type({ name: "string.trim" })],
  ])("tells of one of %s that transforms", (_, schema) => {
    expect(nameOf(schema)).toMatchObject({
      code: "input/schema",
      message: expect.stringContaining("transforms"),
      details: { path: "/name" },
    });
  });

  it.each<[string, StandardSchema]>([
    ["zod", z.object({ name: z.string(), tags: z.array(z.string()).default([]) })],
    ["valibot", v.object({ name: v.string(), tags: v.optional(v.array(v.string()), []) })],
    ["arktype", type({ name: "string", tags: type("string[]").default(() => []) })],
  ])("tells of one of %s that has defaults where to put them", (_, schema) => {
    expect(nameOf(schema)).toMatchObject({
      code: "input/schema",
      message: expect.stringContaining("`defaults`"),
      details: { path: "/tags" },
    });
    shapeOf({ schema, defaults: { tags: [] } }).validateNew({ name: "Ada" });
  });

  it.each<[string, StandardSchema]>([
    ["zod", z.object({ name: z.string().refine(async () => false) })],
    [
      "valibot",
      v.objectAsync({
        name: v.pipeAsync(
          v.string(),
          v.checkAsync(async () => false),
        ),
      }),
    ],
    [
      "a promise that fails",
      {
        "~standard": {
          version: 1,
          vendor: "mine",
          validate: async () => Promise.reject(new Error("late")),
        },
      },
    ],
  ])("tells of one of %s that is asynchronous", (_, schema) => {
    expect(nameOf(schema)).toMatchObject({
      code: "input/schema",
      message: expect.stringContaining("Asynchronous schemas are not supported"),
    });
  });

  it("tells of one that fails, with its cause", () => {
    const cause = new Error("mine");
    const validate = (): never => {
      throw cause;
    };
    expect(nameOf({ "~standard": { version: 1, vendor: "mine", validate } })).toMatchObject({
      code: "input/schema",
      cause,
    });
  });

  it("sees every way in which a value can become another", () => {
    const kinds: [unknown, unknown][] = [
      [1, 2],
      ["a", null],
      [[1, 2], [1]],
      [[1], { 0: 1 }],
      [{ a: 1 }, [1]],
      [new Date(1), new Date(2)],
      [{ a: 1 }, new Date(1)],
      [Uint8Array.of(1, 2), Uint8Array.of(1)],
      [Uint8Array.of(1), Uint8Array.of(2)],
      [{ a: { b: 1 } }, { a: { b: 2 } }],
      [{ a: 1 }, { a: 1, b: 2 }],
    ];
    for (const [input, output] of kinds) {
      const validate = () => ({ value: { name: output } });
      const schema: StandardSchema = { "~standard": { version: 1, vendor: "mine", validate } };
      expect(nameOf(schema, input)).toMatchObject({ code: "input/schema" });
    }
    const copies: unknown[] = [new Date(1), Uint8Array.of(1), [{ a: null }], { a: [1], b: undefined }];
    for (const output of copies) {
      const validate = () => ({ value: { name: structuredClone(output) } });
      const schema: StandardSchema = { "~standard": { version: 1, vendor: "mine", validate } };
      const input = JSON.stringify(output).includes("[1]") ? { a: [1], c: 1 } : output;
      expect(nameOf(schema, input)).toBeUndefined();
    }
  });
});

describe("the other options of a database", () => {
  const set = { name: field("first") };

  it("name the fields of indexes, and nothing else", () => {
    expect(shapeOf({ indexes: ["address.city", ["a.b"]] }).shape).toEqual({
      version: 0,
      defaults: {},
      migrations: [],
      indexes: [["address", "city"], ["a.b"]],
    });
    for (const indexes of [[[]], [5], "city", Array.from({ length: 17 }, () => "a")])
      expect(failure(() => shapeOf({ indexes }))).toMatchObject({ code: "input/invalid" });
  });

  it("reach the worker as plain data, the version being the last migration's", () => {
    const { shape } = shapeOf({
      defaults: { hits: Counter(2) },
      migrations: [
        { to: 1, set },
        { to: 4, set: {} },
      ],
    });
    expect(structuredClone(shape)).toEqual({
      version: 4,
      defaults: { hits: new Map([["counter", 2]]) },
      migrations: [
        { to: 1, set },
        { to: 4, set: {} },
      ],
    });
    expect(shapeOf({ version: 5, migrations: [{ to: 2, set }] }).shape.version).toBe(5);
  });

  it.each<[object, string]>([
    [{ version: 0 }, "version"],
    [{ version: 1.5 }, "version"],
    [{ migrations: [{ to: 0, set }] }, "migrations.0.to"],
    [{ version: 1, migrations: [{ to: 2, set }] }, "migrations.0.to"],
    [
      {
        migrations: [
          { to: 1, set },
          { to: 1, set },
        ],
      },
      "migrations",
    ],
    [{ migrations: Array.from({ length: 65 }, (_, index) => ({ to: index + 1, set })) }, "migrations"],
    [{ migrations: [{ to: 1, set: { a: () => 0 } }] }, "migrations.0.set.a"],
    [{ migrations: [{ to: 1, set: { $version: field("a") } }] }, "migrations.0.set"],
    [
      {
        migrations: [
          { to: 1, set: Object.fromEntries(Array.from({ length: 65 }, (_, i) => [`f${i}`, field("a")])) },
        ],
      },
      "migrations.0.set",
    ],
    [{ defaults: { $version: 1 } }, "defaults"],
    [{ defaults: Object.fromEntries(Array.from({ length: 257 }, (_, i) => [`f${i}`, 1])) }, "defaults"],
  ])("%# is refused", (options, at) => {
    expect(failure(() => shapeOf(options))).toMatchObject({ code: "input/invalid", details: { at } });
  });

  it("refuse defaults that cannot be stored", () => {
    expect(failure(() => shapeOf({ defaults: { f: () => 0 } }))).toMatchObject({
      code: "input/invalid",
      details: { path: "/f" },
    });
  });
});
