import { engineError } from '@flowfabric/core'
import type { Address } from './address.js'

/** What a connection URL says; what it leaves open is `undefined`. */
export interface UrlParts {
  readonly address: Address
  readonly hasTls: boolean
  readonly username: string | undefined
  readonly password: string | undefined
  readonly db: number | undefined
}

const tlsByScheme: Readonly<Record<string, boolean>> = {
  'valkey:': false,
  'redis:': false,
  'valkeys:': true,
  'rediss:': true,
}
const DEFAULT_PORT = 6_379

/** Throws `invalid_configuration`, and never repeats the URL, which may hold a password. */
export function readUrl(text: string): UrlParts {
  const url = URL.canParse(text) ? new URL(text) : refuse('it does not parse')
  const hasTls = tlsByScheme[url.protocol] ?? refuse(`its scheme is ${url.protocol}//`)
  if (url.hostname === '') refuse('it names no host')
  // What another client understands there would be left undone without a word.
  if (url.search !== '' || url.hash !== '') refuse('it has a query or a fragment, which mean nothing here')
  const path = /^\/?(\d*)\/?$/.exec(url.pathname) ?? refuse('its path is not the number of a database')
  return {
    address: {
      host: url.hostname.replace(/^\[(.*)\]$/, '$1'),
      port: url.port === '' ? DEFAULT_PORT : Number(url.port),
    },
    hasTls,
    username: decode(url.username),
    password: decode(url.password),
    db: path[1] ? Number(path[1]) : undefined,
  }
}

function decode(part: string): string | undefined {
  if (part === '') return undefined
  try {
    return decodeURIComponent(part)
  } catch {
    return refuse('its user or password has a percent sign that is not part of an escape')
  }
}

function refuse(why: string): never {
  throw engineError(
    'invalid_configuration',
    `The url is not valkey://, redis://, valkeys:// or rediss:// as it should be: ${why}`,
  )
}
