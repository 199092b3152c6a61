/** What every peer of the comparison can do, in its own natural way. What one cannot do it leaves out. */
import type { Task } from "./tasks.ts";

/** A row of the first window: open tasks by their due date. */
export interface WindowRow {
  readonly title: string;
  readonly due: string;
}

/** What is asked of many tasks: those of a status that are due from a moment on, by due date. */
export interface Question {
  readonly status: string;
  readonly from: string;
  readonly limit: number;
}

/** Tasks in a peer's store. Every promise resolves when what it did is in the peer's storage. */
export interface Collection {
  insertAll(tasks: readonly Task[]): Promise<void>;
  /** @returns the id of the new task */
  insert(task: Task): Promise<string>;
  update(id: string, title: string): Promise<void>;
  /** the first `limit` open tasks by due date, with what an application shows of them */
  window(limit: number): Promise<readonly WindowRow[]>;
  /** Answer a question; a collection opened for it has the index that suits it best. */
  ask?(question: Question): Promise<readonly WindowRow[]>;
  count(): Promise<number>;
  /** hear of a task's title; the first call may come at once */
  watch?(id: string, listener: (title: string) => void): Promise<() => void>;
  close(): Promise<void>;
}

/** One long text, written a character at a time. */
export interface TextDocument {
  insert(index: number, text: string): void;
  /** resolves when all that was inserted is in storage */
  stored(): Promise<void>;
  read(): Promise<string>;
  close(): Promise<void>;
}

export interface Peer {
  /** `isAsked`: it is opened for {@link Collection.ask}, with an index for that where one is declared */
  open(name: string, isAsked?: boolean): Promise<Collection>;
  openText?(name: string): Promise<TextDocument>;
}
