/** What is done once, or rarely: founding a tenant, letting people in, sending them away, and meeting servers. */
import type { TenantSnapshot } from "../../worker/api.ts";
import { CofferError } from "../std/index.ts";
import { adminProof } from "./directory.ts";
import type { AdminOptions, Directory } from "./directory-types.ts";
import type { Session } from "./session.ts";
import type { WorkerCall } from "./supervisor.ts";
import type { Coffer, Identity, LinkOptions, ServerLink, Tenant } from "./types.ts";
import { asWebLink, fromWebLink } from "./web-link.ts";

/** an answer to a join request is good for a week, unless the admin says otherwise */
const defaultInvitationMs = 7 * 24 * 60 * 60 * 1000;

/** What these calls need of an open tenant. */
interface OpenTenant {
  readonly id: string;
  readonly session: Session;
  link(url: string): ServerLink;
}

/** What these calls need of an open CofferDB. */
interface OpenCoffer extends Session {
  open(
    run: WorkerCall<TenantSnapshot>,
    does?: "stores",
  ): Promise<{ snapshot: TenantSnapshot; tenant: Tenant }>;
}

/** Found a tenant. */
export async function createTenant(
  core: OpenCoffer,
  { tenantId: tenantName, ...options }: Parameters<Coffer["createTenant"]>[0],
): Promise<{ tenant: Tenant; adminUser: Identity; appUser: Identity }> {
  const { snapshot, tenant } = await core.open(
    (api) => api.createTenant({ tenantName, ...options }),
    "stores",
  );
  const { self: appUser, adminUser } = snapshot;
  if (appUser === undefined || adminUser === undefined) throw new CofferError("worker/failed");
  return { tenant, adminUser, appUser };
}

/** Make the keys of somebody who is yet to be let in. */
export async function createUserId(core: Session, userName: string, password: string): Promise<Identity> {
  return core.call((api) => api.createUserId(userName, password));
}

/** Those whose join request was not answered yet. */
export async function pendingIdentities(core: Session): ReturnType<Coffer["pendingIdentities"]> {
  return core.call((api) => api.pendingIdentities());
}

/** Forget a tenant on this device. */
export async function removeTenant(core: Session, id: string): Promise<void> {
  return core.call((api) => api.removeTenant(id));
}

/** Make up a strong password to hand over by another channel. */
export async function createSharePassword(core: Session): Promise<string> {
  return core.call((api) => api.createSharePassword());
}

/** Say how strong a password is. */
export async function checkPassword(core: Session, password: string): ReturnType<Coffer["checkPassword"]> {
  return core.call((api) => api.checkPassword(password));
}

/** Ask to be let into a tenant. */
export async function createJoinRequest(
  core: OpenCoffer,
  user: Identity,
  { link }: Parameters<Coffer["createJoinRequest"]>[1] = {},
): Promise<string> {
  return asWebLink(await core.call((api) => api.createJoinRequest(user.key)), link);
}

/** Enter a tenant by the answer to a request. */
export async function joinTenant(
  core: OpenCoffer,
  response: string,
  { user, password, sharePassword }: Parameters<Coffer["joinTenant"]>[1],
): Promise<{ tenant: Tenant }> {
  const options = { key: user.key, password, sharePassword };
  const { tenant } = await core.open((api) => api.joinTenant(fromWebLink(response), options), "stores");
  return { tenant };
}

/** What every answer to a request is made with. */
function answerOf(
  options: Pick<Parameters<Tenant["approveJoinRequest"]>[1], "expiresInMs" | "serverUrl" | "sharePassword">,
) {
  const { expiresInMs = defaultInvitationMs, serverUrl: given, sharePassword } = options;
  const serverUrl = given === undefined ? undefined : canonicalUrl(given);
  return { sharePassword, serverUrl, expiresInMs };
}

/** Answer a join request. */
export async function approveJoinRequest(
  { id, session }: OpenTenant,
  request: string,
  options: Parameters<Tenant["approveJoinRequest"]>[1],
): Promise<string> {
  const answer = { ...adminProof(options), ...answerOf(options) };
  const response = await session.call((api) => api.approveJoinRequest(id, fromWebLink(request), answer));
  return asWebLink(response, options.link);
}

/** Link a device to a user. */
export async function approveDevice(
  { id, session }: OpenTenant,
  request: string,
  options: Parameters<Tenant["approveDevice"]>[1],
): Promise<string> {
  const { name, user } = options;
  const proof = "password" in options ? { password: options.password } : adminProof(options);
  const answer = { ...proof, ...answerOf(options), name, user };
  const response = await session.call((api) => api.approveDevice(id, fromWebLink(request), answer));
  return asWebLink(response, options.link);
}

/** Revoke one device. */
export async function revokeDevice(
  { id, session }: OpenTenant,
  key: string,
  options: AdminOptions,
): Promise<void> {
  return session.call((api) => api.revokeDevice(id, key, adminProof(options)));
}

/** What a join request says, with the number that both sides compare. */
export async function inspectJoinRequest(
  { id, session }: OpenTenant,
  request: string,
): ReturnType<Tenant["inspectJoinRequest"]> {
  return session.call((api) => api.inspectJoinRequest(id, fromWebLink(request)));
}

/** The number that a member and the admin compare; one's own without a key. */
export async function safetyNumber({ id, session }: OpenTenant, memberKey?: string): Promise<string> {
  return session.call((api) => api.safetyNumber(id, memberKey));
}

/** Send a member away. */
export async function revokeUser(
  { id, session }: OpenTenant,
  key: string,
  options: Parameters<Directory["revokeUser"]>[1],
): Promise<void> {
  return session.call((api) => api.revokeUser(id, key, adminProof(options), options.wipe));
}

/** Let a revoked member in again. */
export async function regrantUser(
  { id, session }: OpenTenant,
  key: string,
  options: Parameters<Directory["regrantUser"]>[1],
): Promise<void> {
  const { keys = [] } = options;
  return session.call((api) => api.regrantUser(id, key, keys, adminProof(options)));
}

/** Let commits count that were quarantined. */
export async function adopt(
  { id, session }: OpenTenant,
  commitHashes: readonly string[],
  options: AdminOptions,
): Promise<void> {
  return session.call((api) => api.adoptCommits(id, commitHashes, adminProof(options)));
}

/** Bring lines of the directory together. */
export async function mergeLines({ id, session }: OpenTenant, options: AdminOptions): Promise<void> {
  return session.call((api) => api.mergeLines(id, adminProof(options)));
}

/** Make a tenant known to a server. */
export async function publishToServer(
  { id, session }: OpenTenant,
  url: string,
  options: AdminOptions,
): Promise<void> {
  const server = canonicalUrl(url);
  return session.call((api) => api.publish(id, server, adminProof(options)));
}

/** Connect to a server; its link is the same one as long as it exists. */
export async function connectToServer(
  tenant: OpenTenant,
  url: string,
  { attachments }: LinkOptions = {},
): Promise<ServerLink> {
  const server = canonicalUrl(url);
  await tenant.session.call((api) => api.connect(tenant.id, server, attachments));
  return tenant.link(server);
}

/**
 * Bring a server's URL into canonical form, so that one server is one link. @throws input/invalid unless it
 * is http or https
 */
function canonicalUrl(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined || !/^https?:$/.test(url.protocol) || url.username !== "" || url.password !== "") {
    throw new CofferError("input/invalid", {
      message: "A server's address begins with https://",
    });
  }
  url.hash = "";
  url.search = "";
  return url.href.replace(/\/+$/, "");
}
