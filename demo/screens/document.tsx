/** A document's page: a form that reads like a page, live while it is open. */
import { useSignal, useSignalEffect, type Signal } from "@preact/signals";
import type { Doc, Role } from "cofferdb";
import { useEffect, useRef } from "preact/hooks";
import { AdminForm } from "../parts/admin-form.tsx";
import { ErrorNote, ErrorText } from "../parts/error-note.tsx";
import { Icon } from "../parts/icon.tsx";
import { lazily } from "../parts/lazily.tsx";
import { Visitors } from "../parts/visitors.tsx";
import { databaseName, type Film } from "../film/film.ts";
import { textOf } from "../film/read-value.ts";
import { useAction } from "../state/action.ts";
import { notify, whileSaving } from "../state/activity.ts";
import { goTo, listHref, route } from "../state/route.ts";
import { authorName, type Space } from "../state/space.ts";
import { formatMoment, shortId } from "../text/format.ts";
import { useUndo, type Undoing } from "../state/undo.ts";
import { DocumentForm } from "./document-form.tsx";

const History = lazily(async () => (await import("./history.tsx")).History, {
  className: "history",
  label: "History",
  words: "Opening the history…",
});

const Files = lazily(async () => (await import("./files.tsx")).Files, {
  className: "files",
  label: "Files",
  words: "Opening the files…",
});

interface DocumentProps {
  readonly space: Space;
  readonly id: string;
}

/** Open a document and show it. */
export function Document({ space, id }: DocumentProps) {
  const doc = useSignal<Doc<Film> | undefined>(undefined);
  const open = useAction(async () => {
    doc.value = await space.db.getDocument(id);
  });
  const page = useRef<HTMLElement>(null);
  useEffect(() => {
    // Where the page takes the place of the list, the focus would be lost with the list.
    if (page.current?.parentElement?.querySelector(".library")?.checkVisibility() === false)
      page.current.focus();
    let isGone = false;
    space.db.getDocument(id).then(
      (opened) => {
        if (isGone) opened.dispose();
        else doc.value = opened;
      },
      () => open.run(),
    );
    return () => {
      isGone = true;
      doc.peek()?.dispose();
    };
  }, []);
  return (
    <article ref={page} class="document" aria-label="Document" data-testid="document" tabIndex={-1}>
      {doc.value === undefined ? (
        <>
          <DocumentHead>
            <span class="muted">{open.error.value === undefined ? "Opening…" : ""}</span>
          </DocumentHead>
          <ErrorNote error={open.error} />
          {open.error.value === undefined ? null : (
            <button type="button" class="button" onClick={() => open.run()}>
              Try again
            </button>
          )}
        </>
      ) : (
        <OpenDocument space={space} doc={doc.value} />
      )}
    </article>
  );
}

function OpenDocument({ space, doc }: { readonly space: Space; readonly doc: Doc<Film> }) {
  const { db } = space;
  const status = doc.status.value;
  const failure = useSignal<unknown>(undefined);
  const isReader = useIsReader(space);
  const isHistoryOpen = useSignal(false);
  const historyButton = useRef<HTMLButtonElement>(null);
  const closeHistory = (): void => {
    isHistoryOpen.value = false;
    historyButton.current?.focus();
  };
  const undoing = useUndo(space, doc, (error) => (failure.value = error));
  const restore = useAction(async () => whileSaving(db.undeleteDocument(doc.id)));
  const remove = useAction(async () => {
    const title = textOf(doc.data.peek()?.title) || "Untitled";
    await whileSaving(db.deleteDocument(doc));
    goTo(listHref.peek());
    notify(`Deleted “${title}”.`, { label: "Undo", run: async () => db.undeleteDocument(doc.id) });
  });
  const isDeleted = status === "deleted";
  const isGone = isDeleted || status === "purged";
  return (
    <>
      <DocumentHead>
        <span class="muted" role="status" data-testid="doc-status" data-status={status}>
          {statusWords[status]}
        </span>
        <Visitors docId={doc.id} />
        {isGone || isReader ? null : <UndoButtons undoing={undoing} failure={failure} />}
        <button
          type="button"
          class="button-icon"
          aria-label="History"
          title="History"
          ref={historyButton}
          aria-expanded={isHistoryOpen.value}
          onClick={() => (isHistoryOpen.value = !isHistoryOpen.value)}
        >
          <Icon name="history" />
        </button>
        {isGone || isReader ? null : (
          <button
            type="button"
            class="button button-plain"
            disabled={remove.isBusy.value}
            onClick={() => remove.run()}
          >
            <Icon name="trash" />
            <span class="button-words">Delete</span>
          </button>
        )}
      </DocumentHead>
      <ErrorNote error={remove.error} />
      <ErrorNote error={failure} />
      <div class="document-body">
        <div class="document-main">
          {isDeleted ? (
            <div class="note note-warn">
              <p>This document was deleted. It can be restored as it was.</p>
              <button
                type="button"
                class="button"
                disabled={restore.isBusy.value}
                onClick={() => restore.run()}
              >
                Restore
              </button>
              <ErrorNote error={restore.error} />
              <EraseForGood space={space} id={doc.id} />
            </div>
          ) : status === "purged" ? (
            <p class="note">This document was erased for good, with its whole history.</p>
          ) : status === "no-key" ? (
            <p class="note">
              The key for this document is not on this device. It can be read as soon as the key arrives.
            </p>
          ) : status === "failed" && doc.data.value === undefined ? (
            <ErrorText error={new Error("The document could not be read.")} />
          ) : (
            <>
              {isReader ? (
                <p class="note" data-testid="reader-note">
                  You may read this library. Ask an admin for a role that changes it.
                </p>
              ) : null}
              <DocumentForm
                key={isReader ? "read" : "write"}
                db={db}
                doc={doc}
                failure={failure}
                isReadOnly={isReader}
              />
              <Files db={db} doc={doc} isReadOnly={isReader} />
            </>
          )}
          <LastChange doc={doc} />
        </div>
        {isHistoryOpen.value ? <History space={space} doc={doc} onClose={closeHistory} /> : null}
      </div>
    </>
  );
}

function UndoButtons({ undoing, failure }: { readonly undoing: Undoing; readonly failure: Signal<unknown> }) {
  const { undo, redo } = undoing.depth.value;
  const run = (what: () => Promise<void>) => () => {
    what().catch((error: unknown) => (failure.value = error));
  };
  return (
    <>
      <button
        type="button"
        class="button-icon"
        aria-label="Undo"
        title="Undo (Ctrl+Z)"
        aria-keyshortcuts="Control+Z Meta+Z"
        disabled={undo === 0}
        onClick={run(undoing.undo)}
      >
        <Icon name="undo" />
      </button>
      <button
        type="button"
        class="button-icon"
        aria-label="Redo"
        title="Redo (Ctrl+Shift+Z)"
        aria-keyshortcuts="Control+Shift+Z Meta+Shift+Z"
        disabled={redo === 0}
        onClick={run(undoing.redo)}
      >
        <Icon name="redo" />
      </button>
    </>
  );
}

const statusWords: Record<Doc["status"]["value"], string> = {
  loading: "Loading…",
  ready: "Saved",
  saving: "Saving…",
  deleted: "Deleted",
  purged: "Erased",
  "no-key": "Sealed",
  locked: "Locked",
  failed: "Cannot be saved now",
};

function DocumentHead({ children }: { readonly children: preact.ComponentChildren }) {
  return (
    <header class="document-head">
      <a class="button button-plain back" href={listHref.value}>
        <Icon name="back" />
        <span class="button-words">{route.value.place === "views" ? "View" : "Library"}</span>
      </a>
      {children}
    </header>
  );
}

/** Erasing a deleted document everywhere, which only the admin can. */
function EraseForGood({ space: { db, tenant }, id }: { readonly space: Space; readonly id: string }) {
  const isOpen = useSignal(false);
  if (tenant.adminUser.value === undefined) return null;
  return (
    <>
      <button
        type="button"
        class="button button-plain"
        aria-expanded={isOpen.value}
        onClick={() => (isOpen.value = !isOpen.peek())}
      >
        Erase for good…
      </button>
      {isOpen.value ? (
        <AdminForm
          tenant={tenant}
          verb="Erase it everywhere"
          isGrave
          work={async (proof) => {
            await db.purgeDocHistory(id, proof);
            goTo(listHref.peek());
            notify("Erased here; every device and server that hears of it does the same.");
          }}
        >
          <p>Its content and its whole history go, on every device. This cannot be taken back.</p>
        </AdminForm>
      ) : null}
    </>
  );
}

/** Whether one may only read here; known a moment after the page, and followed. */
function useIsReader({ tenant: { directory } }: Space): boolean {
  const role = useSignal<Role | undefined>(undefined);
  useSignalEffect(() => {
    // What it depends on, as far as the page knows.
    void directory.roles.value;
    void directory.groups.value;
    directory.getRole(databaseName).then(
      (found) => (role.value = found),
      () => undefined,
    );
  });
  return role.value === "reader";
}

function LastChange({ doc }: { readonly doc: Doc<Film> }) {
  const change = doc.lastChange.value;
  return (
    <footer class="document-foot muted">
      {change === undefined ? null : (
        <p data-testid="last-change">
          Last change by <strong>{authorName(change.author)}</strong>, {formatMoment(change.atMs, Date.now())}
        </p>
      )}
      <p>
        Document <span class="code">{shortId(doc.id)}</span>,{" "}
        {doc.heads.value.length > 1 ? "merged from several edits" : "one version"}
      </p>
    </footer>
  );
}
