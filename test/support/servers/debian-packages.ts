import { execFile } from 'node:child_process'
import { mkdir, mkdtemp, readdir, rename, rm, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { readAptSources } from './apt-sources.js'

const run = promisify(execFile)

const aptWithinMs = 180_000

/**
 * Unpacks Debian's or Ubuntu's package of that name, with the libraries that this machine lacks, into a
 * folder. Nothing is installed, root isn't needed, and apt's own lists and caches aren't touched.
 */
export async function unpackPackage(name: string, target: string): Promise<void> {
  const place = dirname(target)
  await mkdir(place, { recursive: true })
  const work = await mkdtemp(join(place, 'unpacking-'))
  try {
    const archives = await download(name, work)
    const unpacked = join(work, 'unpacked')
    for (const archive of archives) await run('dpkg-deb', ['--extract', archive, unpacked])
    // At once, so that nobody ever sees half of it.
    await rm(target, { recursive: true, force: true })
    await rename(unpacked, target)
  } finally {
    await rm(work, { recursive: true, force: true })
  }
}

async function download(packageName: string, work: string): Promise<string[]> {
  const archives = join(work, 'cache', 'archives')
  const parts = join(work, 'parts')
  for (const folder of [join(archives, 'partial'), join(work, 'lists', 'partial'), parts]) {
    await mkdir(folder, { recursive: true })
  }
  const sources = await readAptSources()
  if (sources.length === 0) throw new Error('apt knows no source of packages for this release')
  for (const { name, text } of sources) await writeFile(join(parts, name), text)
  const config = join(work, 'apt.conf')
  await writeFile(config, aptConfig(work))
  // A release may have no backports, and a mirror may lack a part: what matters is what the next call finds.
  const updated = await apt(config, '-qq', 'update')
  const install = ['-qq', '-y', '--no-install-recommends', '--download-only', 'install', packageName]
  const fetched = await apt(config, ...install)
  const names = (await readdir(archives)).filter((name) => name.endsWith('.deb'))
  if (!fetched.isGood || !names.some((name) => name.startsWith(`${packageName}_`))) {
    throw new Error(`apt-get has no ${packageName} for this release:\n${updated.said}\n${fetched.said}`)
  }
  return names.map((name) => join(archives, name))
}

/** apt warns of a mirror that it cannot reach, and calls that a success. */
async function apt(config: string, ...args: string[]): Promise<{ isGood: boolean; said: string }> {
  const options = {
    timeout: aptWithinMs,
    env: { ...process.env, LC_ALL: 'C', DEBIAN_FRONTEND: 'noninteractive' },
  }
  return run('apt-get', ['-c', config, ...args], options).then(
    ({ stderr }) => ({ isGood: true, said: stderr.trim() }),
    (error: Error & { stderr?: string }) => ({ isGood: false, said: error.stderr?.trim() || error.message }),
  )
}

/** Read after the machine's own configuration, which may name a proxy. */
function aptConfig(work: string): string {
  return `
Dir::Etc::SourceList "/dev/null";
Dir::Etc::SourceParts "${work}/parts";
Dir::State::Lists "${work}/lists";
Dir::Cache "${work}/cache";
// Downloads are done by whoever runs the tests: the usual user of apt cannot write here.
APT::Sandbox::User "root";
// No lock of the machine's, which only root may take; nothing is installed.
Debug::NoLocking "true";
// Images for containers clear the machine's caches after an update.
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
#clear DPkg::Post-Invoke;
// The lists of packages alone: no translations, icons or contents of files.
#clear Acquire::IndexTargets;
Acquire::IndexTargets::deb::Packages {
  MetaKey "$(COMPONENT)/binary-$(ARCHITECTURE)/Packages";
  flatMetaKey "Packages";
  ShortDescription "Packages";
  Description "$(RELEASE)/$(COMPONENT) $(ARCHITECTURE) Packages";
};
`
}
