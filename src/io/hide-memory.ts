/** Keeps what this process holds out of core dumps and out of the sight of other processes of the same user. */
import { nativeIo } from "./native.ts";
import { systemError } from "./system-error.ts";

export function hideMemory(): void {
  const failure = nativeIo().hideMemory();
  if (failure !== undefined) throw systemError(failure, "hiding this process's memory");
}
