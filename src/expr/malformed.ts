/** Thrown inside this room only: what stopped the reading of an expression's text, and where. */
export class Malformed extends Error {
  readonly position: number;
  constructor(position: number, message: string) {
    super(message);
    this.position = position;
  }
}
