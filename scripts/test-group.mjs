// Several test files in one process, one after the other.
for (const path of process.argv.slice(2)) await import(path);
