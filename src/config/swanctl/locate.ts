/** Where a setting stands in a configuration file: for whoever tells an operator which line to change. */
import type { ConfigSource } from "#config/gateway";
import { wipe } from "#crypto/octets";
import { Findings } from "./findings.ts";
import { inherit, type Section } from "./inherit.ts";
import { parseSwanctl } from "./parser.ts";
import { withTunnels } from "./short-form.ts";
import { placeToString, Source } from "./source.ts";
import type { ConfigWorld } from "./world.ts";

export interface Located {
  /** "hq.conf:12:5". */
  readonly place: string;
  /** False: the setting is not there; the place is the section's it belongs to. */
  readonly exact: boolean;
}

/** By "connections", "hq", "proposals"; undefined where not even its section is there. Wipes what it reads. */
export function locateSettings(
  main: ConfigSource,
  world: ConfigWorld,
  paths: readonly (readonly string[])[],
): readonly (Located | undefined)[] {
  const read: Uint8Array[] = [main.octets];
  try {
    const findings = new Findings("lenient");
    const keep = (octets: Uint8Array) => read.push(octets);
    const written = parseSwanctl(new Source(main.name, main.octets), world, keep, findings);
    const { root } = withTunnels(inherit(written, findings), findings);
    return paths.map((path) => locate(root, path));
  } finally {
    wipe(...read);
  }
}

function locate(root: Section, path: readonly string[]): Located | undefined {
  let section = root;
  for (const [depth, name] of path.entries()) {
    const setting = depth === path.length - 1 ? section.settings.get(name) : undefined;
    if (setting !== undefined) return { place: placeToString(setting), exact: true };
    // `local-1` and `local` are rounds of the same thing.
    const next = section.sections.get(name) ?? [...section.sections.values()].find((one) => one.name.startsWith(name));
    if (next === undefined) return depth === 0 ? undefined : { place: placeToString(section.place), exact: false };
    section = next;
  }
  return { place: placeToString(section.place), exact: true };
}
