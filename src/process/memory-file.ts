/** State on its way between two processes: in memory alone, never in a file system. */
import { closeSync, fstatSync, readSync, writeSync } from "node:fs";
import { type Descriptor, nativeIo } from "#io/native";
import { succeed, systemError } from "#io/system-error";
import { decodeState, encodeState } from "./state-codec.ts";

const SUBJECT = "memory for the next process";

export function openMemoryFile(): Descriptor {
  return succeed(nativeIo().openMemoryFile(), SUBJECT);
}

/** Once; afterwards its length is final. */
export function writeState({ fd }: Descriptor, state: unknown): void {
  const octets = encodeState(state);
  try {
    for (let at = 0; at < octets.length; ) at += writeSync(fd, octets, at, octets.length - at, at);
  } finally {
    octets.fill(0);
  }
  const failure = nativeIo().sealMemory(fd);
  if (failure !== undefined) throw systemError(failure, SUBJECT);
}

/** What was written, which is wiped there; the descriptor is closed. */
export function takeState(fd: number): unknown {
  const octets = Buffer.alloc(fstatSync(fd).size);
  try {
    for (let at = 0; at < octets.length; ) {
      const read = readSync(fd, octets, at, octets.length - at, at);
      if (read === 0) break;
      at += read;
    }
    return decodeState(octets);
  } finally {
    octets.fill(0);
    for (let at = 0; at < octets.length; ) at += writeSync(fd, octets, at, octets.length - at, at);
    closeSync(fd);
  }
}
