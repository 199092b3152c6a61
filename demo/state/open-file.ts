/** Files that stand open while something shows them. */
import { useSignal, type Signal } from "@preact/signals";
import type { Attachment, Database, Doc, OpenAttachment } from "cofferdb";
import { useEffect } from "preact/hooks";
import type { Film } from "../film/film.ts";

/** Open a file for as long as it is shown; `undefined` until it is open, and where it cannot be. */
export function useOpenFile(
  db: Database<Film>,
  doc: Doc<Film>,
  file: Attachment,
): Signal<OpenAttachment | undefined> {
  const shown = useSignal<OpenAttachment | undefined>(undefined);
  useEffect(() => {
    let isGone = false;
    db.openAttachment(doc, file).then(
      (open) => {
        if (isGone) open.dispose();
        else shown.value = open;
      },
      () => undefined,
    );
    return () => {
      isGone = true;
      shown.peek()?.dispose();
      shown.value = undefined;
    };
  }, [doc.id, file.id, file.sizeBytes]);
  return shown;
}

/** The address of a picture that is fetched, for as long as it is shown. */
export function useAddress(
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
