/** Network namespaces as descriptors: without names, gone when the last descriptor and process in them are. */
import { type Descriptor, nativeIo } from "./native.ts";
import { isFailure, succeed, systemError } from "./system-error.ts";

export function newNamespace(): Descriptor {
  return succeed(nativeIo().newNamespace(), "new network namespace");
}

/**
 * Does the work while this thread is inside. Sockets, devices and processes it opens stay there; nothing that waits
 * may be in it, for the thread is back when it returns.
 */
export function inNamespace<Result>(namespace: Descriptor, work: () => Result): Result {
  const results: Result[] = [];
  const failure = nativeIo().inNamespace(namespace.fd, () => {
    results.push(work());
  });
  if (failure !== undefined && isFailure(failure)) throw systemError(failure, "network namespace");
  for (const result of results) return result;
  throw new Error("bug: the work was not done");
}
