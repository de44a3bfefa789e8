/** What reading a swanctl.conf needs of its surroundings: files and their names. Everything else is text. */

/** A file's octets, which the reader wipes, and its permission bits. */
export interface WorldFile {
  readonly octets: Uint8Array;
  readonly mode: number;
}

/** Paths are absolute, or relative to what the main file's name is relative to. */
export interface ConfigWorld {
  /** Throws when the file cannot be read; the error's message is shown. */
  read(path: string): WorldFile;
  /** Files whose path fits, sorted; none is no error. `*`, `?` and `[…]` never match a slash. */
  glob(pattern: string): readonly string[];
}
