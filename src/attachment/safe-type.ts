/** Which types a file may be shown as. */

/** pictures, films and sounds, but for pictures that can hold scripts; plain text; what the browser's own viewer shows */
const shown =
  /^(?:image\/(?!svg)[a-z0-9.+-]+|video\/[a-z0-9.+-]+|audio\/[a-z0-9.+-]+|text\/plain|application\/pdf)$/;

/**
 * The type that a file's bytes are handed out under: its own where nothing of that type can run as a page, `application/octet-stream`
 * otherwise. So no file that somebody added ever speaks for the application, whatever it says it is.
 */
export function safeType(type: string): string {
  return shown.test(type) ? type : "application/octet-stream";
}
