/** What is wrong with a path, and what to do, by the system's code. */
const anyUse: Readonly<Record<string, string>> = {
  EISDIR: "it is a directory: name a file",
  ENOTDIR: "a part of its path is a file, and not a directory: check the path",
  ENOSPC: "the disk is full: make room first",
  EDQUOT: "the disk quota is used up: make room first",
  EFBIG: "it would be larger than the system allows (ulimit -f)",
  EROFS: "its file system is read-only: name a file elsewhere",
  ENAMETOOLONG: "its name is too long",
  ELOOP: "its symbolic links lead in a circle",
  EMFILE: "too many files are open (ulimit -n)",
  EIO: "the disk reports an error",
};
const reading: Readonly<Record<string, string>> = {
  ENOENT: "there is no such file: check the path",
  EACCES: "this user may not read it: check its permissions",
  EPERM: "this user may not read it: check its permissions",
};
const writing: Readonly<Record<string, string>> = {
  ENOENT: "its directory does not exist: create it first",
  EACCES: "this user may not write there: check the permissions, or name a file elsewhere",
  EPERM: "this user may not write there: check the permissions, or name a file elsewhere",
};

/** Why a file cannot be read or written, in plain words, with the system's code. */
export function fileProblem(error: unknown, use: "read" | "write"): string {
  const { code = "", message } = error as NodeJS.ErrnoException;
  const problem = (use === "read" ? reading : writing)[code] ?? anyUse[code];
  return problem === undefined ? message : `${problem} (${code})`;
}
