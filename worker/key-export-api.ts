/** The part of the contract that is about keys which members hand to each other. */

/** The calls about exported keys. */
export interface KeyExportCalls {
  /**
   * A named key with its epochs, as `mdb://key/…` under a password.
   *
   * @throws `input/invalid`, `key/missing`, `input/weak-password`, `input/too-large`, `access/locked`
   */
  exportKey(tenantId: string, name: string, password: string): Promise<string>;
  /**
   * Take a key that a member exported; gives its name.
   *
   * @throws `input/too-large`, `input/invalid`, `protocol/version`, `entry/forged`, `access/denied`, `key/parameters`,
   *   `key/wrong-password`, `entry/corrupt`, `access/locked`
   */
  importKey(tenantId: string, uri: string, password: string): Promise<string>;
}
