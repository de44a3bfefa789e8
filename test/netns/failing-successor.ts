/**
 * Loaded in front of a gateway's program (NODE_OPTIONS): while the file that this variable names is there, a process that is to
 * take the gateway over ends at the worst moment, when the running one stands still and has given its state away.
 */
import fs, { existsSync } from "node:fs";
import { syncBuiltinESMExports } from "node:module";

// Those of process/hand-over.ts, which is not loaded before the program.
const TAKE_OVER = "ESPLANADE_TAKE_OVER";
const STATE = 5;

const { env } = process;
const { ESPLANADE_TEST_FAILING: file } = env;
if (file !== undefined && env[TAKE_OVER] !== undefined) {
  const { fstatSync } = fs;
  Object.assign(fs, {
    fstatSync: (fd: number) => {
      if (fd === STATE && existsSync(file)) process.exit(1);
      return fstatSync(fd);
    },
  });
  syncBuiltinESMExports();
}
