/** vici's answers to commands that do something. */
import { type Message, value } from "./message.ts";

export function success(...parts: readonly Message[]): Message {
  return [value("success", "yes"), ...parts].flat();
}

/** `success = no` and why. */
export function refusal(why: string, ...parts: readonly Message[]): Message {
  return [value("success", "no"), ...parts, value("errmsg", printable(why))].flat();
}

/** swanctl shows nothing of a text with a line end or anything but ASCII in it. */
function printable(text: string): string {
  return text
    .trim()
    .replaceAll(/\s*\n\s*/g, " | ")
    .replaceAll("\u2026", "...")
    .replaceAll(/[^ -~]/gu, "?");
}
