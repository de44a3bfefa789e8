/** Files that the command line or a configuration names. */
import { closeSync, constants, existsSync, fstatSync, openSync, readdirSync, readSync, writeFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { SystemError } from "#core/errors";
import type { FileContent } from "./command.ts";

const REMEDIES: Readonly<Record<string, string>> = {
  ENOENT: "there is no such file: check the path",
  EACCES: "this user may not read it: check its owner and mode",
  EISDIR: "it is a directory: name a file in it",
  EEXIST: "it is there already and stays as it is: remove it, or take another name",
};

const CREDENTIAL = "credential:";
/** As systemd.exec(5) has them. */
const CREDENTIAL_NAME = /^(?!\.{1,2}$)[A-Za-z0-9._-]{1,255}$/;
/** Who may see a credential is the service manager's matter, by means that these bits do not show. */
const CREDENTIAL_MODE = 0o400;

/** Octets: more is no configuration, key, certificate or CRL, and a running gateway is not to be filled. */
const LARGEST = 64 * 1024 * 1024;

/**
 * Octets and permissions of the same open file: it cannot be exchanged in between. Waits for nobody who writes into a pipe.
 * `credential:NAME` is one of the service's.
 */
export function readFile(path: string): FileContent {
  const credential = path.startsWith(CREDENTIAL) ? path.slice(CREDENTIAL.length) : undefined;
  const place = credential === undefined ? path : placeOfCredential(credential);
  let descriptor: number | undefined;
  try {
    descriptor = openSync(place, constants.O_RDONLY | constants.O_NONBLOCK);
    const found = fstatSync(descriptor);
    if (!found.isFile() && !found.isDirectory())
      throw new SystemError("EINVAL", "read", path, "it is a pipe, socket or device: name a regular file");
    if (found.size > LARGEST)
      throw new SystemError(
        "EFBIG",
        "read",
        path,
        `it has ${found.size} octets where ${LARGEST} are the most: check the path`,
      );
    return {
      octets: readUpTo(descriptor, found.size),
      mode: credential === undefined ? found.mode & 0o7777 : CREDENTIAL_MODE,
    };
  } catch (cause) {
    if (cause instanceof SystemError) throw cause;
    const { code = "EIO", syscall = "read" } = errnoOf(cause);
    const remedy =
      credential === undefined || code !== "ENOENT"
        ? REMEDIES[code]
        : `${dirname(place)} has none of this name: the unit needs LoadCredential=${credential}:PATH`;
    throw Object.assign(new SystemError(code, syscall, path, remedy), { cause });
  } finally {
    if (descriptor !== undefined) closeSync(descriptor);
  }
}

/** Throws SystemError. */
function placeOfCredential(name: string): string {
  const { CREDENTIALS_DIRECTORY: directory = "" } = process.env;
  if (!CREDENTIAL_NAME.test(name))
    throw new SystemError("EINVAL", "open", `${CREDENTIAL}${name}`, "take letters, digits, '.', '_' and '-'");
  if (directory === "")
    throw new SystemError(
      "ENOENT",
      "open",
      `${CREDENTIAL}${name}`,
      "no service manager gave this process credentials: set CREDENTIALS_DIRECTORY to the directory where they lie",
    );
  return join(directory, name);
}

/** As many octets as it had: what is added meanwhile belongs to the next look. */
function readUpTo(descriptor: number, size: number): Uint8Array {
  const octets = new Uint8Array(size);
  let at = 0;
  while (at < size) {
    const count = readSync(descriptor, octets, at, size - at, null);
    if (count === 0) break;
    at += count;
  }
  return octets.subarray(0, at);
}

/** A new file that its owner alone may read. Throws SystemError, also when there is one of that name. */
export function createPrivateFile(path: string, octets: Uint8Array): void {
  let descriptor: number | undefined;
  try {
    descriptor = openSync(path, "wx", 0o600);
    writeFileSync(descriptor, octets);
  } catch (cause) {
    const { code = "EIO", syscall = "open" } = errnoOf(cause);
    throw Object.assign(new SystemError(code, syscall, path, REMEDIES[code]), { cause });
  } finally {
    if (descriptor !== undefined) closeSync(descriptor);
  }
}

function errnoOf(error: unknown): { readonly code?: string; readonly syscall?: string } {
  if (!(error instanceof Error)) return {};
  const code = "code" in error && typeof error.code === "string" ? { code: error.code } : {};
  const syscall = "syscall" in error && typeof error.syscall === "string" ? { syscall: error.syscall } : {};
  return { ...code, ...syscall };
}

/** A path in a configuration is relative to the configuration's own directory. */
export function relativeTo(configPath: string, path: string): string {
  return path.startsWith(CREDENTIAL) ? path : resolve(dirname(configPath), path);
}

/** As glob(7): a leading dot is matched by a dot only. What cannot be listed holds nothing. */
export function glob(pattern: string): readonly string[] {
  const segments = pattern.split("/").filter((segment) => segment !== "");
  let found = [pattern.startsWith("/") ? "/" : ""];
  for (const segment of segments)
    found = /[*?[]/.test(segment)
      ? found.flatMap((folder) => entriesOf(folder, segmentPattern(segment), segment.startsWith(".")))
      : found.map((folder) => join(folder, segment)).filter((path) => existsSync(path));
  return found.sort();
}

function entriesOf(folder: string, pattern: RegExp, dots: boolean): string[] {
  try {
    return readdirSync(folder === "" ? "." : folder)
      .filter((name) => pattern.test(name) && (dots || !name.startsWith(".")))
      .map((name) => join(folder, name));
  } catch {
    return [];
  }
}

function segmentPattern(segment: string): RegExp {
  const parts = segment.split(/(\*|\?|\[[!^]?\]?[^\]]*\])/);
  const source = parts.map((part, i) => {
    if (i % 2 === 0) return part.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
    if (part === "*") return ".*";
    if (part === "?") return ".";
    const inverted = /^\[[!^]/.test(part);
    const set = part.slice(inverted ? 2 : 1, -1).replace(/[\\\]^[]/g, "\\$&");
    return `[${inverted ? "^" : ""}${set}]`;
  });
  try {
    return new RegExp(`^${source.join("")}$`, "s");
  } catch {
    // "[z-a]": a range of nothing.
    return /(?!)/;
  }
}
