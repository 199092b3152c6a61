/** Saving a stream as a file of the person's choice. */

/** The part of the File System Access API that is used, where a browser has it. */
interface FilePicker {
  showSaveFilePicker?(options: { suggestedName: string }): Promise<{
    createWritable(): Promise<WritableStream<Uint8Array>>;
  }>;
}

/**
 * Write a stream into a file: straight to the disk where the browser lets one choose a place, otherwise as a download.
 *
 * @returns false when the person changed their mind; then nothing of the stream was read
 * @throws what the stream throws
 */
export async function saveFile(
  name: string,
  stream: ReadableStream<Uint8Array>,
  onProgress: (sizeBytes: number) => void,
): Promise<boolean> {
  const { showSaveFilePicker } = globalThis as FilePicker;
  if (showSaveFilePicker === undefined) {
    saveBlob(name, await new Response(counted(stream, onProgress)).blob());
    return true;
  }
  const handle = await showSaveFilePicker({ suggestedName: name }).catch((error: unknown) => {
    if (error instanceof DOMException && error.name === "AbortError") return undefined;
    throw error;
  });
  if (handle === undefined) await stream.cancel();
  else await counted(stream, onProgress).pipeTo(await handle.createWritable());
  return handle !== undefined;
}

function counted(
  stream: ReadableStream<Uint8Array>,
  onProgress: (sizeBytes: number) => void,
): ReadableStream<Uint8Array<ArrayBuffer>> {
  let sizeBytes = 0;
  return stream.pipeThrough(
    new TransformStream<Uint8Array, Uint8Array<ArrayBuffer>>({
      transform(bytes, controller) {
        sizeBytes += bytes.length;
        onProgress(sizeBytes);
        controller.enqueue(bytes as Uint8Array<ArrayBuffer>);
      },
    }),
  );
}

/** Hand a file to the browser as a download. */
export function saveBlob(name: string, blob: Blob): void {
  const url = URL.createObjectURL(blob);
  const link = document.createElement("a");
  link.href = url;
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
}
