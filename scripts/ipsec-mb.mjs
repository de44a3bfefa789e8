// Prints 1 where Intel's ipsec-mb can be linked statically: x86-64, its header and its archive are installed.
import { existsSync } from "node:fs";

const header = "/usr/include/intel-ipsec-mb.h";
const archives = ["/usr/lib/x86_64-linux-gnu/libIPSec_MB.a", "/usr/lib/libIPSec_MB.a", "/usr/lib64/libIPSec_MB.a"];
const wanted = process.env.ESPLANADE_WITHOUT_IPSEC_MB !== "1" && process.arch === "x64";
console.log(wanted && existsSync(header) && archives.some((path) => existsSync(path)) ? 1 : 0);
