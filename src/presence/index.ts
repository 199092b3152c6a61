/**
 * presence: what members say to each other for the moment: who is here, where their cursor is, that they type.
 *
 * Guarantees
 * - a whisper opens for members who hold the key, in the database and the tenant that it was said in, and shows who said it
 * - what was heard is not heard again, and neither is what was said more than five minutes ago
 * - reading never throws, whatever the bytes, and nothing grows without bound
 *
 * Nothing of it is kept or merged. It does not know who is a member: its caller asks the directory before it listens.
 */
export {
  openWhisper,
  readWhisperHeader,
  sealWhisper,
  whisperLimits,
  type Saying,
  type Speaker,
  type WhisperHeader,
  type WhisperPlace,
  type WhisperVerdict,
} from "./whisper.ts";
export { Roster, rosterLimits, type Present } from "./roster.ts";
