/** What live tests of IKEv1 have in common. */
import { IKE_PLAN_1, type IkePlan } from "#lab/ike-config";
import type { TunnelPlan } from "./live-pair.ts";

/** What Debian's strongSwan 5.9.8 negotiates with itself by version 1, from DES to GCM. */
export const VERSION_1_PROPOSALS: readonly (readonly [ike: string, esp: string])[] = [
  ["des-md5-modp768", "des-md5-modp768"],
  ["des-sha1-modp1024", "des-sha1-modp1024"],
  ["3des-md5-modp1024", "3des-md5-modp1024"],
  ["3des-sha1-modp1024", "3des-sha1"],
  ["3des-sha1-modp2048", "3des-sha1-modp2048"],
  ["aes128-sha1-modp1024", "null-sha1"],
  ["aes128-sha1-modp1536", "null-md5"],
  ["aes256-sha256-ecp256", "aes256-sha256-ecp256"],
  ["aes256-sha384-ecp384", "aes128gcm16-ecp384"],
];

/** Ours is told that weak algorithms are meant; strongSwan does not know that line. */
export function version1(plan: Partial<IkePlan>, more: Omit<TunnelPlan, "plan"> = {}): TunnelPlan {
  const connection = [plan.connection, more.ours?.connection, "allow_weak = yes"].join("\n");
  return { plan: { ...IKE_PLAN_1, ...plan }, ...more, ours: { ...more.ours, connection } };
}
