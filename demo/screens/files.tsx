/** The files of a document: added by choosing, dropping, pasting or taking a picture; shown, kept on the disk, and taken out. */
import { useSignal, type Signal } from "@preact/signals";
import type { Attachment, Database, Doc } from "cofferdb";
import { useEffect, useId } from "preact/hooks";
import { ErrorNote } from "../parts/error-note.tsx";
import { Icon } from "../parts/icon.tsx";
import { Sheet, useSheet } from "../parts/sheet.tsx";
import type { Film } from "../film/film.ts";
import { useAction } from "../state/action.ts";
import { notify, whileSaving } from "../state/activity.ts";
import { addFiles, uploads, type Upload } from "../state/uploads.ts";
import { formatBytes, formatMoment } from "../text/format.ts";

interface FilesProps {
  readonly db: Database<Film>;
  readonly doc: Doc<Film>;
  readonly isReadOnly: boolean;
}

/** Pictures up to this size are shown small beside their names where no small one was made of them. */
const thumbnailBytes = 8_000_000;

/** Whether a file can be looked at. Whether it may be is for the library to say, when it hands out its bytes. */
const isPicture = ({ type }: Attachment): boolean => /^image\/(?!svg)/.test(type);

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

interface FileRowProps extends FilesProps {
  readonly file: Attachment;
}

function FileRow({ db, doc, file, isReadOnly }: FileRowProps) {
  const small = useSmallPicture(db, doc, file);
  const sheet = useSheet();
  const save = useAction(async () => {
    const blob = await db.getAttachment(doc, file);
    saveBlob(blob, file.name);
  });
  const remove = useAction(async () => {
    await whileSaving(db.removeAttachment(doc, file));
    notify(`“${file.name}” was taken out. Undo brings it back.`);
  });
  return (
    <li class="file" data-testid="file">
      {small.value !== undefined && isPicture(file) ? (
        <button type="button" class="file-picture" aria-label={`Look at ${file.name}`} onClick={sheet.open}>
          <img src={small.value} alt="" />
        </button>
      ) : (
        <span class="file-picture">
          {small.value === undefined ? <Icon name="file" /> : <img src={small.value} alt="" />}
        </span>
      )}
      <span class="file-words">
        <span class="file-name">{file.name}</span>
        <span class="muted">
          {formatBytes(file.sizeBytes)} · {formatMoment(file.addedAtMs, Date.now())}
        </span>
      </span>
      <button
        type="button"
        class="button-icon"
        aria-label={`Save ${file.name}`}
        title="Save to this device's files"
        disabled={save.isBusy.value}
        onClick={() => save.run()}
      >
        <Icon name="download" />
      </button>
      {isReadOnly ? null : (
        <button
          type="button"
          class="button-icon"
          aria-label={`Take out ${file.name}`}
          title="Take out"
          disabled={remove.isBusy.value}
          onClick={() => remove.run()}
        >
          <Icon name="trash" />
        </button>
      )}
      <div class="file-errors">
        <ErrorNote error={save.error} />
        <ErrorNote error={remove.error} />
      </div>
      {small.value === undefined || !isPicture(file) ? null : (
        <Sheet sheet={sheet} title={file.name} testId="picture">
          <Picture db={db} doc={doc} file={file} small={small.value} />
        </Sheet>
      )}
    </li>
  );
}

/** A picture as large as it is; until it is here, the small one. */
function Picture({ db, doc, file, small }: Omit<FileRowProps, "isReadOnly"> & { readonly small: string }) {
  const whole = useAddress(() => db.getAttachment(doc, file), [file.id, file.sizeBytes]);
  return <img class="picture" src={whole.value ?? small} alt={file.name} />;
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

/** The address of a small picture, while its row is shown; none for other files, nor where its bytes cannot be had now. */
function useSmallPicture(db: Database<Film>, doc: Doc<Film>, file: Attachment): Signal<string | undefined> {
  const isMade = file.extracts.includes("thumbnail");
  const isSmall = isPicture(file) && file.sizeBytes <= thumbnailBytes;
  const get = isMade
    ? () => db.getAttachment(doc, file, { extract: "thumbnail" })
    : isSmall
      ? () => db.getAttachment(doc, file)
      : undefined;
  return useAddress(get, [file.id, file.sizeBytes, isMade]);
}

/** The address of a picture that is fetched, for as long as it is shown. */
function useAddress(
  get: (() => Promise<Blob>) | undefined,
  inputs: readonly unknown[],
): Signal<string | undefined> {
  const address = useSignal<string | undefined>(undefined);
  useEffect(() => {
    let isGone = false;
    get?.().then(
      (blob) => {
        // The library says what may be shown: a type that can hold a script comes as bytes only.
        if (!isGone && blob.type.startsWith("image/")) address.value = URL.createObjectURL(blob);
      },
      () => undefined,
    );
    return () => {
      isGone = true;
      if (address.peek() !== undefined) URL.revokeObjectURL(address.peek() ?? "");
      address.value = undefined;
    };
  }, inputs);
  return address;
}

function saveBlob(blob: Blob, name: string): void {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  // The browser reads it after the click.
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}
