/** Where the native addon may lie. */
import { join } from "node:path";

export interface Platform {
  readonly platform: string;
  readonly arch: string;
}

/** In the order in which they are tried: what was built here is newer than what was delivered. */
function addonPlaces(root: string, { platform, arch }: Platform): readonly string[] {
  return [join(root, "build/Release/esplanade.node"), join(root, `prebuilds/${platform}-${arch}/esplanade.node`)];
}

/** The first one that is there; an error says what to do where none is. */
export function chooseAddon(root: string, machine: Platform, exists: (path: string) => boolean): string {
  const found = addonPlaces(root, machine).find(exists);
  if (found !== undefined) return found;
  const remedy = exists(join(root, "scripts/setup.mjs"))
    ? "run `npm run setup`"
    : "install the package on linux-x64 or linux-arm64, or build it from a clone with `npm run setup`";
  throw new Error(`no native addon for ${machine.platform}-${machine.arch} in ${root}; ${remedy}`);
}
