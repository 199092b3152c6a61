/** The part of the contract between page and worker that is about views. */
import type { Expression } from "../src/expr/index.ts";
import type { SearchMessage } from "./search-api.ts";
import type {
  FoundRow,
  ShownRow,
  ViewDefinitionInput,
  ViewQuestion,
  ViewState,
  ViewTurn,
  WindowDelta,
} from "../src/view/index.ts";

/** How a view stands, and what its page has not been told yet. */
export interface ViewEvent {
  readonly kind: "view";
  readonly subscription: number;
  readonly status: "loading" | "ready" | "locked";
  /** origins that cannot be read now */
  readonly locked: readonly string[];
  /** of a build under way, from 0 to 1 */
  readonly progress: number | undefined;
  /** from what this subscription was told last; after an event without one, from nothing */
  readonly delta: WindowDelta | undefined;
}

/** As the application wrote it: the worker judges all of it, and rejects with `input/invalid` and `at`. */
export interface ViewMessage {
  /** `database`: the subscription of a database; while that is not open, its documents are not there */
  readonly sources: readonly {
    readonly origin: string;
    readonly database: number;
    readonly filter: Expression | undefined;
  }[];
  readonly definition: ViewDefinitionInput;
  readonly state: ViewState | undefined;
  readonly window: { readonly from: number; readonly count: number };
  readonly search?: SearchWords | undefined;
}

/** What is searched for in a view. */
export type SearchWords = Pick<SearchMessage, "text" | "fields" | "prefix" | "fuzzy">;

/** The calls about views. */
export interface ViewCalls {
  /** Open a view: its rows come as events. */
  openView(view: ViewMessage, subscription: number): Promise<void>;
  /**
   * Show it by another definition; resolves when it is shown.
   *
   * @throws `aborted` when that is cancelled, or another definition comes before
   */
  updateView(subscription: number, definition: ViewDefinitionInput): Promise<void>;
  /** Stay with the definition that is shown. */
  cancelView(subscription: number): Promise<void>;
  /** Show other rows: at most 1000. */
  moveView(subscription: number, from: number, count: number): Promise<void>;
  /** Expand, collapse, select; gives how it is looked at then. */
  turnView(subscription: number, turn: ViewTurn): Promise<ViewState>;
  askView(subscription: number, question: ViewQuestion): Promise<FoundRow | readonly ShownRow[] | undefined>;
  /** Show documents that are found, and no others; `undefined`: all of them. The rows come as events once it is known which. */
  searchView(subscription: number, search: SearchWords | undefined): Promise<void>;
  closeView(subscription: number): Promise<void>;
}
