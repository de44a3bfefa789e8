// Removes from dist what no source stands behind any more: a deleted test would go on running, a moved file go on loading.
import { existsSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";

const OUTPUT = /(\.js|\.js\.map|\.d\.ts)$/;

export function removeStaleOutputs(root) {
  for (const room of ["src", "test", "bench"]) {
    const directory = join(root, "dist", room);
    if (!existsSync(directory)) continue;
    for (const name of readdirSync(directory, { recursive: true }).map(String)) {
      const source = name.replace(OUTPUT, ".ts");
      if (OUTPUT.test(name) && !existsSync(join(root, room, source))) rmSync(join(directory, name));
    }
  }
}
