/** vici's answers to commands that do something. */
import { inOneLine, type Message, value } from "./message.ts";

export function success(...parts: readonly Message[]): Message {
  return [value("success", "yes"), ...parts].flat();
}

/** `success = no` and why. */
export function refusal(why: string, ...parts: readonly Message[]): Message {
  return [value("success", "no"), ...parts, value("errmsg", inOneLine(why.trim(), " | "))].flat();
}
