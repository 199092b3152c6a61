/**
 * How strong a password is, in plain words, and passwords that are made for people.
 *
 * A password is refused when it has fewer than 8 characters, when it is one of the commonest (also with digits and signs
 * hung on), or when it is one short pattern repeated or counted on. The score is an estimate for display only.
 */
import { CofferError } from "../std/index.ts";
import type { Crypto } from "../crypto/index.ts";

const leastCharacters = 8;
const judgedCharacters = 128;
const leastUnpredictable = 4;
const leastManaged = 16;

/** What {@link checkPassword} says: `ok` decides; score (0 … 4) and hint are for people. */
export interface PasswordCheck {
  readonly ok: boolean;
  readonly score: 0 | 1 | 2 | 3 | 4;
  readonly hint: string;
}

/** Judge a password. Only its first 128 characters count, so that any length is judged at once. */
export function checkPassword(password: string): PasswordCheck {
  const start = password.slice(0, judgedCharacters * 2).normalize("NFKC");
  const characters = Array.from(start).slice(0, judgedCharacters);
  if (characters.length < leastCharacters) {
    return {
      ok: false,
      score: 0,
      hint: `Use at least ${leastCharacters} characters. A few words in a row are good.`,
    };
  }
  if (isCommon(characters.join(""))) {
    return {
      ok: false,
      score: 0,
      hint: "This is one of the first passwords anyone would try. Choose another one.",
    };
  }
  const unpredictable = countUnpredictable(characters);
  if (unpredictable < leastUnpredictable) {
    return { ok: false, score: 0, hint: "This is a simple pattern. Choose something that does not repeat." };
  }
  const bits = unpredictable * Math.log2(alphabetSize(characters));
  if (bits < 40)
    return { ok: true, score: 1, hint: "Weak: someone with a stolen copy could guess it. Make it longer." };
  if (bits < 60) return { ok: true, score: 2, hint: "Fair. Another word or two would make it strong." };
  if (bits < 80) return { ok: true, score: 3, hint: "Strong." };
  return { ok: true, score: 4, hint: "Very strong." };
}

/** @throws `input/weak-password` with the hint as its message, when {@link checkPassword} refuses the password */
export function requirePassword(password: string): void {
  const { ok, hint } = checkPassword(password);
  if (!ok) throw new CofferError("input/weak-password", { message: hint });
}

/**
 * For what leaves the device (invitations, handed-on keys, backups): whoever gets hold of it guesses for as long as they like, and
 * begins with what people choose. Three words or more will do, or what a password manager makes.
 *
 * @throws `input/weak-password` with a hint as its message
 */
export function requireStrongPassword(password: string): void {
  requirePassword(password);
  const { score } = checkPassword(password);
  const isOfWords = score >= 3 && countWords(password) >= 3;
  if (isOfWords || (score === 4 && isFromManager(password))) return;
  throw new CofferError("input/weak-password", {
    message:
      "Whoever gets hold of it can guess for as long as they like: use the password that is offered, or four words.",
  });
}

function countWords(password: string): number {
  return new Set(password.normalize("NFKC").match(/[\p{L}\p{N}]{3,}/gu)).size;
}

/** 16 characters or more, small and capital letters and digits among them. */
function isFromManager(password: string): boolean {
  return password.length >= leastManaged && [/[a-z]/, /[A-Z]/, /[0-9]/].every((kind) => kind.test(password));
}

const consonants = "bdfghjklmnprstvz";
const vowels = "aiou";

/**
 * Create a password to be read aloud: four made-up words of consonant, vowel, consonant, vowel, consonant; 64 random bits.
 *
 * @see Wilkerson, "A Proposal for Proquints: Identifiers that are Readable, Spellable, and Pronounceable", 2009
 */
export function createSharePassword(crypto: Pick<Crypto, "randomBytes">): string {
  const random = crypto.randomBytes(8);
  const words: string[] = [];
  for (let i = 0; i < random.length; i += 2)
    words.push(proquint(((random[i] ?? 0) << 8) | (random[i + 1] ?? 0)));
  return words.join("-");
}

function proquint(value: number): string {
  const consonant = (shift: number): string => consonants.charAt((value >> shift) & 15);
  const vowel = (shift: number): string => vowels.charAt((value >> shift) & 3);
  return consonant(12) + vowel(10) + consonant(6) + vowel(4) + consonant(0);
}

/** Characters that are no neighbour of the one before (`aa`, `ab`, `21`) and form no pair that was there before. */
function countUnpredictable(characters: readonly string[]): number {
  let count = 0;
  let previousCode = 0;
  const seenPairs = new Set<string>();
  for (const [index, character] of characters.entries()) {
    const code = character.codePointAt(0) ?? 0;
    const pair = `${characters[index - 1] ?? ""}${character}`;
    const isStep = index > 0 && Math.abs(code - previousCode) <= 1;
    if (!isStep && !seenPairs.has(pair)) count++;
    seenPairs.add(pair);
    previousCode = code;
  }
  return count;
}

function alphabetSize(characters: readonly string[]): number {
  const text = characters.join("");
  let size = 0;
  if (/[a-z]/.test(text)) size += 26;
  if (/[A-Z]/.test(text)) size += 26;
  if (/[0-9]/.test(text)) size += 10;
  if (text.includes(" ")) size += 1;
  if (/[!-/:-@[-`{-~]/.test(text)) size += 33;
  if (/[\u0080-\u{10ffff}]/u.test(text)) size += 100;
  return size;
}

function isCommon(password: string): boolean {
  const folded = password.toLowerCase();
  const bare = folded.replaceAll(/^[^a-z]+|[^a-z]+$/g, "");
  const spelled = bare.replaceAll(/[0134579@$]/g, (sign) => spellings[sign] ?? sign);
  return commonest.has(folded) || commonest.has(bare) || commonest.has(spelled);
}

const spellings: Readonly<Record<string, string>> = {
  "0": "o",
  "1": "l",
  "3": "e",
  "4": "a",
  "5": "s",
  "7": "t",
  "9": "g",
  "@": "a",
  $: "s",
};

/* The heads of every published list of leaked passwords, without what hangs on them. */
const commonest: ReadonlySet<string> = new Set(
  (
    "password passwort passw passwd pass secret geheim admin administrator root user login welcome willkommen hello hallo " +
    "qwerty qwertyui qwertyuiop qwertz qwertzui qwertzuiop azerty azertyuiop asdf asdfgh asdfghjk asdfghjkl yxcvbnm zxcvbnm " +
    "qwer qweasd qweasdzxc qazwsx qazwsxedc wasd abc abcd abcde abcdef abcdefg abcdefgh test tester testing guest master " +
    "letmein changeme default iloveyou ichliebedich lovely loveme sunshine princess dragon monkey football baseball " +
    "basketball superman batman spiderman starwars pokemon shadow michael jennifer jordan charlie ashley daniel jessica " +
    "thomas computer internet samsung google facebook whatever trustno freedom flower summer winter spring autumn sommer " +
    "schatz mustang ferrari mercedes chocolate butterfly liverpool chelsea arsenal barcelona juventus correcthorsebatterystaple " +
    "1q2w3e4r 1q2w3e4r5t 1qaz2wsx zaq12wsx q1w2e3r4 1234qwer qwer1234 a1b2c3d4 11223344 12341234 13131313 12121212 69696969 " +
    "31415926 27182818 19841984 87654321 123456789 1234567890 0123456789 987654321 147258369 159357456 789456123 741852963"
  ).split(" "),
);
