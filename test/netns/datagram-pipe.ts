/**
 * One end of a relay between network namespaces, run as a program: `listen ADDRESS PORT` writes each datagram to stdout,
 * `send ADDRESS PORT` sends each that comes in on stdin. Between the two a test decides what gets lost. Each datagram
 * travels behind its length in two octets.
 */
import { createSocket } from "node:dgram";

const [mode, address, port] = process.argv.slice(2);
const LENGTH_OCTETS = 2;

function listen(): void {
  const socket = createSocket({ type: "udp4", recvBufferSize: 4 << 20 });
  socket.on("message", (datagram) => {
    const length = Buffer.alloc(LENGTH_OCTETS);
    length.writeUInt16BE(datagram.length);
    process.stdout.write(Buffer.concat([length, datagram]));
  });
  socket.bind(Number(port), address, () => process.stderr.write("listening\n"));
}

function send(): void {
  const socket = createSocket("udp4");
  let rest = Buffer.alloc(0);
  process.stdin.on("data", (chunk: Buffer) => {
    rest = Buffer.concat([rest, chunk]);
    while (rest.length >= LENGTH_OCTETS && rest.length >= LENGTH_OCTETS + rest.readUInt16BE()) {
      const end = LENGTH_OCTETS + rest.readUInt16BE();
      socket.send(Buffer.from(rest.subarray(LENGTH_OCTETS, end)), Number(port), address);
      rest = rest.subarray(end);
    }
  });
}

if (mode === "listen") listen();
else send();
