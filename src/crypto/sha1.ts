/** SHA-1 (FIPS 180-4) where a protocol fixes it and nothing rests on collisions: NAT detection (RFC 7296 §2.23). */
import { createHash } from "node:crypto";

export function sha1(parts: readonly Uint8Array[]): Uint8Array {
  const running = createHash("sha1");
  for (const part of parts) running.update(part);
  return new Uint8Array(running.digest());
}
