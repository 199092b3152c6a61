/** What the runner may ask of the page, by name. */
export interface PeerBench {
  open(peerName: string, name: string, isAsked?: boolean): Promise<void>;
  close(): Promise<void>;
  insertAll(count: number): Promise<{ ms: number; longestTaskMs: number }>;
  singles(count: number): Promise<{ insertMs: number; updateMs: number }>;
  notify(count: number): Promise<readonly number[] | undefined>;
  ask(count: number, rounds: number): Promise<readonly number[] | undefined>;
  listen(peerName: string, name: string, id: string): Promise<boolean>;
  heard(): Record<string, number>;
  insertOne(): Promise<string>;
  tell(id: string, count: number): Promise<Record<string, number>>;
  coldOpen(
    peerName: string,
    name: string,
  ): Promise<{ indexedDbMs: number; openMs: number; firstRowsMs: number; allKnownMs: number; count: number }>;
  type(peerName: string, name: string, count: number): Promise<number | undefined>;
  readText(peerName: string, name: string): Promise<{ ms: number; length: number }>;
}
