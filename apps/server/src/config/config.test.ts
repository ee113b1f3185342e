import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { loadSettings } from './load-settings.js'
import { environmentName, flagName, isSecret, settingNames } from './settings.js'

const folder = mkdtempSync(join(tmpdir(), 'flowfabric-config-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const file = (name: string, content: string) => {
  const path = join(folder, name)
  writeFileSync(path, content)
  return path
}

describe('settings', () => {
  it('come from defaults, file, environment and flags, the later ones first', () => {
    const path = file('full.json', '{ "port": 1, "host": "a", "logLevel": "warn" }')
    const { settings, sources } = loadSettings({
      env: { FF_CONFIG: path, FF_HOST: 'b', FF_LOG_LEVEL: 'error', FF_SCANNERS: 'false', HOME: '/root' },
      flags: { logLevel: 'debug', backend: undefined },
    })
    expect(settings).toMatchObject({
      port: 1,
      host: 'b',
      logLevel: 'debug',
      scanners: false,
      folder: '.flowfabric',
    })
    expect(sources).toMatchObject({
      port: `file ${path}`,
      host: 'environment FF_HOST',
      logLevel: 'flag',
      folder: 'default',
      backend: 'default',
    })
  })

  it('take secrets from files, without the line’s end', () => {
    const path = file('token', 'a-secret-of-some-length\n')
    expect(loadSettings({ env: { FF_TOKEN_FILE: path } }).settings.token).toBe('a-secret-of-some-length')
  })

  it.each([
    [{ FF_POSTGRESS_URL: 'x' }, 'FF_POSTGRES_URL'],
    [{ FF_TOKN: 'x' }, 'FF_TOKEN'],
    [{ FF_HOST_FILE: 'x' }, 'There is no environment variable FF_HOST_FILE'],
    [{ FF_PORT: 'eighty' }, 'port (environment FF_PORT)'],
    [{ FF_PORT: '65536' }, 'port'],
    [{ FF_TOKEN: 'short' }, 'token'],
    [{ FF_BACKEND: 'mysql' }, 'backend'],
    [{ FF_TOKEN_FILE: '/nonexistent/token' }, 'FF_TOKEN_FILE'],
    [{ FF_CONFIG: '/nonexistent/config' }, 'cannot be read'],
  ])('%j is refused, naming %s', (env, named) => {
    expect(() => loadSettings({ env })).toThrow(
      expect.objectContaining({ code: 'invalid_configuration', message: expect.stringContaining(named) }),
    )
  })

  it.each([
    ['{ "prot": 1 }', 'did you mean port?'],
    ['[1]', 'must hold an object'],
    ['{', 'cannot be read as JSON'],
  ])('a file with %s is refused: %s', (content, named) => {
    expect(() => loadSettings({ env: {}, file: file('bad.json', content) })).toThrow(
      expect.objectContaining({ message: expect.stringContaining(named) }),
    )
  })

  it('never put a secret into a message', () => {
    try {
      loadSettings({ env: { FF_TOKEN: 'tooshort' } })
    } catch (error) {
      expect((error as Error).message).not.toContain('tooshort')
    }
    expect(settingNames.filter(isSecret)).toEqual([
      'postgresUrl',
      'postgresListenUrl',
      'valkeyUrl',
      'token',
      'signingKeys',
    ])
  })

  it('have a name in each place', () => {
    expect(environmentName('postgresConnectionsMax')).toBe('FF_POSTGRES_CONNECTIONS_MAX')
    expect(flagName('postgresUrl')).toBe('--postgres-url')
  })
})
