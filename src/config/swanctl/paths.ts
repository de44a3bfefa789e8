/** Paths of files that a configuration names. */

/** In place of a path: a credential that the service manager gives the process (systemd.exec(5), LoadCredential). */
export const CREDENTIAL = "credential:";

/** "" for a bare name. */
export function directoryOf(path: string): string {
  const slash = path.lastIndexOf("/");
  return slash < 0 ? "" : slash === 0 ? "/" : path.slice(0, slash);
}

/** `path` as seen from a directory, without "." and with ".." only in front; a credential stays what it is. */
export function pathIn(directory: string, path: string): string {
  if (path.startsWith(CREDENTIAL)) return path;
  const whole = path.startsWith("/") || directory === "" ? path : `${directory}/${path}`;
  const parts: string[] = [];
  for (const part of whole.split("/")) {
    if (part === "" || part === ".") continue;
    if (part === ".." && parts.length > 0 && parts.at(-1) !== "..") parts.pop();
    else if (part !== ".." || !whole.startsWith("/")) parts.push(part);
  }
  return `${whole.startsWith("/") ? "/" : ""}${parts.join("/")}`;
}
