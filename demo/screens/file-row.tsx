/** One file of a document: what it is, what of it is on this device, and what can be done with it. */
import { useSignal, type Signal } from "@preact/signals";
import type { Attachment, AttachmentState, Database, Doc, OpenAttachment } from "cofferdb";
import { useEffect } from "preact/hooks";
import { ErrorNote } from "../parts/error-note.tsx";
import { Icon, type IconName } from "../parts/icon.tsx";
import { Sheet, useSheet } from "../parts/sheet.tsx";
import type { Film } from "../film/film.ts";
import { useAction } from "../state/action.ts";
import { notify, whileSaving } from "../state/activity.ts";
import { useAddress, useOpenFile } from "../state/open-file.ts";
import { formatBytes, formatMoment } from "../text/format.ts";

/** Pictures up to this size are shown small beside their names where no small one was made of them. */
const thumbnailBytes = 8_000_000;

type Look = "picture" | "video" | "audio";

/** How a file can be looked at. Whether it may be is for the library to say, when it hands out its bytes. */
function lookOf({ type }: Attachment): Look | undefined {
  if (/^image\/(?!svg)/.test(type)) return "picture";
  const [kind] = type.split("/");
  return kind === "video" || kind === "audio" ? kind : undefined;
}

interface FileRowProps {
  readonly db: Database<Film>;
  readonly doc: Doc<Film>;
  readonly file: Attachment;
  readonly isReadOnly: boolean;
}

/** Show a file. */
export function FileRow({ db, doc, file, isReadOnly }: FileRowProps) {
  const small = useSmallPicture(db, doc, file);
  const open = useOpenFile(db, doc, file);
  const state = open.value?.state.value;
  const sheet = useSheet();
  const save = useAction(async () => {
    const blob = await db.getAttachment(doc, file);
    saveBlob(blob, file.name);
  });
  const remove = useAction(async () => {
    await whileSaving(db.removeAttachment(doc, file));
    notify(`“${file.name}” was taken out. Undo brings it back.`);
  });
  const isPinned = state?.isPinned === true;
  const pin = useAction(async () => (isPinned ? open.value?.unpin() : open.value?.pin()));
  const look = lookOf(file);
  const isShown = look !== undefined && (look !== "picture" || small.value !== undefined);
  const face =
    small.value === undefined ? (
      <Icon name={look === "video" ? "play" : "file"} />
    ) : (
      <img src={small.value} alt="" />
    );
  return (
    <li class="file" data-testid="file" data-place={state?.place} data-pinned={isPinned}>
      {isShown ? (
        <button
          type="button"
          class="file-picture"
          aria-label={look === "picture" ? `Look at ${file.name}` : `Play ${file.name}`}
          onClick={sheet.open}
        >
          {face}
        </button>
      ) : (
        <span class="file-picture">{face}</span>
      )}
      <span class="file-words">
        <span class="file-name">{file.name}</span>
        <span class="muted">
          {formatBytes(file.sizeBytes)} · {formatMoment(file.addedAtMs, Date.now())}
        </span>
        <Whereabouts state={state} />
      </span>
      <span class="file-deeds">
        <button
          type="button"
          class="button-icon"
          aria-label={`Keep ${file.name} on this device`}
          aria-pressed={isPinned}
          title={isPinned ? "Kept on this device" : "Keep on this device"}
          disabled={pin.isBusy.value || state === undefined}
          onClick={() => pin.run()}
        >
          <Icon name="pin" />
        </button>
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
      </span>
      <div class="file-errors">
        <ErrorNote error={pin.error} />
        <ErrorNote error={save.error} />
        <ErrorNote error={remove.error} />
      </div>
      {isShown ? (
        <Sheet sheet={sheet} title={file.name} testId={look === "picture" ? "picture" : "player"}>
          {look === "picture" ? (
            <Picture db={db} doc={doc} file={file} small={small.value ?? ""} />
          ) : (
            <Player open={open} name={file.name} look={look} />
          )}
        </Sheet>
      ) : null}
    </li>
  );
}

/** Where a file is, where that is not what one takes for granted. */
function Whereabouts({ state }: { readonly state: AttachmentState | undefined }) {
  const said = state && whereaboutsOf(state);
  return said === undefined ? null : (
    <span class="muted file-place">
      <Icon name={said.icon} /> {said.words}
    </span>
  );
}

function whereaboutsOf({ isPinned, place }: AttachmentState): { icon: IconName; words: string } | undefined {
  if (place === "remote") return { icon: "cloud", words: "not on this device" };
  if (place === "partly") return { icon: "cloud", words: "partly on this device" };
  return isPinned ? { icon: "pin", words: "kept on this device" } : undefined;
}

/** A picture as large as it is; until it is here, the small one. */
function Picture({ db, doc, file, small }: Omit<FileRowProps, "isReadOnly"> & { readonly small: string }) {
  const whole = useAddress(() => db.getAttachment(doc, file), [file.id, file.sizeBytes]);
  return <img class="picture" src={whole.value ?? small} alt={file.name} />;
}

/** A film or a sound, read as far as it is played. */
function Player({
  open,
  name,
  look,
}: {
  readonly open: Signal<OpenAttachment | undefined>;
  readonly name: string;
  readonly look: "video" | "audio";
}) {
  const url = useSignal<string | undefined>(undefined);
  const error = useSignal<unknown>(undefined);
  useEffect(() => {
    open.value?.getUrl().then(
      (address) => (url.value = address),
      (cause: unknown) => (error.value = cause),
    );
  }, [open.value]);
  const shared = { class: "picture", src: url.value, controls: true, "aria-label": name };
  return (
    <>
      {look === "video" ? <video {...shared} playsInline /> : <audio {...shared} />}
      <ErrorNote error={error} />
    </>
  );
}

/** The address of a small picture, while its row is shown; none for other files, nor where its bytes cannot be had now. */
function useSmallPicture(db: Database<Film>, doc: Doc<Film>, file: Attachment): Signal<string | undefined> {
  const isMade = file.extracts.includes("thumbnail");
  const isSmall = lookOf(file) === "picture" && file.sizeBytes <= thumbnailBytes;
  const get = isMade
    ? () => db.getAttachment(doc, file, { extract: "thumbnail" })
    : isSmall
      ? () => db.getAttachment(doc, file)
      : undefined;
  return useAddress(get, [file.id, file.sizeBytes, isMade]);
}

function saveBlob(blob: Blob, name: string): void {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  // The browser reads it after the click.
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}
