/** IKE's slow work on this thread, as the gateway's workers do it. */
import type { Job, JobResult } from "#core/ike-job";
import { runJob } from "#crypto/ike-jobs";
import { loadAddon } from "#io/native";
import { type KeyExchangeAddon, nativeKeyExchange } from "#io/native-key-exchange";
import { systemRandom } from "#io/system-random";

export function slowWork(): (work: Job) => JobResult {
  const keyExchange = nativeKeyExchange(loadAddon() as KeyExchangeAddon);
  return (work) => runJob(work, { random: systemRandom, wallClock: Date.now(), keyExchange });
}
