/** Accounts of the system, and beginning anew as one of them. */
import { nativeIo } from "./native.ts";
import { isFailure, systemError } from "./system-error.ts";

export interface Account {
  readonly uid: number;
  readonly gid: number;
  /** Its own group and those it is in besides. */
  readonly groups: Uint32Array;
}

/** undefined: there is none. Throws SystemError. */
export function findAccount(name: string): Account | undefined {
  const found = nativeIo().findAccount(name);
  if (found !== undefined && isFailure(found)) throw systemError(found, `account ${name}`);
  return found;
}

/** Executes this very command line again as the account, with these capabilities by number and no way to others. */
export function becomeUser(name: string, { uid, gid, groups }: Account, capabilities: readonly number[]): never {
  const words = [process.execPath, ...process.execArgv, ...process.argv.slice(1)];
  const environment = Object.entries(process.env).map(([key, value]) => `${key}=${value ?? ""}`);
  const wanted = Uint32Array.from(capabilities);
  const failure = nativeIo().becomeUser(uid, gid, groups, wanted, process.execPath, words, environment);
  throw systemError(failure, `going on as ${name}`);
}
