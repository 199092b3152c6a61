/** Which types a file may be shown as: a closed list. */

/** pictures, films and sounds that a browser draws or plays and never runs; plain text */
const inline: ReadonlySet<string> = new Set(
  [
    ["image", "apng avif bmp gif heic heif jpeg jxl png tiff vnd.microsoft.icon webp x-icon"],
    ["video", "3gpp matroska mp4 mpeg ogg quicktime webm x-m4v x-matroska"],
    ["audio", "aac flac mp4 mpeg ogg opus wav webm x-flac x-m4a x-wav"],
    ["text", "plain"],
  ].flatMap(([kind, names = ""]) => names.split(" ").map((name) => `${kind}/${name}`)),
);

const unknownType = "application/octet-stream";

/**
 * The type that a file's bytes are handed out under as a `Blob`: its own where nothing of that type can run as a page, or where the browser's
 * own viewer shows it (PDF), `application/octet-stream` otherwise. So no file that somebody added ever speaks for the application, whatever it
 * says it is.
 */
export function safeType(type: string): string {
  return type === "application/pdf" ? type : inlineType(type);
}

/** The same for an address, which could be opened as a page: a PDF, which may hold scripts, is bytes there. */
export function inlineType(type: string): string {
  return inline.has(type) ? type : unknownType;
}
