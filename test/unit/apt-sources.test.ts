import { describe, expect, it } from 'vitest'
import { widenLines, widenStanzas } from '../support/servers/apt-sources.js'

const suites = ['bookworm', 'sid']

describe('the sources of packages that the test servers come from', () => {
  it('keep mirror, options and key, and gain the backports: in stanzas', () => {
    const text = [
      'Types: deb',
      '# The mirror of this site.',
      'URIs: http://mirror.example/debian',
      'Suites: bookworm bookworm-updates',
      'Components: main',
      'Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg',
      '',
      'Types: deb',
      'URIs: http://vendor.example/apt',
      'Suites: any',
      'Components: main',
      '',
    ].join('\n')
    const widened = widenStanzas(text, suites)
    expect(widened).toContain('Suites: bookworm bookworm-updates bookworm-backports\n')
    expect(widened).toContain('URIs: http://mirror.example/debian\n')
    expect(widened).toContain('Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg\n')
    expect(widened).not.toContain('vendor.example')
    expect(widenStanzas(widened, suites)).toBe(widened)
  })

  it('keep mirror, options and key, and gain the backports: in lines', () => {
    const options = '[arch=amd64 signed-by=/usr/share/keyrings/debian-archive-keyring.gpg]'
    const text = [
      '# deb http://old.example/debian bookworm main',
      `deb ${options} http://mirror.example/debian bookworm main contrib`,
      'deb-src http://mirror.example/debian bookworm main',
      'deb http://vendor.example/apt any main',
    ].join('\n')
    expect(widenLines(text, suites).trim().split('\n')).toEqual([
      `deb ${options} http://mirror.example/debian bookworm main contrib`,
      `deb ${options} http://mirror.example/debian bookworm-backports main contrib`,
    ])
  })

  it('are none where nothing belongs to the release', () => {
    expect(widenStanzas('Types: deb\nURIs: http://vendor.example/apt\nSuites: any\n', suites)).toBe('')
    expect(widenLines('deb http://vendor.example/apt any main\n', suites)).toBe('')
  })
})
