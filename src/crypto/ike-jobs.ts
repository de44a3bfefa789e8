/** Runs IKE's slow work, on whatever thread. */
import type { Job, JobResult } from "#core/ike-job";
import type { KeyExchangeProvider } from "#core/key-exchange-provider";
import type { RandomSource } from "#core/ports";
import { signHash } from "./isakmp-signature.ts";
import { agree, generateKey, KeyExchangeError, respond } from "./key-agreement.ts";
import { wipe } from "./octets.ts";
import { verifyPeer } from "./peer-verification.ts";
import { SignatureError, signAuth } from "./signature.ts";

export interface JobWorld {
  readonly random: RandomSource;
  /** Epoch milliseconds. */
  readonly wallClock: number;
  readonly keyExchange: KeyExchangeProvider;
}

/** Never throws: what goes wrong comes back as `failed`. Wipes the secrets in the job, so they are to be copies. */
export function runJob(job: Job, world: JobWorld): JobResult {
  try {
    return run(job, world);
  } catch (error) {
    if (error instanceof KeyExchangeError || error instanceof SignatureError)
      return { kind: "failed", why: error.message };
    // Only the name: what others say of secrets is not known.
    const name = error instanceof Error ? error.name : "no Error";
    return { kind: "failed", why: `${job.kind} ended with a fault of ours (${name}): report it` };
  } finally {
    if (job.kind === "ke-agree") wipe(job.privateKey);
    if (job.kind === "sign" || job.kind === "sign-hash") wipe(job.pkcs8);
  }
}

function run(job: Job, { random, wallClock, keyExchange }: JobWorld): JobResult {
  switch (job.kind) {
    case "ke-generate":
      return { kind: "ke-generate", ...generateKey(job.method, random, keyExchange) };
    case "ke-agree":
      return { kind: "ke-agree", shared: agree(job.method, job.privateKey, job.publicKey, keyExchange) };
    case "ke-respond":
      return { kind: "ke-respond", ...respond(job.method, job.publicKey, random, keyExchange) };
    case "sign":
      return { kind: "sign", ...signAuth(job) };
    case "sign-hash":
      return { kind: "sign", method: job.method, signature: signHash(job) };
    case "verify-peer":
      return verifyPeer(job, wallClock);
    default:
      return job satisfies never;
  }
}
