/** The files of a document: added by choosing, dropping, pasting or taking a picture; shown, kept on the disk, and taken out. */
import { useSignal } from "@preact/signals";
import type { Database, Doc } from "cofferdb";
import { useEffect, useId } from "preact/hooks";
import { Icon } from "../parts/icon.tsx";
import type { Film } from "../film/film.ts";
import { addFiles, uploads, type Upload } from "../state/uploads.ts";
import { FileRow } from "./file-row.tsx";

interface FilesProps {
  readonly db: Database<Film>;
  readonly doc: Doc<Film>;
  readonly isReadOnly: boolean;
}

/** Show a document's files. */
export function Files({ db, doc, isReadOnly }: FilesProps) {
  const files = doc.attachments.value ?? [];
  const under = uploads.value.filter(({ docId }) => docId === doc.id);
  const isOver = useSignal(false);
  const id = useId();
  const add = (chosen: Iterable<File>): void => void addFiles(db, doc.id, [...chosen]);
  usePaste(add, isReadOnly);
  if (isReadOnly && files.length === 0) return null;
  const taking = isReadOnly
    ? {}
    : {
        onDragOver: (event: DragEvent) => {
          if (event.dataTransfer?.types.includes("Files") !== true) return;
          event.preventDefault();
          isOver.value = true;
        },
        onDragLeave: () => (isOver.value = false),
        onDrop: (event: DragEvent) => {
          event.preventDefault();
          isOver.value = false;
          add(event.dataTransfer?.files ?? []);
        },
      };
  return (
    <section
      class={isOver.value ? "files files-over" : "files"}
      aria-labelledby={id}
      data-testid="files"
      {...taking}
    >
      <h2 id={id}>Files</h2>
      {files.length + under.length === 0 ? null : (
        <ul class="file-list">
          {files.map((file) => (
            <FileRow key={file.id} db={db} doc={doc} file={file} isReadOnly={isReadOnly} />
          ))}
          {under.map((upload) => (
            <UploadRow key={upload.id} upload={upload} />
          ))}
        </ul>
      )}
      {isReadOnly ? null : <Adding add={add} />}
    </section>
  );
}

/** A picture in the clipboard becomes a file wherever one pastes it in the document's page; text stays text. */
function usePaste(add: (files: Iterable<File>) => void, isReadOnly: boolean): void {
  useEffect(() => {
    const onPaste = (event: ClipboardEvent): void => {
      const pasted = event.clipboardData?.files ?? [];
      if (isReadOnly || pasted.length === 0) return;
      event.preventDefault();
      add(pasted);
    };
    addEventListener("paste", onPaste);
    return () => removeEventListener("paste", onPaste);
  }, [isReadOnly]);
}

function Adding({ add }: { readonly add: (files: Iterable<File>) => void }) {
  const choose = (event: Event & { readonly currentTarget: HTMLInputElement }): void => {
    add(event.currentTarget.files ?? []);
    // The same file may be chosen again.
    event.currentTarget.value = "";
  };
  return (
    <div class="file-adding">
      <label class="button">
        <input class="visually-hidden" type="file" multiple data-testid="choose-files" onChange={choose} />
        <Icon name="plus" />
        Add files
      </label>
      <label class="button button-plain file-camera">
        <input class="visually-hidden" type="file" accept="image/*" capture="environment" onChange={choose} />
        <Icon name="camera" />
        Take a picture
      </label>
      <p class="muted file-hint">Or drop them here, or paste a picture.</p>
    </div>
  );
}

function UploadRow({ upload: { name, doneBytes, totalBytes, cancel } }: { readonly upload: Upload }) {
  return (
    <li class="file" data-testid="upload">
      <span class="file-picture">
        <Icon name="upload" />
      </span>
      <span class="file-words">
        <span class="file-name">{name}</span>
        <progress class="bar" aria-label={`Adding ${name}`} max={Math.max(1, totalBytes)} value={doneBytes} />
      </span>
      <button
        type="button"
        class="button-icon"
        aria-label={`Do not add ${name}`}
        title="Cancel"
        onClick={cancel}
      >
        <Icon name="close" />
      </button>
    </li>
  );
}
