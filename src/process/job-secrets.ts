/**
 * Secrets of jobs between threads. They are moved, not copied: each gets memory of its own that goes over as a whole, and
 * what it was copied from is wiped.
 */
import type { Job, JobResult } from "#core/ike-job";
import { wipe } from "#crypto/octets";

/** Octets that are the whole of their ArrayBuffer. */
export type OwnOctets = Uint8Array<ArrayBuffer>;

function moved(secret: Uint8Array): OwnOctets {
  const own = new Uint8Array(secret.length);
  own.set(secret);
  wipe(secret);
  return own;
}

/** A job and the memory of its secrets. The given one's are wiped: they are the receiver's. */
export function packJob(work: Job): { readonly work: Job; readonly secrets: readonly OwnOctets[] } {
  if (work.kind === "ke-agree") {
    const privateKey = moved(work.privateKey);
    return { work: { ...work, privateKey }, secrets: [privateKey] };
  }
  if (work.kind === "sign" || work.kind === "sign-hash") {
    const pkcs8 = moved(work.pkcs8);
    return { work: { ...work, pkcs8 }, secrets: [pkcs8] };
  }
  return { work, secrets: [] };
}

/** For a job that nobody runs. */
export function wipeJob(work: Job): void {
  for (const secret of packJob(work).secrets) wipe(secret);
}

/** Results may lie in memory they share with others (Node's pool of Buffers): secrets are moved out of it. */
export function withOwnMemory(result: JobResult): JobResult {
  if (result.kind === "ke-generate") return { ...result, privateKey: moved(result.privateKey) };
  if (result.kind === "ke-agree" || result.kind === "ke-respond") return { ...result, shared: moved(result.shared) };
  return result;
}

/** Of a result that came through `withOwnMemory`. */
export function secretsOfResult(result: JobResult): readonly OwnOctets[] {
  const secret = result.kind === "ke-generate" ? result.privateKey : "shared" in result ? result.shared : undefined;
  return secret !== undefined && secret.buffer instanceof ArrayBuffer ? [new Uint8Array(secret.buffer)] : [];
}
