/**
 * State of a gateway as octets, from one process to the next on the same host: V8's structured clone, with arrays of octets and
 * numbers in a form of our own that copies them, so that what was read can be wiped.
 */
import { DefaultSerializer, Deserializer } from "node:v8";
import { assert } from "#core/errors";

const ARRAYS = [Uint8Array, Int32Array, Float64Array, Uint16Array, Uint32Array] as const;

/** The default one gives views of arrays to this method. */
class StateWriter extends DefaultSerializer {
  _writeHostObject(view: ArrayBufferView): void {
    // Buffers are arrays of octets.
    const type = ARRAYS.findIndex((array) => view instanceof array);
    assert(type >= 0, "a state has arrays of known kinds");
    this.writeUint32(type);
    this.writeUint32(view.byteLength);
    // A zero-length read at the end of V8's buffer fails.
    if (view.byteLength > 0) this.writeRawBytes(octetsOf(view));
  }
}

/** Short arrays, of which there are many, get no buffer of their own until somebody asks for it. */
function octetsOf(view: ArrayBufferView): Uint8Array {
  return view instanceof Uint8Array ? view : new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
}

class StateReader extends Deserializer {
  _readHostObject(): ArrayBufferView {
    const kind = ARRAYS[this.readUint32()];
    const length = this.readUint32();
    assert(kind !== undefined, "a state has arrays of known kinds");
    const octets = new Uint8Array(length);
    if (length > 0) octets.set(this.readRawBytes(length));
    return kind === Uint8Array ? octets : new kind(octets.buffer);
  }
}

/** What it returns holds secrets: the caller's to wipe. */
export function encodeState(state: unknown): Buffer {
  const writer = new StateWriter();
  writer.writeHeader();
  writer.writeValue(state);
  return writer.releaseBuffer();
}

/** Shares no memory with `octets`. What it is, is for the caller to know: both ends are this program. */
export function decodeState(octets: Buffer): unknown {
  const reader = new StateReader(octets);
  reader.readHeader();
  return reader.readValue();
}
