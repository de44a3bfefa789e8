/** Whether tests may make network namespaces here; the reason they are skipped otherwise is printed. */
import type { TestOptions } from "node:test";
import { inNamespace, newNamespace } from "#io/namespace";
import type { Descriptor } from "#io/native";

function reason(): string | false {
  try {
    newNamespace().close();
    return false;
  } catch (error) {
    return `SKIPPED: no network namespaces: ${error instanceof Error ? error.message : String(error)}`;
  }
}

const SKIP = reason();
if (SKIP !== false) console.error(SKIP);

/** Options of a test that needs namespaces of its own. */
export const NEEDS_ROOT: TestOptions = { skip: SKIP, timeout: 60_000 };

/** A namespace that is gone with its scope, and with the process at the latest. */
export class Netns implements Disposable {
  readonly descriptor: Descriptor = newNamespace();

  run<Result>(work: () => Result): Result {
    return inNamespace(this.descriptor, work);
  }

  [Symbol.dispose](): void {
    this.descriptor.close();
  }
}
