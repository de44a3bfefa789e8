/** Where this machine gets Debian from, read out of its package sources: one-line (*.list) or deb822 (*.sources). */

/** The first address of Debian's main archive in the files' contents. */
export function debianMirror(files: readonly string[]): string | undefined {
  const address = /^(?:URIs:|deb\s+(?:\[[^\]]*\]\s*)?)\s*(https?:\/\/\S+?\/debian)\/?(?:\s|$)/m;
  for (const file of files) {
    const found = address.exec(file)?.[1];
    if (found !== undefined) return found;
  }
  return undefined;
}
