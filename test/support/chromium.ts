import { existsSync } from "node:fs";
import { mkdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { inflate } from "@sparticuz/chromium";
import { type Browser, chromium } from "playwright-core";

const root = fileURLToPath(new URL("../..", import.meta.url));

/** A headless Chromium out of npm: nothing has to be installed on the machine, shared libraries included. */
export async function launchChromium(): Promise<Browser> {
  const folder = await unpack();
  return await chromium.launch({
    executablePath: join(folder, "chromium"),
    env: {
      ...process.env,
      LD_LIBRARY_PATH: join(folder, "al2023", "lib"),
      FONTCONFIG_FILE: join(folder, "fonts.conf"),
    } as Record<string, string>,
    args: [
      "--no-sandbox",
      "--disable-gpu",
      "--disable-quic",
      "--no-first-run",
      "--disable-background-networking",
      "--disable-component-update",
      "--disable-sync",
    ],
  });
}

const fontsConf = (folder: string) => `<?xml version="1.0"?>
<!DOCTYPE fontconfig SYSTEM "fonts.dtd">
<fontconfig>
  <dir>${folder}/fonts</dir>
  <cachedir>${folder}/fonts-cache</cachedir>
</fontconfig>
`;

/**
 * Unpacks the browser once for each version. Test files run side by side: each unpacks into a folder of
 * its own, and the one that is done first gives it the final name.
 */
async function unpack(): Promise<string> {
  const entry = createRequire(import.meta.url).resolve("@sparticuz/chromium");
  const home = dirname(dirname(entry));
  const { version } = JSON.parse(await readFile(join(home, "package.json"), "utf8"));
  const folder = join(root, "node_modules", ".cache", `chromium-${version}-with-fonts`);
  if (existsSync(folder)) {
    return folder;
  }
  const own = `${folder}.${process.pid}`;
  await mkdir(own, { recursive: true });
  // inflate() writes to the system's folder for temporary files, which it looks up as it begins.
  const before = process.env.TMPDIR;
  process.env.TMPDIR = own;
  const done = Promise.all(
    ["chromium.br", "fonts.tar.br", "al2023.tar.br"].map((file) =>
      inflate(join(home, "bin", file)),
    ),
  );
  if (before === undefined) {
    delete process.env.TMPDIR;
  } else {
    process.env.TMPDIR = before;
  }
  await done;
  // The fonts' own configuration knows other folders, and without a font Chromium ends at an <input>.
  await writeFile(join(own, "fonts.conf"), fontsConf(folder));
  await rename(own, folder).catch(async (error: unknown) => {
    if (!existsSync(folder)) {
      throw error;
    }
    await rm(own, { recursive: true });
  });
  return folder;
}
