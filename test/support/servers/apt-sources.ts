import { readdir, readFile } from 'node:fs/promises'
import { basename, join } from 'node:path'

export interface AptSource {
  /** With the ending that tells apt the format: `.sources` or `.list`. */
  name: string
  text: string
}

/** Names that some machines give a release instead of its codename. */
const rollingNames = ['stable', 'oldstable', 'testing', 'unstable', 'sid', 'devel']

/**
 * The machine's own sources of its release, each with the release's backports beside it. Mirrors, keys and
 * options stay as they are; what belongs to no release, such as a vendor's repository, is left out.
 */
export async function readAptSources(): Promise<AptSource[]> {
  const release = await readFile('/etc/os-release', 'utf8')
  const codename =
    /^UBUNTU_CODENAME=(.+)$/m.exec(release)?.[1] ?? /^VERSION_CODENAME=(.+)$/m.exec(release)?.[1]
  const suites = [...(codename === undefined ? [] : [codename]), ...rollingNames]
  const folder = '/etc/apt/sources.list.d'
  const paths = [
    '/etc/apt/sources.list',
    ...(await readdir(folder).catch(() => [])).map((name) => join(folder, name)),
  ]
  const found: AptSource[] = []
  for (const path of paths) {
    const widen = path.endsWith('.sources') ? widenStanzas : path.endsWith('.list') ? widenLines : undefined
    const text = widen?.(await readFile(path, 'utf8').catch(() => ''), suites)
    if (text) found.push({ name: basename(path), text })
  }
  return found
}

/** The format of several lines for each source, with an empty one between them. */
export function widenStanzas(text: string, suites: readonly string[]): string {
  return text
    .split(/\n\s*\n/)
    .flatMap((stanza) => {
      const named = /^Suites:(.*)$/im.exec(stanza)?.[1]?.trim().split(/\s+/) ?? []
      const suite = named.find((each) => suites.includes(each))
      if (suite === undefined) return []
      const all = new Set([...named, `${suite}-backports`])
      return [stanza.replace(/^Suites:.*$/im, `Suites: ${[...all].join(' ')}`).trim()]
    })
    .map((stanza) => `${stanza}\n`)
    .join('\n')
}

/** The format of one line for each source. */
export function widenLines(text: string, suites: readonly string[]): string {
  const lines = text.split('\n').flatMap((line) => {
    const [, source, suite = '', components] =
      /^(deb\s+(?:\[[^\]]*\]\s+)?\S+)\s+(\S+)\s+(.*)$/.exec(line.trim()) ?? []
    if (!suites.includes(suite)) return []
    return [`${source} ${suite} ${components}`, `${source} ${suite}-backports ${components}`]
  })
  return [...new Set(lines)].map((line) => `${line}\n`).join('')
}
