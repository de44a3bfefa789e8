/** What a configuration needs of its service: credentials that it names, and files that the service's user has to read. */

import type { CliIo } from "#cli/command";
import { loadConfiguration } from "#cli/configuration";
import { wipeSecrets } from "#config/swanctl/read";

const CREDENTIAL = "credential:";
const WORLD_READ = 0o004;

export interface ServiceNeeds {
  /** Names, in the order in which the configuration has them. */
  readonly credentials: readonly string[];
  /** Files that not everybody may read, with their permission bits. */
  readonly privateFiles: ReadonlyMap<string, number>;
}

/** `credentials`: the directory they lie in now. Throws ConfigError, SystemError. */
export function needsOf(file: string, credentials: string, io: CliIo): ServiceNeeds {
  const names = new Set<string>();
  const privateFiles = new Map<string, number>();
  const watching: CliIo = {
    ...io,
    readFile: (path) => {
      const credential = path.startsWith(CREDENTIAL) ? path.slice(CREDENTIAL.length) : undefined;
      if (credential !== undefined) names.add(credential);
      const read = io.readFile(credential === undefined ? path : `${credentials}/${credential}`);
      if (credential !== undefined) return { ...read, mode: 0o400 };
      if ((read.mode & WORLD_READ) === 0) privateFiles.set(path, read.mode);
      return read;
    },
  };
  wipeSecrets(loadConfiguration(file, watching).config);
  return { credentials: [...names], privateFiles };
}
