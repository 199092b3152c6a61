/** What the page says of settings and roles, judged. */
import { CofferError } from "../src/std/index.ts";
import { roles } from "../src/directory/index.ts";
import type { RoleChange } from "../src/tenant/index.ts";
import { requireAuthorKey } from "./host.ts";
import { readFields, readList, readText } from "./page-messages.ts";

const maxChanges = 512;

/** Read what settings are to become; what their values are is judged where they are written. @throws `input/invalid` with `at` */
export function readSettingEdits(
  message: unknown,
): readonly { readonly name: string; readonly value: string | undefined }[] {
  return readList(message, "edits", maxChanges).map((edit, index) => {
    const at = `edits.${index}`;
    const { name, value } = readFields(edit, at);
    return {
      name: readText(name, `${at}.name`),
      value: value === undefined ? undefined : readText(value, `${at}.value`),
    };
  });
}

/** Read what roles are to become; whose they are is judged where they are given. @throws `input/invalid` with `at` */
export function readRoleChanges(message: unknown): readonly RoleChange[] {
  return readList(message, "changes", maxChanges).map((change, index) => {
    const at = `changes.${index}`;
    const { database, group, role, user } = readFields(change, at);
    const known = roles.find((one) => one === role);
    if (role !== undefined && known === undefined)
      throw new CofferError("input/invalid", { at: `${at}.role` });
    return {
      role: known,
      database: database === undefined ? undefined : readText(database, `${at}.database`),
      group: group === undefined ? undefined : readText(group, `${at}.group`),
      user: user === undefined ? undefined : requireAuthorKey(readText(user, `${at}.user`)),
    };
  });
}
