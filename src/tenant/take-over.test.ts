import { expect, test } from "vitest";
import { createWebVerifier } from "../crypto/index.ts";
import type { DirectoryUser } from "../directory/index.ts";
import { bytesToId, utf8ToBytes, type AuthorKey } from "../std/index.ts";
import { maxDevices } from "./key-records.ts";
import { unspoken } from "./take-over.ts";

const crypto = createWebVerifier();
const keyOf = (name: string): AuthorKey => bytesToId("AuthorKey", crypto.sha256(utf8ToBytes(name)));
const userOf = (name: string, user?: string): DirectoryUser => ({
  userKey: keyOf(name),
  user: user === undefined ? undefined : keyOf(user),
  encryptionKey: new Uint8Array(32),
  nameHash: new Uint8Array(32),
  userName: name,
  grantedAt: 0,
  revoked: undefined,
  formerly: [],
  narrowings: [],
});
const mapOf = (...users: readonly DirectoryUser[]) => new Map(users.map((user) => [user.userKey, user]));
const named = (users: readonly DirectoryUser[]): readonly (string | undefined)[] =>
  users.map(({ userName }) => userName);

test("what the line does not speak of is taken over, and of who links thousands as many as a user has", () => {
  const granted = [userOf("ada"), userOf("bob"), userOf("desk", "ada")];
  const flood = Array.from({ length: 1_000 }, (_, n) => userOf(`phone ${n}`, "ada"));
  const watch = userOf("watch", "bob");
  const grantedUsers = mapOf(...granted);
  const first = unspoken({ grantedUsers, usersByKey: mapOf(...granted, ...flood, watch) });
  expect(named(first)).toEqual([...named(flood.slice(0, maxDevices - 2)), "watch"]);
  const after = unspoken({
    grantedUsers: mapOf(...granted, ...first),
    usersByKey: mapOf(...granted, ...flood, watch),
  });
  expect(after).toEqual([]);
});
