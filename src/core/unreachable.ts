/** What an ICMP error says about the way to a peer. */
export type Unreachable = "refused" | "unreachable";

/** From errno's name as the kernel translates the error (icmp(7)); undefined: it says nothing about the way. */
export function unreachableReason(code: string): Unreachable | undefined {
  if (code === "ECONNREFUSED") return "refused";
  return code === "EHOSTUNREACH" || code === "ENETUNREACH" || code === "EACCES" ? "unreachable" : undefined;
}
