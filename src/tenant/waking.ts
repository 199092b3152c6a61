/**
 * Which servers wake this device when there is news. A server whose link ended is told to wake it no more: at once, and where that does not
 * come through, whenever the tenant is opened, until it does.
 */
import { CofferError, toCofferError } from "../std/index.ts";
import {
  linkSlots,
  readDeviceSigner,
  readLinks,
  readPushKey,
  readServerKey,
  tellPushEndpoint,
  writeLinks,
} from "../sync/index.ts";
import type { TenantCore } from "./core.ts";

/** whoever disconnects waits no longer than this */
const patienceMs = 3000;

/** Where this device is woken, told to the servers of one tenant. */
export class Waking {
  readonly #core: TenantCore;

  constructor(core: TenantCore) {
    this.#core = core;
  }

  /** The key that a push subscription for a server is tied to. @throws as {@link readPushKey} */
  async key(url: string): Promise<string> {
    return readPushKey(this.#core.world.openTransport(url).http);
  }

  /** Tell a server where this device is woken, `null` for nowhere. @throws as {@link tellPushEndpoint} */
  async set(url: string, endpoint: string | null): Promise<void> {
    // Noted first: what it is told of must not be forgotten, while telling it once more costs nothing.
    if (endpoint !== null) await this.#note(url, true);
    await this.#tell(url, endpoint);
    if (endpoint === null) await this.#note(url, false);
  }

  /** A link ended: its server wakes this device no more. Never throws. */
  async end(url: string): Promise<void> {
    if (!(await this.#noted()).includes(url)) return;
    const abort = new AbortController();
    const stopTimer = this.#core.world.env.setTimer(patienceMs, () => abort.abort());
    try {
      await this.#tell(url, null, abort.signal);
      await this.#note(url, false);
    } catch (error) {
      // Whom a server refuses it does not wake either.
      if (/^access\/|^input\//.test(toCofferError(error).code))
        await this.#note(url, false).catch(() => undefined);
    } finally {
      stopTimer();
    }
  }

  /** Tell the servers that are linked no more, and did not hear of it. Never throws. */
  async resume(urls: readonly string[]): Promise<void> {
    for (const url of await this.#noted()) if (!urls.includes(url)) await this.end(url);
  }

  async #noted(): Promise<readonly string[]> {
    return readLinks(this.#core.store, linkSlots.waking).catch(() => []);
  }

  async #tell(url: string, endpoint: string | null, signal?: AbortSignal): Promise<void> {
    const { store, tenantId, world } = this.#core;
    const signer = await readDeviceSigner(store);
    if (signer === undefined) throw new CofferError("access/locked");
    const { crypto, env } = world;
    const { http } = world.openTransport(url);
    const serverKey = (): Promise<Uint8Array> => readServerKey(store, http.origin);
    const member = { crypto, env, http, signer, tenantId, readServerKey: serverKey };
    await tellPushEndpoint(member, endpoint, signal);
  }

  async #note(url: string, isWoken: boolean): Promise<void> {
    const { store } = this.#core;
    const others = (await readLinks(store, linkSlots.waking)).filter((kept) => kept !== url);
    await writeLinks(store, isWoken ? [...others, url] : others, linkSlots.waking);
  }
}
